"""A hyperspherical dense layer is a 1x1 convolution, and sees length only if it is lifted."""

import copy
import math
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sphereskl.nn import SphereConv2d, SphereLinear

OPERATORS = ["linear", "cosine", "sigmoid"]
MAGNITUDES = ["sphere", "tanh", "ball", "linear"]


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def _rows(*shape):
    return torch.randn(shape, dtype=torch.float64)


@pytest.mark.parametrize("magnitude", MAGNITUDES)
@pytest.mark.parametrize("operator", OPERATORS)
def test_dense_layers_are_convolutions_of_one_pixel(operator, magnitude):
    arguments = dict(operator=operator, magnitude=magnitude, dtype=torch.float64)
    layer, twin = SphereLinear(5, 4, **arguments), SphereConv2d(5, 4, 1, **arguments)
    nn.init.normal_(layer.bias)
    twin.load_state_dict({**layer.state_dict(), "weight": layer.weight[:, :, None, None]})
    x = _rows(3, 5)
    expected = twin(x[:, :, None, None]).flatten(1)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-13)


def test_leading_dimensions_are_free():
    layer, x = SphereLinear(5, 4, learn_k="channel", dtype=torch.float64), _rows(2, 3, 5)
    torch.testing.assert_close(layer(x), layer(x.view(6, 5)).view(2, 3, 4))
    torch.testing.assert_close(layer(x[0, 0]), layer(x)[0, 0])


@pytest.mark.parametrize("operator", OPERATORS)
def test_lifting_appends_a_constant(operator):
    arguments = dict(operator=operator, dtype=torch.float64)
    layer, twin = SphereLinear(3, 4, lift=True, **arguments), SphereLinear(4, 4, **arguments)
    twin.load_state_dict(layer.state_dict())
    x = _rows(6, 3)
    torch.testing.assert_close(layer(x), twin(F.pad(x, (0, 1), value=1.0)))


def test_length_is_visible_only_when_lifted():
    x = _rows(6, 3)
    plain = SphereLinear(3, 4, eps=0.0, dtype=torch.float64)
    lifted = SphereLinear(3, 4, lift=True, eps=0.0, dtype=torch.float64)
    torch.testing.assert_close(plain(2 * x), plain(x))
    assert (lifted(2 * x) - lifted(x)).abs().max() > 0.05


@pytest.mark.parametrize("eps", [0.0, 1e-4])
@pytest.mark.parametrize("magnitude", MAGNITUDES)
@pytest.mark.parametrize("lift", [False, True])
def test_first_and_second_derivatives_are_exact(lift, magnitude, eps):
    layer = SphereLinear(
        3, 2, lift=lift, learn_k="channel", magnitude=magnitude, eps=eps, dtype=torch.float64
    )
    names = [name for name, _ in layer.named_parameters()]

    def forward(x, *values):
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), x)

    inputs = (_rows(2, 3).requires_grad_(), *layer.parameters())
    assert torch.autograd.gradcheck(forward, inputs)
    assert torch.autograd.gradgradcheck(forward, inputs)


@pytest.mark.parametrize("operator", OPERATORS)
def test_gradients_are_orthogonal_to_weights_and_rows(operator):
    layer = SphereLinear(5, 4, operator=operator, eps=0.0, weight_eps=0.0, dtype=torch.float64)
    x = _rows(1, 5).requires_grad_()
    grad_x, grad_weight = torch.autograd.grad(layer(x), [x, layer.weight], _rows(1, 4))
    along = (grad_weight * layer.weight).sum(dim=1).abs()
    assert (along <= 1e-12 * grad_weight.norm(dim=1)).all()
    assert (grad_x * x).sum().abs() <= 1e-12 * grad_x.norm() * x.norm()


@pytest.mark.parametrize("operator", OPERATORS)
def test_zero_rows_have_output_zero_and_without_eps_no_gradient(operator):
    layer = SphereLinear(5, 4, bias=False, operator=operator, eps=0.0)
    x = torch.zeros(2, 5, requires_grad=True)
    y = layer(x)
    y.backward(torch.randn(2, 4))
    assert (y == 0).all()
    assert (x.grad == 0).all()
    assert (layer.weight.grad == 0).all()


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("operator", OPERATORS)
def test_aligned_rows_stay_in_range_with_finite_gradients(operator, precision):
    layer = SphereLinear(64, 8, bias=False, operator=operator, eps=0.0)
    x = torch.cat([layer.weight.detach(), -layer.weight.detach()]).requires_grad_()
    with torch.autocast("cpu", precision, enabled=precision != torch.float32):
        y = layer(x)
    y.float().sum().backward()
    assert y.dtype == precision
    assert y.abs().max() <= 1 + 4 * torch.finfo(precision).eps
    assert x.grad.isfinite().all()
    assert layer.weight.grad.isfinite().all()


def _two_rings(n_samples):
    theta = 2 * math.pi * torch.rand(n_samples)
    target = torch.arange(n_samples) % 2
    return (1 + target)[:, None] * torch.stack([theta.cos(), theta.sin()], dim=1), target


@pytest.mark.parametrize(("lift", "low", "high"), [(True, 0.98, 1.0), (False, 0.0, 0.65)])
def test_rings_are_told_apart_only_when_lifted(lift, low, high):
    x, target = _two_rings(200)
    model = nn.Sequential(SphereLinear(2, 16, lift=lift), nn.Linear(16, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(100):
        optimizer.zero_grad()
        F.cross_entropy(model(x), target).backward()
        optimizer.step()
    x, target = _two_rings(1000)
    assert low <= (model(x).argmax(dim=1) == target).float().mean().item() <= high


def test_state_is_that_of_a_dense_layer():
    plain, layer = nn.Linear(5, 4), SphereLinear(5, 4)
    layer.load_state_dict(plain.state_dict())
    assert list(layer.state_dict()) == ["weight", "bias"]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_layers_can_be_copied(duplicate):
    layer = SphereLinear(5, 4, lift=True, learn_k="layer", magnitude="tanh")
    x = torch.randn(3, 5)
    assert torch.equal(duplicate(layer)(x), layer(x))
    assert repr(duplicate(layer)) == repr(layer)
    assert "in_features=5, out_features=4, bias=True, lift=True" in repr(layer)


# Dynamo itself instantiates autograd functions.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
def test_compilers_and_exporters_see_one_graph(in_one_graph):
    layer, x = SphereLinear(5, 4, lift=True, learn_k="layer"), torch.randn(3, 5)
    compiled = in_one_graph(layer, "aot_eager")
    torch.testing.assert_close(compiled(x), layer(x))
    program = torch.export.export(layer, (x,), dynamic_shapes=({0: torch.export.Dim("n")},))
    torch.testing.assert_close(program.module()(x[:2]), layer(x[:2]))


def test_integers_are_refused():
    with pytest.raises(ValueError, match=r"torch\.int64"):
        SphereLinear(2, 1)(torch.zeros(3, 2, dtype=torch.int64))
