"""Rotated digits: a class and an angle from one network, or from two.

The experiment of Mettes, van der Pol and Snoek (2019, section 4.3): digits 2, 3, 4, 5 and 7
are turned by up to 180 degrees, and both the digit and the angle are to be found. Prints the
tables of docs/benchmarks/joint.md, with scikit-learn's digits or with MNIST:

    python examples/benchmarks/joint.py [digits mnist] [--data DIR]

Only pictures of the evaluation half are used; defaults were chosen on the other half.
"""

import argparse
import platform
import time
from functools import partial

import numpy as np
import torch
from datasets import add_data_option, halves, load_images
from scipy.ndimage import rotate
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import sphereskl
from sphereskl import (
    HypersphericalMultiTask,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
)

# No digit of these looks like another one turned, or like itself turned half-way.
DIGITS = (2, 3, 4, 5, 7)
HIGHEST_ANGLE = 180.0
# Turned copies of a picture that is trained on, and of one that is tested.
COPIES = {"digits": (10, 5), "mnist": (2, 1)}
TEST_SHARE = 0.3


def load_pictures(name, options, half):
    """Upright pictures and digits of one half."""
    if name == "digits":
        X, digit = load_digits(return_X_y=True)
        X = X.reshape(-1, 8, 8)
    else:
        X, digit, _, _ = load_images("mnist", options.data)
    kept = np.isin(digit, DIGITS)
    X, digit = X[kept].astype(np.float64), digit[kept]
    rows = halves(len(X), limit=options.rows)[half == "evaluation"]
    return X[rows], digit[rows]


def turned(X, digit, n_copies, rng):
    """Flat pictures, each turned by random angles, with digit and angle."""
    X, digit = np.repeat(X, n_copies, axis=0), np.repeat(digit, n_copies)
    angle = rng.uniform(0, HIGHEST_ANGLE, len(X))
    turned = [rotate(x, a, reshape=False, order=1) for x, a in zip(X, angle, strict=True)]
    return np.reshape(turned, (len(X), -1)), digit, angle


def split(X, digit, copies, seed):
    """Training and test pictures, turned after the split."""
    rng = np.random.default_rng(seed)
    X_train, X_test, digit_train, digit_test = train_test_split(
        X, digit, test_size=TEST_SHARE, stratify=digit, random_state=seed
    )
    return turned(X_train, digit_train, copies[0], rng), turned(X_test, digit_test, copies[1], rng)


def n_parameters(*models):
    return sum(p.numel() for model in models for p in model.module_.backbone.parameters())


def separate(train, X_test, *, loss="gaussian", **common):
    X, digit, angle = train
    classifier = HypersphericalPrototypeClassifier(**common).fit(X, digit)
    regressor = HypersphericalRegressor(bounds=(0, HIGHEST_ANGLE), loss=loss, **common)
    regressor.fit(X, angle)
    size = n_parameters(classifier, regressor)
    return classifier.predict(X_test), regressor.predict(X_test), size


def joint(train, X_test, *, task_weight=None, **common):
    X, digit, angle = train
    model = HypersphericalMultiTask(bounds=(0, HIGHEST_ANGLE), **common)
    if task_weight is not None:
        model.set_params(task_weight=task_weight)
    model.fit(X, (digit, angle))
    return *model.predict(X_test), n_parameters(model)


def run(fit, options, name):
    """Accuracy, mean absolute error in degrees, parameters and seconds, a row for every seed."""
    X, digit = load_pictures(name, options, options.half)
    rows = []
    for seed in range(options.seeds):
        train, (X_test, digit_test, angle_test) = split(X, digit, COPIES[name], seed)
        start = time.perf_counter()
        found, angle, size = fit(train, X_test, random_state=seed, max_epochs=options.epochs)
        seconds = time.perf_counter() - start
        hits, error = np.mean(found == digit_test), np.abs(angle - angle_test).mean()
        rows.append([hits, error, size, seconds])
    return np.array(rows), len(train[0]), len(X_test)


def mean_and_error(values, digits, sign=""):
    error = values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():{sign}.{digits}f} ± {error:.{digits}f}"


def report(name, options):
    contenders = {
        "separate": separate,
        'separate, loss="squared"': partial(separate, loss="squared"),
        "joint": joint,
    }
    for weight in options.weights:
        contenders[f"joint, task_weight={weight:g}"] = partial(joint, task_weight=weight)
    results = {}
    for title, fit in contenders.items():
        rows, n_train, n_test = results[title] = run(fit, options, name)
        if title == "separate":
            print(f"{name}: {n_train:,} pictures to train on, {n_test:,} to test\n")
            print("| model | accuracy | angle, MAE in degrees | parameters | s |", end="")
            print(" accuracy - separate | MAE - separate |")
            print("|---|---|---|---|---|---|---|")
        gap = rows - results["separate"][0]
        cells = [
            title,
            mean_and_error(rows[:, 0], 4),
            mean_and_error(rows[:, 1], 2),
            f"{rows[0, 2]:,.0f}",
            f"{rows[:, 3].mean():.1f}",
            mean_and_error(gap[:, 0], 4, "+"),
            mean_and_error(gap[:, 1], 2, "+"),
        ]
        print("| " + " | ".join(cells) + " |", flush=True)
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="*", default=["digits"], metavar="digits|mnist")
    parser.add_argument("--rows", type=int, default=10_000, help="upright pictures at the most")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--weights", type=float, nargs="*", default=[], help="further task weights")
    parser.add_argument("--half", choices=["evaluation", "development"], default="evaluation")
    add_data_option(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(
        f"sphereskl {sphereskl.__version__}, torch {torch.__version__}, Python "
        f"{platform.python_version()}, one thread; {options.seeds} seeds, {options.epochs} epochs\n"
    )
    for name in options.sets:
        report(name, options)


if __name__ == "__main__":
    main()
