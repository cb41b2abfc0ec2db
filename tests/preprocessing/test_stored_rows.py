"""Rows that are read in parts are the rows of the array."""

import numpy as np
import pytest
import torch
from torch.utils.data import ChainDataset, DataLoader, TensorDataset

from sphereskl.preprocessing import DatasetRows, StoredRows, row_blocks, take_rows

X = np.arange(60.0).reshape(20, 3)
SOURCES = {
    "array": lambda: StoredRows(X, X.dtype),
    "subset": lambda: StoredRows(np.repeat(X, 2, axis=0), X.dtype, np.arange(0, 40, 2)),
    "dataset": lambda: DatasetRows(TensorDataset(torch.from_numpy(X))),
    "pairs": lambda: DatasetRows(TensorDataset(torch.from_numpy(X), torch.arange(20))),
}


@pytest.fixture(params=SOURCES.values(), ids=SOURCES)
def stored(request):
    return request.param()


def test_they_have_the_shape_of_the_array(stored):
    assert (stored.shape, stored.ndim, len(stored), stored.dtype) == (X.shape, 2, 20, X.dtype)


@pytest.mark.parametrize("rows", [slice(None), slice(3, 7), slice(-2, None), slice(1), slice(5, 5)])
def test_a_slice_is_read(stored, rows):
    if rows == slice(5, 5) and isinstance(stored, DatasetRows):
        pytest.skip("an empty part of a Dataset has no shape")
    np.testing.assert_array_equal(stored[rows], X[rows])


def test_parts_come_in_the_order_asked_for(stored):
    asked = [np.array([4, 2, 2, 19]), np.arange(6, 9), np.array([0])]
    for part, index in zip(stored.parts(asked), asked, strict=True):
        np.testing.assert_array_equal(part, X[index])


def test_a_choice_of_a_choice_is_one_of_all(stored):
    twice = stored.take(np.array([9, 3, 5])).take(np.array([2, 0]))
    np.testing.assert_array_equal(twice[:], X[[5, 9]])
    chosen = np.arange(20) % 7 == 0
    np.testing.assert_array_equal(take_rows(stored, chosen)[:], X[chosen])


def test_blocks_are_checked_and_bounded(stored, monkeypatch):
    monkeypatch.setattr("sphereskl.preprocessing._stored_rows._BLOCK_SIZE", 3 * 8)
    seen = []
    stored.check = lambda block: seen.append(len(block))
    rows, blocks = zip(*row_blocks(stored), strict=True)
    assert seen == [8, 8, 4]
    np.testing.assert_array_equal(np.concatenate(blocks), X)
    np.testing.assert_array_equal(np.concatenate([X[r] for r in rows]), X)


def test_blocks_without_a_check_are_the_rows(stored):
    ((rows, block),) = row_blocks(stored)
    np.testing.assert_array_equal(block, X)
    np.testing.assert_array_equal(X[rows], X)


def test_samples_of_another_shape_are_named():
    ragged = DataLoader([torch.zeros(3), torch.zeros(3), torch.zeros(2), torch.zeros(2)])
    asked = [np.array([0, 1]), np.array([2, 3])]
    told = r"X is a list with samples of shape \(2,\) and a first one of shape \(3,\); make all"
    with pytest.raises(ValueError, match=told):
        list(DatasetRows(ragged).parts(asked))


def test_what_is_read_is_a_copy():
    rows = X.copy()
    StoredRows(rows, rows.dtype)[:][0, 0] = 99
    assert rows[0, 0] == 0


def test_targets_of_pairs_are_read_once_each():
    pairs = DataLoader(TensorDataset(torch.from_numpy(X), torch.arange(20)), batch_size=7)
    np.testing.assert_array_equal(DatasetRows(pairs).targets(), np.arange(20))


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (ChainDataset([]), TypeError, "has no length or no rows by number"),
        (TensorDataset(torch.zeros(0, 2)), ValueError, r"with 0 sample\(s\)"),
        (DataLoader(["a", "b"]), TypeError, "its samples must be numbers"),
        (TensorDataset(*torch.zeros(3, 5, 2)), ValueError, "X has rows of 3 values"),
    ],
)
def test_what_gives_no_samples_is_refused(source, error, message):
    with pytest.raises(error, match=message):
        DatasetRows(source)
