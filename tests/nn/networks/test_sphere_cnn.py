"""The plain hyperspherical network is built as its configuration says."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sphereskl.nn import SphereCNN


def _of_type(network, kind):
    return [module for module in network.modules() if isinstance(module, kind)]


def _x(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def _cosines(x, weight):
    """Cosines of every patch, 3 x 3 with a border of zeros, and every filter, by unfolding."""
    patches = F.unfold(x, 3, padding=1).transpose(1, 2)
    cosines = F.cosine_similarity(patches[:, :, None], weight.flatten(1)[None, None], dim=-1)
    return cosines.transpose(1, 2).unflatten(2, x.shape[2:])


def test_forward_agrees_with_the_formula():
    config = SphereCNN(depth=2, widths=4, operator="cosine", norm=None, eps=0.0)
    network = config.build((2, 4, 6), 3).double()
    first, second, dense = _of_type(network, nn.Conv2d | nn.Linear)
    x = _x(5, 2, 4, 6).double()
    hidden = _cosines(_cosines(x, first.weight).relu(), second.weight).relu()
    flat = hidden.unflatten(3, (3, 2)).unflatten(2, (2, 2)).amax(dim=(3, 5)).flatten(1)
    expected = F.cosine_similarity(flat[:, None], dense.weight[None], dim=-1)
    torch.testing.assert_close(network(x), expected)


@pytest.mark.parametrize("depth", [3, 9, 18, 45, 60])
def test_depths_of_the_paper_are_three_stages_of_convolutions(depth):
    network = SphereCNN(depth, widths=(1, 2, 3)).build((1, 8, 8), 4)
    widths = [layer.out_channels for layer in _of_type(network, nn.Conv2d)]
    assert widths == [1] * (depth // 3) + [2] * (depth // 3) + [3] * (depth // 3)
    assert len(_of_type(network, nn.Linear)) == 1


def test_weights_are_as_many_as_the_authors_have():
    # 3.86 million with the 256 x 10 of their class weights.
    with torch.device("meta"):
        network = SphereCNN(widths=(128, 192, 256)).build((3, 32, 32), 256)
    n_weights = sum(parameter.numel() for parameter in network.parameters() if parameter.ndim > 1)
    assert n_weights + 2560 == 3_856_256


@pytest.mark.parametrize(
    ("size", "n_poolings"), [((32, 32), 3), ((8, 8), 3), ((7, 5), 2), ((1, 30), 0), ((1, 1), 0)]
)
def test_images_are_pooled_down_to_one_pixel(size, n_poolings):
    network = SphereCNN(3, widths=(2, 2, 2)).build((1, *size), 4)
    assert len(_of_type(network, nn.MaxPool2d)) == n_poolings
    assert network(_x(2, 1, *size)).shape == (2, 4)


def test_without_epsilon_contrast_means_nothing():
    config = SphereCNN(3, widths=(4, 4, 4), norm="sphere", eps=0.0)
    network = config.build((1, 8, 8), 4).double()
    x = _x(3, 1, 8, 8).double()
    torch.testing.assert_close(network(1000 * x), network(x))


def test_very_deep_networks_have_the_operator_as_only_nonlinearity():
    config = SphereCNN.very_deep(6, widths=(2, 2))
    assert (config.operator, config.k, config.norm, config.activation) == (
        "sigmoid",
        0.1,
        None,
        None,
    )
    kinds = {type(module).__name__ for module in config.build((1, 8, 8), 3).modules()}
    assert not kinds & {"ReLU", "BatchNorm2d", "SphereNorm"}


def _likeness(config):
    """Mean cosine between the embeddings of sixteen images of noise, before training."""
    torch.manual_seed(0)
    network = config.build((1, 8, 8), 8)
    z = F.normalize(network(_x(16, 1, 8, 8)), dim=1)
    return (z @ z.T)[~torch.eye(16, dtype=torch.bool)].mean()


def test_very_deep_networks_tell_images_apart_where_rectified_ones_do_not():
    widths = (12, 16, 24)
    assert _likeness(SphereCNN.very_deep(36, widths)) < 0.9
    assert _likeness(SphereCNN(36, widths, norm=None)) > 0.95
    assert _likeness(SphereCNN(36, widths, norm=None, spherical=False)) > 0.95


def test_numpy_integers_are_depths_and_widths():
    network = SphereCNN(np.int64(2), widths=np.int64(4)).build((1, 8, 8), 3)
    assert network(_x(2, 1, 8, 8)).shape == (2, 3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("depth", value) for value in (0, -3, 1.5, True, "9", None)],
        *[("depth", value) for value in (1, 4)],
        *[("widths", value) for value in (0, (4, -1), (4.5,), True, None)],
    ],
)
def test_bad_values_are_named(name, value):
    with pytest.raises(ValueError, match=f"^{name} must .*, got ") as caught:
        SphereCNN(**{"widths": (2, 2, 2), name: value}).build((1, 8, 8), 3)
    assert repr(value) in str(caught.value)


def test_a_network_needs_a_stage():
    with pytest.raises(ValueError, match=r"depth must .* got 9 for widths=\(\)"):
        SphereCNN(widths=()).build((1, 8, 8), 3)
