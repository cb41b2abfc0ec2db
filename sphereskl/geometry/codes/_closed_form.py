"""Placements that are known in closed form."""

import math

import torch
from torch import Tensor


def simplex(n_prototypes: int, embedding_dim: int | None = None) -> Tensor:
    """Corners of a regular simplex: every pair at cosine ``-1 / (n_prototypes - 1)``.

    Parameters
    ----------
    n_prototypes : int
        Number of corners K, at least 2.
    embedding_dim : int, default=None
        Ambient dimension, at least K - 1; ``None`` means K - 1. Coordinates beyond
        K - 1 are zero.

    Returns
    -------
    prototypes : Tensor of shape (n_prototypes, embedding_dim)
        Unit rows in float64 that sum to zero. No K points are better separated.

    Raises
    ------
    ValueError
        If the simplex does not fit.

    Notes
    -----
    The recursion of [1]_ telescopes: with k = K - 1 and row r of its matrix (one column
    per prototype), the entry on the diagonal is ``sqrt((k+1)(k-r) / (k (k-r+1)))``, the
    entries to its right are ``-1 / (k-r)`` of that, those to its left are zero.

    References
    ----------
    .. [1] Kasarla et al. (2022), "Maximum Class Separation as Inductive Bias in One
       Matrix", NeurIPS, section 3.

    Examples
    --------
    >>> from sphereskl.geometry import simplex
    >>> simplex(3).round(decimals=3)
    tensor([[ 1.0000,  0.0000],
            [-0.5000,  0.8660],
            [-0.5000, -0.8660]], dtype=torch.float64)
    """
    k = n_prototypes - 1
    embedding_dim = k if embedding_dim is None else embedding_dim
    _check_fit("simplex", n_prototypes, embedding_dim, embedding_dim + 1)
    left = k - torch.arange(k, dtype=torch.float64)
    on_diagonal = ((k + 1) * left / (k * (left + 1))).sqrt()
    columns = (-on_diagonal / left)[:, None].expand(k, k + 1).triu(diagonal=1)
    columns.diagonal().copy_(on_diagonal)
    return pad(columns.T, embedding_dim)


def orthoplex(n_prototypes: int, embedding_dim: int) -> Tensor:
    """Axis directions and their opposites: no pair closer than a right angle.

    Parameters
    ----------
    n_prototypes : int
        Number of points, from 2 to ``2 * embedding_dim``.
    embedding_dim : int
        Ambient dimension d.

    Returns
    -------
    prototypes : Tensor of shape (n_prototypes, embedding_dim)
        The rows ``e_1 .. e_d, -e_1 .. -e_d`` in float64, the first `n_prototypes`. For
        more than d + 1 points no placement has a smaller maximal cosine [1]_.

    Raises
    ------
    ValueError
        If there are more than ``2 * embedding_dim`` points.

    References
    ----------
    .. [1] Rankin (1955), "The closest packing of spherical caps in n dimensions",
       Proceedings of the Glasgow Mathematical Association 2(3).

    Examples
    --------
    >>> from sphereskl.geometry import orthoplex
    >>> orthoplex(3, 2)
    tensor([[ 1.,  0.],
            [ 0.,  1.],
            [-1., -0.]], dtype=torch.float64)
    """
    _check_fit("orthoplex", n_prototypes, embedding_dim, 2 * embedding_dim)
    axes = torch.eye(embedding_dim, dtype=torch.float64)
    return torch.cat([axes, -axes])[:n_prototypes].clone()


def orthonormal(n_prototypes: int, embedding_dim: int) -> Tensor:
    """Mutually orthogonal directions: the first axes, or one-hot codes.

    Parameters
    ----------
    n_prototypes : int
        Number of points, from 2 to `embedding_dim`.
    embedding_dim : int
        Ambient dimension.

    Returns
    -------
    prototypes : Tensor of shape (n_prototypes, embedding_dim)
        Unit rows in float64 with cosine 0 between any two.

    Raises
    ------
    ValueError
        If there are more points than dimensions.

    Examples
    --------
    >>> from sphereskl.geometry import orthonormal
    >>> orthonormal(2, 3)
    tensor([[1., 0., 0.],
            [0., 1., 0.]], dtype=torch.float64)
    """
    _check_fit("orthonormal", n_prototypes, embedding_dim, embedding_dim)
    return torch.eye(n_prototypes, embedding_dim, dtype=torch.float64)


def polygon(n_prototypes: int, embedding_dim: int = 2) -> Tensor:
    """Corners of a regular polygon: neighbours at the angle ``2 pi / n_prototypes``.

    Parameters
    ----------
    n_prototypes : int
        Number of corners, at least 2.
    embedding_dim : int, default=2
        Ambient dimension; coordinates beyond the second are zero.

    Returns
    -------
    prototypes : Tensor of shape (n_prototypes, embedding_dim)
        Unit rows in float64, in the order of the circle. Optimal for ``embedding_dim=2``.

    Raises
    ------
    ValueError
        If there are fewer than 2 points or dimensions.

    Examples
    --------
    >>> from sphereskl.geometry import max_cosine, polygon
    >>> round(max_cosine(polygon(6)), 6)
    0.5
    """
    _check_fit("polygon", n_prototypes, embedding_dim, n_prototypes)
    if embedding_dim < 2:
        raise ValueError(f"embedding_dim must be at least 2 for a polygon, got {embedding_dim}.")
    turn = 2 * math.pi * torch.arange(n_prototypes, dtype=torch.float64) / n_prototypes
    return pad(torch.stack([turn.cos(), turn.sin()], dim=1), embedding_dim)


def _check_fit(name: str, n_prototypes: int, embedding_dim: int, largest: int) -> None:
    if n_prototypes < 2:
        raise ValueError(f"n_prototypes must be at least 2, got {n_prototypes}.")
    if n_prototypes > largest:
        raise ValueError(
            f"n_prototypes must be at most {largest} for a {name} with embedding_dim="
            f"{embedding_dim}, got {n_prototypes}; raise embedding_dim or place them with "
            f"method='separated'."
        )


def pad(points: Tensor, embedding_dim: int) -> Tensor:
    n_points, dim = points.shape
    padded = points.new_zeros(n_points, embedding_dim)
    padded[:, :dim] = points
    return padded
