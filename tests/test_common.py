"""Scikit-learn's own checks."""

import pytest
from sklearn.utils.estimator_checks import (
    check_sample_weight_equivalence_on_dense_data,
    estimator_checks_generator,
)

from sphereskl import (
    HypersphericalOrdinalClassifier,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
    SphereNetClassifier,
)
from sphereskl.nn import ANGULAR_LOSSES


def every_check(estimators):
    """Parametrise by scikit-learn's checks; `parametrize_with_checks` hands pytest a generator."""
    pairs = [pair for estimator in estimators for pair in estimator_checks_generator(estimator)]
    names = [f"{estimator!r}-{check.func.__name__}" for estimator, check in pairs]
    return pytest.mark.parametrize(("estimator", "check"), pairs, ids=names)


@pytest.mark.slow  # the same code as with float32 but for rounding
@every_check(
    [
        HypersphericalPrototypeClassifier(dtype="float64"),
        HypersphericalRegressor(dtype="float64"),
        HypersphericalOrdinalClassifier(dtype="float64"),
        SphereNetClassifier(dtype="float64"),
        # The others stop early by default.
        SphereNetClassifier(dtype="float64", early_stopping=True),
    ]
)
def test_float64_passes_every_check(estimator, check):
    check(estimator)


@every_check(
    [
        HypersphericalPrototypeClassifier(),
        HypersphericalRegressor(),
        HypersphericalOrdinalClassifier(),
        SphereNetClassifier(),
    ]
)
def test_float32_passes_all_checks_but_one(estimator, check):
    if check.func is check_sample_weight_equivalence_on_dense_data:
        pytest.skip("rounding of float32 grows over the epochs; exact with dtype='float64'")
    check(estimator)


@pytest.mark.parametrize(
    "estimator",
    [
        HypersphericalPrototypeClassifier(dtype="float64"),
        HypersphericalRegressor(dtype="float64"),
        HypersphericalOrdinalClassifier(dtype="float64"),
        SphereNetClassifier(dtype="float64"),
        SphereNetClassifier(dtype="float64", early_stopping=True),
    ],
)
def test_repetition_equals_weight_in_float64(estimator):
    check_sample_weight_equivalence_on_dense_data("float64", estimator)


@pytest.mark.parametrize("loss", ["squared_cosine", "cosine", "logits"])
def test_repetition_equals_weight_under_every_loss(loss):
    estimator = HypersphericalPrototypeClassifier(dtype="float64", loss=loss)
    check_sample_weight_equivalence_on_dense_data(loss, estimator)


@pytest.mark.parametrize("loss", ["absolute", "gaussian", "huber", "quantile"])
def test_repetition_equals_weight_under_every_loss_of_regression(loss):
    estimator = HypersphericalRegressor(dtype="float64", loss=loss)
    check_sample_weight_equivalence_on_dense_data(loss, estimator)


@pytest.mark.parametrize("loss", ["softmax", *sorted(ANGULAR_LOSSES)])
def test_repetition_equals_weight_under_every_angular_loss(loss):
    settings = {"loss": loss, "regularizer": "half_space_mhe", "max_epochs": 5}
    estimator = SphereNetClassifier(dtype="float64", **settings)
    check_sample_weight_equivalence_on_dense_data(loss, estimator)
