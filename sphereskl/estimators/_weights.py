"""Sample weights: what users pass, and samples of positive weight."""

import textwrap
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..preprocessing import as_array, take_rows


def check_weight(sample_weight: Any, X: Any) -> NDArray[np.float64]:
    """Validate sample weights; ``None`` means equal weights.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,) or None
        Weights.
    X : array-like of shape (n_samples, ...)
        Their samples, or anything of the same length.

    Returns
    -------
    weight : ndarray of shape (n_samples,), float64
        At most 1, not all zero; constant ones without memory if none are given.
    """
    if sample_weight is None:
        return np.broadcast_to(1.0, len(X))
    if isinstance(sample_weight, Tensor):
        sample_weight = as_array("sample_weight", sample_weight)
    given = np.asarray(sample_weight)
    try:
        if given.dtype.kind in "cmM" or np.ma.is_masked(sample_weight):
            raise ValueError("complex numbers, dates and masked values are not weights")
        with np.errstate(over="ignore"):
            weight = given.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            "sample_weight must hold a number for every row, got "
            f"{textwrap.shorten(repr(sample_weight), 70, placeholder=' ...')}."
        ) from error
    if weight.ndim == 0:
        weight = np.full(len(X), float(weight))
    if weight.shape != (len(X),):
        raise ValueError(
            f"sample_weight must have shape {(len(X),)}, one number for every row of X, got "
            f"shape {weight.shape}."
        )
    if not np.isfinite(weight).all() or (weight < 0).any():
        odd = weight[~np.isfinite(weight) | (weight < 0)][0]
        raise ValueError(
            f"sample_weight must hold finite numbers of at least 0, got {odd}: NaN, infinity and "
            "negative values are not weights."
        )
    if not weight.any():
        raise ValueError("sample_weight is zero for every row; one must be positive.")
    return scaled(weight)


def counted(X: Any, y: Any, weight: NDArray[Any]) -> tuple[Any, Any, NDArray[Any]]:
    """Return the samples of positive weight; `y` may be a pair."""
    kept = weight > 0
    if kept.all():
        return X, y, weight
    y = tuple(part[kept] for part in y) if isinstance(y, tuple) else y[kept]
    return take_rows(X, kept), y, weight[kept]


def scaled(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights of at most 1, divided by a power of two: exactly, so that sums are finite."""
    if not len(weight) or _is_one_number(weight):
        return weight
    return np.ldexp(weight, -np.frexp(weight.max())[1])


def weighed(weight: NDArray[np.float64], factor: Any) -> NDArray[np.float64]:
    """Multiply weights by factors from the targets; 1.0 means none."""
    return weight if isinstance(factor, float) and factor == 1.0 else weight * factor


def _is_one_number(weight: NDArray[np.float64]) -> bool:
    """Tell whether an array repeats one number without storing it more than once."""
    return weight.strides == (0,)
