"""Whole searches of small fits: our classifier compared with scikit-learn's and plain skorch's.

    OMP_NUM_THREADS=1 python examples/benchmarks/small_fits.py [--rounds 5] [--n-jobs 1]

Every entry is a `GridSearchCV` of 20 fits (four learning rates, five folds) on standardised rows,
30 epochs in batches of 128, one hidden layer of 64. Contenders take turns in every round, and
entries are medians: CPU seconds of this process (of a search in one process only), wall-clock
seconds, and the median of the ratios to `MLPClassifier` within a round. Trust the ratios.
"""

import argparse
import datetime
import os
import platform
import statistics
import time
import warnings

import numpy as np
import sklearn
import skorch
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from skorch import NeuralNetClassifier
from torch import nn

import sphereskl
from sphereskl import MLP, HypersphericalPrototypeClassifier

EPOCHS, BATCH, HIDDEN = 30, 128, 64
RATES = [1e-3, 2e-3, 4e-3, 8e-3]


class Network(nn.Module):
    """What skorch trains: the network of `MLPClassifier`, in torch."""

    def __init__(self, n_features, n_classes):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_features, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, n_classes)
        )

    def forward(self, X):
        return self.layers(X)


def data_sets():
    """Yield name, samples and labels; 2,000 rows are digits with 203 drawn twice."""
    for load, name in ((load_iris, "iris"), (load_breast_cancer, "breast_cancer")):
        yield name, *load(return_X_y=True)
    X, y = load_digits(return_X_y=True)
    again = np.random.RandomState(0).choice(len(X), 2000 - len(X), replace=False)
    rows = np.concatenate([np.arange(len(X)), again])
    yield "digits", X[rows], y[rows]


def theirs(early_stopping=False):
    return MLPClassifier(
        (HIDDEN,),
        max_iter=EPOCHS,
        batch_size=BATCH,
        early_stopping=early_stopping,
        n_iter_no_change=EPOCHS,  # equal epochs for all
        random_state=0,
    )


def ours(backbone, **options):
    return HypersphericalPrototypeClassifier(
        backbone=backbone,
        max_epochs=EPOCHS,
        batch_size=BATCH,
        n_iter_no_change=EPOCHS,
        random_state=0,
        **options,
    )


def of_skorch(X, y):
    return NeuralNetClassifier(
        Network,
        module__n_features=X.shape[1],
        module__n_classes=len(np.unique(y)),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        batch_size=BATCH,
        max_epochs=EPOCHS,
        train_split=None,
        verbose=0,
    )


def contenders(X, y):
    """Return estimators by name, with the name of the parameter that is searched and its type."""
    one = MLP((HIDDEN,), n_members=1, numeric_embedding=None)
    rate = "learning_rate_init"
    return {
        "MLPClassifier": (theirs(), rate, float),
        "MLPClassifier, early stopping": (theirs(True), rate, float),
        "skorch": (of_skorch(X, y), "lr", np.float32),
        "ours, one network, bare": (
            ours(one, early_stopping=False, validation_fraction=0),
            "lr",
            float,
        ),
        "ours, one network": (ours(one), "lr", float),
        "ours, one network, early stopping": (ours(one, early_stopping=True), "lr", float),
        "ours, eight members": (ours(MLP((HIDDEN,)), early_stopping=False), "lr", float),
        "ours, eight members, early stopping": (ours(MLP((HIDDEN,))), "lr", float),
    }


def search(estimator, rate, dtype, X, y, n_jobs):
    """Return CPU seconds, wall-clock seconds and the accuracy of a search."""
    grid = GridSearchCV(estimator, {rate: RATES}, cv=5, n_jobs=n_jobs, refit=False)
    cpu, wall = time.process_time(), time.perf_counter()
    grid.fit(X.astype(dtype), y)
    seconds = time.process_time() - cpu, time.perf_counter() - wall
    return *seconds, grid.cv_results_["mean_test_score"].max()


def report(name, X, y, options):
    entries = contenders(X, y)
    if options.only:
        entries = {k: v for k, v in entries.items() if any(part in k for part in options.only)}
    for entry in entries.values():  # imports, caches, workers
        search(*entry, X, y, options.n_jobs)
    rounds = [
        {who: search(*entry, X, y, options.n_jobs) for who, entry in entries.items()}
        for _ in range(options.rounds)
    ]
    which = 0 if options.n_jobs == 1 else 1
    for who in entries:
        cpu, wall, score = (statistics.median(r[who][i] for r in rounds) for i in range(3))
        partner = "MLPClassifier" + (", early stopping" if "early" in who else "")
        ratio = statistics.median(r[who][which] / r[partner][which] for r in rounds)
        cpu_text = f"{cpu:.2f}" if options.n_jobs == 1 else ""
        print(
            f"| {name}, {len(X)} x {X.shape[1]} | {who} | {cpu_text} | {wall:.2f} | {ratio:.2f} | "
            f"{score:.3f} |",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--n-jobs", type=int, default=1)
    parser.add_argument("--only", nargs="*", help="parts of the names of contenders")
    parser.add_argument("--data", nargs="*", default=["iris", "breast_cancer", "digits"])
    options = parser.parse_args()
    os.environ["PYTHONWARNINGS"] = "ignore"  # of workers
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.filterwarnings("ignore", "Got `batch_size`")  # of MLPClassifier, for small folds
    torch.set_num_threads(1)
    print(
        f"{datetime.date.today()}, sphereskl {sphereskl.__version__}, scikit-learn "
        f"{sklearn.__version__}, torch {torch.__version__}, skorch {skorch.__version__}, NumPy "
        f"{np.__version__}, Python {platform.python_version()}, n_jobs={options.n_jobs}, one "
        f"thread a process, {options.rounds} rounds\n"
    )
    print("| data | 20 fits of | CPU, s | wall, s | / MLPClassifier | best accuracy |")
    print("|---|---|--:|--:|--:|--:|")
    for name, X, y in data_sets():
        if name not in options.data:
            continue
        X = (X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-9)
        report(name, X, y, options)


if __name__ == "__main__":
    main()
