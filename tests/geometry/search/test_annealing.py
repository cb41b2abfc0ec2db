"""Stages of the search: what each of them keeps and never makes worse."""

import math

import pytest
import torch

from sphereskl.geometry import lower_bound, max_cosine, sample_uniform
from sphereskl.geometry._separation import max_cosines
from sphereskl.geometry.codes._lattice_codes import d_roots
from sphereskl.geometry.search._annealing import (
    Pool,
    anneal_slowly,
    anneal_structured,
    polish,
    screen,
    sharpen,
)
from sphereskl.geometry.search._groups import FiniteGroup, layouts_of
from sphereskl.geometry.search._orbits import SymmetricSets
from sphereskl.geometry.search._representations import random_representations

UNIT = -math.log(1 - lower_bound(20, 4))


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def starts():
    return torch.stack([sample_uniform(20, 4, generator=_generator(k)) for k in range(6)])


def test_a_pool_keeps_the_smallest_values_and_no_value_twice(starts):
    pool = Pool(3)
    values = torch.tensor([0.5, 0.2, 0.2 + 1e-7, 0.9, 0.4, 0.3], dtype=torch.float64)
    pool.add(starts[:3], values[:3])
    pool.add(starts[3:], values[3:])
    assert pool.values.tolist() == [0.2, 0.3, 0.4]
    assert torch.equal(pool.points, starts[[1, 5, 4]])


@pytest.mark.parametrize("order", [1, 3, 4, 5])
def test_screening_keeps_the_symmetry_and_separates(order):
    layout = layouts_of(FiniteGroup((order,)), 20, 2)[-1]
    drawn = random_representations(layout, 8, 4, 0.9, _generator())
    sets = SymmetricSets(layout, drawn)
    rows = sets.draw(_generator(1))
    found, values = screen(rows, sets, UNIT, _generator(2), n_iter=40)
    assert found.shape == rows.shape
    assert found.dtype == torch.float32
    ends = sets.expand(found.double())
    assert (max_cosines(ends) < max_cosines(sets.expand(rows)) - 0.1).all()
    # The smoothed maximum is never below the maximum, and rounding is single.
    assert (max_cosines(ends) <= values + 1e-6).all()
    torch.testing.assert_close(ends.norm(dim=2), torch.ones(len(rows), 20).double())


def test_sharpening_separates_and_halves(starts):
    ends = sharpen(starts, UNIT, n_iter=40, n_kept=2)
    assert ends.shape == (2, 20, 4)
    assert max_cosines(ends).max() < max_cosines(starts).min()


def test_slow_annealing_forgets_the_start(starts):
    # From the soft end of the annealing all starts find nearly the same separation.
    ends = max_cosines(anneal_slowly(starts, UNIT, n_iter=60))
    assert ends.max() - ends.min() < 0.05
    assert ends.max() < max_cosines(starts).min()


def test_a_code_survives_its_annealing():
    code = d_roots(4)[None]
    ends = anneal_structured(code.repeat(2, 1, 1), UNIT, n_iter=5)
    assert torch.equal(ends[-1], code[0])


@pytest.mark.parametrize("n_rounds", [0, 3])
def test_polishing_is_never_worse(starts, n_rounds):
    assert max_cosine(polish(starts, n_rounds=n_rounds)) <= float(max_cosines(starts).min())
