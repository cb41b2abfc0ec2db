"""SphereNet against the same net of ordinary convolutions, and norms in small batches.

    python examples/benchmarks/spherenet_images.py --data DIR
    python examples/benchmarks/spherenet_images.py --data DIR --tables batches

Both nets are regularised alike: their filters are pulled towards orthogonality. Without that
the operator and the regulariser would be confounded, as they are in the published comparison.
"""

import argparse
import platform
import time
from pathlib import Path

import numpy as np
import torch
from datasets import add_data_option, load_images

from sphereskl import SphereNetClassifier
from sphereskl.nn import Regularizer, SphereCNN

NETS = {
    "conv": {"spherical": False},
    "sphere, cosine": {"operator": "cosine"},
    "sphere, sigmoid k=0.3": {"operator": "sigmoid", "k": 0.3},
}
NORMS = {
    "conv, batch": {"spherical": False, "norm": "batch"},
    "sphere, batch": {"norm": "batch"},
    "sphere, sphere": {"norm": "sphere"},
    "sphere, both": {"norm": "both"},
}


def subset(args):
    """Return as many training and test images as requested, with labels."""
    X_train, y_train, X_test, y_test = load_images(args.images, args.data)
    order = np.random.default_rng(0).permutation(len(X_train))[: args.rows]
    return X_train[order], y_train[order], X_test[: args.test_rows], y_test[: args.test_rows]


def fit(args, data, seed, *, n_epochs, batch_size=64, device="auto", **net):
    """Train one net; return the estimator, its test accuracy and log loss, and seconds."""
    X_train, y_train, X_test, y_test = data
    classifier = SphereNetClassifier(
        backbone=SphereCNN(depth=args.depth, widths=tuple(args.widths), **net),
        loss="normface",
        regularizer=Regularizer("orthogonal", layers="all"),
        max_epochs=n_epochs,
        batch_size=batch_size,
        input_shape=X_train.shape[1:],
        random_state=seed,
        weight_decay=0.0,
        lr=args.lr,
        device=device,
    )
    start = time.perf_counter()
    classifier.fit(X_train, y_train)
    seconds = time.perf_counter() - start
    probability = classifier.predict_proba(X_test)
    loss = -np.log(probability[np.arange(len(y_test)), y_test] + 1e-12).mean()
    return classifier, (probability.argmax(axis=1) == y_test).mean(), loss, seconds


def table_of_nets(args, data):
    """Accuracy and loss after the same number of epochs, and the curves of the loss."""
    print("| net | test accuracy | test loss | training loss, last epoch | s a fit |")
    print("|---|---|---|---|---|", flush=True)
    curves = {}
    for name, net in NETS.items():
        runs = [
            fit(args, data, seed, n_epochs=args.epochs, norm="batch", **net)
            for seed in range(args.seeds)
        ]
        curves[name] = np.array([run[0].loss_curve_ for run in runs])
        accuracy, loss, seconds = (np.array([run[i] for run in runs]) for i in (1, 2, 3))
        print(
            f"| {name} | {accuracy.mean():.4f} ± {accuracy.std(ddof=1):.4f} "
            f"| {loss.mean():.4f} ± {loss.std(ddof=1):.4f} "
            f"| {curves[name][:, -1].mean():.4f} | {seconds.mean():.0f} |",
            flush=True,
        )
    print("\nTraining loss by epoch, mean of the seeds:\n")
    print("| epoch | " + " | ".join(curves) + " |")
    print("|---" * (len(curves) + 1) + "|")
    for epoch in range(args.epochs):
        means = " | ".join(f"{curve[:, epoch].mean():.3f}" for curve in curves.values())
        print(f"| {epoch + 1} | {means} |")
    if args.picture:
        draw(curves, args.picture)


def draw(curves, path):
    """Draw the training loss of every net, with the spread over seeds."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for name, curve in curves.items():
        epochs = np.arange(1, curve.shape[1] + 1)
        axes.plot(epochs, curve.mean(axis=0), label=name)
        axes.fill_between(epochs, curve.min(axis=0), curve.max(axis=0), alpha=0.2)
    axes.set(xlabel="epoch", ylabel="training loss (cross-entropy, NormFace)", yscale="log")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def table_of_batches(args, data):
    """Test loss and accuracy for every batch size, the same number of epochs each."""
    print("| batch size | " + " | ".join(NORMS) + " |")
    print("|---" * (len(NORMS) + 1) + "|", flush=True)
    few = data[0][: args.batch_rows], data[1][: args.batch_rows], *data[2:]
    for batch_size in args.batch_sizes:
        cells = []
        for net in NORMS.values():
            runs = [
                fit(args, few, seed, n_epochs=args.batch_epochs, batch_size=batch_size, **net)
                for seed in range(args.seeds)
            ]
            accuracy, loss = (np.array([run[i] for run in runs]) for i in (1, 2))
            cells.append(f"{accuracy.mean():.3f} ± {accuracy.std(ddof=1):.3f}, {loss.mean():.3f}")
        print(f"| {batch_size} | " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_data_option(parser)
    parser.add_argument("--images", default="fashion_mnist", help="set of images")
    parser.add_argument("--tables", nargs="+", default=["nets", "batches"])
    parser.add_argument("--rows", type=int, default=2500, help="training images")
    parser.add_argument("--test-rows", type=int, default=4000, help="test images")
    parser.add_argument("--depth", type=int, default=9)
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--batch-rows", type=int, default=1000)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[2, 4, 8, 32])
    parser.add_argument("--batch-epochs", type=int, default=3)
    parser.add_argument("--picture", type=Path, help="where to draw the curves of the loss")
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = subset(args)
    print(
        f"{args.images}, {len(data[0])} training and {len(data[2])} test images, "
        f"SphereCNN(depth={args.depth}, widths={tuple(args.widths)}), {args.seeds} seeds, "
        f"torch {torch.__version__}, Python {platform.python_version()}\n"
    )
    if "nets" in args.tables:
        table_of_nets(args, data)
        print()
    if "batches" in args.tables:
        table_of_batches(args, data)


if __name__ == "__main__":
    main()
