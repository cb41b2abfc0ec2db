"""Scores of predicted classes and values, where samples may lack one of them."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_consistent_length

from ..preprocessing import is_known, split_targets
from ._weights import check_weight

# Squares of larger values, and their sums, may exceed the largest float.
_SQUARES_OVERFLOW = 1e150


def value_score(
    y: NDArray[Any], predicted: NDArray[Any], weight: NDArray[np.float64] | None
) -> float:
    """Return R2, averaged over targets.

    Parameters
    ----------
    y, predicted : ndarray of shape (n_samples,) or (n_samples, n_targets)
        True and predicted values.
    weight : ndarray of shape (n_samples,) or None
        Sample weights.

    Returns
    -------
    score : float
        At most 1, also where squares of the values exceed the largest float.
    """
    largest = float(max(np.abs(y).max(), np.abs(predicted).max()))
    if largest > _SQUARES_OVERFLOW:
        y, predicted = y / largest, predicted / largest
    return float(r2_score(y, predicted, sample_weight=weight))


def joint_score(
    label: NDArray[Any], value: NDArray[Any], y: Any, sample_weight: ArrayLike | None
) -> float:
    """Return the mean of the accuracy of classes and R2 of values.

    Parameters
    ----------
    label, value : ndarray of shape (n_samples,)
        What was predicted.
    y : DataFrame with 2 columns, array-like of shape (n_samples, 2) or pair of array-like
        True classes and values. Missing ones are ignored.
    sample_weight : array-like of shape (n_samples,) or None
        Sample weights.

    Returns
    -------
    score : float
        Only one of the two if `y` lacks the other.

    Raises
    ------
    ValueError
        If `y` contains neither.
    """
    true_label, true_value = split_targets(y)
    check_consistent_length(label, true_label, true_value)
    weight = check_weight(sample_weight, label)
    known = is_known(true_label) & (weight > 0)
    measured = ~np.isnan(true_value) & (weight > 0)
    scores = []
    if known.any():
        hits = label[known] == true_label[known]
        scores.append(np.average(hits, weights=weight[known]))
    if measured.any():
        truth, found = true_value[measured], value[measured]
        scores.append(value_score(truth, found, weight[measured]))
    if not scores:
        raise ValueError("y holds neither a class nor a value in any row of positive weight.")
    return float(np.mean(scores))
