"""Proven lower bounds on the maximal cosine of a set of points."""

import math
from typing import cast

from scipy.optimize import brentq
from scipy.special import comb, eval_jacobi, roots_jacobi

# Levenshtein's intervals are scanned up to this degree; beyond it the bound only gets
# slightly weaker, because the size it allows grows with every interval.
_MOST_INTERVALS = 40


def lower_bound(n_points: int, embedding_dim: int) -> float:
    """Proven lower bound on the maximal cosine of any such placement.

    Parameters
    ----------
    n_points : int
        Number of points K, at least 2.
    embedding_dim : int
        Ambient dimension d, at least 2.

    Returns
    -------
    bound : float
        The largest of: ``-1 / (K - 1)`` (simplex), 0 for K > d + 1 [1]_, the regular
        polygon for d = 2, the triangle bound for d = 3 [2]_, and Levenshtein's linear
        programming bound [3]_.

    References
    ----------
    .. [1] Rankin (1955), "The closest packing of spherical caps in n dimensions".
    .. [2] Fejes Tóth (1943), "Über die Abschätzung des kürzesten Abstandes zweier Punkte
       eines auf einer Kugelfläche liegenden Punktsystems".
    .. [3] Levenshtein (1998), "Universal bounds for codes and designs", in Handbook of
       Coding Theory, theorem 4.5.

    Examples
    --------
    >>> from sphereskl.geometry import lower_bound
    >>> round(lower_bound(240, 8), 6)
    0.5
    >>> round(lower_bound(12, 3) ** 2, 6)
    0.2
    """
    if n_points <= embedding_dim + 1:
        return -1 / (n_points - 1)
    if embedding_dim == 2:
        return math.cos(2 * math.pi / n_points)
    if n_points <= 2 * embedding_dim:
        return 0.0
    bound = _levenshtein(n_points, embedding_dim)
    return max(bound, _fejes_toth(n_points)) if embedding_dim == 3 else bound


def _fejes_toth(n_points: int) -> float:
    # The regular triangulation of n_points vertices, if it existed, would have triangles
    # of angle 2 w, whose side s has cos s = (cot^2 w - 1) / 2.
    w = n_points * math.pi / (6 * (n_points - 2))
    return (1 / math.tan(w) ** 2 - 1) / 2


def _levenshtein(n_points: int, dim: int) -> float:
    # The largest possible code at cosine s has at most L(s) points, and L increases
    # with s: the bound is where L reaches n_points.
    low = -1.0
    for degree in range(1, _MOST_INTERVALS + 1):
        high = _largest_root(degree, dim)
        if _most_points(high, degree, dim) >= n_points:
            return _cosine_of_size(n_points, degree, dim, low, high)
        low = high
    return low


def _cosine_of_size(n_points: int, degree: int, dim: int, low: float, high: float) -> float:
    def excess(s: float) -> float:
        return _most_points(s, degree, dim) - n_points

    # Rounding at the common end of two intervals can hide the change of sign.
    if excess(low) >= 0:
        return low
    return cast(float, brentq(excess, low, high, xtol=1e-15))


def _largest_root(degree: int, dim: int) -> float:
    # Odd degree 2k - 1 ends at the largest zero of the Jacobi polynomial (k; 1, 0), even
    # degree 2k at that of (k; 1, 1), in Levenshtein's adjacent parameters.
    half, k = (dim - 3) / 2, (degree + 1) // 2
    beta = half if degree % 2 else half + 1
    return float(roots_jacobi(k, half + 1, beta)[0].max())


def _most_points(s: float, degree: int, dim: int) -> float:
    k = (degree + 1) // 2
    if degree % 2:
        ratio = (_gegenbauer(k - 1, s, dim) - _gegenbauer(k, s, dim)) / (
            (1 - s) * _gegenbauer(k, s, dim)
        )
        return float(comb(k + dim - 3, k - 1)) * ((2 * k + dim - 3) / (dim - 1) - ratio)
    below, above = _gegenbauer(k, s, dim), _gegenbauer(k + 1, s, dim)
    ratio = (1 + s) * (below - above) / ((1 - s) * (below + above))
    return float(comb(k + dim - 2, k)) * ((2 * k + dim - 1) / (dim - 1) - ratio)


def _gegenbauer(degree: int, s: float, dim: int) -> float:
    # Normalised to 1 at s = 1.
    half = (dim - 3) / 2
    return float(eval_jacobi(degree, half, half, s) / eval_jacobi(degree, half, half, 1.0))
