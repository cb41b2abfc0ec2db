"""The pair potential whose minima are well separated points, with its gradient."""

import math

import torch
from torch import Tensor

from .._lbfgs import Objective


def underflow(dtype: torch.dtype) -> float:
    """Exponent below which a weight is treated as zero: far below any rounding.

    exp is ten times slower where it underflows.
    """
    return -100.0 if dtype == torch.float64 else -50.0


def soft_max_cosine(sharpness: float | Tensor, log_weights: Tensor | None = None) -> Objective:
    """Smoothed maximum of the cosines of all pairs.

    Parameters
    ----------
    sharpness : float or Tensor of shape (n_starts, 1, 1)
        The value b, positive: the maximum is approached as it grows.
    log_weights : Tensor of shape (n_starts, n_points, n_points), default=None
        Symmetric; added to ``b cos`` in the exponent.

    Returns
    -------
    objective : callable
        Maps rows (n_starts, n_points, embedding_dim) of any length to
        ``(1/b) log sum_{i<j} exp(b cos_ij)`` and its gradient. Without weights the value
        exceeds the maximum by at most ``log(K (K - 1) / 2) / b``.

    References
    ----------
    .. [1] Lindström et al. (2024), "A Coding-Theoretic Analysis of Hyperspherical
       Prototypical Learning Geometry", GRaM workshop at ICML, section 3.
    """

    def objective(rows: Tensor) -> tuple[Tensor, Tensor]:
        norm = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
        points = rows / norm
        exponent = points @ points.mT
        exponent.mul_(sharpness)
        if log_weights is not None:
            exponent.add_(log_weights)
        exponent.diagonal(dim1=1, dim2=2).fill_(-math.inf)
        top = exponent.amax(dim=(1, 2), keepdim=True)
        weights = exponent.sub_(top).clamp_min_(underflow(rows.dtype)).exp_()
        total = weights.sum(dim=(1, 2), keepdim=True)
        # Every pair occurs twice in the symmetric matrix.
        value = (top + (total / 2).log()) / sharpness
        # d value / d cos_ij = w_ij / sum_{i<j} w_ij for each pair, with w = exp(b cos): every pair
        # pulls both of its points towards each other, d cos_ij / d p_i = p_j.
        pull = (weights @ points) * (2 / total)
        # To rows of any length by p = r / |r|: the part along p vanishes, the rest is over |r|.
        pull = pull - (pull * points).sum(dim=-1, keepdim=True) * points
        return value[:, 0, 0], pull / norm

    return objective
