"""Random representations: homomorphisms of orthogonal matrices with room for fixed points."""

import pytest
import torch

from sphereskl.geometry.search._groups import FiniteGroup, layouts_of
from sphereskl.geometry.search._orbits import apply
from sphereskl.geometry.search._representations import random_representations

GROUPS = [
    FiniteGroup((5,)),
    FiniteGroup((8,)),
    FiniteGroup((2, 4)),
    FiniteGroup((3,), is_dihedral=True),
    FiniteGroup((6,), is_dihedral=True),
]


def _draw(group, embedding_dim, *, n_points=48, n_short=0, largest=0.9, n_drawn=40):
    layout = layouts_of(group, n_points, n_short)[-1]
    generator = torch.Generator().manual_seed(0)
    return random_representations(layout, n_drawn, embedding_dim, largest, generator)


def _matrices(representation):
    n_sets, _, dim = representation.diagonal.shape
    axes = torch.eye(dim, dtype=torch.float64).expand(n_sets, -1, -1)
    # Images of the axes are the columns of a matrix.
    return apply(representation, axes).mT


@pytest.mark.parametrize("group", GROUPS, ids=str)
@pytest.mark.parametrize("embedding_dim", [4, 9])
def test_matrices_form_a_group_of_isometries(group, embedding_dim):
    drawn = _draw(group, embedding_dim, n_points=5 * group.order)
    matrices = _matrices(drawn)
    identity = torch.eye(embedding_dim, dtype=torch.float64).expand_as(matrices)
    torch.testing.assert_close(matrices @ matrices.mT, identity)
    torch.testing.assert_close(matrices[:, 0], identity[:, 0])
    # Closed under multiplication, and no two elements act alike.
    products = (matrices[:, :, None] @ matrices[:, None]).flatten(1, 2).flatten(2)
    distance = torch.cdist(products, matrices.flatten(2))
    assert distance.amin(dim=2).max() < 1e-6
    assert (distance < 1e-6).sum(dim=2).max() == 1


@pytest.mark.parametrize("group", GROUPS, ids=str)
def test_the_mean_projects_on_what_is_left_alone(group):
    drawn = _draw(group, 6, n_points=5 * group.order)
    everything = tuple(range(group.order))
    projection = _matrices(drawn.mean(everything))[:, 0]
    torch.testing.assert_close(projection @ projection, projection)
    moved = _matrices(drawn) @ projection[:, None]
    torch.testing.assert_close(moved, projection[:, None].expand_as(moved))


@pytest.mark.parametrize(("order", "embedding_dim"), [(5, 9), (7, 13), (9, 12)])
def test_half_of_the_representations_are_rational(order, embedding_dim):
    drawn = _draw(FiniteGroup((order,)), embedding_dim, n_points=5 * order, n_drawn=400)
    characters = drawn.diagonal.sum(dim=2)
    is_rational = ((characters - characters.round()).abs() < 1e-9).all(dim=1)
    # Some of the others are rational by chance, and few of either kind are not faithful.
    assert 0.4 < is_rational.double().mean() < 0.8


def test_fixed_points_need_room():
    # Four fixed points with cosines below -0.1 need three dimensions (a tetrahedron); a
    # rotation of order 7 turns planes, so that 8 dimensions leave 2, 4 or 6 alone.
    drawn = _draw(FiniteGroup((7,)), 8, n_points=25, n_short=4, largest=-0.1, n_drawn=400)
    alone = drawn.mean(tuple(range(7))).diagonal.sum(dim=(1, 2)).round()
    assert set(alone.tolist()) <= {4.0, 6.0}


def test_no_room_no_representation():
    # One line cannot hold three fixed points, and order 3 leaves one of three dimensions.
    drawn = _draw(FiniteGroup((3,)), 3, n_points=30, n_short=3, largest=0.99)
    assert drawn is None
