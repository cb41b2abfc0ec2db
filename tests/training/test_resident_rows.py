"""Bytes that are encoded batch by batch train and predict as the tensor of their encoding."""

import numpy as np
import pytest
import torch

from sphereskl.preprocessing import ImageEncoder, traced
from sphereskl.training import ResidentRows, ShuffledBatches, TensorData, infer

BYTES = np.random.default_rng(0).integers(0, 256, (200, 6, 5, 3), dtype=np.uint8)
ENCODER = ImageEncoder((6, 5, 3)).fit(BYTES)
X = ENCODER.transform(BYTES)


def _rows():
    return ResidentRows(torch.from_numpy(BYTES), traced(ENCODER))


@pytest.mark.parametrize("rows", [slice(None), slice(2, 9), slice(-3, None), [0, -1], [5]])
def test_rows_are_those_of_the_encoder(rows):
    assert torch.equal(_rows()[rows], X[rows])


@pytest.mark.parametrize("rows", [slice(None), slice(1, 3), [0, -1]])
def test_rows_of_a_selection_of_a_selection(rows):
    first, second = torch.tensor([7, 3, 150, 3, 9]), torch.tensor([4, 1, 0, 2], dtype=torch.int32)
    chosen = _rows().index_select(0, first).index_select(0, second)
    assert len(chosen) == 4
    assert torch.equal(chosen[rows], X[[9, 3, 7, 150]][rows])


def test_a_selection_shares_the_bytes():
    rows = _rows()
    chosen = rows.index_select(0, torch.arange(100))
    assert chosen.X.data_ptr() == rows.X.data_ptr()
    assert chosen.nbytes == rows.nbytes == BYTES.nbytes


def test_only_rows_are_selected():
    with pytest.raises(ValueError, match="dim must be 0"):
        _rows().index_select(1, torch.tensor([0]))


def test_loading_goes_by_blocks(monkeypatch):
    monkeypatch.setattr("sphereskl.training._resident_rows._ROWS_AT_ONCE", 64)
    assert torch.equal(_rows().load(), X)


def test_rows_lie_in_memory_as_a_tensor_of_the_encoder_does():
    """Kernels differ in the last bits with the layout, and images are channels last here."""
    for part in (_rows()[3:8], _rows()[[1, 5]], next(_rows().parts([torch.tensor([2, 0])]))):
        assert part.is_contiguous()
        assert part.data_ptr() % 64 == 0


@pytest.mark.parametrize("batch_size", [7, 64, 500])
def test_batches_are_those_of_a_tensor(batch_size):
    def epoch(samples):
        data = TensorData(samples, torch.arange(200))
        return list(ShuffledBatches(data, batch_size, torch.Generator().manual_seed(0)))

    for resident, whole in zip(epoch(_rows()), epoch(X), strict=True):
        assert torch.equal(resident.X, whole.X)
        assert torch.equal(resident.target, whole.target)


def test_inference_is_that_of_a_tensor():
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(90, 2))
    assert torch.equal(infer(model, _rows(), chunk_size=32), infer(model, X))


def test_another_device_gets_the_bytes_and_its_own_encoder():
    rows = _rows().index_select(0, torch.tensor([1, 0]))
    moved = rows.to(torch.device("meta"))
    assert (moved.X.dtype, moved.X.device.type) == (torch.uint8, "meta")
    assert moved[:1].device.type == moved.index.device.type == "meta"
    assert torch.equal(rows[:], X[[1, 0]])  # the encoder of the former ones stays where it was
    assert rows.to(torch.device("cpu")) is rows
