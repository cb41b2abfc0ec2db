"""Points on the arc keep their order and their distances."""

import math

import pytest
import torch

from sphereskl.geometry import angle, arc, max_cosine


@pytest.mark.parametrize(("n_prototypes", "dim"), [(2, 2), (3, 2), (5, 7), (100, 64)])
def test_angles_are_differences_of_ranks(n_prototypes, dim):
    points = arc(n_prototypes, dim)
    rank = torch.arange(n_prototypes, dtype=torch.float64)
    expected = math.pi * (rank[:, None] - rank).abs() / (n_prototypes - 1)
    found = angle(points[:, None, :], points[None, :, :])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-7)
    torch.testing.assert_close(points.norm(dim=1), torch.ones(n_prototypes).double())


def test_two_points_are_the_poles():
    assert max_cosine(arc(2)) == pytest.approx(-1, abs=1e-15)


def test_the_first_axis_rises_with_the_rank():
    assert (arc(20, 3)[:, 0].diff() > 0).all()


@pytest.mark.parametrize(
    ("arguments", "message"), [((1, 2), "n_prototypes"), ((3, 1), "embedding")]
)
def test_too_few_points_or_dimensions(arguments, message):
    with pytest.raises(ValueError, match=f"{message}.* must be at least 2 for an arc, got 1"):
        arc(*arguments)
