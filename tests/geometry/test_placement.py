"""Placed prototypes reach the known optima and are reproducible."""

import hashlib
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from sphereskl.geometry import (
    describe_placement,
    max_cosine,
    orthoplex,
    place_prototypes,
    polygon,
    simplex,
)

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


@pytest.mark.parametrize(
    ("n_prototypes", "embedding_dim", "closed_form"),
    [
        (2, 5, simplex),
        (3, 2, simplex),
        (6, 5, simplex),
        (4, 2, polygon),
        (26, 2, polygon),
        (5, 3, orthoplex),
        (6, 3, orthoplex),
        (10, 5, orthoplex),
    ],
)
def test_auto_is_a_closed_form_where_one_is_optimal(n_prototypes, embedding_dim, closed_form):
    points = place_prototypes(n_prototypes, embedding_dim)
    assert torch.equal(points, closed_form(n_prototypes, embedding_dim))


@pytest.mark.parametrize(("n_prototypes", "embedding_dim"), [(24, 4), (16, 5)])
def test_a_code_that_is_a_record_is_not_searched_for(n_prototypes, embedding_dim):
    first, second = (place_prototypes(n_prototypes, embedding_dim, random_state=s) for s in (0, 1))
    assert torch.equal(first, second)


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


_SCRIPT = """
import hashlib
from sphereskl.geometry import place_prototypes
points = place_prototypes(17, 4, method={method!r}, effort="fast", random_state=3)
print(hashlib.sha256(points.numpy().tobytes()).hexdigest())
"""


@pytest.mark.parametrize("method", ["separated", "uniform"])
def test_equal_seeds_give_equal_bits_in_another_process(method):
    points = place_prototypes(17, 4, method=method, effort="fast", random_state=3)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", _SCRIPT.format(method=method)]
    digest = subprocess.check_output(command, env=environment, text=True).strip()
    assert digest == hashlib.sha256(points.numpy().tobytes()).hexdigest()


def test_no_seed_gives_new_points():
    first, second = (place_prototypes(5, 3, method="random") for _ in range(2))
    assert not torch.equal(first, second)


def test_global_random_state_is_untouched():
    before = torch.random.get_rng_state()
    place_prototypes(9, 3, effort="fast")
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(("n_prototypes", "embedding_dim"), [(10, 9), (10, 5)])
def test_uniform_reaches_the_sharp_configurations(n_prototypes, embedding_dim):
    # Cohn and Kumar 2007: simplex and orthoplex minimise every such potential.
    points = place_prototypes(n_prototypes, embedding_dim, method="uniform", random_state=0)
    expected = max_cosine(place_prototypes(n_prototypes, embedding_dim))
    assert max_cosine(points) == pytest.approx(expected, abs=1e-6)


def test_measures_ignore_rotation_and_order():
    points = place_prototypes(14, 4, effort="fast", random_state=0)
    turn = torch.linalg.qr(place_prototypes(4, 4, method="random", random_state=1))[0]
    moved = (points @ turn)[torch.randperm(14, generator=torch.Generator().manual_seed(0))]
    report, expected = describe_placement(moved), describe_placement(points)
    assert report.max_cosine == pytest.approx(expected.max_cosine, abs=1e-12)
    assert report.min_angle == pytest.approx(expected.min_angle, abs=1e-12)


@pytest.mark.parametrize(
    ("n_prototypes", "embedding_dim", "kind"),
    [(5, 8, "optimal"), (30, 2, "optimal"), (24, 4, "best known"), (112, 21, "optimal")],
)
def test_report_of_a_record_has_no_gap(n_prototypes, embedding_dim, kind):
    report = describe_placement(place_prototypes(n_prototypes, embedding_dim))
    assert report.reference_kind == kind
    assert report.gap == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("n_prototypes", "embedding_dim"), [(8, 3), (16, 7)])
def test_more_than_two_d_points_are_not_measured_by_a_right_angle(n_prototypes, embedding_dim):
    points = place_prototypes(n_prototypes, embedding_dim, method="random", random_state=0)
    report = describe_placement(points)
    assert report.reference > 0.01
    assert (report.reference_kind == "optimal") == (n_prototypes == 8)


def test_report_falls_back_to_the_bound():
    report = describe_placement(place_prototypes(33, 7, method="random", random_state=0))
    assert report.reference_kind == "bound"
    assert report.gap > 0
    assert math.cos(report.min_angle) == pytest.approx(report.max_cosine)


@pytest.mark.parametrize(("verbose", "bars"), [(0, False), (1, True)])
def test_progress_is_shown_on_request(verbose, bars, capsys):
    place_prototypes(9, 3, effort="fast", random_state=0, verbose=verbose)
    assert ("screening" in capsys.readouterr().err) is bars


@pytest.mark.parametrize(
    "options", [{}, {"method": "semantic", "similarity": np.eye(9)}], ids=["auto", "semantic"]
)
def test_no_progress_is_shown_unless_asked_for(options, capsys):
    points = place_prototypes(9, 3, effort="fast", random_state=0, **options)
    assert points.shape == (9, 3)
    assert not capsys.readouterr().err


def test_antipodes_are_a_simplex_of_two():
    assert torch.equal(place_prototypes(2, 3, method="antipodal"), simplex(2, 3))


@pytest.mark.parametrize("seed", [0, 1000, 2**63 - 1])
def test_seeds_up_to_the_largest_integer_of_64_bits_are_accepted(seed):
    first, second = (place_prototypes(5, 3, method="random", random_state=seed) for _ in range(2))
    assert torch.equal(first, second)


def test_a_hundred_thousand_prototypes_are_cheap():
    # Dual of the BCH code with t = 3, m = 7: all sums are at most 2^5 (Kasami weights).
    points = place_prototypes(100_000, 128, effort="fast", random_state=0)
    sample = points[torch.arange(0, 100_000, 997)]
    cosines = sample @ points.T
    assert cosines[cosines < 1 - 1e-9].max() <= 0.25 + 1e-12
    assert int((cosines > 1 - 1e-9).sum()) == len(sample)


@pytest.mark.slow
def test_many_points_are_searched_in_blocks():
    # A random set of this size has a pair at a cosine of 1 - 4 / K^2 or so; the triangle
    # bound is 1 - 3.6 / K.
    points = place_prototypes(2100, 3, effort="fast", random_state=0)
    assert max_cosine(points) < 1 - 1 / 2100


@pytest.mark.slow
@pytest.mark.parametrize(("n_prototypes", "embedding_dim"), [(1000, 50), (1000, 100)])
def test_a_thousand_prototypes_beat_random_ones(n_prototypes, embedding_dim):
    placed, drawn = (
        place_prototypes(n_prototypes, embedding_dim, method=method, random_state=0)
        for method in ("separated", "random")
    )
    assert max_cosine(placed) < 0.5 * max_cosine(drawn)


def test_one_dimension_is_refused():
    with pytest.raises(ValueError, match="got 1; on a line every cosine loss"):
        place_prototypes(3, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_prototypes": 1}, "n_prototypes must be an integer of at least 2, got 1"),
        ({"n_prototypes": 2.5}, "got 2.5"),
        ({"method": "simplx"}, "method must be one of .* got 'simplx'"),
        ({"effort": "max"}, "effort must be one of fast, default, best, got 'max'"),
        ({"method": "antipodal"}, "n_prototypes must be 2 for method='antipodal', got 9"),
        ({"method": "simplex"}, "n_prototypes must be at most 4 for a simplex"),
        ({"random_state": 2**63}, "from 0 to .* got 9223372036854775808"),
        ({"random_state": -1}, "random_state must be None or an integer .* got -1"),
        ({"random_state": "0"}, "got '0'"),
    ],
)
def test_bad_arguments_name_value_and_way_out(arguments, message):
    with pytest.raises(ValueError, match=message):
        place_prototypes(**{"n_prototypes": 9, "embedding_dim": 3, **arguments})
