"""The convolutional network is built as its configuration says."""

import numpy as np
import pytest
import torch
from torch import nn

from sphereskl.nn import ConvNet, Dropout


def _of_type(network, kind):
    return [module for module in network.modules() if isinstance(module, kind)]


def _x(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("widths", [4, (4, 6), [4, 4, 4, 4]], ids=str)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 16, 9), (2, 1, 1), (1, 2, 30)])
def test_output_has_the_embedding_dim(shape, widths):
    network = ConvNet(widths=widths).build(shape, 5)
    assert network(_x(3, *shape)).shape == (3, 5)


@pytest.mark.parametrize(
    ("size", "n_halvings"), [((32, 32), 3), ((8, 8), 2), ((4, 32), 1), ((3, 3), 0)]
)
def test_images_are_halved_down_to_two_by_two(size, n_halvings):
    network = ConvNet(widths=(4, 4, 4, 4)).build((1, *size), 5)
    assert len(_of_type(network, nn.MaxPool2d)) == n_halvings


@pytest.mark.parametrize("n_blocks", [1, 3])
def test_every_stage_has_its_convolutions(n_blocks):
    network = ConvNet(widths=(4, 6), n_blocks=n_blocks).build((3, 8, 8), 5)
    widths = [layer.out_channels for layer in _of_type(network, nn.Conv2d)]
    assert widths == [4] * n_blocks + [6] * n_blocks


def test_every_convolution_is_normalised():
    # Hence none has a bias: the normalisation would take it off again.
    network = ConvNet(widths=(4, 6)).build((3, 8, 8), 5)
    convolutions = _of_type(network, nn.Conv2d)
    assert len(_of_type(network, nn.BatchNorm2d)) == len(convolutions) == 4
    assert [layer.bias for layer in convolutions] == [None] * 4


def test_a_single_stage_ignores_translation_in_the_interior():
    # Averaged over the image: a pattern counts wherever it is.
    network = ConvNet(widths=4, dropout=0.0).build((1, 12, 12), 3).eval()
    image = torch.zeros(2, 1, 12, 12)
    image[0, 0, 3:6, 3:6] = image[1, 0, 5:8, 6:9] = _x(3, 3)
    torch.testing.assert_close(*network(image))


@pytest.mark.parametrize(("dropout", "n_layers"), [(0.0, 0), (0.3, 1)])
def test_dropout_stands_before_the_embedding(dropout, n_layers):
    network = ConvNet(dropout=dropout).build((1, 8, 8), 3)
    assert [layer.p for layer in _of_type(network, Dropout)] == [dropout] * n_layers


@pytest.mark.parametrize("activation", ["relu", "gelu", "silu", "tanh"])
def test_activations_can_be_named(activation):
    network = ConvNet(widths=4, activation=activation).build((1, 8, 8), 3)
    assert network(_x(2, 1, 8, 8)).isfinite().all()


def test_numpy_integers_are_widths_and_blocks():
    network = ConvNet(widths=np.int64(4), n_blocks=np.int64(1)).build((1, 8, 8), 3)
    assert network(_x(2, 1, 8, 8)).shape == (2, 3)


@pytest.mark.parametrize("shape", [(64,), (8, 8)])
def test_rows_are_refused(shape):
    with pytest.raises(ValueError, match=r"shape \(channels, height, width\), got .*use MLP"):
        ConvNet().build(shape, 3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("widths", value) for value in (0, (4, -1), (4.5,), True, 5.0, "ab", None, (None,))],
        *[("n_blocks", value) for value in (0, -1, 1.5, True, (1, 2), "2", None)],
        *[("dropout", value) for value in (1.0, -0.1, "0.2", None)],
        *[("activation", value) for value in ("sigmoid", None, 3)],
    ],
)
def test_bad_values_are_named(name, value):
    with pytest.raises(ValueError, match=f"^{name} must .*, got ") as caught:
        ConvNet(**{name: value}).build((1, 8, 8), 3)
    assert repr(value) in str(caught.value)
