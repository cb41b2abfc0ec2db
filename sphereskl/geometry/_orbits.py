"""Search among point sets with a symmetry: a fraction of the variables and pairs.

The best known codes are often symmetric, and a symmetric start stays symmetric under a
gradient method. So the energy of a whole set is computed from one representative of
each orbit.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ._lbfgs import Objective, minimize_batch
from ._potentials import UNDERFLOW

# Points that belong to no orbit stand in the fixed subspace of the group.
_MOST_FIXED = 2
# Share of coordinate planes that are two lines, each of which can only change sign.
_SPLIT = 0.3
# Representations drawn for each one kept: those that are not faithful repeat points.
_REDRAWS = 3


class Groups(NamedTuple):
    """One random group of orthogonal matrices for each start, all of one order.

    The matrices are blocks on the planes of coordinates (0, 1), (2, 3), ...

    Attributes
    ----------
    diagonal, across : Tensor of shape (n_starts, order, embedding_dim)
        Coordinate i of an image is ``diagonal[i] x[i] + across[i] x[j]``, j the other
        coordinate of its plane. The identity stands first.
    n_orbits : int
        Orbits of full length in the point set.
    n_fixed : int
        Points that the group leaves where they are.
    """

    diagonal: Tensor
    across: Tensor
    n_orbits: int
    n_fixed: int


def possible_orders(n_points: int, embedding_dim: int, largest: int) -> list[int]:
    """List the orders of groups that can permute so many points with at most two fixed."""
    most_fixed = _MOST_FIXED if embedding_dim > 2 else 0
    return [p for p in range(2, min(largest, n_points) + 1) if n_points % p <= most_fixed]


def random_groups(
    n_starts: int,
    n_points: int,
    embedding_dim: int,
    order: int,
    generator: torch.Generator,
) -> Groups:
    """Draw a group of this order for each start: commutative or dihedral, any action.

    The orthogonal representations of a commutative group turn coordinate planes by
    multiples of 2 pi over the orders of its cyclic factors, and change signs of lines; a
    dihedral group also reflects the planes.
    """
    n_orbits, n_fixed = divmod(n_points, order)
    if order == 1:
        identity = torch.ones(n_starts, 1, embedding_dim, dtype=torch.float64)
        return Groups(identity, torch.zeros_like(identity), n_orbits, n_fixed)
    rank = max(1, embedding_dim // 2)
    kinds = [(f, False) for f in _factorisations(order) if len(f) <= rank]
    kinds += [((order // 2,), True)] if order % 2 == 0 and order > 4 else []
    turn = int(torch.randint(len(kinds), (), generator=generator))
    drawn = []
    for k in range(min(len(kinds), n_starts)):
        # The kinds take turns, beginning with a random one.
        factors, is_dihedral = kinds[(turn + k) % len(kinds)]
        n = len(range(k, n_starts, len(kinds)))
        rotations = _representations(n, embedding_dim, factors, n_fixed > 0, generator)
        drawn.append(_with_reflections(rotations, n_fixed > 0) if is_dihedral else rotations)
    diagonal, across = torch.cat(drawn, dim=1)
    return Groups(diagonal, across, n_orbits, n_fixed)


def _factorisations(order: int, smallest: int = 2) -> list[tuple[int, ...]]:
    # Every factor divides the next: each commutative group of this order once.
    found = [(order,)]
    for p in range(smallest, math.isqrt(order) + 1):
        if order % (p * p) == 0:
            rest = _factorisations(order // p, p)
            found += [(p, *f) for f in rest if all(q % p == 0 for q in f)]
    return found


def _representations(
    n_starts: int,
    embedding_dim: int,
    factors: tuple[int, ...],
    has_fixed: bool,
    generator: torch.Generator,
) -> Tensor:
    n_drawn, n_planes = _REDRAWS * n_starts, (embedding_dim + 1) // 2
    parts = torch.cartesian_prod(*[torch.arange(p) for p in factors]).reshape(-1, len(factors))
    # A character of the product multiplies one of each factor: its turns, one a coordinate.
    orders = torch.tensor(factors)
    shape = (n_drawn, 2 * n_planes, len(factors))
    turns = (torch.rand(shape, generator=generator, dtype=torch.float64) * orders).long()
    split = torch.rand(n_drawn, n_planes, generator=generator) < _SPLIT
    split[:, -1] |= has_fixed or embedding_dim % 2 == 1
    # Lines know only half turns; the second coordinate of a plane turns with the first.
    half = orders // 2 * (orders % 2 == 0) * (turns % 2)
    on_plane = turns[:, ::2].repeat_interleave(2, dim=1)
    is_line = split.repeat_interleave(2, dim=1)
    turns = torch.where(is_line[..., None], half, on_plane)[:, :embedding_dim]
    if has_fixed:
        turns[:, -1] = 0
    fraction = (parts[:, None, None] * turns / orders.double()).sum(dim=-1).transpose(0, 1) % 1
    is_identity = (torch.minimum(fraction, 1 - fraction) < 1e-6).all(dim=2)
    kept = is_identity.sum(dim=1).argsort(stable=True)[:n_starts]
    angle = 2 * math.pi * fraction[kept]
    sine = angle.sin() * ~is_line[kept, None, :embedding_dim]
    sine[..., ::2] *= -1
    return torch.stack([angle.cos(), sine])


def _with_reflections(rotations: Tensor, has_fixed: bool) -> Tensor:
    # Followed by the same reflection of every plane, a rotation is its own inverse.
    signs = torch.ones(rotations.shape[-1], dtype=rotations.dtype)
    signs[1::2] = -1
    if has_fixed:
        signs[-1] = 1
    return torch.cat([rotations, rotations * signs], dim=2)


def random_representatives(groups: Groups, generator: torch.Generator) -> Tensor:
    """Draw one point of each orbit, then the fixed points; unit rows."""
    n_starts, _, dim = groups.diagonal.shape
    shape = (n_starts, groups.n_orbits + groups.n_fixed, dim)
    rows = torch.randn(shape, generator=generator, dtype=torch.float64)
    # The mean of the group projects onto its fixed subspace.
    mean = groups.diagonal.mean(dim=1, keepdim=True), groups.across.mean(dim=1, keepdim=True)
    rows[:, groups.n_orbits :] = _images(rows[:, groups.n_orbits :], *mean)[:, 0]
    return rows / torch.linalg.vector_norm(rows, dim=-1, keepdim=True)


def expand_orbits(rows: Tensor, groups: Groups) -> Tensor:
    """All points (n_starts, n_points, embedding_dim) from the representatives."""
    free = rows[:, : groups.n_orbits]
    orbits = _images(free, groups.diagonal, groups.across).flatten(1, 2)
    return torch.cat([orbits, rows[:, groups.n_orbits :]], dim=1)


def _images(rows: Tensor, diagonal: Tensor, across: Tensor) -> Tensor:
    # (n_starts, order, n_rows, embedding_dim)
    dim = rows.shape[-1]
    other = torch.arange(dim) ^ 1
    # The last of an odd number of coordinates is a line: nothing acts across it.
    other = other.clamp_max(dim - 1)
    images = rows[:, None] * diagonal[:, :, None]
    return images.addcmul_(rows[..., other][:, None], across[:, :, None])


def symmetric_soft_max_cosine(sharpness: Tensor, groups: Groups) -> Objective:
    """Smoothed maximal cosine of the expanded set as a function of the representatives.

    The value is that of `soft_max_cosine` for the expanded points. A representative
    stands for a whole orbit, hence the multiplicity of its pairs; the pull on a fixed
    point is a sum over whole orbits, so it never leaves the fixed subspace.
    """
    order, n_free = groups.diagonal.shape[1], groups.n_orbits
    n_rows = n_free + groups.n_fixed
    multiplicity = torch.ones(n_rows, 1, dtype=sharpness.dtype, device=sharpness.device)
    multiplicity[:n_free] = order
    i = torch.arange(n_rows)
    itself = torch.where(i < n_free, i, i + (order - 1) * n_free)

    def objective(rows: Tensor) -> tuple[Tensor, Tensor]:
        norm = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
        unit = rows / norm
        points = expand_orbits(unit, groups)
        exponent = unit @ points.mT
        exponent.mul_(sharpness)
        exponent[:, i, itself] = -math.inf
        top = exponent.amax(dim=(1, 2), keepdim=True)
        weights = exponent.sub_(top).clamp_min_(UNDERFLOW).exp_().mul_(multiplicity)
        total = weights.sum(dim=(1, 2), keepdim=True)
        value = (top + (total / 2).log()) / sharpness
        pull = (weights @ points) * (2 / total)
        pull = pull - (pull * unit).sum(dim=-1, keepdim=True) * unit
        return value[:, 0, 0], pull / norm

    return objective


def anneal_orbits(
    rows: Tensor, groups: Groups, sharpness: list[Tensor], *, n_iter: int, n_kept: int
) -> tuple[Tensor, Tensor]:
    """Minimise at each sharpness in turn; returns the points and values of the best starts."""
    for b in sharpness:
        objective = symmetric_soft_max_cosine(b, groups)
        rows = minimize_batch(objective, rows, max_iter=n_iter)
    value = objective(rows)[0]
    best = value.argsort(stable=True)[:n_kept]
    groups = groups._replace(diagonal=groups.diagonal[best], across=groups.across[best])
    return expand_orbits(rows[best], groups), value[best]


def max_cosines(x: Tensor) -> Tensor:
    """Largest cosine of two points of each set."""
    gram = x @ x.mT
    gram.diagonal(dim1=1, dim2=2).fill_(-2.0)
    return gram.amax(dim=(1, 2))
