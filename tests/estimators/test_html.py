"""What notebooks show of an estimator."""

import re

import pytest
from sklearn.datasets import load_iris

from sphereskl import (
    MLP,
    HypersphericalMultiTask,
    HypersphericalOrdinalClassifier,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
    SphereNetClassifier,
)

ESTIMATORS = [
    HypersphericalMultiTask,
    HypersphericalOrdinalClassifier,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
    SphereNetClassifier,
]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_diagram_links_to_no_page_that_is_not_there(estimator):
    # scikit-learn would look for a page among its own.
    shown = estimator(backbone=MLP())._repr_html_()
    assert estimator.__name__ in shown
    assert not re.findall(r'href="http', shown)


def test_a_diagram_shows_parameters_and_that_it_is_fitted():
    X, y = load_iris(return_X_y=True)
    model = HypersphericalPrototypeClassifier(max_epochs=1, lr=0.0123, random_state=0)
    assert "Not fitted" in model._repr_html_()
    shown = model.fit(X, y)._repr_html_()
    assert "Not fitted" not in shown
    assert "0.0123" in shown
