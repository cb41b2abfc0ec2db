"""Weighted mean and standard deviation of columns, block by block."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Moments(NamedTuple):
    """Weighted moments of the columns of some samples.

    Parameters
    ----------
    weight : ndarray of shape (n_columns,), float64
        Sum of the weights of values that are not missing.
    mean, deviation : ndarray of shape (n_columns,), float64
        Weighted mean and standard deviation, 0 if all values are missing.
    """

    weight: NDArray[np.float64]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    def standard(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return shift and scale for standardisation; constant columns are divided by 1."""
        return self.mean, np.where(self.deviation > 0, self.deviation, 1.0)


def block_moments(
    X: NDArray[Any], weight: NDArray[Any] | None, missing: NDArray[np.bool_] | None = None
) -> Moments:
    """Return the moments of one block.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_columns)
        Numbers or booleans.
    weight : ndarray of shape (n_samples,) or None
        Sample weights; ``None`` means equal weights.
    missing : ndarray of shape (n_samples, n_columns), default=None
        Which values are missing; ``None`` if none is.

    Returns
    -------
    moments : Moments
        Of the values that are not missing.
    """
    weight = np.ones(len(X)) if weight is None else weight
    if not X.shape[1] or (X.dtype == bool and not X.any()):
        return Moments(np.full(X.shape[1], weight.sum()), *np.zeros((2, X.shape[1])))
    # Relative to the first row and in units of the range: exact for constant columns,
    # safe for time stamps, whose mean is far above their deviation, and for
    # columns whose squares would overflow.
    first = X[0].astype(np.float64)
    if missing is not None:
        first = np.nan_to_num(X[(~missing).argmax(axis=0), np.arange(X.shape[1])].astype(float))
        X = np.where(missing, first, X)
    with np.errstate(over="ignore"):
        offset = X - first
    unit = np.abs(offset).max(axis=0)
    _check_range(unit)
    unit[unit == 0] = 1.0
    offset /= unit
    if missing is None:
        total = np.full(X.shape[1], weight.sum())
        centre = np.average(offset, axis=0, weights=weight)
        variance = np.average(np.square(offset - centre), axis=0, weights=weight)
    else:
        share = weight[:, None] * ~missing
        total = share.sum(axis=0)
        divisor = np.where(total == 0, 1.0, total)
        centre = (share * offset).sum(axis=0) / divisor
        variance = (share * np.square(offset - centre)).sum(axis=0) / divisor
    return Moments(total, first + unit * centre, unit * np.sqrt(variance))


def joined(a: Moments, b: Moments) -> Moments:
    """Return the moments of two sets of samples together.

    By the pairwise formulas of Chan, Golub and LeVeque (1979), "Updating Formulae and a Pairwise
    Algorithm for Computing Sample Variances", in units of the largest part, whose square cannot
    overflow.
    """
    with np.errstate(over="ignore"):
        step = b.mean - a.mean
    _check_range(np.abs(step))
    weight = a.weight + b.weight
    share = b.weight / np.where(weight == 0, 1.0, weight)
    unit = np.max([a.deviation, b.deviation, np.abs(step)], axis=0)
    unit = np.where(unit == 0, 1.0, unit)
    within = (1 - share) * np.square(a.deviation / unit) + share * np.square(b.deviation / unit)
    between = share * (1 - share) * np.square(step / unit)
    return Moments(weight, a.mean + share * step, unit * np.sqrt(within + between))


def _check_range(distance: NDArray[np.float64]) -> None:
    if np.isinf(distance).any():
        column = int(np.isinf(distance).argmax())
        raise ValueError(
            f"X has numbers in its numeric column {column} that are further apart than the largest "
            "number; scale it, or put NaN where such a number stands for a missing value."
        )
