"""The von Mises-Fisher distribution agrees with SciPy's, with closed forms and with its limits."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import vonmises_fisher

from sphereskl.geometry import (
    fit_von_mises_fisher,
    normalize,
    sample_uniform,
    von_mises_fisher_log_density,
)


def _pole(dim):
    return torch.eye(dim).double()[:1]


@pytest.mark.parametrize("kappa", [0.0, 0.5, 7.0, 80.0])
def test_density_integrates_to_one_on_the_circle(kappa):
    turn = torch.linspace(0, 2 * math.pi, 2001, dtype=torch.float64)[:-1]
    z = torch.stack([turn.cos(), turn.sin()], dim=1)
    density = von_mises_fisher_log_density(z, _pole(2), kappa).exp()
    assert density.mean() * 2 * math.pi == pytest.approx(1.0, abs=1e-12)


def _rings(kappa, dim, n_rings=2000):
    """Cosines with the mean direction, and the probability of a ring about it at each of them."""
    angle = (torch.arange(n_rings, dtype=torch.float64) + 0.5) * math.pi / n_rings
    z = torch.zeros(n_rings, dim, dtype=torch.float64)
    z[:, 0], z[:, 1] = angle.cos(), angle.sin()
    log_density = von_mises_fisher_log_density(z, _pole(dim), kappa)[:, 0]
    # A ring is a sphere of one dimension less, of radius sin(angle). Even powers of the sine are
    # smooth around the circle, where the sum has the accuracy of the integral.
    log_area = math.log(2) + (dim - 1) / 2 * math.log(math.pi) - math.lgamma((dim - 1) / 2)
    log_area = log_area + (dim - 2) * angle.sin().log()
    return angle.cos(), (log_density + log_area).exp() * math.pi / n_rings


@pytest.mark.parametrize("kappa", [0.0, 1e-3, 1.0, 100.0, 1e4])
@pytest.mark.parametrize("dim", [2, 4, 64, 2048])
def test_density_integrates_to_one_in_any_dimension(dim, kappa):
    assert _rings(kappa, dim)[1].sum().item() == pytest.approx(1.0, abs=1e-9)


def _rows_of_mean_length(length, dim):
    rows = torch.zeros(2, dim, dtype=torch.float64)
    rows[:, 0], rows[:, 1] = length, torch.tensor([1.0, -1.0]) * math.sqrt(1 - length**2)
    return rows


@pytest.mark.parametrize("length", [0.01, 0.3, 0.9, 0.99])
@pytest.mark.parametrize("dim", [2, 4, 64, 2048])
def test_mean_cosine_of_the_fitted_density_is_that_of_the_rows(dim, length):
    kappa = fit_von_mises_fisher(_rows_of_mean_length(length, dim))[1]
    cosine, probability = _rings(kappa, dim)
    assert (cosine @ probability).item() == pytest.approx(length, rel=1e-9)


@pytest.mark.parametrize("length", [0.1, 0.5, 0.99, 1 - 1e-4, 1 - 1e-5, 1 - 1e-6, 1 - 1e-8])
def test_fitted_concentration_has_its_closed_form_in_three_dimensions(length):
    # coth(kappa) - 1 / kappa is the mean cosine.
    kappa = fit_von_mises_fisher(_rows_of_mean_length(length, 3))[1]
    assert kappa * (1 / math.tanh(kappa) - length) == pytest.approx(1.0, rel=1e-7)


@pytest.mark.parametrize("kappa", [1e-6, 0.5, 7.0, 500.0, 1e4])
def test_density_has_its_closed_form_in_three_dimensions(kappa):
    z = sample_uniform(20, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    # kappa / (4 pi sinh kappa), without overflow.
    log_sinh = kappa + math.log(-math.expm1(-2 * kappa)) - math.log(2)
    expected = math.log(kappa) - math.log(4 * math.pi) - log_sinh + kappa * z[:, :1]
    found = von_mises_fisher_log_density(z, _pole(3), kappa)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dim", [2, 5, 64])
@pytest.mark.parametrize("kappa", [1.0, 30.0, 400.0])
def test_density_is_that_of_scipy(dim, kappa):
    z = vonmises_fisher(np.eye(dim)[0], kappa).rvs(10, random_state=0)
    expected = vonmises_fisher(np.eye(dim)[0], kappa).logpdf(z)
    found = von_mises_fisher_log_density(torch.from_numpy(z), _pole(dim), kappa)[:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-8)


@pytest.mark.parametrize("dim", [2, 3, 64, 2048])
@pytest.mark.parametrize("kappa", [0.0, 1e-300, 1e-3, 1.0, 100.0, 1e4, 1e9])
def test_density_is_finite_at_all_concentrations(dim, kappa):
    found = von_mises_fisher_log_density(torch.eye(dim)[:2], _pole(dim), kappa)
    assert found.isfinite().all()
    assert (found[0] >= found[1]).all()


def test_every_direction_has_its_concentration():
    z = sample_uniform(5, 4, generator=torch.Generator().manual_seed(0))
    together = von_mises_fisher_log_density(z, torch.eye(4)[:2], torch.tensor([1.0, 9.0]))
    alone = [von_mises_fisher_log_density(z, torch.eye(4)[k : k + 1], 1.0 + 8 * k) for k in (0, 1)]
    torch.testing.assert_close(together, torch.cat(alone, dim=1))


@pytest.mark.parametrize(("dim", "kappa"), [(2, 3.0), (3, 50.0), (16, 8.0), (64, 500.0)])
def test_fit_is_that_of_scipy(dim, kappa):
    z = vonmises_fisher(np.eye(dim)[1], kappa).rvs(200, random_state=1)
    expected_direction, expected_kappa = vonmises_fisher.fit(z)
    direction, found = fit_von_mises_fisher(torch.from_numpy(z))
    np.testing.assert_allclose(direction, expected_direction, atol=1e-12)
    assert found == pytest.approx(expected_kappa, rel=1e-5)


def test_fit_makes_rows_most_likely():
    z = torch.from_numpy(vonmises_fisher(np.eye(8)[0], 20.0).rvs(50, random_state=0))
    direction, kappa = fit_von_mises_fisher(z)
    turned = normalize(direction + 0.05 * torch.eye(8).double()[3])
    likelihoods = [
        von_mises_fisher_log_density(z, mean[None], at).sum().item()
        for mean, at in [
            (direction, kappa),
            (direction, 0.98 * kappa),
            (direction, 1.02 * kappa),
            (turned, kappa),
        ]
    ]
    assert likelihoods[0] == max(likelihoods)


def test_weight_two_is_two_copies():
    z = sample_uniform(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weight = torch.tensor([2, 1, 1, 3, 1, 1])
    direction, kappa = fit_von_mises_fisher(z, weight)
    copied_direction, copied_kappa = fit_von_mises_fisher(z.repeat_interleave(weight, dim=0))
    torch.testing.assert_close(direction, copied_direction)
    assert kappa == pytest.approx(copied_kappa)


@pytest.mark.parametrize("dim", [2, 64])
def test_rows_that_coincide_are_concentrated_but_not_infinitely(dim):
    direction, kappa = fit_von_mises_fisher(torch.eye(dim)[:1].repeat(4, 1))
    torch.testing.assert_close(direction, torch.eye(dim)[0])
    assert 1e8 < kappa < math.inf


def test_rows_without_a_mean_direction_are_not_concentrated():
    direction, kappa = fit_von_mises_fisher(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
    assert kappa == 0.0
    assert direction.norm() == 1
