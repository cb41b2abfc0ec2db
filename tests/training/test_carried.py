"""What a net carries is on the CPU, with its ties, and finds a device that is there."""

import copy

import pytest
import torch
from torch import nn

from sphereskl.training import _carried, available_device, on_cpu


class Tied(nn.Module):
    """One weight in two layers, a buffer, and a parameter that does not learn."""

    def __init__(self, device):
        super().__init__()
        self.first = nn.Linear(2, 2, device=device)
        self.second = nn.Linear(2, 2, device=device)
        self.second.weight = self.first.weight
        self.second.bias.requires_grad = False
        self.register_buffer("count", torch.zeros(1, device=device))


def test_a_module_on_the_cpu_is_carried_as_it_is():
    module = Tied("cpu")
    assert on_cpu(module) is module


def test_a_module_elsewhere_is_carried_as_a_copy_on_the_cpu(monkeypatch):
    # No other device may be here, and from this one nothing can be copied.
    monkeypatch.setattr(torch.Tensor, "cpu", lambda tensor: torch.ones_like(tensor, device="cpu"))
    module = Tied("meta")
    carried = on_cpu(module)
    assert {tensor.device.type for tensor in carried.state_dict().values()} == {"cpu"}
    assert {tensor.device.type for tensor in module.state_dict().values()} == {"meta"}
    assert carried.first.weight is carried.second.weight
    assert [p.requires_grad for p in carried.parameters()] == [True, True, False]


@pytest.mark.parametrize(("device", "found"), [("cpu", "cpu"), ("cuda:99", "cpu"), ("tpu9", "cpu")])
def test_a_device_that_is_not_here_is_the_cpu(device, found):
    assert available_device(device) == found


def test_momentum_is_a_copy():
    layer = nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    stored = _carried.stored_momentum(optimizer)
    before = copy.deepcopy(stored["state"][0]["exp_avg"])
    optimizer.step()
    assert (stored["state"][0]["exp_avg"] == before).all()
