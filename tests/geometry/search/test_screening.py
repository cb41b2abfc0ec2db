"""Which symmetries are tried: the order, the budget, and who goes on."""

import math
from dataclasses import replace

import pytest
import torch

from sphereskl.geometry import lower_bound
from sphereskl.geometry._separation import max_cosines
from sphereskl.geometry.search._effort import EFFORTS
from sphereskl.geometry.search._screening import Screening, _Trial

SMALL = replace(EFFORTS["fast"], n_pairs=5e4, n_iter=10)


def _screening(n_points=30, embedding_dim=4, effort=SMALL, seed=0):
    return Screening(
        n_points, embedding_dim, effort, torch.Generator().manual_seed(seed), device="cpu"
    )


def _run(screening, *, together):
    run = screening.run_together if together else screening.run_in_rounds
    run(verbose=0)
    return screening.pool


@pytest.mark.parametrize("together", [True, False])
def test_a_pool_holds_whole_sets_best_first(together):
    pool = _run(_screening(), together=together)
    assert pool.points.shape[1:] == (30, 4)
    assert pool.points.dtype == torch.float64
    assert torch.equal(pool.values, pool.values.sort().values)
    torch.testing.assert_close(pool.points.norm(dim=2), torch.ones(len(pool.points), 30).double())
    # The values are smoothed maxima in single precision: never below the maxima.
    assert (max_cosines(pool.points) <= pool.values + 1e-5).all()
    assert max_cosines(pool.points).min() >= lower_bound(30, 4)


@pytest.mark.parametrize("together", [True, False])
def test_equal_seeds_give_equal_bits(together):
    first, second = (_run(_screening(), together=together) for _ in range(2))
    assert torch.equal(first.points, second.points)


def test_usual_symmetries_are_tried_first():
    layouts = _screening()._untried
    orders = [layout.group.order for layout in layouts]
    # No symmetry, then turns that leave 0, 2, ... 8 of 30 points alone.
    assert orders[:6] == [1, 2, 2, 2, 2, 2]
    assert max(orders) == SMALL.largest_order
    assert len(set(layouts)) == len(layouts)


def test_many_points_are_symmetric():
    assert min(layout.group.order for layout in _screening(400, 20)._untried) == 2


def test_first_trials_keep_to_their_budget():
    screening = _screening(60, 5, EFFORTS["default"])
    calls = screening._begin(1e6)
    spent = [
        len(trial.values) * n_starts * screening._work(trial.sets.layout)
        for trial, n_starts in calls
    ]
    # The call that exhausts the budget is the last, and none takes more than a share of it.
    assert sum(spent[:-1]) < 1e6
    assert max(spent) < 1.2 * EFFORTS["default"].n_pairs / 8
    assert len(calls) > 3


def test_the_most_promising_quarter_goes_on():
    screening = _screening(60, 5, EFFORTS["default"])
    opened = [trial for trial, _ in screening._begin(1e6)]
    n_sets = sum(len(trial.values) for trial in opened)
    values = torch.randperm(n_sets, generator=torch.Generator().manual_seed(1)).double()
    parts = values.split([len(trial.values) for trial in opened])
    trials = [_Trial(t.sets, part) for t, part in zip(opened, parts, strict=True)]
    calls = screening._go_on(trials, 1e6)
    kept = torch.cat([trial.values for trial, _ in calls])
    assert kept.sort().values.tolist() == list(range(math.ceil(n_sets / 4)))
    assert all(len(t.values) == len(t.sets.representation.diagonal) for t, _ in calls)


def test_a_trial_remembers_its_best_value():
    screening = _screening()
    trial = screening._begin(1e5)[0][0]
    better = _Trial(trial.sets, torch.full_like(trial.values, -1.0))
    assert torch.equal(screening._screen(better, 2).values, better.values)
    assert (screening._screen(trial, 2).values < 1).all()


def test_a_start_that_costs_more_than_the_budget_is_made_alone():
    pool = _run(_screening(24, 3000), together=True)
    assert pool.points.shape == (1, 24, 3000)
