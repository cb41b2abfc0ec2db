"""What augmentation is worth on small sets of images: accuracy with and without, three seeds.

    python examples/benchmarks/augmentation.py --data DIR --out augmentation.csv
    python examples/benchmarks/augmentation.py --out augmentation.csv --print

Every fit is a row of the CSV file, written when it is done: the program resumes after the last
row. The table has the mean accuracy on test images, and its standard deviation.
"""

import argparse
import csv
import time
from pathlib import Path

import numpy as np
from datasets import add_data_option, load_images

from sphereskl import ConvNet, HypersphericalPrototypeClassifier, ImageAugmentation

WAYS = {
    "none": None,
    "mirror": {"shift": 0},
    "mirror, alternating": {"mirror": "alternate", "shift": 0},
    "shift 2": {"mirror": None},
    "mirror + shift 2": {},
    "mirror + shift 4": {"shift": 4},
    "mirror + crop 0.5": {"shift": 0, "crop": 0.5},
    "mirror + shift 2 + rotate 10": {"rotate": 10.0},
    "mirror + shift 2 + erase": {"erase": 0.5},
    "mirror + shift 2 + mixup": {"mixup": 0.2},
    "mirror + shift 2 + cutmix": {"cutmix": 1.0},
    "mirror + shift 2, predictions mirrored": {"mirror_predictions": True},
}
FIELDS = ["images", "rows", "epochs", "way", "seed", "accuracy", "log_loss", "seconds"]


def subset(name, args):
    """Return as many training images as requested, and test images, with labels."""
    X_train, y_train, X_test, y_test = load_images(name, args.data)
    order = np.random.default_rng(0).permutation(len(X_train))[: args.rows]
    return X_train[order], y_train[order], X_test[: args.test_rows], y_test[: args.test_rows]


def fit(data, way, seed, args):
    """Train one network; return test accuracy, log loss, and seconds of the fit."""
    X_train, y_train, X_test, y_test = data
    options = WAYS[way]
    classifier = HypersphericalPrototypeClassifier(
        backbone=ConvNet(widths=tuple(args.widths), n_blocks=args.blocks),
        augmentation=None if options is None else ImageAugmentation(**options),
        input_shape=X_train.shape[1:],
        max_epochs=args.epochs,
        random_state=seed,
        device=args.device,
    )
    start = time.perf_counter()
    classifier.fit(X_train, y_train)
    seconds = time.perf_counter() - start
    probability = classifier.predict_proba(X_test)
    accuracy = np.mean(classifier.classes_[probability.argmax(axis=1)] == y_test)
    loss = -np.log(probability[np.arange(len(y_test)), y_test] + 1e-12).mean()
    return {"accuracy": accuracy, "log_loss": loss, "seconds": seconds}


def done(path):
    """Return the rows of a CSV file, none if there is no file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def run(args):
    """Fit what the file has no row of."""
    keys = FIELDS[:5]
    found = {tuple(row[key] for key in keys) for row in done(args.out)}
    if not found:
        with args.out.open("w", newline="") as file:
            csv.writer(file).writerow(FIELDS)
    sets = {name: subset(name, args) for name in args.images}
    for seed in range(args.seeds):
        for name, data in sets.items():
            for way in args.ways:
                about = [name, args.rows, args.epochs, way, seed]
                if tuple(map(str, about)) in found:
                    continue
                result = fit(data, way, seed, args)
                with args.out.open("a", newline="") as file:
                    csv.writer(file).writerow([*about, *(f"{v:.4f}" for v in result.values())])
                print(*about, result, flush=True)


def print_table(rows):
    """Print a Markdown table: a line for every way, a column for every set of images."""
    sets = sorted({(row["images"], row["rows"], row["epochs"]) for row in rows})
    heads = [f"{name}, {n_rows} images, {epochs} epochs" for name, n_rows, epochs in sets]
    print("| augmentation |", " | ".join(heads), "|")
    print("|---" * (1 + len(sets)) + "|")
    tried = {row["way"] for row in rows}
    for way in (way for way in WAYS if way in tried):
        cells = []
        for which in sets:
            found = [
                100 * float(row["accuracy"])
                for row in rows
                if row["way"] == way and (row["images"], row["rows"], row["epochs"]) == which
            ]
            text = f"{np.mean(found):.1f} ± {np.std(found):.1f} ({len(found)})" if found else ""
            cells.append(text)
        print(f"| {way} |", " | ".join(cells), "|")


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_data_option(parser)
    parser.add_argument("--out", type=Path, default=Path("augmentation.csv"), metavar="CSV")
    parser.add_argument("--images", nargs="+", default=["fashion_mnist", "cifar10"])
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--test-rows", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--widths", type=int, nargs="+", default=[32, 64, 128])
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--print", action="store_true", help="print the table of what is there")
    args = parser.parse_args()
    if not args.print:
        run(args)
    print_table(done(args.out))


if __name__ == "__main__":
    main()
