"""Standardised tables keep the law and lose nothing that matters."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.exceptions import NotFittedError

from sphereskl.preprocessing import TableEncoder

RNG_SEED = 0


def _table(n_samples=500, n_features=3, dtype=np.float64):
    rng = np.random.default_rng(RNG_SEED)
    return (rng.uniform(-1, 1, size=(n_samples, n_features)) * 7 + 30).astype(dtype)


def _encode(X, weight=None, *, dtype="float64", **options):
    encoder = TableEncoder(dtype=dtype, **options)
    return encoder.fit(X, weight).transform(X)


@pytest.mark.parametrize("given", [np.float32, np.float64])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_columns_have_mean_0_and_deviation_1(dtype, given):
    x = _encode(_table(dtype=given), dtype=dtype)
    assert x.dtype == getattr(torch, dtype)
    assert x.double().mean(dim=0).abs().max() < 1e-5
    torch.testing.assert_close(
        x.double().std(dim=0, unbiased=False), torch.ones(3).double(), rtol=1e-5, atol=0
    )


def test_moments_are_those_of_the_columns():
    X = _table()
    encoder = TableEncoder(dtype="float64").fit(X)
    np.testing.assert_allclose(encoder.mean_, X.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(encoder.std_, X.std(axis=0), rtol=1e-14)
    assert encoder.output_shape_ == (3,)


def test_units_of_a_column_do_not_matter():
    X = _table()
    torch.testing.assert_close(_encode(X * [1e-9, 1.0, 1e9] + [0.0, -9.0, 1e9]), _encode(X))


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_what_lies_far_out_is_clipped_at_4(sign):
    encoder = TableEncoder(dtype="float64").fit(_table())
    x = encoder.transform(np.array([[1e6, 1e300, np.finfo(float).max]]) * sign)
    assert torch.equal(x, torch.full((1, 3), 4 * sign, dtype=torch.float64))


def test_what_lies_inside_is_not_clipped():
    encoder = TableEncoder(dtype="float64").fit(_table())
    X = encoder.mean_ + 3.999 * encoder.std_
    torch.testing.assert_close(encoder.transform(X[None]), torch.full((1, 3), 3.999).double())


def test_unstandardised_tables_are_passed_on():
    X = 1e6 * _table()
    assert torch.equal(_encode(X, standardize=False), torch.from_numpy(X))


def test_weights_are_repetitions():
    X, weight = _table(60), np.arange(60) % 4
    weighted = TableEncoder(dtype="float64").fit(X, weight)
    repeated = TableEncoder(dtype="float64").fit(np.repeat(X, weight, axis=0))
    np.testing.assert_allclose(weighted.mean_, repeated.mean_, rtol=1e-14)
    np.testing.assert_allclose(weighted.std_, repeated.std_, rtol=1e-13)


@pytest.mark.parametrize("given", [np.float32, np.float64])
@pytest.mark.parametrize("n_samples", [1, 10, 1000, 100_000])
@pytest.mark.parametrize("value", [0.0, 0.1, -1.7e9 / 3, 1e-30])
def test_a_constant_column_becomes_zero(value, n_samples, given):
    # Rounding of its mean must not be taken for a deviation.
    X = np.column_stack([np.full(n_samples, value), np.arange(n_samples)]).astype(given)
    encoder = TableEncoder(dtype="float32").fit(X)
    assert encoder.std_[0] == 1
    assert encoder.transform(X)[:, 0].abs().max() < 1e-5 * max(1, abs(value))


def test_a_constant_column_lets_new_values_through():
    encoder = TableEncoder(dtype="float64").fit(np.full((5, 1), 0.3))
    assert encoder.transform(np.array([[1.3]])).item() == pytest.approx(1.0)


@pytest.mark.parametrize("n_samples", [500, 50_000])
def test_time_stamps_keep_their_resolution(n_samples):
    # 1.7e9 in float32 is known to 128 s: the mean must be taken off before the cast.
    seconds = np.random.default_rng(0).normal(size=(n_samples, 1))
    x = _encode(1.7e9 + seconds, dtype="float32")
    expected = _encode(seconds, dtype="float32")
    torch.testing.assert_close(x, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("given", [np.float32, np.float64])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_users_array_is_not_written_to(dtype, given, standardize):
    X = _table(dtype=given)
    before = X.copy()
    _encode(X, dtype=dtype, standardize=standardize)
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("order", ["C", "F"])
def test_read_only_and_strided_arrays_are_understood(order, standardize):
    X = np.array(_table(), order=order)
    X.flags.writeable = False
    expected = _encode(_table(), standardize=standardize)
    torch.testing.assert_close(_encode(X, standardize=standardize), expected)


def test_rows_are_encoded_one_by_one():
    X = _table()
    encoder = TableEncoder(dtype="float32").fit(X)
    alone = torch.cat([encoder.transform(row[None]) for row in X[:20]])
    assert torch.equal(alone, encoder.transform(X)[:20])


GAPS = np.array([[1.0, 5.0, np.nan], [np.nan, 6.0, np.nan], [3.0, 8.0, np.nan]])


def test_a_gap_is_the_mean_and_has_a_flag():
    encoder = TableEncoder(dtype="float64").fit(GAPS)
    x = encoder.transform(GAPS)
    assert encoder.gaps_.tolist() == [0]
    assert x[1, 0] == 0
    assert torch.equal(x[:, 0], torch.tensor([-1.0, 0.0, 1.0]).double())
    # The flag is standardised as a column of 0 and 1 would be.
    flag = np.array([0.0, 1.0, 0.0])
    np.testing.assert_allclose(x[:, 3], (flag - flag.mean()) / flag.std())


def test_a_column_of_gaps_says_nothing():
    encoder = TableEncoder().fit(GAPS)
    assert not encoder.transform(GAPS)[:, 2].any()
    assert encoder.transform(np.array([[1.0, 5.0, 100.0]])).isfinite().all()


def test_a_gap_that_comes_later_is_the_mean():
    encoder = TableEncoder(dtype="float64").fit(_table())
    assert torch.equal(encoder.transform(np.full((1, 3), np.nan)), torch.zeros(1, 3).double())


def test_moments_do_not_see_gaps():
    X = _table()
    X[::3, 0] = np.nan
    encoder = TableEncoder().fit(X)
    np.testing.assert_allclose(encoder.mean_, np.nanmean(X, axis=0))
    np.testing.assert_allclose(encoder.std_, np.nanstd(X, axis=0))


def test_weights_are_repetitions_with_gaps_and_categories():
    X = _table(60)
    X[::4, 0] = np.nan
    X[:, 2] = np.arange(60) % 3
    weight = np.arange(60) % 3 + 1
    weighted = _encode(X, weight, categorical_features=[2])
    repeated = _encode(np.repeat(X, weight, axis=0), categorical_features=[2])
    torch.testing.assert_close(weighted, repeated[np.cumsum(weight) - 1])


def test_levels_are_numbered_and_a_gap_is_one_of_them():
    X = np.array([[7.0], [3.0], [np.nan], [7.0]])
    encoder = TableEncoder([0]).fit(X)
    assert encoder.transform(X).tolist() == [[1.0], [0.0], [2.0], [1.0]]
    assert encoder.transform(np.array([[5.0]])).tolist() == [[-1.0]]
    assert encoder.columns_.cardinalities == (3,)


def test_a_missing_category_that_comes_later_is_unseen():
    encoder = TableEncoder([0]).fit(np.array([[7.0], [3.0]]))
    assert encoder.transform(np.array([[np.nan]])).tolist() == [[-1.0]]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_keep_their_names(library):
    values = {"age": [1.0, None, 3.0], "job": ["a", "b", None], "paid": [2.0, 3.0, 5.0]}
    frame = {"pandas": pd.DataFrame, "polars": pl.DataFrame}[library](values)
    encoder = TableEncoder().fit(frame)
    assert encoder.get_feature_names_out().tolist() == ["age", "paid", "age_missing", "job"]
    assert encoder.transform(frame).shape == (3, 4)
    assert encoder.get_feature_names_out(["a", "b", "c"]).tolist() == ["a", "c", "a_missing", "b"]


@pytest.mark.parametrize(
    ("X", "message"),
    [(GAPS, "missing values"), (np.array([["a"], ["b"]], dtype=object), "categories")],
    ids=["gaps", "categories"],
)
def test_a_network_of_the_users_own_gets_neither(X, message):
    with pytest.raises(ValueError, match=rf"X has {message}.*pipeline"):
        TableEncoder(standardize=False).fit(X)


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinity_is_refused(value):
    X = _table(5)
    encoder = TableEncoder().fit(X)
    X[3, 1] = value
    with pytest.raises(ValueError, match="infinity, in row 3 and column 1 first"):
        TableEncoder().fit(X)
    with pytest.raises(ValueError, match="infinity, in row 3 and column 1 first"):
        encoder.transform(X)


def test_other_columns_are_refused_in_scikit_learns_words():
    frame = pd.DataFrame({"age": [1.0, 2.0], "job": ["a", "b"]})
    encoder = TableEncoder().fit(frame)
    assert encoder.feature_names_in_.tolist() == ["age", "job"]
    with pytest.raises(ValueError, match="same order"):
        encoder.transform(frame[["job", "age"]])
    with pytest.raises(ValueError, match="now missing"):
        encoder.transform(frame[["age"]])
    with pytest.raises(ValueError, match="has 2 features, but TableEncoder is expecting 3"):
        TableEncoder().fit(_table()).transform(_table(n_features=2))


@pytest.mark.filterwarnings("error")
def test_an_encoder_that_is_not_fitted_says_so():
    frame = pd.DataFrame({"age": [1.0, 2.0]})
    for call in (lambda: TableEncoder().transform(frame), TableEncoder().get_feature_names_out):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            call()


@pytest.mark.parametrize("dtype", [torch.float64, "float16"])
def test_another_type_is_an_error(dtype):
    with pytest.raises(ValueError, match=f"dtype must be 'float32' or 'float64', got {dtype!r}"):
        TableEncoder(dtype=dtype).fit(_table())
