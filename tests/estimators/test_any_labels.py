"""Labels of any type go in and come out; those that cannot be labels are named."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from sklearn.datasets import load_iris

from sphereskl import (
    MLP,
    HypersphericalMultiTask,
    HypersphericalOrdinalClassifier,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
)

X, Y = load_iris(return_X_y=True)
OPTIONS = {"backbone": MLP((16,), n_members=2), "max_epochs": 4, "lr": 1e-2, "random_state": 0}
CLASSIFIERS = [HypersphericalPrototypeClassifier, HypersphericalOrdinalClassifier]
NAMES = np.array(["a", "b", "c"])

# What is given, and what comes out as the third of the labels.
LABELS = {
    "int8": (Y.astype(np.int8), np.int8(2)),
    "uint64": (Y.astype(np.uint64), np.uint64(2)),
    "whole floats": (Y.astype(np.float32), np.float32(2)),
    "booleans": (Y > 0, np.True_),
    "whole objects": (Y.astype(object), np.int64(2)),
    "boolean objects": ((Y > 0).astype(object), np.True_),
    "strings": (NAMES[Y], np.str_("c")),
    "string objects": (NAMES[Y].astype(object), "c"),
    "list": (Y.tolist(), np.int64(2)),
    "list of strings": (NAMES[Y].tolist(), np.str_("c")),
    "tensor": (torch.from_numpy(Y), np.int64(2)),
    "nullable integers": (pd.Series(Y, dtype="Int64"), np.int64(2)),
    "nullable booleans": (pd.Series(Y > 0, dtype="boolean"), np.True_),
    "nullable floats": (pd.Series(Y, dtype="Float64"), np.float64(2)),
    "arrow integers": (pd.Series(Y, dtype="int64[pyarrow]"), np.int64(2)),
    "arrow booleans": (pd.Series(Y > 0, dtype="bool[pyarrow]"), np.True_),
    "pandas strings": (pd.Series(NAMES[Y], dtype="string"), "c"),
    "categories": (pd.Series(pd.Categorical(NAMES[Y], ordered=True)), "c"),
    "categories of numbers": (pd.Categorical(Y, ordered=True), np.int64(2)),
    "another index": (pd.Series(Y, index=np.arange(150)[::-1]), np.int64(2)),
    "column": (Y[:, None].ravel(), np.int64(2)),
    "polars": (pl.Series(NAMES[Y]), np.str_("c")),
    "polars integers": (pl.Series(Y), np.int64(2)),
    "arrow": (pa.chunked_array([pa.array(Y)]), np.int64(2)),
    "days": (
        np.array(["2020-01-01", "2021-01-01", "2022-01-01"], "M8[D]")[Y],
        np.datetime64("2022-01-01"),
    ),
}


@pytest.mark.parametrize(("given", "last"), LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("cls", CLASSIFIERS)
@pytest.mark.filterwarnings("ignore:y holds labels that are not numbers")
def test_labels_keep_their_type(cls, given, last):
    model = cls(**OPTIONS).fit(X, given)
    labels = model.predict(X)
    assert labels.max() == last if not isinstance(last, str) else last in labels.tolist()
    assert type(model.classes_[-1]) is type(last)
    assert model.score(X, given) > 0.6
    model.fit(X, given, X_val=X, y_val=given)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT])
@pytest.mark.parametrize("cls", CLASSIFIERS)
def test_a_missing_label_is_named(cls, missing):
    labels = NAMES[Y].astype(object)
    labels[7] = missing
    with pytest.raises(ValueError, match="y contains NaN or another missing label, in row 7"):
        cls(**OPTIONS).fit(X, labels)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (pd.cut(X[:, 0], 3), "Interval"),
        (np.array([1, "a", 2.0], dtype=object)[Y], "float, int, str"),
        (np.array([True, 2, 3], dtype=object)[Y], "bool, int"),
        (np.array([datetime.date(2020, 1, day) for day in (1, 2, 3)])[Y], "date"),
        (np.array([(1, 2), (3, 4), (5, 6), 0], dtype=object)[Y], "tuple"),
    ],
)
@pytest.mark.parametrize("cls", CLASSIFIERS)
def test_objects_that_are_no_labels_are_named_with_the_way_out(cls, given, kind):
    with pytest.raises(ValueError, match=rf"y holds labels of type {kind}.*strings or numbers"):
        cls(**OPTIONS).fit(X, given)


def test_the_way_out_of_intervals_keeps_their_order():
    grades = pd.Series(pd.cut(X[:, 0], 3)).cat.rename_categories(str)
    model = HypersphericalOrdinalClassifier(**OPTIONS).fit(X, grades)
    assert model.categories_.tolist() == list(grades.cat.categories)


@pytest.mark.parametrize(
    "classes", [[0, 1, 2, 3], pd.array([0, 1, 2, 3]), np.arange(4).astype(object), range(4)]
)
def test_all_labels_may_be_named_in_any_container(classes):
    model = HypersphericalPrototypeClassifier(**OPTIONS).partial_fit(X, Y, classes=classes)
    assert model.classes_.tolist() == [0, 1, 2, 3]
    assert model.classes_.dtype == np.int64


@pytest.mark.parametrize("given", [pd.array(Y), Y.astype(object), pd.Series(Y, dtype="Int8")])
def test_classes_beside_values_are_labels_too(given):
    model = HypersphericalMultiTask(**OPTIONS).fit(X, (given, X[:, 0]))
    assert model.classes_.dtype.kind == "i"
    assert model.score(X, (given, X[:, 0])) > 0


# Weights by label.


@pytest.mark.parametrize("value", [np.nan, np.inf, None, "2", -1, 1j, [1]])
@pytest.mark.parametrize("cls", CLASSIFIERS)
def test_weights_that_are_none_are_named(cls, value):
    with pytest.raises(ValueError, match=r"class_weight gives .* to the class 1; weights are"):
        cls(class_weight={1: value}, **OPTIONS).fit(X, Y)


def test_weights_of_classes_that_a_fold_lacks_are_unused():
    weights = {0: 1.0, 1: 2.0, 2: 3.0, "none of them": 4.0}
    few = Y < 2
    model = HypersphericalPrototypeClassifier(class_weight=weights, **OPTIONS)
    expected = model.set_params(class_weight={0: 1.0, 1: 2.0}).fit(X[few], Y[few]).transform(X)
    found = model.set_params(class_weight=weights).fit(X[few], Y[few]).transform(X)
    np.testing.assert_array_equal(found, expected)


def test_a_misspelt_weight_is_an_error():
    with pytest.raises(ValueError, match=r"class_weight names \[3\].*\[0, 1, 2\]"):
        HypersphericalPrototypeClassifier(class_weight={0: 1, 1: 1, 3: 1}, **OPTIONS).fit(X, Y)


@pytest.mark.parametrize("key", [np.int64, np.int8, float, int])
def test_labels_of_weights_go_by_value(key):
    model = HypersphericalPrototypeClassifier(**OPTIONS)
    expected = model.set_params(class_weight={0: 3.0}).fit(X, Y).transform(X)
    found = model.set_params(class_weight={key(0): 3.0}).fit(X, Y).transform(X)
    np.testing.assert_array_equal(found, expected)


def test_no_row_left_is_an_error_and_in_a_stream_nothing_to_do():
    model = HypersphericalPrototypeClassifier(class_weight={0: 0.0}, **OPTIONS)
    with pytest.raises(ValueError, match="No sample has a positive weight under class_weight"):
        model.fit(X, Y, sample_weight=(Y == 0).astype(float))
    stream = model.partial_fit(X, Y, classes=[0, 1, 2])
    expected = stream.transform(X)
    found = stream.partial_fit(X[Y == 0], Y[Y == 0]).transform(X)
    np.testing.assert_array_equal(found, expected)


def test_judges_without_weight_are_named():
    model = HypersphericalPrototypeClassifier(class_weight={0: 0.0}, **OPTIONS)
    with pytest.raises(ValueError, match="y_val leaves no sample of positive weight"):
        model.fit(X, Y, X_val=X[Y == 0], y_val=Y[Y == 0])


@pytest.mark.parametrize("factor", [2.0**-1000, 2.0**1000])
def test_weights_may_be_of_any_size(factor):
    weight = 1.0 + np.arange(150) % 3
    model = HypersphericalPrototypeClassifier(**OPTIONS)
    expected = model.fit(X, Y, sample_weight=weight).transform(X)
    found = model.fit(X, Y, sample_weight=weight * factor).transform(X)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "values",
    [[None, *X[1:, 0]], np.full(150, np.longdouble("1e4000")), np.ma.masked_less(X[:, 0], 5)],
)
def test_a_value_that_is_missing_or_none_is_named(values):
    with pytest.raises(ValueError, match=r"Input y contains (NaN|infinity)"):
        HypersphericalRegressor(**OPTIONS).fit(X, values)


@pytest.mark.parametrize("values", [list("ab" * 75), np.array(["a"] * 150), pd.Series(["a"] * 150)])
def test_text_in_place_of_values_is_named(values):
    with pytest.raises(ValueError, match=r"y must hold numbers, .*classifier if it holds labels"):
        HypersphericalRegressor(**OPTIONS).fit(X, values)


@pytest.mark.parametrize("y", [1, None, "ab", np.array(1.0), [1, 2], np.ones((150, 3))])
def test_what_is_no_pair_of_targets_is_named(y):
    with pytest.raises(
        ValueError, match=r"class and a value for every row|1-d|one value for every"
    ):
        HypersphericalMultiTask(**OPTIONS).fit(X, y)


def test_scores_are_finite_near_the_largest_number():
    y = X[:, 0] * 1e300
    model = HypersphericalRegressor(**OPTIONS).fit(X, y)
    expected = HypersphericalRegressor(**OPTIONS).fit(X, X[:, 0]).score(X, X[:, 0])
    assert model.score(X, y) == pytest.approx(expected, abs=0.05)
