"""SphereNet-9 on CIFAR-10 by the authors' recipe, and a baseline with the same regulariser.

    python examples/benchmarks/spherenet_cifar10.py --data DIR              hours on a GPU
    python examples/benchmarks/spherenet_cifar10.py --data DIR --rows 256 --epochs 1

The published comparison gives orthogonality to the SphereNet alone and weight decay to the
baseline alone, and reports the best of 128 evaluations on the test set. Here every net is also
trained with the other's regulariser, and the last iterate counts.
"""

import argparse
import platform
import time

import numpy as np
import torch
from datasets import add_data_option, load_images
from torch import nn

from sphereskl import SphereNetClassifier
from sphereskl.nn import Regularizer, SphereCNN

NETS = {
    "conv": {"spherical": False},
    "cosine": {"operator": "cosine"},
    "linear": {"operator": "linear"},
    "sigmoid k=0.3": {"operator": "sigmoid", "k": 0.3},
    "sigmoid, learned k": {"operator": "sigmoid", "k": 0.75, "learn_k": "channel"},
}
REGULARIZERS = {"orthogonality": Regularizer("orthogonal", exact=True, layers="all"), "none": None}


class Mirror(nn.Module):
    """Scale pixels as the authors do, and mirror half of the images while training."""

    def forward(self, x):
        if self.training:
            mirrored = torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5
            x = torch.where(mirrored, x.flip(-1), x)
        return (x - 127.5) / 128


def network(widths, **options):
    """Return a function that builds the net for images of a shape."""

    def build(input_shape):
        config = SphereCNN(depth=9, widths=widths, **options)
        return nn.Sequential(Mirror(), config.build(input_shape, embedding_dim=256))

    return build


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_data_option(parser)
    parser.add_argument("--nets", nargs="+", default=list(NETS), choices=list(NETS))
    parser.add_argument("--regularizers", nargs="+", default=list(REGULARIZERS))
    parser.add_argument("--rows", type=int, default=50_000, help="training images")
    parser.add_argument("--test-rows", type=int, default=10_000, help="test images")
    parser.add_argument("--widths", type=int, nargs="+", default=[128, 192, 256])
    parser.add_argument("--epochs", type=int, default=164, help="64,000 steps of 128 images")
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    X_train, y_train, X_test, y_test = load_images("cifar10", args.data)
    kept = np.random.default_rng(0).permutation(len(X_train))[: args.rows]
    X_test, y_test = X_test[: args.test_rows], y_test[: args.test_rows]
    print(
        f"CIFAR-10, {len(kept)} training and {len(X_test)} test images, {args.epochs} epochs, "
        f"{args.seeds} seeds, torch {torch.__version__}, Python {platform.python_version()}\n"
    )
    print("| net | regulariser | test accuracy, last iterate | training loss | s a fit | device |")
    print("|---|---|---|---|---|---|", flush=True)
    for name in args.nets:
        for regularizer in args.regularizers:
            accuracy, loss, seconds = [], [], []
            for seed in range(args.seeds):
                classifier = SphereNetClassifier.parity(
                    backbone=network(tuple(args.widths), **NETS[name]),
                    regularizer=REGULARIZERS[regularizer],
                    max_epochs=args.epochs,
                    validation_fraction=0,
                    random_state=seed,
                )
                start = time.perf_counter()
                classifier.fit(X_train[kept], y_train[kept])
                seconds.append(time.perf_counter() - start)
                accuracy.append(classifier.score(X_test, y_test))
                loss.append(classifier.loss_curve_[-1])
            spread = np.std(accuracy, ddof=1) if args.seeds > 1 else np.nan
            print(
                f"| {name} | {regularizer} | {np.mean(accuracy):.4f} ± {spread:.4f} "
                f"| {np.mean(loss):.4f} | {np.mean(seconds):.0f} | {classifier.device_} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
