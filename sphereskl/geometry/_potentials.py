"""Pair potentials whose minima are well separated points, with their gradients."""

import math

import torch
from torch import Tensor

from ._lbfgs import Objective


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
        points, norm = _directions(rows)
        exponent = points @ points.mT
        exponent.mul_(sharpness)
        if log_weights is not None:
            exponent.add_(log_weights)
        exponent.diagonal(dim1=1, dim2=2).fill_(-math.inf)
        top = exponent.amax(dim=(1, 2), keepdim=True)
        weights = exponent.sub_(top).exp_()
        total = weights.sum(dim=(1, 2), keepdim=True)
        # Every pair stands twice in the symmetric matrix.
        value = (top + (total / 2).log()) / sharpness
        pull = (weights @ points) * (2 / total)
        return value[:, 0, 0], _tangent(pull, points) / norm

    return objective


def gaussian_potential(t: float) -> Objective:
    """Logarithm of the mean Gaussian potential of all pairs.

    Parameters
    ----------
    t : float
        Sharpness of the Gaussian, positive.

    Returns
    -------
    objective : callable
        Maps rows (n_starts, n_points, embedding_dim) of any length to
        ``log mean exp(-t |p_i - p_j|^2)`` and its gradient.

    References
    ----------
    .. [1] Wang and Isola (2020), "Understanding Contrastive Representation Learning
       through Alignment and Uniformity on the Hypersphere", ICML, section 4.1.2.
    """
    # |p_i - p_j|^2 = 2 - 2 cos_ij, so this is the smoothed maximum at b = 2 t, up to
    # scale and a constant.
    smoothed = soft_max_cosine(2 * t)

    def objective(rows: Tensor) -> tuple[Tensor, Tensor]:
        value, gradient = smoothed(rows)
        n_pairs = rows.shape[1] * (rows.shape[1] - 1) / 2
        return 2 * t * (value - 1) - math.log(n_pairs), 2 * t * gradient

    return objective


def _directions(rows: Tensor) -> tuple[Tensor, Tensor]:
    norm = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
    return rows / norm, norm


def _tangent(vectors: Tensor, points: Tensor) -> Tensor:
    return vectors - (vectors * points).sum(dim=-1, keepdim=True) * points
