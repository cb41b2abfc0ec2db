"""Real data, and networks small enough for many fits."""

import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_iris

from sphereskl import MLP, HypersphericalPrototypeClassifier


@pytest.fixture(scope="session")
def digits():
    return load_digits(return_X_y=True)


@pytest.fixture(scope="session")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture(scope="session")
def cancer():
    return load_breast_cancer(return_X_y=True)


@pytest.fixture
def quick():
    """Make a classifier that learns iris or digits in a fraction of a second."""

    def make(**params):
        defaults = {
            "backbone": MLP((32,), n_members=1),
            "max_epochs": 8,
            "lr": 1e-2,
            "random_state": 0,
        }
        return HypersphericalPrototypeClassifier(**{**defaults, **params})

    return make
