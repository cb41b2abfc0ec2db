"""Which rows are held out depends on their content alone."""

import math
from functools import partial

import numpy as np
import pytest

from sphereskl.training import _hold_out, assign_folds, hold_out, row_keys, sampled


def _held_out(keys, target, fraction):
    return hold_out(keys, target, fraction).part_of(keys, target) == 0


def _folds(keys, target, n_folds):
    return assign_folds(keys, target, n_folds).part_of(keys, target)


def _rows(n_samples=200, seed=0):
    return np.random.default_rng(seed).normal(size=(n_samples, 5))


def _strata(n_samples=200, n_strata=4):
    return np.arange(n_samples) % n_strata


def test_keys_belong_to_rows_not_to_positions():
    X, order = _rows(), np.random.default_rng(1).permutation(200)
    np.testing.assert_array_equal(row_keys(X[order], 0), row_keys(X, 0)[order])


def test_keys_are_64_bits_and_do_not_collide():
    keys = row_keys(_rows(5000), 0)
    assert keys.dtype == np.uint64
    assert len(np.unique(keys)) == 5000


def test_equal_rows_have_equal_keys():
    X = _rows()
    np.testing.assert_array_equal(row_keys(np.concatenate([X, X]), 0)[200:], row_keys(X, 0))


def test_zeros_of_either_sign_are_equal():
    # A standardised or negated column holds both; 0.0 == -0.0.
    positive, negative = row_keys(np.array([[0.0, 1.0], [-0.0, 1.0]]), 0)
    assert positive == negative


@pytest.mark.parametrize("other", [1, 255, 2**31 - 1, 2**63 - 1])
def test_other_salts_give_unrelated_keys(other):
    assert not np.isin(row_keys(_rows(), other), row_keys(_rows(), 0)).any()


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
def test_memory_layout_does_not_matter(dtype):
    X = (100 + 10 * _rows()).astype(dtype)
    strided = np.repeat(X, 2, axis=1)[:, ::2]
    np.testing.assert_array_equal(row_keys(np.asfortranarray(X), 0), row_keys(X, 0))
    np.testing.assert_array_equal(row_keys(strided, 0), row_keys(X, 0))


def test_images_have_keys():
    images = np.arange(4 * 3 * 2 * 2, dtype=np.uint8).reshape(4, 3, 2, 2)
    np.testing.assert_array_equal(row_keys(images, 0), row_keys(images.reshape(4, -1), 0))


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.15, 0.25, 0.3, 0.5])
@pytest.mark.parametrize("n_strata", [1, 3, 7, 60])
def test_every_stratum_gives_its_share(n_strata, fraction):
    target = _strata(421, n_strata)
    given = np.bincount(target, _held_out(row_keys(_rows(421), 0), target, fraction))
    share = np.bincount(target) * fraction
    assert (np.floor(share - 1e-9) <= given).all()
    assert (given <= np.ceil(share + 1e-9)).all()


@pytest.mark.parametrize("fraction", [0.1, 0.15, 0.25, 0.5, 0.9])
def test_the_whole_gives_its_share(fraction):
    held_out = _held_out(row_keys(_rows(1000), 0), _strata(1000), fraction)
    assert held_out.sum() == pytest.approx(1000 * fraction, abs=0.5)


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("n_strata", [1, 20, 50, 100, 200])
def test_every_stratum_keeps_a_row(n_strata, fraction):
    target = _strata(200, n_strata)
    held_out = _held_out(row_keys(_rows(), 0), target, fraction)
    assert set(target[~held_out]) == set(range(n_strata))


@pytest.mark.parametrize("n_rows", [2, 3, 9])
def test_small_strata_give_what_they_can_spare(n_rows):
    # Their share rounded down, and all but the row that they keep.
    target = _strata(20 * n_rows, 20)
    given = np.bincount(target, _held_out(row_keys(_rows(20 * n_rows), 0), target, 0.9))
    assert (given >= min(math.floor(0.9 * n_rows), n_rows - 1)).all()


def test_copies_stay_together():
    copies = np.repeat(np.arange(200), np.arange(200) % 4 + 1)
    held_out = _held_out(row_keys(_rows()[copies], 0), _strata()[copies], 0.2)
    expected = _held_out(row_keys(_rows(), 0), _strata(), 0.2)
    np.testing.assert_array_equal(held_out, expected[copies])


def test_order_of_rows_does_not_matter():
    order = np.random.default_rng(1).permutation(200)
    keys = row_keys(_rows(), 0)
    expected = _held_out(keys, _strata(), 0.2)[order]
    np.testing.assert_array_equal(_held_out(keys[order], _strata()[order], 0.2), expected)


def test_salt_chooses_other_rows():
    first, second = (_held_out(row_keys(_rows(), salt), _strata(), 0.2) for salt in (0, 1))
    assert (first != second).any()


def test_a_single_row_is_kept():
    assert not _held_out(row_keys(_rows(1), 0), np.array([0]), 0.9).any()


def _keys(n, seed=0):
    return np.random.RandomState(seed).randint(0, 2**62, n).astype(np.uint64)


@pytest.mark.parametrize("n_folds", [2, 8])
def test_folds_are_even_in_every_stratum_and_in_all(n_folds):
    strata = np.random.RandomState(0).choice([0, 1, 2], 1000, p=[0.7, 0.25, 0.05])
    fold = _folds(_keys(1000), strata, n_folds)
    for part in (fold, *(fold[strata == s] for s in range(3))):
        sizes = np.bincount(part, minlength=n_folds)
        assert np.ptp(sizes) <= 1


def test_folds_keep_copies_together_whatever_the_order():
    keys, strata = np.repeat(_keys(50), 3), np.repeat(np.arange(50) % 4, 3)
    fold = _folds(keys, strata, 8)
    assert (fold.reshape(50, 3) == fold.reshape(50, 3)[:, :1]).all()
    order = np.random.RandomState(1).permutation(150)
    assert np.array_equal(_folds(keys[order], strata[order], 8), fold[order])


def test_a_class_of_one_row_is_spared():
    fold = _folds(_keys(5), np.array([0, 0, 1, 2, 2]), 2)
    assert (fold >= 0).tolist() == [True, True, False, True, True]
    # Copies are one row.
    fold = _folds(np.array([3, 3, 4, 5], dtype=np.uint64), np.array([0, 0, 1, 1]), 2)
    assert fold.tolist()[:2] == [-1, -1]


def test_names_of_strata_do_not_matter_to_folds():
    keys, strata = _keys(40), np.arange(40) % 3
    assert np.array_equal(_folds(keys, strata, 4), _folds(keys, strata * 7 + 2, 4))


@pytest.mark.parametrize(
    "split", [partial(hold_out, fraction=0.3), partial(assign_folds, n_folds=8)]
)
def test_rows_that_come_later_move_none_of_those_that_were_there(split):
    keys, strata = _keys(400), np.arange(400) % 3
    early = split(keys[:200], strata[:200])
    part = early.part_of(keys, strata)
    assert np.array_equal(part[:200], early.part_of(keys[:200], strata[:200]))
    # What comes is dealt out in the same shares, but for chance.
    np.testing.assert_allclose(
        np.bincount(part[200:], minlength=2) / 200,
        np.bincount(part[:200], minlength=2) / 200,
        atol=0.1,
    )


@pytest.mark.parametrize(
    "split", [partial(hold_out, fraction=0.3), partial(assign_folds, n_folds=8)]
)
def test_strata_that_come_later_are_in_no_part(split):
    keys = _keys(40)
    ranges = split(keys, np.repeat([1, 3], 20))
    assert (ranges.part_of(keys, np.repeat([0, 2, 4, 9], 10)) == -1).all()


def test_a_sample_by_content_has_the_size_asked_for_and_copies_stay_together():
    keys = np.random.default_rng(0).integers(0, 2**64, 10_000, dtype=np.uint64)
    chosen = sampled(np.tile(keys, 2), 5_000)
    assert np.array_equal(chosen[:10_000], chosen[10_000:])
    assert abs(chosen.sum() - 5_000) < 300  # six standard deviations
    assert sampled(keys, 10_000).all()


def test_of_very_many_rows_a_sample_decides(monkeypatch):
    monkeypatch.setattr(_hold_out, "_MOST_SORTED", 5_000)
    keys = np.random.default_rng(0).integers(0, 2**64, 20_000, dtype=np.uint64)
    target = np.arange(20_000) % 4
    ranges = hold_out(keys, target, 0.25)
    held = ranges.part_of(keys, target) == 0
    shares = np.bincount(target[held]) / 5_000
    np.testing.assert_allclose(shares, 0.25, atol=0.05)
