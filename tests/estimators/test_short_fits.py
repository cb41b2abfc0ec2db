"""Estimators learn the same, whether gradients are written out or left to autograd."""

import numpy as np
import pytest
from sklearn.datasets import load_iris

from sphereskl import (
    MLP,
    HypersphericalMultiTask,
    HypersphericalOrdinalClassifier,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
    SphereMLP,
    SphereNetClassifier,
)

X, LABELS = load_iris(return_X_y=True)


def _embeddings(cls, y, **options):
    options = {"backbone": MLP((16,), n_members=2), "max_epochs": 8, "lr": 1e-3, **options}
    return cls(random_state=0, **options).fit(X, y).transform(X)


def _by_autograd(monkeypatch):
    for name in ("short_step", "short_backward"):
        monkeypatch.setattr(f"sphereskl.training._loop.{name}", lambda net: None)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"class_weight": {0: 1, 1: 2, 2: 3}},
        {"early_stopping": True, "backbone": MLP((16, 8), n_members=1)},
        {"n_reserved": 2, "dtype": "float64"},
    ],
)
def test_a_classifier_is_the_same_to_rounding(monkeypatch, options):
    short = _embeddings(HypersphericalPrototypeClassifier, LABELS, **options)
    _by_autograd(monkeypatch)
    long = _embeddings(HypersphericalPrototypeClassifier, LABELS, **options)
    assert not np.array_equal(short, long)  # or else the test says nothing
    np.testing.assert_allclose(short, long, atol=1e-3)


@pytest.mark.parametrize(
    ("cls", "y", "options"),
    [
        (HypersphericalRegressor, X[:, 0], {}),
        (HypersphericalOrdinalClassifier, LABELS, {}),
        (HypersphericalMultiTask, (LABELS, X[:, 0]), {}),
        (SphereNetClassifier, LABELS, {"backbone": SphereMLP((16,))}),
        (HypersphericalPrototypeClassifier, LABELS, {"loss": "squared_cosine"}),
    ],
)
def test_others_are_left_to_autograd(monkeypatch, cls, y, options):
    short = _embeddings(cls, y, **options)
    _by_autograd(monkeypatch)
    np.testing.assert_array_equal(short, _embeddings(cls, y, **options))
