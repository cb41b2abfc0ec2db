"""Final stage of a search: sequential linear programming on the closest pairs."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_array
from torch import Tensor

from .._separation import max_cosines

# Initial and smallest radius of the trust region, and its growth after a step that did or did not
# lower the largest cosine.
_RADIUS, _SMALLEST = 1e-3, 1e-11
_GROWTH, _SHRINKAGE = 1.5, 0.25
# If a linear model predicts less than this, the points are treated as stationary: smaller gains
# are irrelevant for any use of the prototypes.
_PROMISE = 1e-9


def tighten(points: Tensor, *, n_programs: int) -> Tensor:
    """Lower the largest cosine until no motion of the points lowers it to first order.

    With v the largest cosine, every step solves the linear program

        minimise t  subject to  c_ij + (p_j - c_ij p_i) . u_i + (p_i - c_ij p_j) . u_j <= t

    over motions u in a box, for all pairs that may become the closest within the box. The smoothed
    objectives stop short of it if the contacts leave points nearly free to move.

    Parameters
    ----------
    points : Tensor of shape (n_points, embedding_dim)
        Unit rows in float64.
    n_programs : int
        Maximum number of linear programs.

    Returns
    -------
    points : Tensor of shape (n_points, embedding_dim)
        Unit rows, never worse than the given ones.
    """
    rows = points.numpy()
    value, radius = float(max_cosines(torch.from_numpy(rows)[None])), _RADIUS
    for _ in range(n_programs):
        motion, promised = _best_motion(rows, value, radius)
        if value - promised < _PROMISE or radius < _SMALLEST:
            break
        moved = rows + motion
        moved /= np.linalg.norm(moved, axis=1, keepdims=True)
        moved_value = float(max_cosines(torch.from_numpy(moved)[None]))
        if moved_value < value:
            rows, value, radius = moved, moved_value, _GROWTH * radius
        else:
            radius *= _SHRINKAGE
    return torch.from_numpy(rows)


def _best_motion(
    rows: NDArray[np.float64], value: float, radius: float
) -> tuple[NDArray[np.float64], float]:
    n_points, dim = rows.shape
    # Least t with cos_ij + dcos_ij . move <= t for all pairs that could become the closest, where
    # cos_ij = p_i . p_j / (|p_i| |p_j|) has the gradients p_j - cos p_i in p_i and p_i - cos p_j in
    # p_j, and no coordinate moves by more than the radius.
    gram = rows @ rows.T
    # To first order a box of this radius moves a cosine by at most 2 sqrt(d) radius.
    i, j = np.nonzero(np.triu(gram > value - 4 * math.sqrt(dim) * radius, k=1))
    cosine = gram[i, j][:, None]
    gradient = np.hstack([rows[j] - cosine * rows[i], rows[i] - cosine * rows[j]])
    coordinates = np.arange(dim)
    columns = np.hstack([i[:, None] * dim + coordinates, j[:, None] * dim + coordinates])
    # The last variable is t.
    gradient = np.hstack([gradient, np.full((len(i), 1), -1.0)])
    columns = np.hstack([columns, np.full((len(i), 1), n_points * dim)])
    starts = np.arange(len(i) + 1) * columns.shape[1]
    shape = (len(i), n_points * dim + 1)
    result = linprog(
        np.eye(1, shape[1], shape[1] - 1)[0],
        A_ub=csr_array((gradient.ravel(), columns.ravel(), starts), shape=shape),
        b_ub=-cosine[:, 0],
        bounds=[(-radius, radius)] * (n_points * dim) + [(None, None)],
        # Interior points: at 100 points in ten dimensions three times as fast as the simplex.
        method="highs-ipm",
    )
    if result.x is None:
        return np.zeros_like(rows), value
    return result.x[:-1].reshape(rows.shape), float(result.x[-1])
