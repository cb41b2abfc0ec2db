"""Measures of the separation of a set of points on the sphere."""

import math

import torch
from torch import Tensor

from ._sphere import angle

# Rows of the pairwise matrix held at once: memory is O(n_points * _BLOCK).
_BLOCK = 1024


def closest_pair(points: Tensor) -> tuple[int, int]:
    """Find the two points with the largest cosine.

    Parameters
    ----------
    points : Tensor of shape (n_points, embedding_dim)
        Unit rows, at least two.

    Returns
    -------
    i, j : int
        Indices, ``i < j``; the first such pair if several are equally close.

    Raises
    ------
    ValueError
        If there are fewer than two points.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.geometry import closest_pair
    >>> closest_pair(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.6, 0.8]]))
    (0, 2)
    """
    _check_pair(points)
    points = points.detach()
    n_points = len(points)
    best, pair = -math.inf, (0, 1)
    for start in range(0, n_points, _BLOCK):
        gram = points[start : start + _BLOCK] @ points[start:].T
        gram.masked_fill_(torch.ones_like(gram, dtype=torch.bool).tril_(), -math.inf)
        value, index = gram.flatten().max(dim=0)
        if value > best:
            row, column = divmod(int(index), gram.shape[1])
            best, pair = float(value), (start + row, start + column)
    return pair


def max_cosine(points: Tensor) -> float:
    """Cosine of the closest pair.

    Parameters
    ----------
    points : Tensor of shape (n_points, embedding_dim)
        Unit rows, at least two.

    Returns
    -------
    max_cosine : float
        Smaller is better separated; never below ``-1 / (n_points - 1)``.

    Raises
    ------
    ValueError
        If there are fewer than two points.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.geometry import max_cosine
    >>> max_cosine(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]))
    0.0
    """
    i, j = closest_pair(points)
    return float((points[i] @ points[j]).detach())


def max_cosines(sets: Tensor) -> Tensor:
    """Cosine of the closest pair of each of several small sets.

    Parameters
    ----------
    sets : Tensor of shape (n_sets, n_points, embedding_dim)
        Unit rows; all their cosines are held at once.

    Returns
    -------
    max_cosines : Tensor of shape (n_sets,)
        As `max_cosine`, which holds one block of cosines at a time, for each set.
    """
    gram = sets @ sets.mT
    gram.diagonal(dim1=1, dim2=2).fill_(-2.0)
    return gram.amax(dim=(1, 2))


def min_angle(points: Tensor) -> float:
    """Angle of the closest pair: the separation of the set.

    Parameters
    ----------
    points : Tensor of shape (n_points, embedding_dim)
        Unit rows, at least two.

    Returns
    -------
    separation : float
        Radians in [0, pi]; accurate for near-coincident points too.

    Raises
    ------
    ValueError
        If there are fewer than two points.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.geometry import min_angle
    >>> round(min_angle(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])), 4)
    1.5708
    """
    i, j = closest_pair(points)
    return float(angle(points[i], points[j]).detach())


def hyperspherical_energy(points: Tensor, *, power: float = 1.0) -> Tensor:
    """Mean Riesz energy of all pairs.

    Parameters
    ----------
    points : Tensor of shape (n_points, embedding_dim)
        Unit rows, at least two.
    power : float, default=1.0
        Exponent s >= 0 of the inverse chord length: 1 is Thomson's problem, 0 the
        logarithmic energy, and large s approaches the largest minimal angle.

    Returns
    -------
    energy : Tensor of shape ()
        Mean over pairs of ``|p_i - p_j|^-s``, or of ``-log |p_i - p_j|`` for s = 0;
        infinite, and without a gradient, if two points coincide.

    Raises
    ------
    ValueError
        If there are fewer than two points or `power` is negative.

    References
    ----------
    .. [1] Liu et al. (2018), "Learning towards Minimum Hyperspherical Energy",
       NeurIPS, equation 1.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.geometry import hyperspherical_energy
    >>> hyperspherical_energy(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
    tensor(0.5000)
    """
    if power < 0:
        raise ValueError(f"power must be at least 0, got {power}.")
    _check_pair(points)
    # Difference vectors, not 2 - 2 cos: the energy is dominated by the close pairs, whose
    # distance would be lost to cancellation.
    distance = torch.nn.functional.pdist(points)
    return (-distance.log() if power == 0 else distance.pow(-power)).mean()


def uniformity(points: Tensor, *, t: float = 2.0) -> Tensor:
    """Logarithm of the mean Gaussian potential of all pairs.

    Parameters
    ----------
    points : Tensor of shape (n_points, embedding_dim)
        Unit rows, at least two.
    t : float, default=2.0
        Sharpness of the Gaussian, positive.

    Returns
    -------
    uniformity : Tensor of shape ()
        ``log mean exp(-t |p_i - p_j|^2)`` in [-4 t, 0]; lower is more uniform, 0 means
        that all points coincide.

    Raises
    ------
    ValueError
        If there are fewer than two points.

    References
    ----------
    .. [1] Wang and Isola (2020), "Understanding Contrastive Representation Learning
       through Alignment and Uniformity on the Hypersphere", ICML, section 4.1.2.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.geometry import uniformity
    >>> uniformity(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
    tensor(-8.)
    """
    exponent = -t * _pairwise_squared_distance(points)
    return torch.logsumexp(exponent, dim=0) - math.log(len(exponent))


def alignment(x: Tensor, y: Tensor, *, alpha: float = 2.0) -> Tensor:
    """Mean distance of positive pairs.

    Parameters
    ----------
    x, y : Tensor of shape (n_pairs, embedding_dim)
        Unit rows; row i of `x` and row i of `y` form a pair.
    alpha : float, default=2.0
        Exponent of the chord length, at least 1.

    Returns
    -------
    alignment : Tensor of shape ()
        Mean of ``|x_i - y_i|^alpha`` in [0, 2^alpha]; for ``alpha=2`` it is
        ``2 (1 - cosine)``.

    References
    ----------
    .. [1] Wang and Isola (2020), "Understanding Contrastive Representation Learning
       through Alignment and Uniformity on the Hypersphere", ICML, section 4.1.1.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.geometry import alignment
    >>> alignment(torch.tensor([[1.0, 0.0]]), torch.tensor([[-1.0, 0.0]]))
    tensor(4.)
    """
    return torch.linalg.vector_norm(x - y, dim=-1).pow(alpha).mean()


def _pairwise_squared_distance(points: Tensor) -> Tensor:
    _check_pair(points)
    n_points = len(points)
    i, j = torch.triu_indices(n_points, n_points, offset=1, device=points.device)
    # 2 - 2 cos, not |p_i - p_j|^2: one matrix product instead of n_points^2 difference
    # vectors, and smooth where points coincide. Rounding must not make it negative.
    return (2 - 2 * (points @ points.T)[i, j]).clamp_min(0)


def _check_pair(points: Tensor) -> None:
    if len(points) < 2:
        raise ValueError(f"points must have at least 2 rows to form a pair, got {len(points)}.")
