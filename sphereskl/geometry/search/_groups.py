"""Finite groups, and the ways in which they permute points.

Commutative and dihedral groups: all their real representations consist of lines that change
sign and of rotated planes, so that a matrix takes two numbers for each coordinate.
"""

import math
from functools import cache
from itertools import product
from typing import NamedTuple


class FiniteGroup(NamedTuple):
    """A commutative or dihedral group, as an abstract group.

    Attributes
    ----------
    factors : tuple of int
        Orders of its cyclic factors; of the rotations alone if dihedral.
    is_dihedral : bool
        Whether a reflection that inverts the rotations is added.
    """

    factors: tuple[int, ...]
    is_dihedral: bool = False

    @property
    def order(self) -> int:
        """Number of elements; element 0 is the identity."""
        return math.prod(self.factors) * (2 if self.is_dihedral else 1)


class Orbits(NamedTuple):
    """Orbits of one kind: points fixed by a subgroup, and by no other elements.

    Attributes
    ----------
    stabiliser : tuple of int
        Elements of the subgroup.
    cosets : tuple of int
        Elements that map a point to its orbit, the identity first.
    n_normal : int
        Points of one such orbit that the same subgroup fixes.
    count : int
        Number of such orbits.
    """

    stabiliser: tuple[int, ...]
    cosets: tuple[int, ...]
    n_normal: int
    count: int


class Layout(NamedTuple):
    """How a group permutes a set of points.

    Attributes
    ----------
    group : FiniteGroup
        The group.
    orbits : tuple of Orbits
        Kinds of orbits; their lengths add up to the number of points.
    """

    group: FiniteGroup
    orbits: tuple[Orbits, ...]


def elements(group: FiniteGroup) -> list[tuple[int, ...]]:
    """Rotations as one number for each factor, then 0 or 1 reflection; the identity first."""
    parts = list(product(*[range(p) for p in group.factors]))
    return [(*part, s) for s in range(2 if group.is_dihedral else 1) for part in parts]


def groups_of_order(order: int) -> list[FiniteGroup]:
    """List the commutative and dihedral groups of a given order."""
    groups = [FiniteGroup(factors) for factors in _factorisations(order)]
    return groups + ([FiniteGroup((order // 2,), True)] if order % 2 == 0 and order > 4 else [])


def layouts_of(group: FiniteGroup, n_points: int, most_short: int) -> list[Layout]:
    """List the ways to permute a set of points with at most two kinds of short orbits.

    A short orbit has fewer points than the group has elements; at most `most_short` points
    are in such orbits.
    """
    whole, *kinds = _orbit_kinds(group)
    layouts = []
    for n_short in range(n_points % group.order, min(most_short, n_points) + 1, group.order):
        free = whole._replace(count=(n_points - n_short) // group.order)
        if free.count:
            layouts += [Layout(group, (free, *short)) for short in _compose(n_short, kinds)]
    return layouts


def _compose(n_points: int, kinds: list[Orbits]) -> list[tuple[Orbits, ...]]:
    if n_points == 0:
        return [()]
    found: list[tuple[Orbits, ...]] = []
    for k, first in enumerate(kinds):
        for count in range(1, n_points // len(first.cosets) + 1):
            head = first._replace(count=count)
            rest = n_points - count * len(first.cosets)
            if rest == 0:
                found.append((head,))
            for second in kinds[k + 1 :]:
                if rest and rest % len(second.cosets) == 0:
                    found.append((head, second._replace(count=rest // len(second.cosets))))
    return found


@cache
def _orbit_kinds(group: FiniteGroup) -> list[Orbits]:
    """One kind for each class of conjugate cyclic subgroups, and the fixed points.

    The first is that of the trivial subgroup: whole orbits.
    """
    everything = range(group.order)
    table = _multiplication_table(group)
    inverse = [row.index(0) for row in table]
    kinds: dict[frozenset[int], Orbits] = {}
    for subgroup in [*(_powers(g, table) for g in everything), frozenset(everything)]:
        conjugates = [
            frozenset(table[table[g][h]][inverse[g]] for h in subgroup) for g in everything
        ]
        if kinds.keys().isdisjoint(conjugates):
            cosets: dict[frozenset[int], int] = {}
            for g in everything:
                cosets.setdefault(frozenset(table[g][h] for h in subgroup), g)
            n_normal = sum(conjugates[g] == subgroup for g in cosets.values())
            kinds[subgroup] = Orbits(tuple(sorted(subgroup)), tuple(cosets.values()), n_normal, 0)
    return list(kinds.values())


def _powers(g: int, table: list[list[int]]) -> frozenset[int]:
    powers = [0, g]
    while powers[-1]:
        powers.append(table[powers[-1]][g])
    return frozenset(powers)


def _multiplication_table(group: FiniteGroup) -> list[list[int]]:
    members = elements(group)
    index = {element: k for k, element in enumerate(members)}

    def times(a: tuple[int, ...], b: tuple[int, ...]) -> int:
        # After a reflection a rotation turns the other way.
        sign = -1 if a[-1] else 1
        turned = [(x + sign * y) % p for x, y, p in zip(a, b, group.factors, strict=False)]
        return index[(*turned, a[-1] ^ b[-1])]

    return [[times(a, b) for b in members] for a in members]


def _factorisations(order: int, smallest: int = 2) -> list[tuple[int, ...]]:
    # Every factor divides the next: each commutative group of this order once.
    found = [(order,)]
    for p in range(smallest, math.isqrt(order) + 1):
        if order % (p * p) == 0:
            rest = _factorisations(order // p, p)
            found += [(p, *f) for f in rest if all(q % p == 0 for q in f)]
    return found
