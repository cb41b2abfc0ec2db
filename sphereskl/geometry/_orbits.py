"""Search among point sets with a cyclic symmetry: a fraction of the variables and pairs.

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

# Points that belong to no orbit stand in the fixed subspace of the rotation.
_MOST_FIXED = 2


class CyclicGroups(NamedTuple):
    """Powers of one random rotation of finite order for each start.

    Attributes
    ----------
    powers : Tensor of shape (n_starts, order, embedding_dim, embedding_dim)
        Orthogonal matrices, the identity first.
    n_orbits : int
        Orbits of full length in the point set.
    n_fixed : int
        Points that the rotation leaves where they are.
    """

    powers: Tensor
    n_orbits: int
    n_fixed: int


def possible_orders(n_points: int, embedding_dim: int, largest: int) -> list[int]:
    """Orders of a rotation that can permute so many points with at most two fixed."""
    fixed = _MOST_FIXED if embedding_dim > 2 else 0
    return [p for p in range(2, min(largest, n_points) + 1) if n_points % p <= fixed]


def trivial_groups(n_starts: int, n_points: int, embedding_dim: int) -> CyclicGroups:
    """No symmetry: every point represents itself."""
    identity = torch.eye(embedding_dim, dtype=torch.float64)
    return CyclicGroups(identity.expand(n_starts, 1, -1, -1), n_points, 0)


def random_groups(
    n_starts: int, n_points: int, embedding_dim: int, order: int, generator: torch.Generator
) -> CyclicGroups:
    """Draw rotations that turn each coordinate plane by a random multiple of 2 pi / order."""
    n_orbits, n_fixed = divmod(n_points, order)
    n_planes = embedding_dim // 2
    turns = torch.randint(order, (n_starts, n_planes), generator=generator)
    # The first plane turns by 2 pi / order, else points of an orbit could coincide.
    turns[:, 0] = 1
    if n_fixed and embedding_dim % 2 == 0:
        turns[:, -1] = 0
    k = torch.arange(order)
    angle = (2 * math.pi / order) * (turns[:, None] * k[:, None]).double()
    powers = torch.zeros(n_starts, order, embedding_dim, embedding_dim, dtype=torch.float64)
    even, odd = 2 * torch.arange(n_planes), 2 * torch.arange(n_planes) + 1
    powers[..., even, even] = powers[..., odd, odd] = angle.cos()
    powers[..., odd, even] = angle.sin()
    powers[..., even, odd] = -angle.sin()
    if embedding_dim % 2:
        flips = torch.randint(2, (n_starts, 1), generator=generator)
        reflects = flips if order % 2 == 0 and not n_fixed else torch.zeros_like(flips)
        powers[..., -1, -1] = 1 - 2 * ((k * reflects) % 2).double()
    return CyclicGroups(powers, n_orbits, n_fixed)


def random_representatives(groups: CyclicGroups, generator: torch.Generator) -> Tensor:
    """Draw one point of each orbit, then the fixed points; unit rows."""
    n_starts, _, dim, _ = groups.powers.shape
    shape = (n_starts, groups.n_orbits + groups.n_fixed, dim)
    rows = torch.randn(shape, generator=generator, dtype=torch.float64)
    # The mean of the group projects onto its fixed subspace.
    projection = groups.powers.mean(dim=1)
    rows[:, groups.n_orbits :] = rows[:, groups.n_orbits :] @ projection
    return rows / torch.linalg.vector_norm(rows, dim=-1, keepdim=True)


def expand_orbits(rows: Tensor, groups: CyclicGroups) -> Tensor:
    """All points (n_starts, n_points, embedding_dim) from the representatives."""
    free = rows[:, : groups.n_orbits]
    orbits = (free[:, None] @ groups.powers.mT).flatten(1, 2)
    return torch.cat([orbits, rows[:, groups.n_orbits :]], dim=1)


def symmetric_soft_max_cosine(sharpness: Tensor, groups: CyclicGroups) -> Objective:
    """Smoothed maximal cosine of the expanded set as a function of the representatives.

    The value is that of `soft_max_cosine` for the expanded points. A representative
    stands for a whole orbit, hence the multiplicity of its pairs; the pull on a fixed
    point is a sum over whole orbits, so it never leaves the fixed subspace.
    """
    order, n_free = groups.powers.shape[1], groups.n_orbits
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
    rows: Tensor, groups: CyclicGroups, sharpness: list[Tensor], *, n_iter: int
) -> Tensor:
    """Minimise at each sharpness in turn; returns the expanded points."""
    for b in sharpness:
        rows = minimize_batch(symmetric_soft_max_cosine(b, groups), rows, max_iter=n_iter)
    return expand_orbits(rows, groups)
