"""Prediction intervals: their coverage and width."""

from typing import NamedTuple

import numpy as np

from ._rows import check_equally_long, numbers


class IntervalReport(NamedTuple):
    """Coverage and width of prediction intervals.

    Parameters
    ----------
    coverage : float
        Share of samples whose interval, ends included, contains the true value.
    mean_width : float
        Mean width of the intervals.
    coverage_by_third : ndarray of shape (3,)
        Coverage among samples whose intervals have a low, medium or high centre: thirds of
        the samples in that order. NaN if there are fewer than three samples.
    interval_score : float
        Mean width, plus ``2 / (1 - nominal)`` times the mean distance by which true values are
        outside; lower is better.
    """

    coverage: float
    mean_width: float
    coverage_by_third: np.ndarray
    interval_score: float


def interval_report(y_true, low, high, *, nominal=0.9):
    """Report coverage and width of prediction intervals.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True values of one target.
    low, high : array-like of shape (n_samples,)
        Ends of the intervals.
    nominal : float, default=0.9
        Nominal coverage of the intervals, in (0, 1); the interval score depends on it.

    Returns
    -------
    report : IntervalReport
        Coverage of all samples and by thirds, mean width, and the interval score, which the
        true quantiles minimise in expectation.

    Raises
    ------
    ValueError
        If an argument has a wrong shape or range, or an interval ends before it begins.

    References
    ----------
    .. [1] Winkler (1972), "A Decision-Theoretic Approach to Interval Estimation", Journal of
       the American Statistical Association 67.
    .. [2] Gneiting and Raftery (2007), "Strictly Proper Scoring Rules, Prediction, and
       Estimation", Journal of the American Statistical Association 102, section 6.2.

    Examples
    --------
    >>> from sphereskl.metrics import interval_report
    >>> report = interval_report([1.0, 2.0, 5.0], [0, 1, 2], [2, 3, 4], nominal=0.5)
    >>> report.coverage, report.mean_width, report.interval_score
    (0.666..., 2.0, 3.333...)
    """
    y, low, high = (
        numbers(name, values) for name, values in (("y_true", y_true), ("low", low), ("high", high))
    )
    check_equally_long(y_true=y, low=low, high=high)
    _check_ends(low, high)
    if not 0 < nominal < 1:
        raise ValueError(f"nominal must be in (0, 1), got {nominal!r}.")
    inside = (low <= y) & (y <= high)
    width, outside = high - low, np.maximum(low - y, y - high).clip(0)
    return IntervalReport(
        coverage=float(inside.mean()),
        mean_width=float(width.mean()),
        coverage_by_third=_by_third(inside, low / 2 + high / 2),
        interval_score=float(np.mean(width + 2 / (1 - nominal) * outside)),
    )


def _check_ends(low, high):
    wrong = ~np.isfinite(high - low) | (high < low)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            "low and high must be finite with low <= high, got "
            f"{low[row]:g} and {high[row]:g} in row {row}."
        )


def _by_third(inside, middle):
    if len(middle) < 3:
        return np.full(3, np.nan)
    ordered = inside[np.argsort(middle, kind="stable")]
    return np.array([third.mean() for third in np.array_split(ordered, 3)])
