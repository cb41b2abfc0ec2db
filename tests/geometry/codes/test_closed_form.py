"""Closed-form placements obey the laws that define them."""

import math

import pytest
import torch

from sphereskl.geometry import max_cosine, orthonormal, orthoplex, polygon, simplex, uniformity


def _kasarla(n_prototypes: int) -> torch.Tensor:
    # Kasarla et al. 2022, section 3: the recursion, one column per prototype.
    columns = torch.tensor([[1.0, -1.0]], dtype=torch.float64)
    for k in range(2, n_prototypes):
        top = torch.full((1, k + 1), -1 / k, dtype=torch.float64)
        top[0, 0] = 1
        below = torch.cat([columns.new_zeros(k - 1, 1), math.sqrt(1 - 1 / k**2) * columns], dim=1)
        columns = torch.cat([top, below])
    return columns.T


@pytest.mark.parametrize("n_prototypes", [2, 3, 4, 10, 101, 1000])
def test_simplex_gram_is_equiangular(n_prototypes):
    # Kasarla et al. 2022: the Gram matrix is I K/(K-1) - 1/(K-1).
    points = simplex(n_prototypes)
    expected = torch.eye(n_prototypes, dtype=torch.float64) * n_prototypes - 1
    torch.testing.assert_close(points @ points.T, expected / (n_prototypes - 1), rtol=0, atol=2e-15)


@pytest.mark.parametrize("n_prototypes", [2, 10, 1000])
def test_simplex_keeps_its_angles_in_float32(n_prototypes):
    points = simplex(n_prototypes).float()
    error = max_cosine(points) + 1 / (n_prototypes - 1)
    assert abs(error) < 1e-6


@pytest.mark.parametrize("n_prototypes", [2, 3, 10, 1000])
def test_simplex_is_centred(n_prototypes):
    assert simplex(n_prototypes).sum(dim=0).abs().max() < 1e-13


@pytest.mark.parametrize("n_prototypes", [2, 3, 7, 50])
def test_simplex_equals_the_published_recursion(n_prototypes):
    torch.testing.assert_close(simplex(n_prototypes), _kasarla(n_prototypes), rtol=0, atol=1e-14)


@pytest.mark.parametrize(("n_prototypes", "t"), [(2, 2.0), (10, 2.0), (10, 3.5), (100, 2.0)])
def test_uniformity_of_the_simplex(n_prototypes, t):
    # Every squared distance is 2K/(K-1), so Wang and Isola's potential is a constant.
    value = uniformity(simplex(n_prototypes), t=t).item()
    assert value == pytest.approx(-2 * t * n_prototypes / (n_prototypes - 1), rel=1e-12)


@pytest.mark.parametrize(("n_prototypes", "embedding_dim"), [(5, 3), (6, 3), (200, 100)])
def test_orthoplex_reaches_rankins_bound(n_prototypes, embedding_dim):
    assert max_cosine(orthoplex(n_prototypes, embedding_dim)) == 0


@pytest.mark.parametrize("n_prototypes", [2, 3, 26, 100])
def test_polygon_neighbours_are_equally_far(n_prototypes):
    points = polygon(n_prototypes)
    neighbours = (points * points.roll(1, dims=0)).sum(dim=1)
    expected = torch.full_like(neighbours, math.cos(2 * math.pi / n_prototypes))
    torch.testing.assert_close(neighbours, expected, rtol=0, atol=1e-15)


def test_orthonormal_rows_are_orthonormal():
    points = orthonormal(4, 7)
    assert torch.equal(points @ points.T, torch.eye(4, dtype=torch.float64))


@pytest.mark.parametrize("constructor", [simplex, polygon])
def test_surplus_dimensions_are_zero(constructor):
    points = constructor(3, 6)
    torch.testing.assert_close(points[:, :2], constructor(3, 2))
    assert not points[:, 2:].any()


@pytest.mark.parametrize(
    ("constructor", "n_prototypes", "embedding_dim"),
    [(simplex, 6, 4), (orthoplex, 9, 4), (orthonormal, 5, 4)],
)
def test_too_many_points_are_refused(constructor, n_prototypes, embedding_dim):
    with pytest.raises(ValueError, match=f"got {n_prototypes}; raise embedding_dim"):
        constructor(n_prototypes, embedding_dim)


@pytest.mark.parametrize("constructor", [simplex, polygon])
def test_one_point_is_refused(constructor):
    with pytest.raises(ValueError, match="at least 2, got 1"):
        constructor(1, 3)


def test_polygon_needs_a_plane():
    with pytest.raises(ValueError, match="embedding_dim must be at least 2 for a polygon, got 1"):
        polygon(5, 1)
