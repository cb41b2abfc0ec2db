"""Numbers are numbers, in whatever type and memory they come."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris

from sphereskl import MLP, HypersphericalPrototypeClassifier, HypersphericalRegressor

# Whole numbers of one byte: exact in every type.
X = (10 * load_iris().data).astype(np.float64)
Y = load_iris().target


def _reversed(X):
    return X[::-1].copy()[::-1]


def _read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def _of_itself(*shape):
    array = np.full(shape, 1.5, dtype=object)
    array.flat[0] = array
    return array


def _list_of_itself():
    rows = []
    rows.append(rows)
    return rows


def _field(X):
    """Columns of records, whose stride is no multiple of their size."""
    records = np.zeros(X.shape, dtype=np.dtype([("tag", "u1"), ("value", "f8")]))
    records["value"] = X
    return records["value"]


FORMS = {
    "float32": lambda X: X.astype(np.float32),
    "float16": lambda X: X.astype(np.float16),
    "longdouble": lambda X: X.astype(np.longdouble),
    "int16": lambda X: X.astype(np.int16),
    "uint8": lambda X: X.astype(np.uint8),
    "int64": lambda X: X.astype(np.int64),
    "big-endian": lambda X: X.astype(">f8"),
    "objects": lambda X: X.astype(object),
    "lists": lambda X: X.tolist(),
    "negative strides": _reversed,
    "other order": np.asfortranarray,
    "strided": lambda X: np.repeat(X, 2, axis=0)[::2],
    "read-only": _read_only,
    "field of records": _field,
    "tensor": torch.from_numpy,
    "half tensor": lambda X: torch.from_numpy(X).half(),
    "bfloat16": lambda X: torch.from_numpy(X).bfloat16(),
    "quantised tensor": lambda X: torch.quantize_per_tensor(
        torch.from_numpy(X).float(), 1.0, 0, torch.qint32
    ),
    "whole tensor": lambda X: torch.from_numpy(X).long(),
    "real part": lambda X: torch.complex(*(2 * [torch.from_numpy(X)])).real,
    "negated view": lambda X: torch.complex(*(2 * [torch.from_numpy(-X)])).conj().imag,
}


def _models():
    options = {"backbone": MLP((16,), n_members=2), "max_epochs": 2, "random_state": 0}
    yield HypersphericalPrototypeClassifier(**options), Y
    yield HypersphericalRegressor(**options), X[:, 0]


@pytest.mark.filterwarnings("ignore:.*quantized tensor creation functions:UserWarning")
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize(("model", "y"), list(_models()), ids=["classes", "values"])
def test_the_same_numbers_give_the_same_model(model, y, form):
    expected = model.fit(X, y).transform(X)
    given = form(X)
    np.testing.assert_array_equal(model.transform(given), expected)
    np.testing.assert_array_equal(model.fit(given, y).transform(X), expected)
    assert model.fit(given, y, X_val=given, y_val=y).n_iter_ > 0
    model.score(given, y)


@pytest.mark.parametrize("form", [_reversed, np.asfortranarray, _read_only])
def test_images_may_lie_in_any_order(form):
    images = np.tile(X, 9).reshape(-1, 1, 6, 6).astype(np.uint8)
    model = HypersphericalPrototypeClassifier(max_epochs=1, random_state=0)
    expected = model.fit(images, Y).transform(images)
    np.testing.assert_array_equal(model.fit(form(images), Y).transform(form(images)), expected)


@pytest.mark.parametrize("payload", [0x7FF8000000000001, 0xFFF8000000000000])
def test_a_gap_is_a_gap_whatever_its_bits(payload):
    gaps = X.copy()
    gaps[::7, 1] = np.nan
    odd = gaps.copy()
    odd[::7, 1] = np.uint64(payload).view(np.float64)
    model = HypersphericalPrototypeClassifier(max_epochs=1, random_state=0)
    expected = model.fit(gaps, Y).transform(gaps)
    np.testing.assert_array_equal(model.fit(odd, Y).transform(odd), expected)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            torch.zeros(4, 2).to_sparse(),
            r"X is a sparse or nested torch tensor; pass X.to_dense\(\)",
        ),
        (torch.zeros(4, 2, requires_grad=True), r"requires grad.*X.detach\(\)"),
        (_of_itself(4, 2), r"argument must be a string or a number: X has array"),
        ([[1.0, 2.0], [3.0]], r"^X is a list that makes no array \(.*; pass a list of rows of one"),
        (2 * [_list_of_itself()], r"^X is a list that makes no array \(.*maximum number of dim"),
        (torch.utils.data.ChainDataset([]), "X is a ChainDataset, which has no length or no rows"),
    ],
)
def test_what_is_no_array_of_numbers_is_named(given, message):
    with pytest.raises((TypeError, ValueError), match=message):
        HypersphericalPrototypeClassifier().fit(given, [0, 1, 0, 1])


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (HypersphericalPrototypeClassifier(), "y holds labels of type float, ndarray, which"),
        (HypersphericalRegressor(), "^y must hold numbers, got dtype object with array"),
    ],
)
def test_targets_that_hold_themselves_are_refused(model, told):
    with pytest.raises(ValueError, match=told):
        model.fit(X[:4], _of_itself(4))


def test_an_infinity_is_placed_though_a_long_double_holds_the_number():
    wide = X.astype(np.longdouble)
    wide[3, 1] = np.longdouble("1e400")
    if np.isinf(wide[3, 1]):
        pytest.skip("a long double is no wider than a double here")
    with pytest.raises(ValueError, match=r"infinity or a value too large.*'x1', row 3"):
        HypersphericalPrototypeClassifier().fit(wide, Y)


def test_an_infinity_in_a_string_is_one_as_well():
    model = HypersphericalPrototypeClassifier(backbone=MLP((2,), n_members=1), max_epochs=1)
    with pytest.raises(ValueError, match=r"^Input X contains infinity or a value too large[^;]*$"):
        model.fit(X, Y).predict([["1", "2", "inf", "4"]])


def test_an_infinity_is_placed_among_categories():
    rows = np.column_stack([np.where(Y, "a", "b").astype(object), X.astype(object)])
    rows[5, 2] = np.inf
    with pytest.raises(ValueError, match=r"infinity.*'x2', row 5; leave the row out"):
        HypersphericalPrototypeClassifier().fit(rows, Y)


def test_what_is_masked_is_a_gap():
    masked = np.ma.masked_greater(X, 60)
    gaps = np.where(X > 60, np.nan, X)
    model = HypersphericalPrototypeClassifier(max_epochs=1, random_state=0)
    expected = model.fit(gaps, Y).transform(gaps)
    np.testing.assert_array_equal(model.fit(masked, Y).transform(masked), expected)
    whole = np.ma.masked_greater(X, 1e9)
    np.testing.assert_array_equal(model.fit(whole, Y).transform(whole), model.transform(X))


@pytest.mark.parametrize(
    ("part", "message"),
    [("X", "X is a masked array, but"), ("y", "missing label: it is masked in row 100")],
)
def test_what_is_masked_where_no_gap_can_be_is_named(part, message):
    given = {"X": X, "y": Y}
    given[part] = np.ma.masked_greater(given[part], given[part].max() - 1)
    model = HypersphericalPrototypeClassifier(backbone=torch.nn.Linear(4, 8), max_epochs=1)
    with pytest.raises(ValueError, match=message):
        model.fit(**given)


@pytest.mark.parametrize(
    "weight",
    [
        np.ma.masked_array(np.ones(150), np.arange(150) % 2),
        np.ones(150) + 1j,
        np.ones(150, dtype="M8[s]"),
        np.ones((150, 2)),
        "balanced",
        {0: 1},
        10**400,
        torch.ones(150, requires_grad=True),
    ],
    ids=["masked", "complex", "dates", "two axes", "text", "mapping", "huge", "graph"],
)
@pytest.mark.parametrize(("model", "y"), list(_models()), ids=["classes", "values"])
def test_weights_that_are_none_are_named(model, y, weight):
    model.fit(X, y)
    for call in (model.fit, model.partial_fit, model.score):
        with pytest.raises(ValueError, match="sample_weight"):
            call(X, y, sample_weight=weight)


@pytest.mark.parametrize("weight", [torch.ones(150).bfloat16(), np.full(150, 1e308), 2, [1] * 150])
@pytest.mark.parametrize(("model", "y"), list(_models()), ids=["classes", "values"])
def test_weights_in_any_form(model, y, weight):
    expected = model.fit(X, y).score(X, y)
    found = model.fit(X, y, sample_weight=weight).score(X, y, sample_weight=weight)
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "X", [set(), map(float, []), {"a": [1.0]}, object(), 3.0 + 0j, np.ndarray, [{"a": 1}] * 4]
)
def test_samples_of_another_kind_are_named(X):
    with pytest.raises((TypeError, ValueError), match=r"\bX\b|2D array|Complex"):
        HypersphericalPrototypeClassifier().fit(X, [0, 1, 0, 1])


@pytest.mark.parametrize("odd", ["red", 10**400, b"ab"])
def test_columns_that_are_no_numbers_in_predictions_are_named(odd):
    given = X[:5].astype(object)
    given[2, 1] = odd
    model = HypersphericalPrototypeClassifier(max_epochs=1).fit(X, Y)
    with pytest.raises(ValueError, match="X has column 'x1' that is not numbers"):
        model.predict(given)


def test_columns_whose_range_is_no_number_are_refused():
    far = X.copy()
    far[:2, 1] = -1.7e308, 1.7e308
    with pytest.raises(ValueError, match="numeric column 1 that are further apart"):
        HypersphericalPrototypeClassifier().fit(far, Y)


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8])
@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "step", "constant"])
def test_integers_of_numpy_are_parameters(schedule, kind):
    model = HypersphericalPrototypeClassifier(
        backbone=MLP((kind(8),), n_members=kind(2), n_bins=kind(4)),
        max_epochs=kind(3),
        batch_size=kind(64),
        embedding_dim=kind(8),
        n_iter_no_change=kind(2),
        lr_schedule=schedule,
        random_state=kind(0),
    )
    assert model.fit(X, Y).n_iter_ == 3
