"""What the documentation makes of the package: tables of capabilities, the sphere."""

import base64
import importlib.util
import json
import re
from contextlib import nullcontext
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import is_classifier, is_regressor
from sklearn.datasets import load_digits

from sphereskl.geometry import place_prototypes

DOCS = Path(__file__).parents[1] / "docs"


def _module(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


capabilities = _module(DOCS / "capabilities.py")
ROWS = {row.name: row for rows in capabilities.TABLES.values() for row in rows}
ESTIMATORS = capabilities.estimators()
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 16))
LABELS = np.arange(60) % 3
VALUES = X[:, 0]


def _target(estimator):
    if is_classifier(estimator):
        return LABELS
    return VALUES if is_regressor(estimator) else np.column_stack([LABELS, VALUES])


def _fit(estimator, X=X, y=None, **metadata):
    return estimator.fit(X, _target(estimator) if y is None else y, **metadata)


@cache
def _fitted(cls):
    return _fit(cls(max_epochs=1, random_state=0))


def _with_gaps():
    return np.where(X > 2, np.nan, X)


def _in_parts(estimator):
    classes = {} if is_regressor(estimator) else {"classes": [0, 1, 2]}
    return estimator.partial_fit(X, _target(estimator), **classes)


# What a row of the table promises, done.
FITS = {
    "missing values in tables": lambda e: _fit(e, _with_gaps()),
    "sparse matrices": lambda e: _fit(e, csr_array(X)),
    "multi-output regression": lambda e: _fit(e, y=X[:, :3]),
    "multi-label classification": lambda e: _fit(e, y=np.full((60, 3), "a")),
    "sample weights": lambda e: _fit(e, sample_weight=np.ones(60)),
    "given validation set (`X_val`)": lambda e: _fit(e, X_val=X, y_val=_target(e)),
    "incremental learning (`partial_fit`)": _in_parts,
    "class weights": lambda e: _fit(e.set_params(class_weight="balanced")),
    "images (`input_shape`)": lambda e: _fit(e.set_params(input_shape=(4, 4))),
    "float64 (`dtype`)": lambda e: _fit(e.set_params(dtype="float64")),
}
CALLS = {
    "`predict`": lambda e: e.predict(X),
    "`predict_class`, `predict_value`": lambda e: (e.predict_class(X), e.predict_value(X)),
    "probabilities (`predict_proba`)": lambda e: e.predict_proba(X),
    "`predict_log_proba`": lambda e: e.predict_log_proba(X),
    "cosines (`decision_function`)": lambda e: e.decision_function(X),
    "embeddings (`transform`)": lambda e: e.transform(X),
    "agreement of members (`resultant_length`)": lambda e: e.resultant_length(X),
    "prediction intervals (`predict_interval`)": lambda e: e.predict_interval(X, coverage=0.5),
    "novelty scores (`score_samples`)": lambda e: e.score_samples(X),
    "novelty detection (`is_novel`)": lambda e: e.is_novel(X, 0.5),
    "reject option (`predict_or_reject`)": lambda e: e.predict_or_reject(X, 0.5),
}
REFUSED = (AttributeError, TypeError, ValueError)


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize("name", FITS)
def test_estimators_fit_what_the_table_says_and_refuse_the_rest(name, cls):
    estimator = cls(max_epochs=1, random_state=0)
    with nullcontext() if ROWS[name].has(cls()) else pytest.raises(REFUSED):
        FITS[name](estimator)


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize("name", CALLS)
def test_estimators_predict_what_the_table_says_and_nothing_else(name, cls):
    with nullcontext() if ROWS[name].has(cls()) else pytest.raises(AttributeError):
        CALLS[name](_fitted(cls))


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_every_method_of_ours_is_in_the_table(cls):
    public = {name for name in dir(cls) if not name.startswith("_")}
    common = re.compile("fit|score|get_.*|set_.*|.*_$")
    ours = {
        name
        for name in public
        if getattr(getattr(cls, name), "__module__", "").startswith("sphereskl")
        and not common.fullmatch(name)
    }
    named = set(re.findall(r"`(\w+)`", " ".join(ROWS)))
    assert ours <= named


@pytest.mark.parametrize("name", capabilities.CHOICES)
def test_a_choice_that_is_listed_is_taken(name):
    listed = {cls: capabilities.choices(cls(), name) for cls in ESTIMATORS}
    assert any(listed.values())
    for cls, options in listed.items():
        for option in options:
            cls(**{name: option})._validate_params()


def test_the_tables_have_a_column_for_every_estimator(tmp_path):
    capabilities.write(tmp_path / "tables" / "capabilities.txt")
    text = (tmp_path / "tables" / "capabilities.txt").read_text()
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert widths == {len(ESTIMATORS) + 2}


@cache
def _sphere():
    text = (DOCS / "_static" / "sphere_data.js").read_text()
    data = json.loads(text[text.index("{") : text.rindex("}") + 1])
    for name in ("points", "prototypes"):
        numbers = np.frombuffer(base64.b64decode(data[name]), "<i2")
        data[name] = numbers.reshape(-1, 3) / 32767
    return data


def test_the_sphere_shows_unit_vectors():
    lengths = np.linalg.norm(np.vstack([_sphere()["points"], _sphere()["prototypes"]]), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-4)


def test_the_sphere_shows_the_prototypes_of_ten_classes_as_they_are_placed():
    shown = _sphere()["prototypes"] @ _sphere()["prototypes"].T
    placed = place_prototypes(10, 3, random_state=0).numpy()
    largest = np.sort((placed @ placed.T)[np.triu_indices(10, 1)])[-1]
    assert np.sort(shown[np.triu_indices(10, 1)])[-1] == pytest.approx(largest, abs=1e-3)


def test_the_sphere_shows_digits_with_their_labels_and_nearest_prototypes():
    data, (rows, labels) = _sphere(), load_digits(return_X_y=True)
    packed = np.frombuffer(base64.b64decode(data["images"]), np.uint8).reshape(-1, 32)
    images = np.stack([packed >> 4, packed & 15], axis=2).reshape(-1, 64)
    np.testing.assert_array_equal(images, np.minimum(rows[1::2], 15))
    assert data["labels"] == "".join(map(str, labels[1::2]))
    agree = np.array(list(data["labels"])) == np.array(list(data["predicted"]))
    assert agree.mean() > 0.9
    nearest = (data["points"] @ data["prototypes"].T).argmax(axis=1)
    assert (nearest == np.array(list(data["predicted"]), int)).mean() > 0.97


@pytest.mark.parametrize("path", sorted((DOCS / "_static").iterdir()), ids=lambda path: path.name)
def test_what_pages_load_is_small_and_asks_nothing_of_the_network(path):
    text = path.read_text().replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert len(text) < 60_000
    assert re.findall(r"https?://|@import|fetch\(|XMLHttpRequest", text) == []
