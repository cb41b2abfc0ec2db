"""Orthogonal representations of commutative and dihedral groups, drawn at random."""

import math
import random
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from .._bounds import lower_bound
from ._groups import FiniteGroup, Layout, elements


class Representation(NamedTuple):
    """One orthogonal representation for each start, in blocks on planes of coordinates.

    Attributes
    ----------
    diagonal, across : Tensor of shape (n_starts, order, embedding_dim)
        Coordinate i of an image is ``diagonal[i] x[i] + across[i] x[j]``, j the other one of
        (0, 1), (2, 3), ...; ``across`` is zero on lines, which come last.
    """

    diagonal: Tensor
    across: Tensor

    def pick(self, index: Tensor) -> "Representation":
        """Select the representations of some starts, with repetition."""
        return Representation(self.diagonal[index], self.across[index])

    def to(self, like: Tensor) -> "Representation":
        """Move to the device and type of a tensor."""
        return Representation(self.diagonal.to(like), self.across.to(like))

    def at(self, members: tuple[int, ...]) -> "Representation":
        """Matrices of some elements of the group."""
        index = list(members)
        return Representation(self.diagonal[:, index], self.across[:, index])

    def mean(self, members: tuple[int, ...]) -> "Representation":
        """Average over some elements: for a subgroup, the projection on its fixed points."""
        diagonal, across = self.at(members)
        return Representation(diagonal.mean(1, keepdim=True), across.mean(1, keepdim=True))


def random_representations(
    layout: Layout, n_drawn: int, embedding_dim: int, largest: float, generator: torch.Generator
) -> Representation | None:
    """Draw faithful representations that leave room for the short orbits.

    Half of them are rational: with a character all its algebraic conjugates occur, as in the
    permutations and sign changes of coordinates that form the groups of lattices and graphs. In
    half of each kind all characters are equally probable, as they are equally frequent among
    whole orbits; the others favour some at random, which leaves more points fixed.

    Parameters
    ----------
    layout : Layout
        The group and its orbits.
    n_drawn : int
        Number of draws; unsuitable ones are discarded.
    embedding_dim : int
        Dimension to act on.
    largest : float
        Cosine that points in the subspace of a short orbit must be able to keep.
    generator : torch.Generator
        Random generator.

    Returns
    -------
    representation : Representation or None
        At most `n_drawn` of them, or ``None``.
    """
    source = random.Random(int(torch.randint(2**62, (), generator=generator)))
    drawn = [
        _draw_blocks(layout.group, embedding_dim, k % 2 == 0, k % 4 >= 2, source)
        for k in range(n_drawn)
    ]
    representation = _matrices(layout.group, embedding_dim, drawn)
    still = (representation.diagonal - 1).abs().amax(dim=2) < 1e-6
    suitable = still.sum(dim=1) == 1
    for kind in layout.orbits[1:]:
        dims = representation.mean(kind.stabiliser).diagonal.sum(dim=(1, 2)).round().long()
        inside = set(kind.stabiliser)
        n_inside = sum(k.count * k.n_normal for k in layout.orbits if inside <= set(k.stabiliser))
        roomy = [_has_room(n_inside, dim, largest) for dim in range(embedding_dim + 1)]
        suitable &= torch.tensor(roomy)[dims]
    return representation.pick(suitable.nonzero()[:, 0]) if bool(suitable.any()) else None


class _Block(NamedTuple):
    # A plane has no sign; a reflection changes the direction of a line with sign -1.
    turns: tuple[int, ...]
    sign: int


def _draw_blocks(
    group: FiniteGroup,
    embedding_dim: int,
    is_rational: bool,
    is_uneven: bool,
    source: random.Random,
) -> list[_Block]:
    characters = list(product(*[range(p) for p in group.factors]))
    # Exponential weights make all multiplicities of the characters equally probable.
    weights = [source.expovariate(1) for _ in characters] if is_uneven else None
    planes: list[_Block] = []
    lines: list[_Block] = []
    left = embedding_dim
    while left:
        turns = source.choices(characters, weights)[0]
        order = math.lcm(*[p // math.gcd(t, p) for t, p in zip(turns, group.factors, strict=True)])
        if order <= 2:
            lines.append(_Block(turns, source.choice((1, -1)) if group.is_dihedral else 1))
            left -= 1
            continue
        conjugates = [k for k in range(1, order // 2 + 1) if math.gcd(k, order) == 1]
        chosen = conjugates if is_rational else conjugates[:1]
        if 2 * len(chosen) <= left:
            planes += [_Block(tuple(k * t for t in turns), 0) for k in chosen]
            left -= 2 * len(chosen)
        else:
            # Those that still fit may be nearly excluded.
            weights = None
    return planes + lines


def _matrices(group: FiniteGroup, embedding_dim: int, drawn: list[list[_Block]]) -> Representation:
    # Each block is repeated for its coordinates.
    spread = [[b for b in blocks for _ in range(1 if b.sign else 2)] for blocks in drawn]
    turns = torch.tensor([[b.turns for b in row] for row in spread], dtype=torch.float64)
    signs = torch.tensor([[b.sign for b in row] for row in spread])
    members = torch.tensor(elements(group), dtype=torch.float64)
    fraction = members[:, :-1] / torch.tensor(group.factors, dtype=torch.float64)
    angle = 2 * math.pi * (fraction @ turns.mT).remainder(1.0)
    is_line = (signs != 0)[:, None]
    second = (torch.arange(embedding_dim) % 2 == 1) & ~is_line
    # A reflection fixes the first coordinate of each plane, and acts before the rotation.
    reflects = members[None, :, -1:] == 1
    diagonal = angle.cos()
    across = angle.sin() * ~is_line * torch.where(second, 1.0, -1.0)
    mirrored = torch.where(is_line, signs[:, None], torch.where(second, -1.0, 1.0))
    swapped = torch.where(second, 1.0, -1.0)
    return Representation(
        torch.where(reflects, diagonal * mirrored, diagonal),
        torch.where(reflects, across * swapped, across),
    )


def _has_room(n_points: int, embedding_dim: int, largest: float) -> bool:
    """Whether bounds allow so many points with cosines up to `largest`."""
    if embedding_dim < 2:
        return n_points <= 2 * embedding_dim
    return lower_bound(n_points, embedding_dim) <= largest if n_points > 1 else True
