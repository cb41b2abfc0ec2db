"""Finite groups and the ways in which they permute points: counts and group laws."""

import pytest

from sphereskl.geometry.search._groups import FiniteGroup, elements, groups_of_order, layouts_of

GROUPS = [
    FiniteGroup((1,)),
    FiniteGroup((6,)),
    FiniteGroup((2, 4)),
    FiniteGroup((4,), is_dihedral=True),
    FiniteGroup((5,), is_dihedral=True),
]


@pytest.mark.parametrize(
    ("order", "n_groups"),
    # Commutative groups are products over the partitions of the exponents of the order's
    # prime powers; a dihedral one comes with every even order from 6 on.
    [(1, 1), (2, 1), (4, 2), (6, 2), (8, 4), (9, 2), (12, 3), (16, 6), (36, 5)],
)
def test_groups_are_counted_by_partitions(order, n_groups):
    groups = groups_of_order(order)
    assert len(set(groups)) == n_groups
    assert all(group.order == order == len(set(elements(group))) for group in groups)


@pytest.mark.parametrize("group", GROUPS, ids=str)
def test_orbits_have_the_length_of_the_index(group):
    # Lagrange: the elements fall into cosets of the stabiliser, all of its size.
    layouts = layouts_of(group, 5 * group.order, group.order)
    kinds = {kind for layout in layouts for kind in layout.orbits}
    assert all(len(k.stabiliser) * len(k.cosets) == group.order for k in kinds)
    assert all(k.cosets[0] == 0 and 1 <= k.n_normal <= len(k.cosets) for k in kinds)


@pytest.mark.parametrize("group", GROUPS, ids=str)
@pytest.mark.parametrize("n_points", [24, 27, 40])
def test_layouts_add_up_to_the_points(group, n_points):
    layouts = layouts_of(group, n_points, 8)
    assert len(set(layouts)) == len(layouts)
    lengths = [[k.count * len(k.cosets) for k in layout.orbits] for layout in layouts]
    assert all(sum(row) == n_points and sum(row[1:]) <= 8 for row in lengths)
    assert all(len(layout.orbits[0].stabiliser) == 1 for layout in layouts)


def test_the_points_of_a_triangle_are_left_alone_by_its_mirrors():
    # Under the dihedral group of a triangle: the centre, the corners (each on one of three
    # conjugate mirrors), pairs on the axis of rotation, and points in general position.
    layouts = layouts_of(FiniteGroup((3,), is_dihedral=True), 9, 3)
    short = {tuple((len(k.cosets), k.count) for k in layout.orbits[1:]) for layout in layouts}
    assert short == {((1, 3),), ((2, 1), (1, 1)), ((3, 1),)}
    corners = next(k for layout in layouts for k in layout.orbits if len(k.cosets) == 3)
    assert corners.n_normal == 1


def test_a_number_that_no_orbits_add_up_to_has_no_layout():
    # Seven of 15 points would be left over, all fixed.
    assert layouts_of(FiniteGroup((8,)), 15, 6) == []
