"""The exact end of a search: optima are left alone, anything else comes closer to one."""

import math
from types import SimpleNamespace

import pytest
import torch

from sphereskl.geometry import max_cosine, place_prototypes, sample_uniform
from sphereskl.geometry.search import _tightening
from sphereskl.geometry.search._tightening import tighten


def _shaken(points, size, seed=0):
    noise = torch.randn(points.shape, generator=torch.Generator().manual_seed(seed)).double()
    return torch.nn.functional.normalize(points + size * noise)


@pytest.mark.parametrize(
    ("n_points", "embedding_dim", "optimum"),
    # Simplex, orthoplex, icosahedron and the roots of D4: rigid, so nearby there is no other.
    [(5, 4, -1 / 4), (6, 3, 0.0), (12, 3, 1 / math.sqrt(5)), (24, 4, 1 / 2)],
)
def test_a_shaken_optimum_is_restored(n_points, embedding_dim, optimum):
    points = _shaken(place_prototypes(n_points, embedding_dim), 1e-3)
    found = tighten(points, n_programs=20)
    assert max_cosine(points) > optimum + 1e-4
    assert max_cosine(found) == pytest.approx(optimum, abs=1e-8)


def test_an_optimum_stays_where_it_is():
    points = place_prototypes(16, 5)
    assert torch.equal(tighten(points, n_programs=5), points)


@pytest.mark.parametrize("n_programs", [0, 1, 7])
def test_tightening_is_never_worse(n_programs):
    points = sample_uniform(20, 4, generator=torch.Generator().manual_seed(0))
    found = tighten(points, n_programs=n_programs)
    assert max_cosine(found) <= max_cosine(points)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(20).double())


def test_the_end_is_stationary():
    # Five points in three dimensions: the optimum 0 is not rigid (two points can move), which
    # leaves smoothed objectives short of it.
    points = _shaken(
        torch.eye(3).double().repeat(2, 1)[:5] * torch.tensor([[1], [1], [1], [-1], [-1]]), 0.02
    )
    assert max_cosine(tighten(points, n_programs=60)) == pytest.approx(0.0, abs=1e-8)


def test_points_stay_if_there_is_no_solution(monkeypatch):
    monkeypatch.setattr(_tightening, "linprog", lambda *args, **kwargs: SimpleNamespace(x=None))
    points = sample_uniform(20, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(tighten(points, n_programs=5), points)
