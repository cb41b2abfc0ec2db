"""Members compute what as many separate layers would."""

import math

import pytest
import torch
from torch import nn

from sphereskl.nn import MemberLinear


def _x(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("shape", [(1, 3, 5), (4, 1, 1), (8, 7, 2)])
def test_every_member_is_a_layer_of_its_own(shape):
    n_members, n_in, n_out = shape
    layer, x = MemberLinear(*shape).double(), _x(n_members, 6, n_in)
    for i, row in enumerate(layer(x)):
        alone = nn.functional.linear(x[i], layer.weight[i].T, layer.bias[i, 0])
        torch.testing.assert_close(row, alone)
    assert layer(x).shape == (n_members, 6, n_out)


def test_no_gradient_passes_between_members():
    layer, x = MemberLinear(3, 4, 2).double(), _x(3, 5, 4).requires_grad_()
    layer(x)[1].sum().backward()
    touched = [x.grad.flatten(1), layer.weight.grad.flatten(1), layer.bias.grad.flatten(1)]
    for gradient in touched:
        assert (gradient != 0).any(dim=1).tolist() == [False, True, False]


def test_initial_weights_are_those_of_a_linear_layer():
    torch.manual_seed(0)
    weight = MemberLinear(8, 100, 50).weight
    bound = 1 / math.sqrt(100)
    assert weight.abs().max() <= bound
    assert weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)
    # Members begin apart.
    assert not torch.equal(weight[0], weight[1])


@pytest.mark.parametrize("shape", [(0, 3, 2), (2, 0, 2), (2, 3, 0), (2.5, 3, 2)])
def test_wrong_widths_are_refused(shape):
    with pytest.raises((ValueError, TypeError), match=r"n_members|in_features|out_features"):
        MemberLinear(*shape)
