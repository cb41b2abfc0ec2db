"""Frames with categories and gaps, straight into every estimator."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score

from sphereskl import (
    MLP,
    HypersphericalMultiTask,
    HypersphericalOrdinalClassifier,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
    SphereNetClassifier,
    load,
    save,
)

ESTIMATORS = [
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
    HypersphericalOrdinalClassifier,
    HypersphericalMultiTask,
    SphereNetClassifier,
]


def _frame(n_samples=120, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 90, n_samples).astype(float),
            "job": rng.choice(["clerk", "nurse", "pilot"], n_samples),
            "rooms": rng.integers(1, 6, n_samples),
            "owner": rng.random(n_samples) < 0.5,
        }
    )
    frame.loc[::7, "age"] = np.nan
    frame.loc[::11, "job"] = None
    return frame


FRAME = _frame()
LABELS = np.where(FRAME["job"].eq("pilot") | (FRAME["age"] > 60), 2, FRAME["owner"].astype(int))
TARGETS = {
    HypersphericalRegressor: FRAME["age"].fillna(50.0).to_numpy() + 10 * (FRAME["job"] == "pilot"),
    HypersphericalMultiTask: (LABELS, FRAME["rooms"].to_numpy(float)),
}
LIBRARIES = {
    "pandas": lambda frame: frame,
    "pandas nullable": lambda frame: frame.convert_dtypes(),
    "pandas category": lambda frame: frame.astype({"job": "category"}),
    "polars": pl.from_pandas,
    "pyarrow": lambda frame: pa.Table.from_pandas(frame),
    "objects": lambda frame: frame.to_numpy(dtype=object),
}


def _estimator(cls, **options):
    if cls is not SphereNetClassifier:
        options = {"backbone": MLP((16,), n_members=3), **options}
    return cls(**{"max_epochs": 3, "random_state": 0, **options})


def _target(cls):
    return TARGETS.get(cls, LABELS)


def _fitted(cls, X=FRAME, **options):
    return _estimator(cls, **options).fit(X, _target(cls))


@pytest.mark.parametrize("library", list(LIBRARIES))
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_a_frame_is_the_same_table_in_every_library(cls, library):
    convert = LIBRARIES[library]
    expected = _fitted(cls).transform(FRAME)
    model = _fitted(cls, convert(FRAME))
    assert np.array_equal(model.transform(convert(FRAME)), expected)
    assert np.isfinite(expected).all()


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_a_frame_of_numbers_is_the_array_that_it_holds(cls, library):
    numbers = FRAME[["age", "rooms"]].astype(float)
    of_frame = _fitted(cls, LIBRARIES[library](numbers))
    of_array = _fitted(cls, numbers.to_numpy())
    assert np.array_equal(
        of_frame.transform(LIBRARIES[library](numbers)), of_array.transform(numbers.to_numpy())
    )
    assert of_frame.feature_names_in_.tolist() == ["age", "rooms"]


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_rows_alone_and_together_have_the_same_bits(cls):
    model = _fitted(cls)
    together = model.transform(FRAME)
    for row in range(0, 40, 3):
        assert np.array_equal(model.transform(FRAME.iloc[[row]]), together[[row]])


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_levels_and_gaps_that_come_later_are_understood(cls):
    model = _fitted(cls)
    new = FRAME.head(3).assign(
        job=["astronaut", "pilot", None], rooms=[None, 2, 3], owner=[None, True, False]
    )
    assert np.isfinite(model.transform(new)).all()


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: X[["job", "age", "rooms", "owner"]], "must be in the same order"),
        (lambda X: X.drop(columns="job"), r"seen at fit time, yet now missing"),
        (lambda X: X.assign(shoe=1.0), r"unseen at fit time"),
    ],
    ids=["reordered", "missing", "extra"],
)
def test_other_columns_are_refused_in_scikit_learns_words(cls, change, message):
    with pytest.raises(ValueError, match=message):
        _fitted(cls).transform(change(FRAME))


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinity_is_refused(cls, value):
    spoilt = FRAME.assign(age=[*FRAME["age"][:3], value, *FRAME["age"][4:]])
    told = r"contains infinity .* The first is in column 'age', row 3; leave"
    with pytest.raises(ValueError, match=told):
        _fitted(cls, spoilt)
    with pytest.raises(ValueError, match=told):
        _fitted(cls).transform(spoilt)
    with pytest.raises(ValueError, match=told):
        _fitted(cls, FRAME[["age"]]).transform(spoilt[["age"]])


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_frames_come_out_where_they_are_asked_for(cls, library):
    model = _estimator(cls).set_output(transform=library).fit(FRAME, _target(cls))
    out = model.transform(FRAME)
    assert type(out).__module__.startswith(library)
    assert list(out.columns) == model.get_feature_names_out().tolist()
    assert np.array_equal(out.to_numpy(), _fitted(cls).transform(FRAME))


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_a_saved_model_reads_the_same_frames(cls, tmp_path):
    model = _fitted(cls)
    save(model, tmp_path / "model.safetensors")
    for again in (load(tmp_path / "model.safetensors"), pickle.loads(pickle.dumps(model))):
        assert np.array_equal(again.transform(FRAME), model.transform(FRAME))
        assert again.feature_names_in_.tolist() == list(FRAME)
    # A gap or a level that fit did not see is what it was.
    new = FRAME.head(2).assign(job=["astronaut", None], owner=[None, True])
    loaded = load(tmp_path / "model.safetensors")
    assert np.array_equal(loaded.transform(new), model.transform(new))


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_a_network_of_the_users_own_gets_neither_categories_nor_gaps(cls):
    own = _estimator(cls, backbone=torch.nn.Linear(4, 8))
    with pytest.raises(ValueError, match=r"X has categories.*pipeline"):
        own.fit(FRAME[["job"]].fillna("none"), _target(cls))
    with pytest.raises(ValueError, match="contains NaN"):
        own.fit(FRAME[["age"]].to_numpy(), _target(cls))
    # The estimator stays usable.
    whole = FRAME[["rooms", "rooms", "rooms", "owner"]].to_numpy(float)
    assert len(own.fit(whole, _target(cls)).transform(whole)) == len(FRAME)


def test_categories_by_index_in_an_array():
    X = np.column_stack([FRAME["rooms"], FRAME["rooms"] * 1.0])
    y = FRAME["rooms"].to_numpy() % 2
    coded = _fitted(HypersphericalPrototypeClassifier, X, categorical_features=[0])
    assert coded.encoder_.columns_.cardinalities == (5,)
    assert coded.fit(X, y).n_features_in_ == 2


def test_weight_is_repetition_with_members_categories_and_gaps():
    options = {"batch_size": 400, "dtype": "float64", "max_epochs": 4}
    weight = np.arange(len(FRAME)) % 3
    weighted = _estimator(HypersphericalPrototypeClassifier, **options)
    weighted.fit(FRAME, LABELS, sample_weight=weight)
    repeated = _estimator(HypersphericalPrototypeClassifier, **options)
    rows = np.repeat(np.arange(len(FRAME)), weight)
    repeated.fit(FRAME.iloc[rows], LABELS[rows])
    np.testing.assert_allclose(
        weighted.predict_proba(FRAME), repeated.predict_proba(FRAME), atol=1e-8
    )


def test_rows_that_judge_may_be_a_frame():
    model = _estimator(HypersphericalPrototypeClassifier)
    model.fit(FRAME, LABELS, X_val=FRAME.head(30), y_val=LABELS[:30])
    assert len(model.validation_scores_) == model.n_iter_


def test_a_stream_of_frames_keeps_the_levels_of_its_first_part():
    model = _estimator(HypersphericalPrototypeClassifier)
    model.partial_fit(FRAME, LABELS, classes=[0, 1, 2])
    new = FRAME.assign(job="astronaut")
    assert np.isfinite(model.partial_fit(new, LABELS).transform(new)).all()


def test_searches_and_folds_take_frames():
    model = _estimator(HypersphericalPrototypeClassifier)
    grid = {"backbone__n_members": [1, 2], "categorical_features": ["from_dtype", ["job", "rooms"]]}
    assert np.isfinite(
        GridSearchCV(model, grid, cv=2).fit(FRAME, LABELS).cv_results_["mean_test_score"]
    ).all()
    assert np.isfinite(cross_val_score(clone(model), FRAME, LABELS, cv=2)).all()


def test_a_table_is_learned_as_it_comes():
    train, test = _frame(600, seed=1), _frame(600, seed=2)

    def bought(frame):
        return np.where(frame["job"].eq("pilot") | (frame["age"] > 60), "yes", "no")

    model = HypersphericalPrototypeClassifier(max_epochs=20, random_state=0)
    accuracy = model.fit(train, bought(train)).score(test, bought(test))
    trees = HistGradientBoostingClassifier(random_state=0).fit(
        train.astype({"job": "category"}), bought(train)
    )
    # The rule has no noise: trees find it, and so shall we.
    assert accuracy > 0.97
    assert accuracy > trees.score(test.astype({"job": "category"}), bought(test)) - 0.02


def test_lists_are_the_arrays_that_they_spell():
    X = FRAME.to_numpy(dtype=object)
    model = _fitted(HypersphericalPrototypeClassifier, X.tolist())
    assert np.array_equal(
        model.transform(X.tolist()), _fitted(HypersphericalPrototypeClassifier).transform(FRAME)
    )
    numbers = FRAME[["rooms", "owner"]].to_numpy(float)
    coded = _fitted(HypersphericalPrototypeClassifier, numbers.tolist(), categorical_features=[0])
    assert coded.encoder_.columns_.cardinalities == (5,)
