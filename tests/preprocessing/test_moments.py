"""Moments of blocks, joined, are those of all rows."""

from functools import reduce

import numpy as np
import pytest

from sphereskl.preprocessing import TableEncoder, _stored_rows
from sphereskl.preprocessing._moments import block_moments, joined


def _blocks(X, weight, sizes, missing=None):
    ends = np.cumsum(sizes)
    parts = (slice(end - size, end) for end, size in zip(ends, sizes, strict=True))
    return reduce(
        joined,
        [
            block_moments(X[rows], weight[rows], None if missing is None else missing[rows])
            for rows in parts
        ],
    )


@pytest.fixture
def rows():
    generator = np.random.default_rng(0)
    scales = np.array([1.0, 1e-8, 1e12, 1.0])
    return generator.normal(size=(100, 4)) * scales + [0, 1, 1e15, 1e3], generator.random(100)


@pytest.mark.parametrize("sizes", [[100], [1, 99], [33, 33, 34], [1] * 100])
def test_blocks_of_any_size_give_the_moments_of_all_rows(rows, sizes):
    X, weight = rows
    found = _blocks(X, weight, sizes)
    exact = X.astype(np.longdouble)
    mean = np.average(exact, axis=0, weights=weight)
    deviation = np.sqrt(np.average((exact - mean) ** 2, axis=0, weights=weight))
    np.testing.assert_allclose(found.mean, mean.astype(float), rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(found.deviation, deviation.astype(float), rtol=1e-8)
    np.testing.assert_allclose(found.weight, weight.sum())


@pytest.mark.parametrize("sizes", [[50, 50], [1] * 100])
def test_what_is_missing_does_not_count(rows, sizes):
    X, weight = rows
    missing = np.random.default_rng(1).random(X.shape) < 0.5
    missing[:60, 0] = True  # whole blocks are missing
    X = np.where(missing, np.nan, X)
    found = _blocks(X, weight, sizes, missing)
    there = [(X[~gaps, j], weight[~gaps]) for j, gaps in enumerate(missing.T)]
    np.testing.assert_allclose(found.mean, [np.average(x, weights=w) for x, w in there])


@pytest.mark.parametrize("value", [0.0, -3.7, 1e300, 1.7e308, 5e-324])
def test_constant_columns_stay_exact(value):
    found = _blocks(np.full((30, 1), value), np.ones(30), [7, 11, 12])
    assert (found.mean, found.deviation) == (value, 0)
    assert found.standard()[1] == 1


def test_squares_do_not_overflow():
    X = np.repeat([[-8e307], [8e307]], 5, axis=0)
    found = _blocks(X, np.ones(10), [5, 5])
    np.testing.assert_allclose(found.deviation, 8e307)


def test_numbers_too_far_apart_are_refused_across_blocks():
    X = np.repeat([[-1.7e308], [1.7e308]], 5, axis=0)
    with pytest.raises(ValueError, match=r"column 0 that are further apart"):
        _blocks(X, np.ones(10), [5, 5])


def test_a_table_is_encoded_alike_whatever_the_blocks(monkeypatch):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(200, 3))
    X[:, 1] = generator.integers(0, 5, 200)
    X[150:, 2] = np.nan
    encoder = TableEncoder(categorical_features=[1])
    expected = encoder.fit(X).transform(X)
    monkeypatch.setattr(_stored_rows, "_BLOCK_SIZE", 3 * 17)
    np.testing.assert_allclose(encoder.fit(X).transform(X), expected, atol=1e-6)
