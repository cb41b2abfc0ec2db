"""A class and a value in every form that users have them in."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from sphereskl.preprocessing import (
    LabelsAndValues,
    is_known,
    join_targets,
    split_targets,
    targets_form,
)

LABELS, VALUES = ["a", "b", None, "a"], [1.0, None, 3.0, 4.0]
FORMS = {
    "pandas": pd.DataFrame({"kind": LABELS, "size": VALUES}),
    "pandas nullable": pd.DataFrame(
        {"kind": pd.array(LABELS, dtype="string"), "size": pd.array(VALUES, dtype="Float64")}
    ),
    "pandas categorical": pd.DataFrame({"kind": pd.Categorical(LABELS), "size": VALUES}),
    "polars": pl.DataFrame({"kind": LABELS, "size": VALUES}),
    "pyarrow": pa.table({"kind": LABELS, "size": VALUES}),
    "pair of lists": (LABELS, VALUES),
    "pair of series": (pd.Series(LABELS), pd.Series(VALUES)),
    "array": np.array([LABELS, VALUES], dtype=object).T,
}


@pytest.mark.parametrize("y", FORMS.values(), ids=FORMS.keys())
def test_every_form_says_the_same(y):
    labels, values = split_targets(y)
    assert labels.tolist() == LABELS
    np.testing.assert_array_equal(values, [1.0, np.nan, 3.0, 4.0])
    assert values.dtype == np.float64
    assert is_known(labels).tolist() == [True, True, False, True]


@pytest.mark.parametrize("y", FORMS.values(), ids=FORMS.keys())
def test_predictions_come_back_in_the_form_of_y(y):
    labels, values = np.array(["a", "b"]), np.array([1.5, 2.5])
    joined = join_targets(labels, values, targets_form(y))
    assert type(joined) is type(y)
    again = split_targets(joined)
    assert again[0].tolist() == ["a", "b"]
    np.testing.assert_array_equal(again[1], values)
    if hasattr(y, "columns"):
        assert list(getattr(joined, "column_names", joined.columns)) == ["kind", "size"]


def test_classes_near_the_largest_float_are_refused_without_a_warning():
    y = np.array([0.0, 1e307, 2e307]), np.array([0.0, 1.0, 2.0])
    with pytest.raises(ValueError, match="Unknown label type: y_class holds values such as 2e"):
        LabelsAndValues("minmax", "float32").fit(y)


def test_integers_without_gaps_stay_integers():
    labels, _ = split_targets((np.array([3, 1, 2]), [0.0, 1.0, 2.0]))
    assert labels.dtype.kind == "i"


def test_classes_with_gaps_in_a_float_column():
    labels, _ = split_targets((np.array([3.0, np.nan]), [0.0, 1.0]))
    assert labels.tolist() == [3.0, None]


BAD = {
    "one column": (pd.DataFrame({"a": [1]}), "two columns or as a pair.* got DataFrame with 1"),
    "three columns": (np.zeros((2, 3)), "got ndarray with 3 columns"),
    "a vector": (np.zeros(5), "got ndarray with no columns"),
    "a triple": (([1], [2], [3]), "y must give a class and a value"),
    "text": ((["a"], ["b"]), "y_value must hold numbers.*class comes first"),
    "infinity": ((["a"], [np.inf]), "y_value must be finite, got infinity"),
}


@pytest.mark.parametrize(("y", "message"), BAD.values(), ids=BAD.keys())
def test_other_forms_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        split_targets(y)


MASKED = {
    "pair": (np.ma.array(["a", "b"], mask=[0, 1]), np.ma.array([1.0, 2.0], mask=[1, 0])),
    "table": np.ma.array([["a", 1.0], ["b", 2.0]], mask=[[0, 1], [1, 0]], dtype=object),
}


@pytest.mark.parametrize("y", MASKED.values(), ids=MASKED)
def test_what_is_masked_is_missing(y):
    labels, values = split_targets(y)
    assert labels.tolist() == ["a", None]
    np.testing.assert_array_equal(values, [np.nan, 2.0])


def test_a_frame_of_one_column_is_a_column():
    labels, values = split_targets((pd.DataFrame({"kind": ["a", "b"]}), np.array([[1.0], [2.0]])))
    assert labels.tolist() == ["a", "b"]
    assert values.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ((["a", "b"], np.ones((2, 2))), r"y_value must have one value .* shape \(2, 2\)"),
        ((["a", "b"], [1j, 2.0]), r"y_value must hold numbers, got dtype complex128"),
    ],
)
def test_columns_of_another_kind_are_named(y, message):
    with pytest.raises(ValueError, match=message):
        split_targets(y)


def test_classes_that_are_all_missing_are_too_few():
    with pytest.raises(ValueError, match=r"at least 2 classes, but its classes are \[\]"):
        LabelsAndValues().fit(([None, None], [1.0, 2.0]))
