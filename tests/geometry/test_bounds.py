"""Proven bounds: never exceeded by a placement, attained by the sharp ones."""

import itertools
import math

import pytest

from sphereskl.geometry import lower_bound, max_cosine, place_prototypes, polygon
from sphereskl.geometry._bounds import _largest_root, _most_points
from sphereskl.geometry._report import best_known_values

KNOWN = sorted(best_known_values().items())


@pytest.mark.parametrize(("size", "value"), KNOWN, ids=lambda x: str(x))
def test_bound_is_below_the_best_known(size, value):
    # The table is rounded to ten digits.
    assert lower_bound(*size) <= value[0] + 1e-9


@pytest.mark.parametrize("n_points", range(2, 12))
def test_simplex_bound_up_to_d_plus_one(n_points):
    assert lower_bound(n_points, 10) == pytest.approx(-1 / (n_points - 1))


@pytest.mark.parametrize("n_points", [12, 16, 20])
def test_rankin_bound_up_to_two_d(n_points):
    # Rankin 1955: more than d + 1 points have two within a right angle.
    assert lower_bound(n_points, 10) == 0


@pytest.mark.parametrize(
    ("n_points", "cosine"), [(6, 0.0), (12, 1 / math.sqrt(5))], ids=["octahedron", "icosahedron"]
)
def test_fejes_toth_is_attained_by_triangulated_polyhedra(n_points, cosine):
    assert lower_bound(n_points, 3) == pytest.approx(cosine, abs=1e-12)


@pytest.mark.parametrize("n_points", [24, 50, 200, 10_000])
def test_equilateral_triangles_of_fejes_toths_bound_tile_the_sphere(n_points):
    # A triangulation has 2 n - 4 faces; one of sides s has angles of cosine cos s / (1 + cos s).
    cosine = lower_bound(n_points, 3)
    area = 3 * math.acos(cosine / (1 + cosine)) - math.pi
    assert (2 * n_points - 4) * area == pytest.approx(4 * math.pi, rel=1e-9)


@pytest.mark.parametrize("n_points", [4, 5, 7, 100])
def test_bound_on_the_circle_is_attained_by_the_polygon(n_points):
    assert lower_bound(n_points, 2) == pytest.approx(max_cosine(polygon(n_points, 2)), abs=1e-12)


@pytest.mark.parametrize(
    ("n_points", "embedding_dim", "cosine"),
    [(16, 5, 1 / 5), (27, 6, 1 / 4), (56, 7, 1 / 3), (240, 8, 1 / 2), (552, 23, 1 / 5)],
)
def test_levenshteins_bound_is_attained_by_the_sharp_codes(n_points, embedding_dim, cosine):
    # Cohn and Kumar 2007, table 1.
    assert lower_bound(n_points, embedding_dim) == pytest.approx(cosine, abs=1e-12)


@pytest.mark.parametrize("degree", range(1, 12))
@pytest.mark.parametrize("dim", [3, 4, 5, 8])
def test_levenshteins_bounds_meet_at_the_ends_of_their_intervals(dim, degree):
    end = _largest_root(degree, dim)
    assert _most_points(end, degree + 1, dim) == pytest.approx(_most_points(end, degree, dim))


@pytest.mark.parametrize("embedding_dim", [3, 4, 5, 8])
def test_every_point_more_raises_the_bound(embedding_dim):
    # Levenshtein's intervals meet: a false end of one would leave a plateau or a step down.
    bounds = [lower_bound(n, embedding_dim) for n in range(2 * embedding_dim, 90)]
    assert all(after > before + 1e-6 for before, after in itertools.pairwise(bounds))


@pytest.mark.parametrize(
    ("n_points", "embedding_dim"), [(25, 3), (156, 8), (495, 30), (13_936_804, 67)]
)
def test_a_number_of_points_at_which_two_intervals_meet_has_its_bound(n_points, embedding_dim):
    fewer, more = (lower_bound(n_points + n, embedding_dim) for n in (-1, 1))
    assert fewer <= lower_bound(n_points, embedding_dim) <= more


@pytest.mark.parametrize("s", [0.05, 0.1, 0.15])
def test_levenshteins_third_bound_in_closed_form(s):
    # Levenshtein 1998: L_3(d, s) = d (1 - s)(2 + (d + 1) s) / (1 - d s^2), here d = 10.
    n_points = round(10 * (1 - s) * (2 + 11 * s) / (1 - 10 * s * s))
    s_min = lower_bound(n_points, 10)
    back = 10 * (1 - s_min) * (2 + 11 * s_min) / (1 - 10 * s_min**2)
    assert back == pytest.approx(n_points, rel=1e-9)


@pytest.mark.parametrize("embedding_dim", [3, 4, 8, 25, 128])
def test_bound_grows_with_the_number_of_points(embedding_dim):
    bounds = [lower_bound(n, embedding_dim) for n in (3, 10, 30, 100, 1000, 10_000, 100_000)]
    assert bounds == sorted(bounds)
    assert bounds[-1] < 1


@pytest.mark.parametrize("method", ["separated", "uniform", "random"])
@pytest.mark.parametrize(("n_points", "embedding_dim"), [(5, 8), (6, 3), (14, 3), (30, 4), (50, 9)])
def test_no_placement_beats_the_bound(method, n_points, embedding_dim):
    points = place_prototypes(n_points, embedding_dim, method=method, effort="fast", random_state=0)
    assert max_cosine(points) >= lower_bound(n_points, embedding_dim) - 1e-9
