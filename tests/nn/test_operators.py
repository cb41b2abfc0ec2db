"""Angular operators: one function of the angle, with a gradient that stays finite."""

import copy
import math
import pickle

import pytest
import torch

from sphereskl.nn import AngularOperator, angular

NAMES = ["linear", "cosine", "sigmoid"]
THETA = torch.linspace(0, math.pi, 101, dtype=torch.float64)
KS = [0.05, 0.1, 0.3, 0.7, 3.0]


def _as_published(theta, name, k):
    # Liu et al. 2017, section 2.2.
    if name == "linear":
        return 1 - 2 / math.pi * theta
    if name == "cosine":
        return torch.cos(theta)
    end, power = math.exp(-math.pi / (2 * k)), torch.exp(theta / k - math.pi / (2 * k))
    return (1 + end) / (1 - end) * (1 - power) / (1 + power)


def _interior():
    return torch.cos(THETA[1:-1]).requires_grad_()


@pytest.mark.parametrize("k", KS)
@pytest.mark.parametrize("name", NAMES)
def test_operators_are_those_of_the_paper(name, k):
    found = angular(torch.cos(THETA), name, k)
    torch.testing.assert_close(found, _as_published(THETA, name, k), rtol=0, atol=1e-7)
    inner = slice(5, -5)
    expected = _as_published(THETA, name, k)[inner]
    torch.testing.assert_close(found[inner], expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("k", [1e-3, *KS, 1e3])
@pytest.mark.parametrize("name", NAMES)
def test_operators_fall_from_one_through_zero_to_minus_one(name, k):
    ends = torch.tensor([1.0, 0.0, -1.0])
    assert angular(ends, name, k).tolist() == pytest.approx([1, 0, -1], abs=2e-7)
    assert (angular(torch.cos(THETA), name, k).diff() <= 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_operators_are_odd(name):
    cosines = torch.cos(THETA)
    torch.testing.assert_close(angular(-cosines, name), -angular(cosines, name), rtol=0, atol=0)


@pytest.mark.parametrize("k", [1e-3, *KS, 1e3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NAMES)
def test_cosines_beyond_one_by_rounding_keep_value_and_gradient_finite(name, dtype, k):
    over = 1 + 4 * torch.finfo(dtype).eps
    cosines = torch.tensor([over, 1, -1, -over], dtype=dtype, requires_grad=True)
    y = angular(cosines, name, k)
    (grad,) = torch.autograd.grad(y.sum(), cosines)
    assert y.abs().max() <= over
    assert grad.isfinite().all()
    assert (grad >= 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_gradient_in_the_cosine_is_exact_away_from_the_ends(name):
    assert torch.autograd.gradcheck(lambda c: angular(c, name, 0.3), _interior())
    assert torch.autograd.gradgradcheck(lambda c: angular(c, name, 0.3), _interior())


@pytest.mark.parametrize("theta", [1e-3, 1e-2, 0.1])
def test_gradient_in_the_weight_is_bounded_near_alignment(theta):
    # |dc / dw| = sin(theta) for unit vectors: the product of slope and sine is 2 / pi.
    cosine = torch.cos(torch.tensor(theta, dtype=torch.float64)).requires_grad_()
    (slope,) = torch.autograd.grad(angular(cosine, "linear"), cosine)
    assert slope.item() * math.sin(theta) == pytest.approx(2 / math.pi, rel=1e-6)


def test_gradient_in_k_is_the_analytic_one():
    k = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    arc, end = math.pi / 2 - THETA[10], math.tanh(math.pi / 1.6)
    (grad,) = torch.autograd.grad(angular(torch.cos(THETA[10]), "sigmoid", k), k)
    t = torch.tanh(arc / 0.8)
    pinned = t * (1 - end**2) * math.pi / (4 * 0.16 * end**2)
    assert grad.item() == pytest.approx(
        (pinned - (1 - t**2) * arc / (2 * 0.16 * end)).item(), rel=1e-12
    )


@pytest.mark.parametrize("cosine", [-1.0, 0.0, 1.0])
def test_k_moves_nothing_where_the_operator_is_pinned(cosine):
    k = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    y = angular(torch.tensor(cosine, dtype=torch.float64), "sigmoid", k)
    assert torch.autograd.grad(y, k)[0].item() == pytest.approx(0, abs=1e-14)


def test_sigmoid_with_large_k_is_linear():
    cosines = torch.cos(THETA)
    torch.testing.assert_close(
        angular(cosines, "sigmoid", 1e3), angular(cosines, "linear"), rtol=0, atol=1e-6
    )


def test_sigmoid_with_k_of_one_half_is_close_to_the_cosine():
    cosines = torch.cos(THETA)
    assert (angular(cosines, "sigmoid", 0.501) - cosines).abs().max() <= 0.025


def test_module_is_the_function():
    cosines = torch.cos(THETA).view(1, -1)
    torch.testing.assert_close(AngularOperator(k=0.2)(cosines), angular(cosines, "sigmoid", 0.2))


def test_every_channel_has_its_k():
    operator = AngularOperator(k=0.3, learn_k=True, n_channels=2, dtype=torch.float64)
    with torch.no_grad():
        operator.rho[1] += 1
    cosines = torch.full((3, 2, 4, 5), 0.4, dtype=torch.float64)
    y = operator(cosines)
    expected = angular(cosines[:, 1], "sigmoid", operator.k[1].item())
    torch.testing.assert_close(y[:, 1], expected)
    assert (y[:, 0] != y[:, 1]).all()


def test_k_starts_as_told_and_learns_within_bounds():
    operator = AngularOperator(k=0.3, learn_k=True)
    assert operator.k.item() == pytest.approx(0.3, rel=1e-6)
    optimizer = torch.optim.SGD(operator.parameters(), lr=10.0)
    for _ in range(20):
        loss = -operator(torch.tensor([[0.3]])).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert 0.05 <= operator.k.item() < 0.25


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_operators_can_be_copied(duplicate):
    operator = AngularOperator(k=0.2, learn_k=True)
    assert duplicate(operator).k.item() == operator.k.item()
    assert repr(duplicate(operator)) == repr(operator)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "tanh"}, "'tanh'"),
        ({"k": 0.0}, "got 0.0"),
        ({"k": math.nan}, "got nan"),
        ({"k": 0.05, "learn_k": True}, "above 0.05"),
        ({"name": "cosine", "learn_k": True}, "'sigmoid' only"),
        ({"learn_k": True, "n_channels": 0}, "n_channels"),
    ],
)
def test_wrong_parameters_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        AngularOperator(**arguments)


def test_unknown_operators_are_named():
    with pytest.raises(ValueError, match="'square'"):
        angular(torch.zeros(2), "square")
