"""Placed prototypes reach the known optima and are reproducible."""

import math

import pytest
import torch

from sphereskl.geometry import max_cosine, place_prototypes

# Known optima: simplex, Rankin 1955, and the d = 3 codes of Schütte and van der Waerden.
ORACLES = [
    (2, 5, -1.0),
    (3, 2, -0.5),
    (4, 3, -1 / 3),
    (6, 3, 0.0),
    (8, 3, 0.261204),
    (12, 3, 1 / math.sqrt(5)),
    (10, 5, 0.0),
    (10, 9, -1 / 9),
    (26, 2, math.cos(2 * math.pi / 26)),
    (100, 50, 0.0),
    (100, 99, -1 / 99),
    (24, 4, 0.5),
]


@pytest.mark.parametrize(("n_prototypes", "embedding_dim", "optimum"), ORACLES)
def test_auto_reaches_the_optimum(n_prototypes, embedding_dim, optimum):
    points = place_prototypes(n_prototypes, embedding_dim, random_state=0)
    assert max_cosine(points) == pytest.approx(optimum, abs=1e-4)


@pytest.mark.parametrize("method", ["separated", "uniform", "random"])
@pytest.mark.parametrize(("n_prototypes", "embedding_dim"), [(2, 2), (7, 2), (26, 3), (26, 64)])
def test_rows_are_unit_and_distinct(method, n_prototypes, embedding_dim):
    points = place_prototypes(
        n_prototypes, embedding_dim, method=method, effort="fast", random_state=1
    )
    assert (points.norm(dim=1) - 1).abs().max() < 1e-12
    assert max_cosine(points) < 1 - 1e-6


@pytest.mark.parametrize("method", ["auto", "separated", "uniform", "random"])
def test_equal_seeds_give_equal_bits(method):
    first, second = (
        place_prototypes(17, 4, method=method, effort="fast", random_state=3) for _ in range(2)
    )
    assert torch.equal(first, second)


def test_global_random_state_is_untouched():
    before = torch.random.get_rng_state()
    place_prototypes(9, 3, effort="fast", random_state=0)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_one_dimension_is_refused():
    with pytest.raises(ValueError, match="got 1; on a line"):
        place_prototypes(3, 1)
