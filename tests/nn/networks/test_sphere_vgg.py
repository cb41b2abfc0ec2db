"""The hyperspherical VGG is built as its configuration says."""

import pytest
import torch
from torch import nn

from sphereskl.nn import SphereVGG


def _of_type(network, kind):
    return [module for module in network.modules() if isinstance(module, kind)]


@pytest.mark.parametrize("depth", [11, 13, 16, 19])
def test_depth_counts_the_layers(depth):
    network = SphereVGG(depth, widths=(1, 2, 3, 4, 5)).build((1, 8, 8), 4)
    assert len(_of_type(network, nn.Conv2d | nn.Linear)) == depth


@pytest.mark.parametrize(("depth", "n_parameters"), [(11, 132_863_336), (16, 138_357_544)])
def test_parameters_are_as_many_as_simonyan_and_zisserman_have(depth, n_parameters):
    with torch.device("meta"):
        config = SphereVGG(depth, hidden_layer_sizes=(4096, 4096), norm=None)
        network = config.build((3, 224, 224), 1000)
    assert sum(parameter.numel() for parameter in network.parameters()) == n_parameters


@pytest.mark.parametrize(
    ("size", "n_poolings"), [((32, 32), 5), ((8, 8), 3), ((5, 40), 2), ((1, 1), 0)]
)
def test_images_are_pooled_down_to_one_pixel(size, n_poolings):
    network = SphereVGG(widths=(1, 1, 1, 1, 2), hidden_layer_sizes=3).build((1, *size), 4)
    assert len(_of_type(network, nn.MaxPool2d)) == n_poolings
    assert network(torch.zeros(2, 1, *size)).shape == (2, 4)


@pytest.mark.parametrize("hidden", [(), 6, (6, 5)])
def test_hidden_dense_layers_can_be_chosen(hidden):
    network = SphereVGG(widths=(1,) * 5, hidden_layer_sizes=hidden).build((1, 4, 4), 3)
    sizes = [layer.out_features for layer in _of_type(network, nn.Linear)]
    assert sizes == [*([hidden] if isinstance(hidden, int) else hidden), 3]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("depth", value) for value in (12, "11", None, 0)],
        *[("widths", value) for value in (4, (1, 2, 3, 4), (1, 2, 3, 4, 0))],
        *[("hidden_layer_sizes", value) for value in (0, (4, 1.5), None)],
    ],
)
def test_bad_values_are_named(name, value):
    with pytest.raises(ValueError, match=f"^{name} must .*, got ") as caught:
        SphereVGG(**{"widths": (1,) * 5, "hidden_layer_sizes": 2, name: value}).build((1, 8, 8), 3)
    assert repr(value) in str(caught.value)
