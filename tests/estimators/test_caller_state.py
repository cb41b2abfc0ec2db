"""What the caller has switched in torch and NumPy is neither heard by a fit nor changed by it."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris

from sphereskl import (
    MLP,
    HypersphericalMultiTask,
    HypersphericalOrdinalClassifier,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
    SphereNetClassifier,
)
from sphereskl.nn import SphereMLP

X, LABELS = load_iris(return_X_y=True)

ESTIMATORS = {
    "prototype": (HypersphericalPrototypeClassifier(backbone=MLP((16,), n_members=2)), LABELS),
    "ordinal": (HypersphericalOrdinalClassifier(backbone=MLP((16,))), LABELS),
    "regressor": (HypersphericalRegressor(backbone=MLP((16,))), X[:, 0]),
    "both": (HypersphericalMultiTask(backbone=MLP((16,), n_members=1)), (LABELS, X[:, 0])),
    "spherenet": (
        SphereNetClassifier(backbone=SphereMLP((16,), numeric_embedding="periodic")),
        LABELS,
    ),
}


@contextmanager
def default_dtype():
    torch.set_default_dtype(torch.float64)
    try:
        yield
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def grad_switched_off():
    torch.set_grad_enabled(False)
    try:
        yield
        assert not torch.is_grad_enabled()
    finally:
        torch.set_grad_enabled(True)


@contextmanager
def autocast():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        yield
        assert torch.is_autocast_enabled("cpu")


STATES = {
    "grad off": grad_switched_off,
    "inference": torch.inference_mode,
    "autocast": autocast,
    "float64": default_dtype,
    "meta": lambda: torch.device("meta"),
    "errors of numpy": lambda: np.errstate(all="raise"),
}


def _outcome(model, y):
    model = model.set_params(max_epochs=2, random_state=0).fit(X, y)
    second = getattr(model, "predict_proba", model.predict)(X)
    return model.transform(X), second


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
@pytest.mark.parametrize(("model", "y"), ESTIMATORS.values(), ids=ESTIMATORS)
def test_a_fit_and_its_predictions_are_the_same_bits(model, y, state):
    embedded, predicted = _outcome(model, y)
    with state():
        found = _outcome(model, y)
    np.testing.assert_array_equal(found[0], embedded)
    np.testing.assert_array_equal(found[1], predicted)


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_a_model_predicts_the_same_bits(state):
    model = HypersphericalPrototypeClassifier(max_epochs=2, random_state=0).fit(X, LABELS)
    expected = model.predict_proba(X)
    with state():
        np.testing.assert_array_equal(model.predict_proba(X), expected)


def test_a_stream_learns_where_gradients_are_off():
    model = HypersphericalRegressor(backbone=MLP((16,)), random_state=0)
    with torch.no_grad():
        before = model.partial_fit(X, X[:, 0]).loss_curve_[-1]
        after = model.partial_fit(X, X[:, 0]).loss_curve_[-1]
    assert after < before


def test_samples_made_in_inference_mode_are_learned():
    with torch.inference_mode():
        embedded = torch.from_numpy(X).float() * 2
        model = HypersphericalPrototypeClassifier(max_epochs=5, lr=1e-2, random_state=0)
        assert model.fit(embedded, LABELS).score(embedded, LABELS) > 0.8
