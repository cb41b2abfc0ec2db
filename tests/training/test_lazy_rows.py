"""Samples that are encoded when they are asked for do as a tensor of them."""

import numpy as np
import pytest
import torch

from sphereskl.preprocessing import StoredRows
from sphereskl.training import LazyRows, ShuffledBatches, TensorData, infer

X = torch.arange(600.0).reshape(200, 3)


def _lazy():
    return LazyRows(StoredRows(X.numpy(), np.dtype(np.float32)), torch.from_numpy)


@pytest.mark.parametrize("rows", [slice(None), slice(2, 9), slice(-3, None), [0, -1], [5]])
def test_rows_are_read(rows):
    assert torch.equal(_lazy()[rows], X[rows])


def test_a_selection_reads_nothing_before_it_is_asked():
    def encode(rows):
        raise AssertionError

    chosen = LazyRows(_lazy().source, encode).index_select(0, torch.tensor([3, 1]))
    assert len(chosen) == 2
    assert torch.equal(_lazy().index_select(0, torch.tensor([3, 1]))[:], X[[3, 1]])


def test_only_rows_are_selected():
    with pytest.raises(ValueError, match="dim must be 0"):
        _lazy().index_select(1, torch.tensor([0]))


def test_loading_goes_by_blocks(monkeypatch):
    monkeypatch.setattr("sphereskl.training._lazy_rows._ROWS_AT_ONCE", 64)
    assert torch.equal(_lazy().load(), X)


@pytest.mark.parametrize("batch_size", [7, 64, 500])
def test_batches_are_those_of_a_tensor(batch_size):
    def epoch(samples):
        data = TensorData(samples, torch.arange(200))
        return list(ShuffledBatches(data, batch_size, torch.Generator().manual_seed(0)))

    for lazy, whole in zip(epoch(_lazy()), epoch(X), strict=True):
        assert torch.equal(lazy.X, whole.X)
        assert torch.equal(lazy.target, whole.target)


def test_inference_is_that_of_a_tensor():
    model = torch.nn.Linear(3, 2)
    assert torch.equal(infer(model, _lazy(), chunk_size=32), infer(model, X))


def test_rows_begin_where_kernels_expect_them():
    rows = LazyRows(StoredRows(X.numpy(), np.dtype(np.float32)), lambda a: torch.from_numpy(a)[1:])
    assert rows[:].data_ptr() % 64 == 0
