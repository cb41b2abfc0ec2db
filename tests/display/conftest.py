"""Fitted estimators to draw, and no figure left open."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sphereskl import (
    MLP,
    HypersphericalMultiTask,
    HypersphericalOrdinalClassifier,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
)

plt = pytest.importorskip("matplotlib.pyplot")
plt.switch_backend("Agg")

X, CODE = load_iris(return_X_y=True)
NAMES = np.array(["ape", "bee", "cat"])
Y = NAMES[CODE]
SMALL = {"backbone": MLP((8,), n_members=1), "max_epochs": 3, "random_state": 0}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="session")
def iris():
    return X, Y


@pytest.fixture(scope="session", params=[2, 3, 8])
def classifier(request):
    return HypersphericalPrototypeClassifier(embedding_dim=request.param, **SMALL).fit(X, Y)


@pytest.fixture(scope="session")
def in_pipeline():
    classifier = HypersphericalPrototypeClassifier(embedding_dim=3, **SMALL)
    return make_pipeline(StandardScaler(), classifier).fit(X, Y)


@pytest.fixture(scope="session")
def regressor():
    return HypersphericalRegressor(**SMALL).fit(X[:, :3], X[:, 3])


@pytest.fixture(scope="session")
def regressor_of_two():
    return HypersphericalRegressor(**SMALL).fit(X[:, :2], X[:, 2:])


@pytest.fixture(scope="session")
def ordinal():
    order = ["cat", "ape", "bee"]
    return HypersphericalOrdinalClassifier(categories=order, **SMALL).fit(X, Y)


@pytest.fixture(scope="session")
def multi_task():
    return HypersphericalMultiTask(**SMALL).fit(X[:, :3], (Y, X[:, 3]))
