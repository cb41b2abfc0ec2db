"""Scikit-learn's own checks."""

import pytest
from sklearn.utils.estimator_checks import (
    check_sample_weight_equivalence_on_dense_data,
    parametrize_with_checks,
)

from sphereskl import (
    HypersphericalOrdinalClassifier,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
    SphereNetClassifier,
)
from sphereskl.nn import ANGULAR_LOSSES

FLOAT32 = {
    "check_sample_weight_equivalence_on_dense_data": (
        "rounding of float32 grows over the epochs; exact with dtype='float64'"
    )
}


@parametrize_with_checks(
    [
        HypersphericalPrototypeClassifier(dtype="float64"),
        HypersphericalPrototypeClassifier(dtype="float64", early_stopping=True),
        HypersphericalRegressor(dtype="float64"),
        HypersphericalRegressor(dtype="float64", early_stopping=True),
        HypersphericalOrdinalClassifier(dtype="float64"),
        HypersphericalOrdinalClassifier(dtype="float64", early_stopping=True),
        SphereNetClassifier(dtype="float64"),
        SphereNetClassifier(dtype="float64", early_stopping=True),
    ]
)
def test_float64_passes_every_check(estimator, check):
    check(estimator)


# Not strict: whether rounding exceeds the tolerance depends on the machine.
@parametrize_with_checks(
    [
        HypersphericalPrototypeClassifier(),
        HypersphericalRegressor(),
        HypersphericalOrdinalClassifier(),
        SphereNetClassifier(),
    ],
    expected_failed_checks=lambda estimator: FLOAT32,
    xfail_strict=False,
)
def test_float32_passes_all_checks_but_one(estimator, check):
    check(estimator)


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
