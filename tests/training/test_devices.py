"""A device is one that torch has, or an error that says so."""

import pytest
import torch

from sphereskl.training import has_room, resolve_device


def test_auto_is_the_gpu_if_there_is_one():
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert resolve_device("auto").type == expected


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu"), "cpu:0"])
def test_what_torch_knows_is_taken(device):
    assert resolve_device(device) == torch.device(device)


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("meta", "device is 'meta', where tensors hold no numbers"),
        ("mps", "device is 'mps', which torch cannot use here; pass device='auto'"),
        ("gpu", "device must be 'auto' or one that torch knows, .* got 'gpu'"),
        ("cuda:99", r"device is 'cuda:99', but torch finds \d+ GPUs here; pass device='auto'"),
    ],
)
def test_what_is_not_there_is_named(device, message):
    with pytest.raises(ValueError, match=message):
        resolve_device(device)


@pytest.mark.parametrize(("n_bytes", "has_some"), [(0, True), (500, True), (501, False)])
def test_samples_take_at_most_half_of_the_free_memory(monkeypatch, n_bytes, has_some):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 4000))
    assert has_room(torch.device("cuda"), n_bytes) == has_some
    assert has_room(torch.device("cpu"), n_bytes)
