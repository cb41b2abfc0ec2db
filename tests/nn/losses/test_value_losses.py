"""Losses of regression: gradients, minimisers and limits."""

import math

import numpy as np
import pytest
import scipy.stats
import torch

from sphereskl.geometry import normalize, sample_uniform
from sphereskl.nn import ARC_LOSSES, absolute_error, gaussian, huber, pinball, squared_error

POLE = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


def _pairs(n_samples=50, n_targets=3):
    cosines = torch.rand(n_samples, n_targets, generator=_generator(), dtype=torch.float64) * 2 - 1
    target = torch.rand(n_samples, n_targets, generator=_generator(1), dtype=torch.float64) * 2 - 1
    return cosines, target


def test_gradient_of_the_squared_error_is_the_published_one():
    # Mettes et al. 2019: dL/dz = -2 (r - c) (p / |z| - c z / |z|^2).
    z = torch.randn(3, generator=_generator(), dtype=torch.float64) * 4
    r, length, c = 0.3, z.norm(), z @ POLE / z.norm()
    expected = -2 * (r - c) * (POLE / length - c * z / length**2)
    leaf = z.clone().requires_grad_()
    cosine = (normalize(leaf[None]) * POLE).sum(dim=1, keepdim=True)
    squared_error(cosine, torch.full((1, 1), r, dtype=torch.float64)).backward()
    torch.testing.assert_close(leaf.grad, expected, rtol=1e-12, atol=1e-14)


def test_slope_of_the_squared_error_in_the_angle_vanishes_at_the_poles():
    theta = torch.linspace(0, math.pi, 101, dtype=torch.float64, requires_grad=True)
    squared_error(theta.cos()[:, None], torch.full((101, 1), 0.3, dtype=torch.float64)).backward()
    expected = 2 * (0.3 - theta.cos()) * theta.sin() / 101
    torch.testing.assert_close(theta.grad, expected.detach(), rtol=1e-12, atol=1e-15)
    assert theta.grad[[0, -1]].abs().max() < 1e-15


def test_losses_equal_their_definitions():
    cosines, target = _pairs()
    e = (target - cosines).numpy()
    assert squared_error(cosines, target).item() == pytest.approx(np.mean(e**2))
    assert absolute_error(cosines, target).item() == pytest.approx(np.mean(np.abs(e)))
    tilted = np.where(e > 0, 0.2 * e, -0.8 * e)
    assert pinball(cosines, target, quantile=0.2).item() == pytest.approx(np.mean(tilted))
    clipped = np.minimum(np.abs(e), 0.1)
    assert huber(cosines, target).item() == pytest.approx(
        np.mean(clipped * (np.abs(e) - clipped / 2))
    )


def test_half_the_absolute_error_is_the_pinball_loss_of_the_median():
    cosines, target = _pairs()
    assert pinball(cosines, target).item() == pytest.approx(
        absolute_error(cosines, target).item() / 2
    )


@pytest.mark.parametrize("name", sorted(ARC_LOSSES))
def test_weights_count_rows_and_a_met_target_costs_least(name):
    cosines, target = _pairs(4)
    loss = ARC_LOSSES[name]
    twice = torch.cat([cosines, cosines[:1]]), torch.cat([target, target[:1]])
    weight = torch.tensor([2.0, 1, 1, 1], dtype=torch.float64) * 4 / 5
    torch.testing.assert_close(loss(cosines, target, weight), loss(*twice))
    assert loss(target, target) <= loss(cosines, target)


def test_the_gaussian_loss_is_the_likelihood_of_normal_errors():
    cosines, target = _pairs()
    errors = (target - cosines).numpy()
    density = scipy.stats.norm(scale=np.sqrt((errors**2).mean(axis=0))).logpdf(errors)
    # The constant of the density, and the half that the squares over their own mean leave.
    expected = -density.mean() - (math.log(2 * math.pi) + 1) / 2
    assert gaussian(cosines, target).item() == pytest.approx(expected, abs=1e-3)


def test_the_gaussian_gradient_is_the_squared_one_over_twice_the_mean_square():
    cosines, target = _pairs(n_targets=1)
    first, second = cosines.clone().requires_grad_(), cosines.clone().requires_grad_()
    gaussian(first, target).backward()
    mean = squared_error(second, target)
    mean.backward()
    torch.testing.assert_close(first.grad, second.grad / (2 * (mean.detach() + 1e-4)))


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.8])
def test_the_pinball_loss_is_least_at_the_quantile(quantile):
    target = torch.linspace(-1, 1, 1001, dtype=torch.float64)[:, None]
    grid = torch.linspace(-1, 1, 401, dtype=torch.float64)
    losses = [pinball(c.expand_as(target), target, quantile=quantile) for c in grid]
    best = grid[torch.stack(losses).argmin()].item()
    assert best == pytest.approx(2 * quantile - 1, abs=0.01)


@pytest.mark.parametrize("name", sorted(ARC_LOSSES))
@pytest.mark.parametrize("length", [0.0, 1e-30, 1.0, -1.0])
def test_limits_have_finite_loss_and_gradient(name, length):
    z = (length * POLE)[None].float().requires_grad_()
    cosine = (normalize(z) * POLE.float()).sum(dim=1, keepdim=True)
    loss = ARC_LOSSES[name](cosine, torch.tensor([[0.5]]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(z.grad).all()


@pytest.mark.parametrize("name", sorted(ARC_LOSSES))
def test_gradients_agree_with_finite_differences(name):
    z = sample_uniform(6, 3, generator=_generator(2), dtype=torch.float64).requires_grad_()
    target = _pairs(6, 1)[1]

    def loss(z):
        return ARC_LOSSES[name]((normalize(z) * POLE).sum(dim=1, keepdim=True), target)

    assert torch.autograd.gradcheck(loss, (z,))
