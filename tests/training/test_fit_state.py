"""Random generators go on from a file where they draw the same numbers."""

from types import SimpleNamespace

import torch

from sphereskl.nn import Dropout
from sphereskl.training._fit_state import _generators, _set_generators


def _net():
    layer = Dropout(0.5)
    layer(torch.ones(9))  # has a generator from here on
    rows = torch.Generator().manual_seed(0)
    parts = {"module_": layer, "criterion_": torch.nn.Module(), "generator_": rows}
    return SimpleNamespace(**parts, draws_globally_=False, device="cpu")


def _masks(net):
    return net.module_(torch.ones(99)), torch.rand(9, generator=net.generator_)


def test_generators_go_on():
    net = _net()
    states = _generators(net)
    expected = _masks(net)
    _set_generators(net, states)
    torch.testing.assert_close(_masks(net), expected, rtol=0, atol=0)


def test_generators_of_another_device_are_left_as_they_are():
    net = _net()
    states = _generators(net)
    ((layer, attributes),) = states["own"].items()
    states["own"][layer] = {name: ("cuda", state) for name, (_, state) in attributes.items()}
    before = {name: getattr(net.module_, name).get_state() for name in attributes}
    _set_generators(net, states)
    assert all(torch.equal(getattr(net.module_, n).get_state(), s) for n, s in before.items())
