"""The residual hyperspherical network is built as its configuration says."""

import pytest
import torch
from torch import nn

from sphereskl.nn import SphereConv2d, SphereNorm, SphereResNet


def _of_type(network, kind):
    return [module for module in network.modules() if isinstance(module, kind)]


def _x(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def _convolutions(network, kernel_size):
    size = (kernel_size, kernel_size)
    return [layer for layer in _of_type(network, nn.Conv2d) if layer.kernel_size == size]


@pytest.mark.parametrize("depth", [8, 14, 32])
def test_depth_counts_the_layers_on_the_way(depth):
    network = SphereResNet(depth, widths=(1, 2, 3)).build((1, 8, 8), 4)
    assert len(_convolutions(network, 3)) + len(_of_type(network, nn.Linear)) == depth


def test_18_layers_have_as_many_parameters_as_he_et_al():
    with torch.device("meta"):
        network = SphereResNet(18).build((3, 224, 224), 1000)
    assert sum(parameter.numel() for parameter in network.parameters()) == 11_689_512


def test_32_layers_have_the_widths_of_the_paper():
    with torch.device("meta"):
        network = SphereResNet().build((3, 32, 32), 10)
    widths = [layer.out_channels for layer in _convolutions(network, 3)]
    assert widths == [96] * 11 + [192] * 10 + [384] * 10
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(16.7e6, rel=0.01)


@pytest.mark.parametrize(("depth", "widths", "size"), [(8, (2, 2, 2), 3), (18, (2, 2, 2, 2), 1)])
def test_images_are_halved_between_stages(depth, widths, size):
    # 9 -> 5 -> 3, and 9 -> 5 -> 3 -> 2 -> 1 -> 1.
    network = SphereResNet(depth, widths).build((1, 9, 9), 4)
    assert network[:-3](_x(2, 1, 9, 9)).shape[2:] == (size, size)


@pytest.mark.parametrize(("shortcut", "kind"), [("conv", nn.Conv2d), ("sphere", SphereConv2d)])
def test_shortcuts_are_what_is_asked_for(shortcut, kind):
    network = SphereResNet(8, widths=(2, 3, 4), shortcut=shortcut).build((1, 8, 8), 4)
    layers = _convolutions(network, 1)
    assert [type(layer) for layer in layers] == [kind, kind]
    assert all(layer.bias is None for layer in layers)


def test_an_ordinary_shortcut_without_batch_norm_has_a_bias():
    network = SphereResNet(8, widths=(2, 3, 4), norm="sphere").build((1, 8, 8), 4)
    assert all(layer.bias is not None for layer in _convolutions(network, 1))
    assert len(_of_type(network, SphereNorm)) == len(_convolutions(network, 3))


def test_a_unit_whose_residual_is_zero_passes_its_input_on():
    network = SphereResNet(8, widths=(2, 3, 4), norm="sphere").build((1, 8, 8), 4)
    root, unit = network[0], network[1]
    nn.init.zeros_(_of_type(unit, SphereNorm)[-1].weight)
    x = root(_x(2, 1, 8, 8))
    assert torch.equal(unit(x), x)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"depth": 10}, r"depth must be 18 or 6 n \+ 2 .*, got 10"),
        ({"depth": 2}, r"depth must be 18 or .*, got 2"),
        ({"depth": 8.0}, "depth must be an integer .*, got 8.0"),
        ({"widths": (2, 2)}, r"widths must hold 3 integers for depth=32, got \(2, 2\)"),
        ({"widths": (2, 2, 2), "depth": 18}, r"widths must hold 4 integers for depth=18"),
        ({"widths": (2, 0, 2)}, r"widths must hold integers of at least 1, got \(2, 0, 2\)"),
        ({"shortcut": "identity"}, r"shortcut must be one of .*, got 'identity'"),
    ],
)
def test_bad_values_are_named(params, message):
    with pytest.raises(ValueError, match=message):
        SphereResNet(**params).build((1, 8, 8), 3)
