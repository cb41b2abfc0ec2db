"""Frames of any library and arrays of objects become the same matrix of numbers."""

import datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from sphereskl.preprocessing import ColumnReader, is_frame, is_plain

VALUES = {
    "size": [1.5, None, 3.0, 2.5],
    "count": [1, 2, None, 4],
    "flag": [True, None, False, True],
    "colour": ["red", "blue", None, "red"],
}
EXPECTED = np.array(
    [[1.5, 1, 1, 1], [np.nan, 2, np.nan, 0], [3, np.nan, 0, np.nan], [2.5, 4, 1, 1]]
)


def _frames():
    plain = pd.DataFrame(VALUES)
    nullable = plain.convert_dtypes()
    return {
        "pandas objects": plain,
        "pandas nullable": nullable,
        "pandas categorical": plain.astype({"colour": "category"}),
        "pandas arrow": nullable.convert_dtypes(dtype_backend="pyarrow"),
        "polars strings": pl.DataFrame(VALUES),
        "polars categorical": pl.DataFrame(VALUES).cast({"colour": pl.Categorical}),
        "polars enum": pl.DataFrame(VALUES).cast({"colour": pl.Enum(["red", "blue", "green"])}),
        "pyarrow": pa.table(VALUES),
        "objects": plain.to_numpy(dtype=object),
    }


@pytest.mark.parametrize("kind", list(_frames()))
def test_every_library_gives_the_same_matrix(kind):
    X = _frames()[kind]
    reader = ColumnReader().fit(X)
    np.testing.assert_array_equal(reader.read(X), EXPECTED)
    assert reader.is_categorical_.tolist() == [False, False, False, True]
    assert reader.levels_ == [None, None, None, ["blue", "red"]]


@pytest.mark.parametrize("kind", list(_frames()))
def test_an_unseen_level_is_minus_one_and_a_gap_is_nan(kind):
    reader = ColumnReader().fit(_frames()["pandas objects"])
    new = pd.DataFrame({**VALUES, "colour": ["green", "red", None, "grey"]})
    np.testing.assert_array_equal(reader.read(new)[:, 3], [-1, 1, np.nan, -1])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("from_dtype", [False, False, True]),
        (["colour", "zone"], [True, False, True]),
        (["zone", "colour"], [True, False, True]),
        ([0, 2], [True, False, True]),
        ([-1], [False, False, True]),
        (np.array([True, False, True]), [True, False, True]),
        ("colour", [False, False, True]),
    ],
    ids=str,
)
def test_categories_are_named_placed_masked_or_typed(given, expected):
    X = pd.DataFrame({"zone": [1, 2, 1], "size": [0.5, 1.0, 2.0], "colour": ["a", "b", "a"]})
    assert ColumnReader(given).fit(X).is_categorical_.tolist() == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["shape"], r"'shape'.*not a column of X.*'size', 'colour'"),
        ([7], r"holds 7.*not a column"),
        ([True], r"mask of 1 values.*2 columns"),
        (None, r"'colour'.*not numbers.*does not name it"),
        (["size"], r"'colour'.*not numbers.*does not name it"),
    ],
    ids=str,
)
def test_wrong_names_say_what_there_is(given, message):
    X = pd.DataFrame({"size": [1.0, 2.0], "colour": ["red", "blue"]})
    with pytest.raises(ValueError, match=message):
        ColumnReader(given).fit(X)


DATES = {
    "pandas": pd.DataFrame({"when": pd.to_datetime(["2024-01-01", "2024-02-01"])}),
    "pandas duration": pd.DataFrame({"when": pd.to_timedelta([1, 2], unit="D")}),
    "polars date": pl.DataFrame({"when": [datetime.date(2024, 1, 1), datetime.date(2024, 2, 1)]}),
    "polars time": pl.DataFrame({"when": [datetime.time(1), datetime.time(2)]}),
    "pyarrow": pa.table({"when": [datetime.datetime(2024, 1, 1), datetime.datetime(2024, 2, 1)]}),
}


@pytest.mark.parametrize("kind", list(DATES))
def test_dates_are_refused_with_the_way_out(kind):
    with pytest.raises(ValueError, match=r"'when' of dates or times.*skrub's TableVectorizer"):
        ColumnReader().fit(DATES[kind])


@pytest.mark.parametrize(
    "column", [[[1, 2], [3]], [b"a", b"b"], [{"a": 1}, {"a": 2}]], ids=["list", "binary", "struct"]
)
def test_nested_columns_are_refused(column):
    with pytest.raises(ValueError, match=r"'odd' of type .*neither numbers nor a category"):
        ColumnReader().fit(pl.DataFrame({"odd": column}))


def test_text_is_refused_unless_it_is_named():
    texts = pd.DataFrame({"note": [f"customer {j} called" for j in range(60)]})
    with pytest.raises(ValueError, match=r"'note' of strings with 60 distinct.*TableVectorizer"):
        ColumnReader().fit(texts)
    assert len(ColumnReader(["note"]).fit(texts).levels_[0]) == 60
    # A declared category may have as many levels as it likes.
    assert len(ColumnReader().fit(texts.astype("category")).levels_[0]) == 60


def test_objects_that_are_neither_are_refused():
    with pytest.raises(TypeError, match=r"argument must be a string or a number.*'x1'"):
        ColumnReader().fit(np.array([[1.0, {1: 2}], [2.0, "a"]], dtype=object))


@pytest.mark.parametrize("kind", [Decimal, Fraction, np.float32])
def test_whatever_is_a_number_to_python_is_one(kind):
    X = np.array([[kind(1.5), "red"], [None, "blue"], [kind(-2.25), "red"]], dtype=object)
    reader = ColumnReader().fit(X)
    np.testing.assert_array_equal(reader.read(X)[:, 0], [1.5, np.nan, -2.25])
    assert reader.is_categorical_.tolist() == [False, True]


def test_strings_in_a_column_of_numbers_are_refused_later():
    reader = ColumnReader().fit(pd.DataFrame({"size": [1.0, 2.0], "colour": ["red", "blue"]}))
    with pytest.raises(ValueError, match=r"'size'.*numbers were expected"):
        reader.read(pd.DataFrame({"size": ["large", "small"], "colour": ["red", "blue"]}))
    objects = np.array([[1.0, "red"], [2.0, "blue"]], dtype=object)
    with pytest.raises(ValueError, match=r"could not convert string to float.*'large'.*'x0'"):
        ColumnReader().fit(objects).read(np.array([["large", "red"]], dtype=object))


def test_numbers_that_are_categories_keep_their_values_in_arrays():
    X = np.array([[3.0, 1.0], [7.0, 2.0]])
    reader = ColumnReader([0]).fit(X)
    assert reader.read(X) is X
    assert not reader.has_levels
    assert reader.is_categorical_.tolist() == [True, False]


def test_mixed_levels_have_an_order():
    levels = ColumnReader([0]).fit(np.array([["b"], [2], ["a"], [1.0]], dtype=object)).levels_[0]
    assert levels == [1.0, 2, "a", "b"]


def test_what_is_plain_and_what_is_a_frame():
    assert is_plain(np.zeros((2, 2), np.uint8))
    assert not is_plain(np.array([["a"]]))
    assert not is_plain([[1.0]])
    for name, X in _frames().items():
        assert is_frame(X) == (name != "objects")


def test_an_array_that_holds_itself_is_no_number():
    X = np.empty((3, 2), dtype=object)
    X[:] = 1.0
    X[1, 1] = X
    with pytest.raises(TypeError, match=r"(?s)a string or a number: X has .* in column 'x1'"):
        ColumnReader().fit(X)
