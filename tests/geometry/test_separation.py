"""Measures of separation obey the laws that define them."""

import math

import pytest
import torch

from sphereskl.geometry import (
    alignment,
    angle,
    closest_pair,
    hyperspherical_energy,
    max_cosine,
    min_angle,
    sample_uniform,
    simplex,
    uniformity,
)
from sphereskl.geometry._separation import max_cosines

OF_PAIRS = [closest_pair, max_cosine, min_angle, hyperspherical_energy, uniformity]
ANTIPODES = torch.tensor([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]], dtype=torch.float64)


def _points(n_points=12, dim=4, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return sample_uniform(n_points, dim, generator=generator, dtype=dtype)


def _rotation(dim):
    return torch.linalg.qr(_points(dim, dim, seed=7))[0]


@pytest.mark.parametrize("n_points", [2, 3, 1024, 1025, 2500])
def test_closest_pair_equals_the_search_of_the_whole_matrix(n_points):
    points = _points(n_points, 3)
    naive = (points @ points.T).fill_diagonal_(-2).argmax()
    assert closest_pair(points) == divmod(int(naive), n_points)


@pytest.mark.parametrize(("i", "j"), [(0, 1), (3, 2000), (1023, 1024), (1500, 2099)])
def test_closest_pair_is_found_across_blocks(i, j):
    points = _points(2100, 64)
    points[j] = points[i]
    assert closest_pair(points) == (i, j)


@pytest.mark.parametrize("points", [torch.eye(5), torch.ones(1100, 1)], ids=["one", "two blocks"])
def test_closest_pair_is_the_first_of_equals(points):
    assert closest_pair(points) == (0, 1)


@pytest.mark.parametrize("measure", [max_cosine, min_angle, hyperspherical_energy, uniformity])
def test_measures_ignore_the_order_of_points(measure):
    points = _points()
    shuffled = points[torch.randperm(12, generator=torch.Generator().manual_seed(1))]
    assert float(measure(shuffled)) == pytest.approx(float(measure(points)), rel=1e-14)


@pytest.mark.parametrize("measure", [max_cosine, min_angle, hyperspherical_energy, uniformity])
def test_measures_are_invariant_under_rotation(measure):
    points = _points()
    assert float(measure(points @ _rotation(4))) == pytest.approx(float(measure(points)), rel=1e-12)


def test_min_angle_is_the_angle_of_the_largest_cosine():
    points = _points()
    assert math.cos(min_angle(points)) == pytest.approx(max_cosine(points), abs=1e-14)


@pytest.mark.parametrize("n_points", [2, 3, 12])
def test_largest_cosines_of_sets_are_those_of_each(n_points):
    sets = torch.stack([_points(n_points, seed=seed) for seed in range(5)])
    expected = torch.tensor([max_cosine(points) for points in sets], dtype=torch.float64)
    torch.testing.assert_close(max_cosines(sets), expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("theta", [1e-3, 1e-2, 1.0])
def test_min_angle_resolves_near_coincident_points_in_float32(theta):
    points = torch.tensor([[1.0, 0.0], [math.cos(theta), math.sin(theta)], [-1.0, 0.0]])
    assert min_angle(points) == pytest.approx(theta, rel=1e-6)


@pytest.mark.parametrize("n_points", [2, 3, 5, 20])
def test_no_set_is_better_separated_than_the_simplex(n_points):
    # max cos >= -1 / (K - 1) in any dimension.
    assert max_cosine(_points(n_points, 30)) > max_cosine(simplex(n_points)) - 1e-12


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0, 10.0])
def test_energy_of_antipodes(power):
    assert hyperspherical_energy(ANTIPODES, power=power).item() == pytest.approx(2**-power)


def test_logarithmic_energy_of_antipodes():
    assert hyperspherical_energy(ANTIPODES, power=0).item() == pytest.approx(-math.log(2))


@pytest.mark.parametrize("power", [1.0, 2.0, 3.5])
def test_energy_is_the_mean_over_pairs(power):
    # Liu et al. 2018, equation 1.
    points = _points(20)
    expected = torch.pdist(points).pow(-power).mean()
    torch.testing.assert_close(hyperspherical_energy(points, power=power), expected)


@pytest.mark.parametrize("theta", [1e-4, 1e-3, 1e-2, 0.1])
def test_energy_resolves_near_coincident_points_in_float32(theta):
    # Close pairs carry the energy: 2 - 2 cos would lose theirs to cancellation.
    turn = torch.tensor([0.3, 0.3 + theta], dtype=torch.float64)
    points = torch.stack([turn.cos(), turn.sin()], dim=1).float()
    expected = 1 / torch.pdist(points.double()).item()
    assert hyperspherical_energy(points).item() == pytest.approx(expected, rel=1e-4)


def test_energy_of_coinciding_points_is_infinite():
    assert hyperspherical_energy(torch.ones(2, 1)).item() == math.inf


def test_energy_needs_a_non_negative_power():
    with pytest.raises(ValueError, match=r"power must be at least 0, got -1\.5"):
        hyperspherical_energy(ANTIPODES, power=-1.5)


@pytest.mark.parametrize(("n_points", "t"), [(2, 2.0), (5, 2.0), (5, 0.5), (30, 7.0)])
def test_uniformity_of_the_simplex(n_points, t):
    # All squared distances are 2K / (K - 1).
    expected = -2 * t * n_points / (n_points - 1)
    assert uniformity(simplex(n_points), t=t).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("t", [0.5, 2.0, 20.0])
def test_uniformity_is_the_log_of_the_mean_potential(t):
    # Wang and Isola 2020, section 4.1.2, in their own formulation.
    points = _points(20)
    expected = torch.pdist(points).square().mul(-t).exp().mean().log()
    torch.testing.assert_close(uniformity(points, t=t), expected)


def test_uniformity_of_coinciding_points_is_zero():
    assert uniformity(_points(1).expand(5, 4)).item() == pytest.approx(0, abs=1e-14)


def test_uniformity_does_not_underflow():
    assert uniformity(ANTIPODES.float(), t=1000.0).item() == -4000


def test_squared_alignment_is_twice_one_minus_cosine():
    x, y = _points(20), _points(20, seed=1)
    expected = (2 - 2 * (x * y).sum(dim=1)).mean()
    torch.testing.assert_close(alignment(x, y), expected)


@pytest.mark.parametrize("alpha", [1.0, 1.5, 3.0])
def test_alignment_is_the_mean_power_of_the_chord(alpha):
    # A chord is 2 sin(theta / 2).
    x, y = _points(20), _points(20, seed=1)
    expected = (2 * (angle(x, y) / 2).sin()).pow(alpha).mean()
    torch.testing.assert_close(alignment(x, y, alpha=alpha), expected)


@pytest.mark.parametrize("alpha", [1.0, 1.5, 2.0])
def test_gradient_of_alignment_is_finite_where_pairs_coincide(alpha):
    x = _points(3).requires_grad_()
    alignment(x, x.detach(), alpha=alpha).backward()
    assert not x.grad.any()


def test_gradient_of_uniformity_is_finite_where_points_coincide():
    points = _points(1).repeat(3, 1).requires_grad_()
    uniformity(points).backward()
    assert points.grad.isfinite().all()


@pytest.mark.parametrize("measure", [hyperspherical_energy, uniformity])
def test_measures_have_the_gradient_of_finite_differences(measure):
    assert torch.autograd.gradcheck(measure, _points(5).requires_grad_())


@pytest.mark.parametrize("measure", [closest_pair, max_cosine, min_angle])
def test_separation_of_points_that_learn(measure):
    points = _points()
    assert measure(points.clone().requires_grad_()) == measure(points)


@pytest.mark.parametrize("measure", OF_PAIRS)
def test_one_point_is_refused(measure):
    with pytest.raises(ValueError, match=r"points must have at least 2 rows .*got 1"):
        measure(torch.eye(3)[:1])
