"""The search for separated points: laws of its objectives and quality of its results."""

import math
from types import SimpleNamespace

import pytest
import torch

from sphereskl.geometry import max_cosine, place_prototypes, sample_uniform
from sphereskl.geometry._lbfgs import minimize_batch
from sphereskl.geometry.codes._structured import binary_code, cap_of_code
from sphereskl.geometry.search import _large, _separated, _uniform
from sphereskl.geometry.search._effort import EFFORTS
from sphereskl.geometry.search._large import (
    affordable_evaluations,
    blocked_soft_max_cosine,
    search_large,
)
from sphereskl.geometry.search._potentials import soft_max_cosine


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _published_sgd(n_points: int, embedding_dim: int, n_steps: int = 1000) -> torch.Tensor:
    # Mettes et al. 2019, section 3.1: descent on the mean over rows of the largest cosine,
    # learning rate 0.1, rows projected after each step.
    points = sample_uniform(n_points, embedding_dim, generator=_generator(300))
    for _ in range(n_steps):
        nearest = (points @ points.T).fill_diagonal_(-2).argmax(dim=1)
        gradient = points[nearest].index_add(0, nearest, points) / n_points
        points = points - 0.1 * gradient
        points = points / points.norm(dim=1, keepdim=True)
    return points


@pytest.mark.parametrize("sharpness", [2.0, 50.0, 4000.0])
def test_soft_maximum_encloses_the_maximum(sharpness):
    # max <= f <= max + log(K (K - 1) / 2) / b, the log-sum-exp inequality.
    points = sample_uniform(20, 5, generator=_generator())
    value = soft_max_cosine(sharpness)(points[None])[0].item()
    excess = value - max_cosine(points)
    assert -1e-12 <= excess <= math.log(190) / sharpness


@pytest.mark.parametrize("sharpness", [2.0, 50.0])
def test_soft_maximum_gradient_matches_autograd(sharpness):
    rows = (1.5 * sample_uniform(8, 3, generator=_generator())).requires_grad_()
    points = rows / rows.norm(dim=1, keepdim=True)
    i, j = torch.triu_indices(8, 8, offset=1)
    value = torch.logsumexp(sharpness * (points @ points.T)[i, j], 0) / sharpness
    (expected,) = torch.autograd.grad(value, rows)
    found = soft_max_cosine(sharpness)(rows.detach()[None])
    torch.testing.assert_close(found[1][0], expected)
    assert found[0].item() == pytest.approx(value.item())


@pytest.mark.parametrize("block", [7, 64])
@pytest.mark.parametrize("sharpness", [4.0, 600.0])
def test_blocked_soft_maximum_equals_the_dense_one(block, sharpness):
    points = sample_uniform(50, 6, generator=_generator())[None]
    value, gradient = blocked_soft_max_cosine(sharpness, block)(points)
    expected_value, expected_gradient = soft_max_cosine(sharpness)(points)
    # Cosines are float32, scaled by the sharpness in the exponent.
    torch.testing.assert_close(value, expected_value, rtol=0, atol=1e-6)
    torch.testing.assert_close(gradient, expected_gradient, rtol=0, atol=1e-4)


def test_a_cap_keeps_the_distances_of_its_code():
    code = binary_code(288, 16)
    caps = [cap_of_code(code, 100, _generator(seed)) for seed in range(8)]
    assert all(max_cosine(cap) < 0.25 + 1e-12 for cap in caps)
    # A cap stands on one side of its axis.
    assert all(cap.mean(dim=0).norm() > 0.2 for cap in caps)


def test_minimiser_treats_every_start_alone():
    starts = torch.stack([sample_uniform(9, 3, generator=_generator(seed)) for seed in range(4)])
    together = minimize_batch(soft_max_cosine(20.0), starts, max_iter=30)
    alone = minimize_batch(soft_max_cosine(20.0), starts[2:3], max_iter=30)
    torch.testing.assert_close(together[2:3], alone, rtol=0, atol=1e-6)


def test_minimiser_reaches_a_stationary_point():
    start = sample_uniform(10, 4, generator=_generator())[None]
    objective = soft_max_cosine(10.0)
    end = minimize_batch(objective, start, max_iter=500)
    assert objective(end)[1].abs().max() < 1e-8
    assert objective(end)[0] < objective(start)[0]


@pytest.mark.parametrize(
    ("n_points", "embedding_dim", "cosine"),
    [
        # Sloane, tables of spherical codes in three dimensions.
        (7, 3, 0.2101383129),
        (13, 3, 0.5426364869),
        (24, 3, 0.7230784683),
        pytest.param(50, 3, 0.8681732092, marks=pytest.mark.slow),
        # Cohn and Kumar 2007, table 1, found without the structured codes' help.
        (10, 4, 1 / 6),
        (16, 5, 1 / 5),
        pytest.param(27, 6, 1 / 4, marks=pytest.mark.slow),
    ],
)
def test_separated_finds_the_best_known(n_points, embedding_dim, cosine):
    points = place_prototypes(n_points, embedding_dim, method="separated", random_state=0)
    assert max_cosine(points) == pytest.approx(cosine, abs=1e-4)


@pytest.mark.parametrize(
    ("n_points", "embedding_dim"), [(12, 3), (24, 4), (50, 5), (60, 12), (100, 20)]
)
def test_fast_is_better_than_the_published_descent(n_points, embedding_dim):
    points = place_prototypes(n_points, embedding_dim, effort="fast", random_state=0)
    published = _published_sgd(n_points, embedding_dim)
    assert max_cosine(points) < max_cosine(published) - 1e-3


@pytest.mark.parametrize("seed", [0, 1])
def test_a_search_is_never_worse_than_a_code(seed):
    points = place_prototypes(280, 16, effort="fast", random_state=seed)
    assert max_cosine(points) <= 0.25 + 1e-12


def test_large_search_improves_its_start():
    start = sample_uniform(300, 8, generator=_generator())
    points = search_large(start, n_evaluations=60, device="cpu", verbose=0)
    assert max_cosine(points) < max_cosine(start) - 0.1


@pytest.mark.parametrize("effort", list(EFFORTS))
def test_work_is_bounded_for_many_points(effort):
    assert affordable_evaluations(10_000_000, 512, effort) == 0
    assert affordable_evaluations(3000, 16, effort) >= 10


@pytest.mark.parametrize("size", [(26, 4), (310, 3)])
def test_the_number_of_threads_is_given_back(size):
    before = torch.get_num_threads()
    place_prototypes(*size, method="separated", effort="fast", random_state=0)
    assert torch.get_num_threads() == before


def test_bits_do_not_depend_on_the_number_of_threads():
    before = torch.get_num_threads()
    first = place_prototypes(26, 4, effort="fast", random_state=0)
    torch.set_num_threads(before + 1)
    second = place_prototypes(26, 4, effort="fast", random_state=0)
    torch.set_num_threads(before)
    assert torch.equal(first, second)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_points", "embedding_dim", "cosine"),
    # Best values found by long searches; the structured ones are subsets of the roots of E8 and
    # of the 64 points of signed triples.
    [
        (40, 5, 0.5),
        (24, 8, 0.1576921450),
        (64, 8, 1 / 3),
        (200, 8, 0.5),
        (100, 5, 0.6832640555),
        (128, 8, 0.4626),
        (100, 8, 3 / 7),
        (150, 11, 1 / 3),
    ],
)
def test_best_effort_reaches_records(n_points, embedding_dim, cosine):
    points = place_prototypes(n_points, embedding_dim, effort="best", random_state=0)
    assert max_cosine(points) < cosine + 1e-3


@pytest.mark.parametrize(("method", "module"), [("separated", _separated), ("uniform", _uniform)])
def test_a_search_in_blocks_is_a_search_as_well(method, module, monkeypatch):
    monkeypatch.setattr(module, "DENSE", 20)
    options = {"effort": "fast", "random_state": 0}
    found, drawn = (place_prototypes(60, 6, method=m, **options) for m in (method, "random"))
    assert max_cosine(found) < max_cosine(drawn) - 0.1


def test_a_code_is_taken_where_it_is_better_than_the_search(monkeypatch):
    monkeypatch.setattr(_separated, "DENSE", 20)
    monkeypatch.setattr(_large, "_CODE_IS_GOOD", -1.0)
    points = place_prototypes(240, 16, effort="fast", random_state=0)
    assert max_cosine(points) <= 0.25 + 1e-12


def test_a_large_search_is_never_worse_than_its_start():
    start = place_prototypes(9, 8)  # a simplex
    assert torch.equal(search_large(start, n_evaluations=10, device="cpu", verbose=0), start)


def _separate(n_points, embedding_dim, seed=0):
    options = {"effort": "fast", "device": "cpu", "verbose": 0}
    return _large.separate_many(n_points, embedding_dim, generator=_generator(seed), **options)


def test_without_code_and_budget_points_are_drawn(monkeypatch):
    monkeypatch.setattr(_large, "_BUDGETS", {"fast": 0.0})
    monkeypatch.setattr(_large, "structured_codes", lambda *size: [])
    assert torch.equal(_separate(60, 6), sample_uniform(60, 6, generator=_generator()))


def test_a_search_is_taken_where_it_is_better_than_the_code(monkeypatch):
    poor = SimpleNamespace(max_cosine=0.999, build=None)
    monkeypatch.setattr(_large, "structured_codes", lambda *size: [poor])
    drawn = sample_uniform(60, 6, generator=_generator())
    assert max_cosine(_separate(60, 6)) < max_cosine(drawn) - 0.1
