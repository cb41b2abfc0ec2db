"""The hyperspherical GoogLeNet is built as its configuration says."""

import math

import pytest
import torch
from torch import nn

from sphereskl.nn import SphereConv2d, SphereGoogLeNet


def _of_type(network, kind):
    return [module for module in network.modules() if isinstance(module, kind)]


def _x(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def _inceptions(network):
    return [module for module in network if hasattr(module, "before_five")]


def _networks(*, seed=0, **params):
    torch.manual_seed(seed)
    return SphereGoogLeNet(width=0.03, **params).build((2, 6, 6), 3)


def test_widths_are_those_of_szegedy_et_al():
    with torch.device("meta"):
        network = SphereGoogLeNet().build((3, 224, 224), 1000)
    widths = [block.out_channels for block in _inceptions(network)]
    assert widths == [256, 480, 512, 512, 512, 528, 832, 832, 1024]
    assert len(_of_type(network, nn.Conv2d)) == 3 + 9 * 6


@pytest.mark.parametrize("width", [0.001, 0.1, 0.5])
def test_width_multiplies_all_filters(width):
    with torch.device("meta"):
        network = SphereGoogLeNet(width).build((3, 32, 32), 10)
    first = _inceptions(network)[0]
    expected = [max(1, round(width * n)) for n in (64, 96, 128, 16, 32, 32)]
    assert [layer.out_channels for layer in _of_type(first, nn.Conv2d)] == expected


@pytest.mark.parametrize(("size", "n_root", "left"), [(32, 1, 8), (63, 1, 16), (64, 3, 2)])
def test_small_images_are_not_halved_before_the_first_block(size, n_root, left):
    network = SphereGoogLeNet(0.01).build((1, size, size), 3)
    n_inception = 6 * len(_inceptions(network))
    assert len(_of_type(network, nn.Conv2d)) - n_inception == n_root
    assert network[:-3](_x(1, 1, size, size).expand(2, -1, -1, -1)).shape[2:] == (left, left)


def test_sharing_patch_lengths_changes_neither_output_nor_gradients():
    block = _inceptions(_networks(norm=None))[0]
    x = _x(2, block.direct[0].in_channels, 5, 5).requires_grad_()
    shared = block(x)
    branches = [
        block.direct(x),
        block.three(block.before_three(x)),
        block.five(block.before_five(x)),
        block.pooled(block.pool(x)),
    ]
    alone = torch.cat(branches, dim=1)
    torch.testing.assert_close(shared, alone)
    weights = _x(*shared.shape)
    gradients = [torch.autograd.grad((y * weights).sum(), x)[0] for y in (shared, alone)]
    torch.testing.assert_close(*gradients)


def test_patch_lengths_of_the_input_are_computed_once(monkeypatch):
    calls, inverse_norm = [], SphereConv2d.inverse_norm
    monkeypatch.setattr(
        SphereConv2d, "inverse_norm", lambda self, x: calls.append(1) or inverse_norm(self, x)
    )
    network = _networks()
    network(_x(2, 2, 6, 6))
    assert len(calls) == len(_inceptions(network)) == 9


@pytest.mark.parametrize("value", [0, -0.5, math.inf, math.nan, "1", None])
def test_bad_widths_are_named(value):
    with pytest.raises(ValueError, match=r"^width must be positive and finite, got ") as caught:
        SphereGoogLeNet(width=value).build((1, 8, 8), 3)
    assert repr(value) in str(caught.value)
