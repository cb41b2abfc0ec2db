"""Closed slopes of the operators, and their continuation beyond pi."""

import math

import pytest
import torch

from sphereskl.nn import AngularOperator, angular, unrolled_angular
from sphereskl.nn._operators import angular_slope, sigmoid_slope_in_k

NAMES = ["linear", "cosine", "sigmoid"]


def _cosines():
    return torch.linspace(-0.95, 0.95, 21, dtype=torch.float64)


@pytest.mark.parametrize("k", [0.1, 0.3, 2.0])
@pytest.mark.parametrize("name", ["linear", "sigmoid"])
def test_closed_slope_is_the_central_difference(name, k):
    c, h = _cosines(), 1e-6
    found = (angular(c + h, name, k) - angular(c - h, name, k)) / (2 * h)
    torch.testing.assert_close(angular_slope(c, name, k), found, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("k", [0.1, 0.3, 2.0])
def test_closed_slope_in_k_is_the_central_difference(k):
    c, h = _cosines(), 1e-6
    found = (angular(c, "sigmoid", k + h) - angular(c, "sigmoid", k - h)) / (2 * h)
    torch.testing.assert_close(sigmoid_slope_in_k(c, k), found, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_closed_slopes_of_cosines_beyond_one_by_rounding_are_those_at_one(dtype):
    ends = torch.tensor([-1.0, 1.0], dtype=dtype)
    beyond = ends * (1 + 4 * torch.finfo(dtype).eps)
    for name in ("linear", "sigmoid"):
        torch.testing.assert_close(angular_slope(beyond, name, 0.3), angular_slope(ends, name, 0.3))
    torch.testing.assert_close(sigmoid_slope_in_k(beyond, 0.3), torch.zeros_like(ends))


@pytest.mark.parametrize("name", NAMES)
def test_operators_and_their_gradients_can_be_mapped_over_a_batch(name):
    c = _cosines()
    found = torch.func.vmap(lambda x: angular(x, name))(c)
    torch.testing.assert_close(found, angular(c, name), rtol=0, atol=0)
    slope = torch.func.vmap(torch.func.grad(lambda x: angular(x, name)))(c)
    (expected,) = torch.autograd.grad(angular(c.requires_grad_(), name).sum(), c)
    torch.testing.assert_close(slope, expected)


@pytest.mark.parametrize("name", NAMES)
def test_every_half_turn_falls_by_two_from_the_operator(name):
    theta = torch.linspace(0.1, 3, 9, dtype=torch.float64)
    for_one = angular(torch.cos(theta), name)
    turns = torch.arange(4, dtype=torch.float64)[:, None]
    found = unrolled_angular(theta + math.pi * turns, name)
    torch.testing.assert_close(found, for_one - 2 * turns, rtol=0, atol=1e-12)


def test_k_that_does_not_learn_is_no_parameter():
    operator = AngularOperator(k=0.2)
    assert not list(operator.parameters())
    assert operator.k.item() == pytest.approx(0.2)


def test_softness_is_the_documented_one_unless_told():
    c = _cosines()
    expected = angular(c, "sigmoid", 0.3)
    torch.testing.assert_close(angular(c, "sigmoid"), expected, rtol=0, atol=0)
    torch.testing.assert_close(AngularOperator()(c[:, None])[:, 0], expected, rtol=0, atol=0)
    found = unrolled_angular(torch.acos(c), "sigmoid")
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("k", [0.0, -1.0, math.inf, math.nan])
def test_softness_is_positive_and_finite(k):
    with pytest.raises(ValueError, match=r"k must be positive and finite, got"):
        AngularOperator(k=k)


@pytest.mark.parametrize(
    ("operator", "text"),
    [
        (AngularOperator("cosine"), "AngularOperator(cosine)"),
        (AngularOperator("sigmoid", k=0.2), "AngularOperator(sigmoid, k=0.2)"),
        (
            AngularOperator("sigmoid", k=0.2, learn_k=True, n_channels=3),
            "AngularOperator(sigmoid, k=0.2, learn_k=True, n_channels=3)",
        ),
    ],
    ids=["cosine", "sigmoid", "learns"],
)
def test_text_of_an_operator_tells_its_softness(operator, text):
    assert repr(operator) == text
