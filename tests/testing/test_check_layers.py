"""Every layer of ours keeps the laws, and every law can be broken."""

import pytest
import torch
from torch import nn

from sphereskl.nn import (
    MLP,
    AngularOperator,
    ConvNet,
    Dropout,
    SphereCNN,
    SphereConv1d,
    SphereConv2d,
    SphereLinear,
    SphereMLP,
    SphereNorm,
)
from sphereskl.testing import check_layer
from sphereskl.training import seeded

INVARIANT = {"is_scale_invariant": True, "is_twice_differentiable": True}
OURS = {
    "linear": (lambda: SphereLinear(4, 3, eps=0.0), (4,), {**INVARIANT, "turns_with_weight": True}),
    "linear eps": (lambda: SphereLinear(4, 3), (4,), {"is_twice_differentiable": True}),
    "linear lift": (lambda: SphereLinear(4, 3, lift=True, learn_k="channel"), (4,), {}),
    "linear ball": (lambda: SphereLinear(4, 3, magnitude="tanh"), (4,), {}),
    "conv2d": (lambda: SphereConv2d(2, 4, 3, padding=1, eps=0.0), (2, 4, 4), INVARIANT),
    "conv2d linear": (lambda: SphereConv2d(2, 4, 3, operator="linear"), (2, 4, 4), {}),
    "conv2d cosine": (lambda: SphereConv2d(2, 4, 3, stride=2, operator="cosine"), (2, 5, 5), {}),
    "conv2d groups": (lambda: SphereConv2d(4, 4, 3, groups=2, dilation=2), (4, 6, 6), {}),
    "conv2d magnitude": (lambda: SphereConv2d(2, 4, 3, magnitude="linear"), (2, 4, 4), {}),
    "conv1d": (lambda: SphereConv1d(2, 4, 3, eps=0.0), (2, 6), INVARIANT),
    "norm": (lambda: SphereNorm(3, fan_in=9), (3, 2, 2), {"is_twice_differentiable": True}),
    "operator": (lambda: AngularOperator("cosine"), (3,), {}),
    "dropout": (lambda: Dropout(0.5), (6,), {"is_twice_differentiable": True}),
    "mlp": (
        lambda: MLP((8,), n_members=1, numeric_embedding=None, activation="tanh").build((4,), 3),
        (4,),
        {},
    ),
    "sphere mlp": (
        lambda: SphereMLP((8,), activation="tanh").build((4,), 3),
        (4,),
        {},
    ),
    "convnet": (
        lambda: ConvNet((4, 8)).build((1, 6, 6), 3),
        (1, 6, 6),
        {"is_differentiable": False},
    ),
    "sphere cnn": (
        lambda: SphereCNN(depth=2, widths=(4, 4)).build((1, 6, 6), 3),
        (1, 6, 6),
        {"is_differentiable": False},
    ),
}


@pytest.mark.parametrize(("make", "shape", "promises"), OURS.values(), ids=OURS.keys())
def test_our_layers_keep_the_laws(make, shape, promises):
    with seeded(0):
        layer = make()
    check_layer(layer, shape, **promises)


class _Function(nn.Module):
    """A layer made of a function."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class _Forgetful(nn.Module):
    """A layer whose constant is in no state."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.shift = None

    def forward(self, x):
        self.shift = torch.rand(1, generator=torch.Generator().manual_seed(id(self) % 97)).item()
        return self.weight * x + self.shift


class _Wrong(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.square()

    @staticmethod
    def backward(ctx, grad):
        return grad


BROKEN = {
    "batch": (lambda x: x - x.mean(dim=0), {}, "Rows must not depend on each other"),
    "in place": (lambda x: x.data.mul_(2), {}, "A layer must leave its input"),
    "zero": (lambda x: x / x.norm(dim=1, keepdim=True), {}, "Outputs and gradients must be finite"),
    "generator": (lambda x: x + 0 * torch.rand(1), {}, "A layer must not draw from torch's global"),
    "type": (lambda x: x.float(), {}, "A layer must keep the type"),
    "sum": (lambda x: x.sum(dim=0, keepdim=True), {}, "A layer must map rows to rows"),
    "backward": (_Wrong.apply, {}, "The first derivative must be that of finite differences"),
    "scale": (lambda x: x, {"is_scale_invariant": True}, "A positive factor of the input"),
}


@pytest.mark.parametrize(("function", "promises", "law"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_layer_is_told_which_law(function, promises, law):
    with pytest.raises(AssertionError, match=rf"{law}.*, but .*; .*\."):
        check_layer(_Function(function), (4,), **promises)


def test_state_that_is_not_stored_is_missed():
    with pytest.raises(AssertionError, match=r"A copy must compute the same|The state must hold"):
        check_layer(_Forgetful(), (4,))


def test_a_layer_that_looks_at_single_coordinates_does_not_turn():
    layer = nn.Sequential()
    layer.register_parameter("weight", nn.Parameter(torch.ones(3, 4)))
    with pytest.raises(AssertionError, match="Rotating input and weight must change nothing"):
        check_layer(layer, (4,), turns_with_weight=True)
