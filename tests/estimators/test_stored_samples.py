"""Rows on disk, in a Dataset or as bytes give the model that the same rows in memory give."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_wine
from torch.utils.data import DataLoader, Dataset, TensorDataset

from sphereskl import (
    MLP,
    HypersphericalMultiTask,
    HypersphericalOrdinalClassifier,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
    SphereNetClassifier,
)
from sphereskl.estimators import _stored_samples
from sphereskl.training import ResidentRows

X, Y = load_wine(return_X_y=True)
IMAGES = np.random.default_rng(0).integers(0, 256, (60, 1, 6, 6), dtype=np.uint8)
OF_IMAGES = np.arange(60) % 3
OPTIONS = {"max_epochs": 2, "random_state": 0}


@pytest.fixture(autouse=True)
def _stays_stored(monkeypatch):
    """Small arrays are read at once; here none is small."""
    monkeypatch.setattr(_stored_samples, "_MOST_BYTES", 0)


@pytest.fixture
def on_disk(tmp_path):
    """Return a function that writes an array to a file and maps it."""

    def write(array):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.npy"
        np.save(path, array)
        return np.load(path, mmap_mode="r")

    return write


class _Rows(Dataset):
    def __init__(self, X, y=None):
        self.X, self.y = X, y

    def __len__(self):
        return len(self.X)

    def __getitem__(self, i):
        return self.X[i] if self.y is None else (self.X[i], self.y[i])


def _same(model, stored, rows, y, **options):
    expected = model.fit(rows, y, **options)
    history, embedded = expected.history_[:, "train_loss"], expected.transform(rows)
    model.fit(stored, y, **options)
    assert model.history_[:, "train_loss"] == history
    np.testing.assert_array_equal(model.transform(stored), embedded)
    np.testing.assert_array_equal(model.transform(rows), embedded)


@pytest.mark.parametrize(
    ("model", "y"),
    [
        (HypersphericalPrototypeClassifier(**OPTIONS), Y),
        (HypersphericalPrototypeClassifier(backbone="mlp", early_stopping=True, **OPTIONS), Y),
        (HypersphericalPrototypeClassifier(validation_fraction=0, **OPTIONS), Y),
        (HypersphericalPrototypeClassifier(class_weight="balanced", **OPTIONS), Y),
        (HypersphericalPrototypeClassifier(batch_size=500, **OPTIONS), Y),
        (HypersphericalPrototypeClassifier(backbone=torch.nn.Linear(13, 4), **OPTIONS), Y),
        (HypersphericalOrdinalClassifier(**OPTIONS), Y),
        (HypersphericalRegressor(**OPTIONS), X[:, 0]),
        (HypersphericalRegressor(**OPTIONS), X[:, :2]),
        (HypersphericalMultiTask(**OPTIONS), (Y, X[:, 0])),
        (SphereNetClassifier(**OPTIONS), Y),
    ],
)
def test_a_memory_map_gives_the_same_model(model, y, on_disk):
    _same(model, on_disk(X), X, y)


@pytest.mark.parametrize("dtype", ["f4", ">f8", "f2", "i2", "u1", "?", "u4", "g"])
def test_numbers_of_any_type_stay_on_disk(dtype, on_disk):
    rows = X.astype(dtype)
    _same(HypersphericalPrototypeClassifier(**OPTIONS), on_disk(rows), rows, Y)


@pytest.mark.parametrize("view", [lambda a: a[::-1], lambda a: a[:, ::2], lambda a: a[5:]])
def test_a_view_of_a_memory_map_stays_on_disk(view, on_disk):
    stored = view(on_disk(X))
    rows = np.array(stored)
    _same(HypersphericalPrototypeClassifier(**OPTIONS), stored, rows, Y[: len(rows)])


def test_weights_and_rows_to_judge_by_count_as_in_memory(on_disk):
    weight = np.random.default_rng(0).integers(0, 3, len(X)).astype(float)
    judged = {"X_val": on_disk(X[::3]), "y_val": Y[::3]}
    model = HypersphericalPrototypeClassifier(backbone="mlp", **OPTIONS)
    _same(model, on_disk(X), X, Y, sample_weight=weight, **judged)


def test_gaps_and_categories_are_read_from_disk(on_disk):
    rows = X.astype(np.float64)
    rows[::5, 2] = np.nan
    rows[:, 4] = np.arange(len(X)) % 4
    model = HypersphericalPrototypeClassifier(categorical_features=[4], **OPTIONS)
    _same(model, on_disk(rows), rows, Y)


def test_warm_starts_and_parts_go_on_from_disk(on_disk):
    first, second = (HypersphericalPrototypeClassifier(warm_start=True, **OPTIONS) for _ in "ab")
    for model, rows in ((first, X), (second, on_disk(X))):
        model.fit(rows, Y).fit(rows, Y).partial_fit(rows, Y)
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))


def test_images_stay_bytes():
    model = HypersphericalPrototypeClassifier(**OPTIONS)
    as_bytes = model.fit(IMAGES, OF_IMAGES).predict_proba(IMAGES)
    at_once = model.encoder_.transform(IMAGES)
    np.testing.assert_array_equal(model.predict_proba(_Rows(IMAGES)), as_bytes)
    assert model.encoder_.dtype_in_ == "uint8"
    assert at_once.dtype == torch.float32


def _read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


def _last(a):
    return np.repeat(a, 3, axis=1).transpose(0, 2, 3, 1).copy()


@pytest.mark.parametrize(
    "form", [np.array, np.asfortranarray, lambda a: a[..., ::-1], lambda a: a[:], _read_only, _last]
)
def test_bytes_encoded_by_batches_give_the_model_of_bytes_encoded_at_once(form, monkeypatch):
    images = form(IMAGES)
    by_batches = HypersphericalPrototypeClassifier(**OPTIONS).fit(images, OF_IMAGES)
    embedded = by_batches.transform(images)
    monkeypatch.setattr(_stored_samples, "_MOST_BYTES", 2**26)
    at_once = HypersphericalPrototypeClassifier(**OPTIONS).fit(images, OF_IMAGES)
    assert at_once.loss_curve_ == by_batches.loss_curve_
    np.testing.assert_array_equal(at_once.transform(images), embedded)


def test_bytes_are_not_copied(monkeypatch):
    monkeypatch.setattr(ResidentRows, "load", lambda self: pytest.fail("encoded at once"))
    seen = []
    monkeypatch.setattr(ResidentRows, "parts", _recording(ResidentRows.parts, seen))
    images = IMAGES.copy()
    HypersphericalPrototypeClassifier(batch_size=16, **OPTIONS).fit(images, OF_IMAGES)
    assert {rows.X.data_ptr() for rows in seen} == {images.ctypes.data}


def _recording(method, seen):
    def recorded(self, *args):
        seen.append(self)
        return method(self, *args)

    return recorded


@pytest.mark.parametrize("form", [np.asfortranarray, lambda a: a[..., ::-1]])
def test_bytes_on_disk_give_the_same_model(form, on_disk):
    stored = form(on_disk(IMAGES))
    _same(HypersphericalPrototypeClassifier(**OPTIONS), stored, np.array(stored), OF_IMAGES)


@pytest.mark.parametrize(
    "source",
    [
        _Rows(X, Y),
        _Rows(torch.from_numpy(X), Y.tolist()),
        TensorDataset(torch.from_numpy(X), torch.from_numpy(Y)),
        DataLoader(_Rows(X, Y), batch_size=3, shuffle=True),
        DataLoader(_Rows(X, Y), num_workers=1),
    ],
)
def test_a_dataset_gives_the_same_model(source):
    model = HypersphericalPrototypeClassifier(**OPTIONS)
    expected = model.fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(model.fit(source).predict_proba(source), expected)


@pytest.mark.parametrize("source", [_Rows(X), TensorDataset(torch.from_numpy(X))])
def test_a_dataset_of_samples_takes_targets_beside_it(source):
    _same(HypersphericalPrototypeClassifier(**OPTIONS), source, X, Y)


def test_a_dataset_may_hold_names_values_and_rows_to_judge_by():
    names = np.array(["a", "b", "c"])[Y]
    model = HypersphericalPrototypeClassifier(**OPTIONS).fit(_Rows(X, names), X_val=_Rows(X, names))
    assert model.classes_.tolist() == ["a", "b", "c"]
    values = HypersphericalRegressor(**OPTIONS).fit(_Rows(X, X[:, :2])).predict(_Rows(X))
    assert values.shape == (len(X), 2)


def test_a_dataset_of_images_is_read():
    model = HypersphericalPrototypeClassifier(**OPTIONS)
    _same(model, _Rows(IMAGES), IMAGES, OF_IMAGES)


@pytest.mark.parametrize("shape", [(6, 6), (1, 6, 6)])
def test_flat_images_of_bytes_are_bytes_in_a_dataset_as_well(shape):
    flat = IMAGES.reshape(len(IMAGES), -1)
    model = HypersphericalPrototypeClassifier(input_shape=shape, **OPTIONS)
    _same(model, _Rows(flat), flat, OF_IMAGES)
    assert model.encoder_.dtype_in_ == "uint8"


def test_columns_of_bytes_are_numbers_in_a_dataset_as_well():
    flat = IMAGES.reshape(len(IMAGES), -1)
    _same(HypersphericalPrototypeClassifier(**OPTIONS), _Rows(flat), flat, OF_IMAGES)


@pytest.mark.parametrize(
    ("model", "y"),
    [
        (HypersphericalPrototypeClassifier(**OPTIONS), Y),
        (HypersphericalRegressor(**OPTIONS), X[:, 0]),
        (HypersphericalMultiTask(**OPTIONS), np.stack([Y, X[:, 0]], axis=1)),
    ],
)
def test_a_dataset_of_pairs_is_scored_by_its_targets(model, y):
    assert model.fit(X, y).score(_Rows(X, y)) == model.score(X, y)
    with pytest.raises(ValueError, match="score requires y to be passed"):
        model.score(X)


def test_every_view_of_a_model_reads_parts(on_disk):
    stored = on_disk(X)
    model = HypersphericalPrototypeClassifier(**OPTIONS).fit(X, Y)
    np.testing.assert_array_equal(model.decision_function(stored), model.decision_function(X))
    np.testing.assert_array_equal(model.score_samples(stored), model.score_samples(X))
    np.testing.assert_array_equal(model.is_novel(stored), model.is_novel(X))
    assert model.score(stored, Y) == model.score(X, Y)


def test_no_more_rows_are_read_at_once_than_a_step_takes(monkeypatch):
    sizes = []

    class Counting(_Rows):
        def __getitems__(self, rows):
            sizes.append(len(rows))
            return [self[i] for i in rows]

    monkeypatch.setattr("sphereskl.preprocessing._stored_rows._BLOCK_SIZE", 13 * 32)
    monkeypatch.setattr("sphereskl.training._data._NUMBERS_AT_ONCE", 13 * 32)
    monkeypatch.setattr("sphereskl.training._inference._MOST_ROWS", 32)
    model = HypersphericalPrototypeClassifier(
        backbone=torch.nn.Linear(13, 4), batch_size=16, **OPTIONS
    )
    model.fit(Counting(X), Y).predict(Counting(X))
    assert max(sizes) == 32


def _with(rows, value):
    rows = rows.copy()
    rows[100, 3] = value
    return rows


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (_with(X, np.inf), {}, "X contains infinity"),
        (_with(X, np.nan), {"backbone": torch.nn.Linear(13, 4)}, "X contains NaN"),
        (X[:, :0], {}, r"0 feature\(s\)"),
        (X[:0], {}, r"0 sample\(s\)"),
        (X[:, :, None], {}, "input_shape"),
    ],
)
def test_what_is_no_sample_is_refused_wherever_it_lies(rows, options, message):
    model = HypersphericalPrototypeClassifier(**options, **OPTIONS)
    with pytest.raises(ValueError, match=message):
        model.fit(_Rows(rows), Y[: len(rows)])
    assert not hasattr(model, "net_")


def test_predictions_refuse_what_no_fit_would_take(on_disk):
    model = HypersphericalPrototypeClassifier(backbone=MLP(), **OPTIONS).fit(X, Y)
    with pytest.raises(ValueError, match=r"X has 12 features, but .* is expecting 13"):
        model.predict(on_disk(X[:, :12]))
    with pytest.raises(ValueError, match="infinity"):
        model.predict(on_disk(_with(X, np.inf)))


def test_targets_that_are_nowhere_are_asked_for():
    with pytest.raises(ValueError, match=r"y is None, but the _Rows gives samples without targets"):
        HypersphericalPrototypeClassifier().fit(_Rows(X))
    with pytest.raises(ValueError, match="requires y to be passed"):
        HypersphericalPrototypeClassifier().fit(X)


def test_samples_of_two_shapes_are_refused():
    ragged = _Rows([np.zeros(3), *np.zeros((9, 4))], np.arange(10) % 2)
    with pytest.raises(ValueError, match=r"different shapes, \[\(3,\), \(4,\)\]; make all alike"):
        HypersphericalPrototypeClassifier(**OPTIONS).fit(ragged)


def test_lengths_must_agree(on_disk):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        HypersphericalPrototypeClassifier().fit(on_disk(X), Y[:-1])


def test_reading_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    HypersphericalPrototypeClassifier(**OPTIONS).fit(_Rows(X, Y)).predict(_Rows(X))
    assert torch.equal(torch.random.get_rng_state(), before)
