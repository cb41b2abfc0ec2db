"""Which loss should SphereNetClassifier minimise by default?

    python examples/benchmarks/spherenet_losses.py

Cross-validated accuracy and log loss of every loss with a default margin, on tables with the
default network, and on digits with a small convolutional one.
"""

import time
from importlib.metadata import version

import numpy as np
import torch
from sklearn.base import clone
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_wine,
    make_circles,
    make_classification,
)
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold

from sphereskl import HypersphericalPrototypeClassifier, SphereCNN, SphereNetClassifier
from sphereskl.nn import ANGULAR_LOSSES

# Name, rows, folds and settings of the networks.
SMALL = {"backbone": SphereCNN(3, (16, 32, 64)), "input_shape": (8, 8), "max_epochs": 10}
PROBLEMS = {
    "digits": (load_digits(return_X_y=True), 2, SMALL),
    "wine": (load_wine(return_X_y=True), 4, {}),
    "cancer": (load_breast_cancer(return_X_y=True), 4, {}),
    "rings": (make_circles(500, noise=0.05, factor=0.6, random_state=0), 4, {}),
    # A fifth of the labels is drawn at random.
    "noisy": (
        make_classification(500, 20, n_informative=8, n_classes=3, flip_y=0.2, random_state=0),
        4,
        {},
    ),
}


def judge(model, X, y, n_folds):
    """Accuracy and log loss, means over folds."""
    found = []
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=0)
    for train, test in folds.split(X, y):
        fitted = clone(model).fit(X[train], y[train])
        probabilities = fitted.predict_proba(X[test])
        hits = fitted.classes_[probabilities.argmax(axis=1)] == y[test]
        found.append((hits.mean(), log_loss(y[test], probabilities)))
    return np.mean(found, axis=0)


def main():
    torch.set_num_threads(1)
    start = time.process_time()
    print(f"sphereskl {version('sphereskl')}, torch {torch.__version__}\n")
    print("| loss | " + " | ".join(PROBLEMS) + " |")
    print("|---" * (len(PROBLEMS) + 1) + "|")
    for loss in ("softmax", *sorted(ANGULAR_LOSSES)):
        cells = []
        for (X, y), n_folds, settings in PROBLEMS.values():
            model = SphereNetClassifier(loss=loss, random_state=0, **settings)
            cells.append("{:.3f} / {:.3f}".format(*judge(model, X, y, n_folds)))
        print(f"| `{loss}` | " + " | ".join(cells) + " |", flush=True)
    cells = []
    for (X, y), n_folds, settings in PROBLEMS.values():
        given = {name: value for name, value in settings.items() if name != "backbone"}
        model = HypersphericalPrototypeClassifier(random_state=0, **given)
        cells.append("{:.3f} / {:.3f}".format(*judge(model, X, y, n_folds)))
    print("| fixed prototypes, ordinary layers | " + " | ".join(cells) + " |")
    print(f"\n{time.process_time() - start:.0f} s of CPU time")


if __name__ == "__main__":
    main()
