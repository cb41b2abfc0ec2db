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


# Orders of the cyclic factors: (p,) rotates by multiples of 2 pi / p, (2, 2) and (2, 2, 2)
# change signs of coordinates, () is no symmetry.
Symmetry = tuple[int, ...]
_SIGN_GROUPS: list[Symmetry] = [(2, 2), (2, 2, 2)]


class Groups(NamedTuple):
    """One random commutative group of orthogonal matrices for each start.

    Attributes
    ----------
    elements : Tensor of shape (n_starts, order, embedding_dim, embedding_dim)
        Orthogonal matrices, the identity first.
    n_orbits : int
        Orbits of full length in the point set.
    n_fixed : int
        Points that the group leaves where they are.
    """

    elements: Tensor
    n_orbits: int
    n_fixed: int


def possible_symmetries(n_points: int, embedding_dim: int, largest: int) -> list[Symmetry]:
    """List the groups that can permute so many points with at most two fixed."""
    most_fixed = _MOST_FIXED if embedding_dim > 2 else 0
    candidates: list[Symmetry] = [(p,) for p in range(2, min(largest, n_points) + 1)]
    candidates += _SIGN_GROUPS if embedding_dim > 3 else []
    return [c for c in candidates if n_points % math.prod(c) <= most_fixed]


def random_groups(
    n_starts: int,
    n_points: int,
    embedding_dim: int,
    symmetry: Symmetry,
    generator: torch.Generator,
) -> Groups:
    """Draw one representation of a symmetry for each start."""
    n_orbits, n_fixed = divmod(n_points, math.prod(symmetry))
    if symmetry == ():
        identity = torch.eye(embedding_dim, dtype=torch.float64)
        return Groups(identity.expand(n_starts, 1, -1, -1), n_orbits, n_fixed)
    draw = _rotations if len(symmetry) == 1 else _sign_changes
    elements = draw(n_starts, embedding_dim, symmetry, n_fixed > 0, generator)
    return Groups(elements, n_orbits, n_fixed)


def _rotations(
    n_starts: int,
    embedding_dim: int,
    symmetry: Symmetry,
    has_fixed: bool,
    generator: torch.Generator,
) -> Tensor:
    # Each coordinate plane turns by a random multiple of 2 pi / order.
    (order,), n_planes = symmetry, embedding_dim // 2
    turns = torch.randint(order, (n_starts, n_planes), generator=generator)
    # The first plane turns by 2 pi / order, else points of an orbit could coincide.
    turns[:, 0] = 1
    if has_fixed and embedding_dim % 2 == 0:
        turns[:, -1] = 0
    k = torch.arange(order)
    angle = (2 * math.pi / order) * (turns[:, None] * k[:, None]).double()
    elements = torch.zeros(n_starts, order, embedding_dim, embedding_dim, dtype=torch.float64)
    even, odd = 2 * torch.arange(n_planes), 2 * torch.arange(n_planes) + 1
    elements[..., even, even] = elements[..., odd, odd] = angle.cos()
    elements[..., odd, even] = angle.sin()
    elements[..., even, odd] = -angle.sin()
    if embedding_dim % 2:
        flips = torch.randint(2, (n_starts, 1), generator=generator)
        reflects = flips if order % 2 == 0 and not has_fixed else torch.zeros_like(flips)
        elements[..., -1, -1] = 1 - 2 * ((k * reflects) % 2).double()
    return elements


def _sign_changes(
    n_starts: int,
    embedding_dim: int,
    symmetry: Symmetry,
    has_fixed: bool,
    generator: torch.Generator,
) -> Tensor:
    # Coordinate j changes sign by a random character: the parity of a part of the bits.
    n_bits = len(symmetry)
    bits = torch.cartesian_prod(*[torch.arange(2)] * n_bits)
    parts = torch.randint(2, (n_starts, embedding_dim, n_bits), generator=generator)
    # Every generator acts on a coordinate of its own, else points could coincide.
    parts[:, :n_bits] = torch.eye(n_bits, dtype=parts.dtype)
    if has_fixed:
        parts[:, n_bits:][:, -2:] = 0
    return torch.diag_embed(1.0 - 2.0 * ((bits @ parts.mT) % 2).double())


def random_representatives(groups: Groups, generator: torch.Generator) -> Tensor:
    """Draw one point of each orbit, then the fixed points; unit rows."""
    n_starts, _, dim, _ = groups.elements.shape
    shape = (n_starts, groups.n_orbits + groups.n_fixed, dim)
    rows = torch.randn(shape, generator=generator, dtype=torch.float64)
    # The mean of the group projects onto its fixed subspace.
    projection = groups.elements.mean(dim=1)
    rows[:, groups.n_orbits :] = rows[:, groups.n_orbits :] @ projection
    return rows / torch.linalg.vector_norm(rows, dim=-1, keepdim=True)


def expand_orbits(rows: Tensor, groups: Groups) -> Tensor:
    """All points (n_starts, n_points, embedding_dim) from the representatives."""
    free = rows[:, : groups.n_orbits]
    orbits = (free[:, None] @ groups.elements.mT).flatten(1, 2)
    return torch.cat([orbits, rows[:, groups.n_orbits :]], dim=1)


def symmetric_soft_max_cosine(sharpness: Tensor, groups: Groups) -> Objective:
    """Smoothed maximal cosine of the expanded set as a function of the representatives.

    The value is that of `soft_max_cosine` for the expanded points. A representative
    stands for a whole orbit, hence the multiplicity of its pairs; the pull on a fixed
    point is a sum over whole orbits, so it never leaves the fixed subspace.
    """
    order, n_free = groups.elements.shape[1], groups.n_orbits
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


def anneal_orbits(rows: Tensor, groups: Groups, sharpness: list[Tensor], *, n_iter: int) -> Tensor:
    """Minimise at each sharpness in turn; returns the expanded points."""
    for b in sharpness:
        rows = minimize_batch(symmetric_soft_max_cosine(b, groups), rows, max_iter=n_iter)
    return expand_orbits(rows, groups)
