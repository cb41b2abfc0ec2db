"""Metamorphic laws: what a change of the input does to the model is known, though the model is not.

Columns are the exception among the symmetries: initial weights belong to places, so columns in
another order give another model, as good as the first. In a frame names say which is which, and
predictions refuse another order.
"""

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from calls import CALLS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import SAME, numbers
from sklearn.datasets import load_iris
from sklearn.model_selection import KFold, cross_val_predict

from sphereskl import (
    MLP,
    HypersphericalMultiTask,
    HypersphericalOrdinalClassifier,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
    SphereMLP,
    SphereNetClassifier,
)

CLASSIFIERS = [
    HypersphericalPrototypeClassifier,
    HypersphericalOrdinalClassifier,
    SphereNetClassifier,
]
VALUED = [HypersphericalRegressor, HypersphericalMultiTask]
all_estimators = pytest.mark.parametrize("cls", [*CLASSIFIERS, *VALUED])
STEADY = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

X, CLASS = load_iris(return_X_y=True)
VALUE = X[:, 3] + 0.1 * CLASS


def _model(cls, **params):
    backbone = SphereMLP((8,)) if cls is SphereNetClassifier else MLP((8,), n_members=2)
    # All rows in one batch: the sum over rows does not know their order.
    few = {"max_epochs": 4, "batch_size": 600, "lr": 1e-2, "random_state": 0}
    return cls(**{"backbone": backbone, **few, **params})


def _targets(cls, labels=CLASS, values=VALUE):
    return {HypersphericalRegressor: values, HypersphericalMultiTask: (labels, values)}.get(
        cls, labels
    )


def _rows(y, rows):
    return tuple(part[rows] for part in y) if isinstance(y, tuple) else y[rows]


def _probabilities(model, X):
    """Return what a model says in numbers: probabilities, values, or both."""
    if isinstance(model, HypersphericalRegressor):
        return model.predict(X)[:, None]
    if isinstance(model, HypersphericalMultiTask):
        return np.c_[model.predict_proba(X), model.predict_value(X)]
    return model.predict_proba(X)


@pytest.mark.parametrize("seed", range(2))
@all_estimators
def test_the_order_of_rows_does_not_matter(cls, seed):
    order, y = np.random.default_rng(seed).permutation(len(X)), _targets(cls)
    expected = _model(cls).fit(X, y)
    found = _model(cls).fit(X[order], _rows(y, order))
    np.testing.assert_allclose(_probabilities(found, X), _probabilities(expected, X), atol=1e-4)


@pytest.mark.parametrize("cls", CLASSIFIERS)
def test_columns_in_another_order_give_a_model_as_good(cls):
    order, long = [2, 0, 3, 1], {"max_epochs": 60, "batch_size": 32}
    one, other = (_model(cls, **long).fit(x, CLASS) for x in (X, X[:, order]))
    assert one.score(X, CLASS) > 0.93
    assert other.score(X[:, order], CLASS) > 0.93
    assert not np.array_equal(one.predict_proba(X), other.predict_proba(X[:, order]))


@given(
    factor=st.lists(st.floats(1e-6, 1e6), min_size=4, max_size=4),
    shift=st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=4),
)
@all_estimators
@STEADY
def test_units_of_columns_do_not_matter(cls, factor, shift):
    # Without rows that judge, which are chosen by the content of rows.
    other = X * factor + np.multiply(shift, factor)
    one, two = (_model(cls, validation_fraction=0).fit(x, _targets(cls)) for x in (X, other))
    np.testing.assert_allclose(_probabilities(two, other), _probabilities(one, X), atol=1e-3)


@pytest.mark.parametrize(
    "names",
    [
        np.array([10, 20, 30]),
        np.array([-1.5, 0.0, 2.0]) * 2,
        np.array(["a", "b", "c"]),
        np.array(["", " ", "é"]),
        np.array(["x", "y", "z"], dtype=object),
        np.array([2**60, 2**60 + 1, 2**60 + 2]),
        np.array([5, 6, 255], dtype=np.uint8),
    ],
    ids=lambda names: f"{names.dtype}",
)
@pytest.mark.parametrize("cls", [*CLASSIFIERS, HypersphericalMultiTask])
def test_names_of_classes_do_not_matter_in_the_same_order(cls, names):
    options = {"categories": names} if cls is HypersphericalOrdinalClassifier else {}
    expected = _model(cls).fit(X, _targets(cls))
    found = _model(cls, **options).fit(X, _targets(cls, names[CLASS]))
    np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(X))
    np.testing.assert_array_equal(found.classes_, names)


@pytest.mark.parametrize("names", [["c", "a", "b"], [7, -7, 0]], ids=str)
def test_names_of_ranks_do_not_matter_in_any_order(names):
    names = np.array(names)
    expected = _model(HypersphericalOrdinalClassifier).fit(X, CLASS)
    found = _model(HypersphericalOrdinalClassifier, categories=names).fit(X, names[CLASS])
    np.testing.assert_array_equal(found.predict(X), names[expected.predict(X)])
    sorted_columns = expected.predict_proba(X)[:, np.argsort(names)]
    # Sums over classes go through them in another order.
    np.testing.assert_allclose(found.predict_proba(X), sorted_columns, atol=1e-5)


@pytest.mark.parametrize("cls", CLASSIFIERS)
def test_any_names_of_classes_are_learned_as_well(cls):
    names, long = np.array([2, 0, 1]), {"max_epochs": 60, "batch_size": 32}
    options = {"categories": names} if cls is HypersphericalOrdinalClassifier else {}
    assert _model(cls, **long, **options).fit(X, names[CLASS]).score(X, names[CLASS]) > 0.93


@given(weight=st.lists(st.integers(0, 3), min_size=150, max_size=150).filter(sum))
@all_estimators
@STEADY
def test_a_weight_is_a_number_of_copies(cls, weight):
    y, weight = _targets(cls), np.array(weight)
    weight[:: len(X) // 3] = 1
    rows = np.repeat(np.arange(len(X)), weight)
    weighted = _model(cls, dtype="float64").fit(X, y, sample_weight=weight)
    repeated = _model(cls, dtype="float64").fit(X[rows], _rows(y, rows))
    np.testing.assert_allclose(_probabilities(weighted, X), _probabilities(repeated, X), atol=1e-6)


@pytest.mark.parametrize("factor", [2.0**-1000, 0.5, 3.0, 1e300])
@all_estimators
def test_only_ratios_of_weights_count(cls, factor):
    weight = 1.0 + np.arange(len(X)) % 3
    one, other = (
        _model(cls).fit(X, _targets(cls), sample_weight=w) for w in (weight, factor * weight)
    )
    np.testing.assert_allclose(_probabilities(other, X), _probabilities(one, X), atol=1e-4)


@all_estimators
def test_a_row_of_weight_zero_is_no_row(cls):
    y, kept = _targets(cls), np.arange(len(X)) % 4 > 0
    one = _model(cls, batch_size=32).fit(X, y, sample_weight=kept)
    other = _model(cls, batch_size=32).fit(X[kept], _rows(y, kept))
    np.testing.assert_array_equal(one.transform(X), other.transform(X))


@given(data=st.data())
@all_estimators
@STEADY
def test_predictions_in_pieces_have_the_same_bits(cls, data):
    model = _model(cls, max_epochs=1).fit(X, _targets(cls))
    cuts = data.draw(st.lists(st.integers(1, len(X) - 1), max_size=6, unique=True).map(sorted))
    pieces = np.split(X, cuts)
    view = data.draw(st.sampled_from([_probabilities, type(model).transform]))
    together = np.concatenate([view(model, piece) for piece in pieces])
    np.testing.assert_array_equal(together, view(model, X))


# One that lets scikit-learn validate its targets, and one that reads them itself.
@pytest.mark.parametrize("cls", [HypersphericalPrototypeClassifier, HypersphericalMultiTask])
@pytest.mark.parametrize("form", list(SAME))
def test_the_same_numbers_in_any_form_give_the_same_bits(cls, form):
    x = numbers(np.random.default_rng(0), 40)
    y = _targets(cls, np.arange(40) % 3, x[:, 0] + np.arange(40) / 8)
    fit = {"max_epochs": 1, "batch_size": 16}
    expected, found = _model(cls, **fit).fit(x, y), _model(cls, **fit).fit(SAME[form](x), y)
    np.testing.assert_array_equal(found.transform(SAME[form](x)), expected.transform(x))


@all_estimators
def test_what_is_masked_is_missing(cls):
    hidden = X > 4.5
    expected = _model(cls).fit(np.where(hidden, np.nan, X), _targets(cls))
    found = _model(cls).fit(np.ma.masked_array(X, hidden), _targets(cls))
    z = found.transform(np.ma.masked_array(X, hidden))
    np.testing.assert_array_equal(z, expected.transform(np.where(hidden, np.nan, X)))


Y_FORMS = {
    "list": list,
    "float16": lambda y: y.astype(np.float16),
    "float32": lambda y: y.astype(np.float32),
    "uint8": lambda y: y.astype(np.uint8),
    "objects": lambda y: y.astype(object),
    "backwards": lambda y: y[::-1].copy()[::-1],
    "strided": lambda y: np.repeat(y, 3)[::3],
    "read-only": lambda y: np.broadcast_to(y, (2, len(y)))[0],
    "byte order": lambda y: y.astype(">i4"),
    "tensor": torch.from_numpy,
    "tensor bfloat16": lambda y: torch.from_numpy(y).bfloat16(),
    "Series": lambda y: pd.Series(y, index=np.arange(len(y))[::-1] * 7),
    "nullable": lambda y: pd.Series(y, dtype="Int64"),
    "nullable float": lambda y: pd.Series(y, dtype="Float32"),
    "arrow": lambda y: pd.Series(y, dtype="int16[pyarrow]"),
    "categories": lambda y: pd.Series(pd.Categorical(y, ordered=True)),
}


@pytest.mark.parametrize("form", list(Y_FORMS))
@all_estimators
def test_the_same_targets_in_any_form_give_the_same_bits(cls, form):
    v = np.floor(10 * VALUE).astype(int)
    given = _targets(cls, Y_FORMS[form](CLASS), Y_FORMS[form](v))
    fit = {"max_epochs": 1, "batch_size": 64}
    expected = _model(cls, **fit).fit(X, _targets(cls, CLASS, v))
    found = _model(cls, **fit).fit(X, given)
    np.testing.assert_array_equal(_probabilities(found, X), _probabilities(expected, X))


@given(factor=st.floats(1e-6, 1e6), shift=st.floats(-1e6, 1e6))
@pytest.mark.parametrize("cls", VALUED)
@STEADY
def test_values_in_other_units_are_predicted_in_them(cls, factor, shift):
    def predict(values):
        model = _model(cls).fit(X, _targets(cls, CLASS, values))
        return _probabilities(model, X)[:, -1]

    expected = factor * (predict(VALUE) + shift)
    size = factor * (abs(shift) + VALUE.max())
    np.testing.assert_allclose(
        predict(factor * (VALUE + shift)), expected, rtol=0, atol=1e-4 * factor + 1e-9 * size
    )


@pytest.mark.parametrize("backend", ["loky", "threading"])
@all_estimators
def test_two_jobs_find_what_one_finds(cls, backend):
    y = np.c_[CLASS, VALUE] if cls is HypersphericalMultiTask else _targets(cls)
    method = "predict_proba" if cls in CLASSIFIERS else "predict"
    folds = {"cv": KFold(4, shuffle=True, random_state=0), "method": method}
    alone = cross_val_predict(_model(cls), X, y, **folds)
    with joblib.parallel_backend(backend):
        together = cross_val_predict(_model(cls), X, y, n_jobs=2, **folds)
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("call", ["copy", "deepcopy", "pickle", "save and load"])
@all_estimators
def test_a_copy_is_the_model(cls, call):
    model = _model(cls).fit(X, _targets(cls))
    again, _ = CALLS[call](model, {})
    np.testing.assert_array_equal(again.transform(X), model.transform(X))
    np.testing.assert_array_equal(_probabilities(again, X), _probabilities(model, X))
