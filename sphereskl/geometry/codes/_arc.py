"""Ordered directions on the arc from one pole to the other."""

import math

import torch
from torch import Tensor


def arc(n_prototypes: int, embedding_dim: int = 2) -> Tensor:
    """Equally spaced points on a half great circle, from the lower pole to the upper one.

    Parameters
    ----------
    n_prototypes : int
        Number of points K, at least 2: for ordered classes, one for each.
    embedding_dim : int, default=2
        Ambient dimension, at least 2; coordinates beyond the second are zero.

    Returns
    -------
    prototypes : Tensor of shape (n_prototypes, embedding_dim)
        Unit rows in float64. The angle between points i and j is ``pi |i - j| / (K - 1)``,
        so that the first and the last are antipodal.

    Raises
    ------
    ValueError
        If there are fewer than 2 points or dimensions.

    Examples
    --------
    >>> from sphereskl.geometry import arc
    >>> arc(3).round(decimals=6)
    tensor([[-1.,  0.],
            [-0.,  1.],
            [ 1.,  0.]], dtype=torch.float64)
    """
    if n_prototypes < 2:
        raise ValueError(f"n_prototypes must be at least 2 for an arc, got {n_prototypes}.")
    if embedding_dim < 2:
        raise ValueError(f"embedding_dim must be at least 2 for an arc, got {embedding_dim}.")
    theta = math.pi * torch.arange(n_prototypes, dtype=torch.float64) / (n_prototypes - 1)
    points = theta.new_zeros(n_prototypes, embedding_dim)
    points[:, 0], points[:, 1] = -theta.cos(), theta.sin()
    return points
