"""Catalogue of structured codes, and the best one for a request."""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from ._binary_codes import binary_code_bounds, binary_code_points
from ._closed_form import pad
from ._lattice_codes import (
    barnes_wall,
    cell_600,
    d_roots,
    derived_code,
    e6_roots,
    e7_roots,
    e8_roots,
    e8_vertex_figure,
    elliptic_quadric,
    equiangular_552,
    higman_sims,
    hoffman_singleton,
    icosahedron,
    leech_kissing,
    leech_minimal_vectors,
    mclaughlin,
    moebius_kantor,
)

# Longest binary code with a table of its field here.
_LONGEST = 13


class StructuredCode(NamedTuple):
    """A spherical code with a construction.

    Attributes
    ----------
    n_points, embedding_dim : int
        Size and ambient dimension.
    max_cosine : float
        Maximal cosine of the whole code; that of any part is at most as large.
    build : callable
        Maps the requested number of points to that many first rows.
    is_record : bool
        Whether nothing better is known for exactly this size and dimension.
    """

    n_points: int
    embedding_dim: int
    max_cosine: float
    build: Callable[[int], Tensor]
    is_record: bool = False


def structured_codes(n_points: int, embedding_dim: int) -> list[StructuredCode]:
    """Codes with enough points in at most this dimension, best separated first."""
    sizes = {code[:2] for code in _SPORADIC}
    codes = [*_SPORADIC, *(c for c in _binary_codes(embedding_dim) if c[:2] not in sizes)]
    fits = (c for c in codes if c.n_points >= n_points and c.embedding_dim <= embedding_dim)
    return sorted(fits, key=lambda code: (code.max_cosine, code.n_points))


def record_code(n_points: int, embedding_dim: int) -> StructuredCode | None:
    """Code of exactly this size and dimension that is optimal or best known."""
    for code in _SPORADIC:
        if code[:2] == (n_points, embedding_dim) and code.is_record:
            return code
    return None


def cap_of_code(points: Tensor, n_points: int, generator: torch.Generator) -> Tensor:
    """Select the points of a code that are nearest to a random axis.

    The axis is a point of the code, the middle of two to four, or arbitrary. A cap has at least
    the distances of the code, and can spread over the rest of the sphere.
    """
    n_summed = int(torch.randint(5, (), generator=generator))
    chosen = points[torch.randint(len(points), (n_summed,), generator=generator)]
    noise = torch.randn(points.shape[1], generator=generator, dtype=points.dtype)
    # A little noise breaks ties of distance.
    axis = chosen.sum(dim=0) + (1e-6 if n_summed else 1.0) * noise
    return points[(points @ axis).argsort(descending=True)[:n_points]]


def binary_code(n_prototypes: int, embedding_dim: int) -> Tensor:
    """Binary code: Reed-Muller, Kerdock or dual-BCH words as signs over ``sqrt(d)``.

    Parameters
    ----------
    n_prototypes : int
        Number of points, at least 2.
    embedding_dim : int
        Ambient dimension d, at least 2. The code uses the first ``2^m`` dimensions,
        for the m <= 13 that separates best; the others are zero.

    Returns
    -------
    prototypes : Tensor of shape (n_prototypes, embedding_dim)
        Unit rows in float64, with a guaranteed maximal cosine. There is no search and no
        comparison of pairs: time and memory are those of writing the rows.

    Raises
    ------
    ValueError
        If the longest code that fits in `embedding_dim` has too few words.

    Notes
    -----
    For d = 4^k: ``d^2 + 2 d`` points at cosine ``1 / sqrt(d)`` (Kerdock). For d = 2^m
    with odd m: ``2 d^2`` points at ``sqrt(2 / d)`` and ``2 d^3`` at ``sqrt(8 / d)``.

    References
    ----------
    .. [1] MacWilliams and Sloane (1977), "The Theory of Error-Correcting Codes",
       chapters 13 and 15.
    .. [2] Lindström et al. (2024), "A Coding-Theoretic Analysis of Hyperspherical
       Prototypical Learning Geometry", GRaM workshop at ICML, section 4.

    Examples
    --------
    >>> from sphereskl.geometry import max_cosine
    >>> from sphereskl.geometry.codes import binary_code
    >>> max_cosine(binary_code(200, 16))
    0.25
    """
    codes = [c for c in _binary_codes(embedding_dim) if c.n_points >= n_prototypes]
    if not codes:
        raise ValueError(
            f"n_prototypes={n_prototypes} is more than any binary code in embedding_dim="
            f"{embedding_dim} has; raise embedding_dim or use method='separated'."
        )
    best = min(codes, key=lambda code: code.max_cosine)
    return pad(best.build(n_prototypes), embedding_dim)


def _binary_codes(embedding_dim: int) -> list[StructuredCode]:
    longest = min(int(math.log2(embedding_dim)), _LONGEST)
    return [
        StructuredCode(size, 2**m, cosine, partial(binary_code_points, m=m))
        for m in range(1, longest + 1)
        for size, cosine in binary_code_bounds(m)
    ]


def _sporadic(
    n_points: int, embedding_dim: int, max_cosine: float, construct: Callable[[], Tensor]
) -> StructuredCode:
    def build(n: int) -> Tensor:
        return construct()[:n]

    return StructuredCode(n_points, embedding_dim, max_cosine, build, is_record=True)


def _kerdock_figure(*cosines: float) -> Tensor:
    # Vertex figures of the 16-dimensional Kerdock set.
    points = binary_code_points(288, 4)
    for cosine in cosines:
        points = derived_code(points, cosine)
    return points


# Cohn and Kumar 2007, table 1; the roots and the shortest vectors of Barnes-Wall are the
# largest known kissing configurations (Conway and Sloane 1999, table 1.5).
_SPORADIC = [
    _sporadic(12, 3, 5**-0.5, icosahedron),
    _sporadic(10, 4, 1 / 6, partial(e8_vertex_figure, 4)),
    _sporadic(24, 4, 1 / 2, partial(d_roots, 4)),
    _sporadic(120, 4, (1 + 5**0.5) / 4, cell_600),
    _sporadic(16, 5, 1 / 5, partial(e8_vertex_figure, 3)),
    _sporadic(40, 5, 1 / 2, partial(d_roots, 5)),
    _sporadic(27, 6, 1 / 4, partial(e8_vertex_figure, 2)),
    _sporadic(72, 6, 1 / 2, e6_roots),
    _sporadic(56, 7, 1 / 3, partial(e8_vertex_figure, 1)),
    _sporadic(126, 7, 1 / 2, e7_roots),
    _sporadic(64, 8, 1 / 3, moebius_kantor),
    _sporadic(240, 8, 1 / 2, e8_roots),
    _sporadic(42, 14, 1 / 10, partial(_kerdock_figure, 1 / 4, -1 / 3)),
    _sporadic(70, 14, 1 / 6, partial(_kerdock_figure, 1 / 4, 1 / 5)),
    _sporadic(128, 15, 1 / 5, partial(_kerdock_figure, 1 / 4)),
    _sporadic(288, 16, 1 / 4, partial(binary_code_points, 288, 4)),
    _sporadic(4320, 16, 1 / 2, barnes_wall),
    _sporadic(50, 21, 1 / 21, hoffman_singleton),
    _sporadic(112, 21, 1 / 9, partial(elliptic_quadric, 3)),
    _sporadic(162, 21, 1 / 7, partial(mclaughlin, 2)),
    _sporadic(100, 22, 1 / 11, higman_sims),
    _sporadic(275, 22, 1 / 6, partial(mclaughlin, 1)),
    _sporadic(891, 22, 1 / 4, partial(leech_kissing, 2)),
    _sporadic(552, 23, 1 / 5, equiangular_552),
    _sporadic(4600, 23, 1 / 3, partial(leech_kissing, 1)),
    _sporadic(196560, 24, 1 / 2, leech_minimal_vectors),
    _sporadic(4224, 64, 1 / 8, partial(binary_code_points, 4224, 6)),
    _sporadic(756, 105, 1 / 25, partial(elliptic_quadric, 5)),
]
