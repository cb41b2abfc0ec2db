"""Calibration: whether confidence agrees with accuracy."""

from typing import NamedTuple

import numpy as np

from ._rows import add_up_ties, check_equally_long, row_weights


class ReliabilityCurve(NamedTuple):
    """Confidence and accuracy of the non-empty bins, by increasing confidence.

    Parameters
    ----------
    confidence : ndarray of shape (n_filled_bins,)
        Mean probability of the most probable class.
    accuracy : ndarray of shape (n_filled_bins,)
        Share of samples whose most probable class is the true one.
    weight : ndarray of shape (n_filled_bins,)
        Number of samples, or the sum of their weights.
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    weight: np.ndarray


def reliability_curve(
    y_true, y_prob, *, n_bins=15, strategy="quantile", classes=None, sample_weight=None
):
    """Return the reliability curve: accuracy against confidence, the highest probability.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_prob : array-like of shape (n_samples, n_classes) or (n_samples,)
        Probabilities of the classes; a single column is that of the second of two classes.
        Among equally probable classes the first is the predicted one.
    n_bins : int, default=15
        Number of bins.
    strategy : {"quantile", "uniform"}, default="quantile"
        Bins of equal weight [2]_, or of equal width in [0, 1] [1]_. Samples of equal confidence
        share a bin: with "quantile" the one that contains the middle of their weight.
    classes : array-like of shape (n_classes,), default=None
        Labels of the columns. ``None`` takes the sorted labels of `y_true`.
    sample_weight : array-like of shape (n_samples,), default=None
        Sample weights; a sample of weight 2 equals two copies of it.

    Returns
    -------
    curve : ReliabilityCurve
        Mean confidence, accuracy and weight of the non-empty bins.

    Raises
    ------
    ValueError
        If an argument has a wrong shape or range.

    References
    ----------
    .. [1] Guo, Pleiss, Sun and Weinberger (2017), "On Calibration of Modern Neural Networks",
       ICML.
    .. [2] Nixon, Dusenberry, Zhang, Jerfel and Tran (2019), "Measuring Calibration in Deep
       Learning", CVPR workshops.

    Examples
    --------
    >>> from sphereskl.metrics import reliability_curve
    >>> curve = reliability_curve([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.9], n_bins=2)
    >>> curve.confidence, curve.accuracy
    (array([0.6, 0.9]), array([0.5, 1. ]))
    """
    confidence, correct = _top_label(y_true, y_prob, classes)
    weight = row_weights(sample_weight, len(confidence))
    bins = _bins(confidence, weight, n_bins, strategy)
    distinct, weight, right = add_up_ties(confidence, weight, weight * correct)
    mass, sure, right = (
        np.bincount(bins, amount, n_bins) for amount in (weight, weight * distinct, right)
    )
    filled = mass > 0
    mass = mass[filled]
    return ReliabilityCurve(sure[filled] / mass, right[filled] / mass, mass)


def expected_calibration_error(
    y_true, y_prob, *, n_bins=15, strategy="quantile", classes=None, sample_weight=None
):
    r"""Return the expected calibration error: the mean gap of accuracy and confidence over bins.

    .. math:: \sum_b \frac{w_b}{\sum_c w_c}
        \left| \mathrm{accuracy}_b - \mathrm{confidence}_b \right|

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_prob : array-like of shape (n_samples, n_classes) or (n_samples,)
        Probabilities of the classes; one column is that of the second of two classes. Of
        equally probable classes the first counts as predicted.
    n_bins : int, default=15
        Number of bins.
    strategy : {"quantile", "uniform"}, default="quantile"
        Bins of equal weight [2]_, or of equal width in [0, 1] [1]_. Rows of equal confidence
        share a bin: with "quantile" the one that the middle of their weight falls into.
    classes : array-like of shape (n_classes,), default=None
        Labels of the columns. ``None`` takes the sorted labels of `y_true`.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows; a row of weight 2 is the same as two copies of it.

    Returns
    -------
    error : float
        In [0, 1]; 0 if accuracy equals confidence in every bin. Chance alone makes it
        positive: compare two models on the same samples.

    Raises
    ------
    ValueError
        If an argument has a wrong shape or range.

    References
    ----------
    .. [1] Naeini, Cooper and Hauskrecht (2015), "Obtaining Well Calibrated Probabilities Using
       Bayesian Binning", AAAI.
    .. [2] Nixon, Dusenberry, Zhang, Jerfel and Tran (2019), "Measuring Calibration in Deep
       Learning", CVPR workshops.

    Examples
    --------
    >>> from sphereskl.metrics import expected_calibration_error
    >>> error = expected_calibration_error([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.9], n_bins=2)
    >>> round(error, 3)
    0.1
    """
    curve = reliability_curve(
        y_true, y_prob, n_bins=n_bins, strategy=strategy, classes=classes,
        sample_weight=sample_weight,
    )  # fmt: skip
    gap = np.abs(curve.accuracy - curve.confidence)
    return float(np.average(gap, weights=curve.weight))


def _top_label(y_true, y_prob, classes):
    """Return the largest probability of every row, and whether its class is the true one."""
    y_true, prob = np.asarray(y_true), np.asarray(y_prob, dtype=np.float64)
    if prob.ndim == 1:
        prob = np.column_stack([1 - prob, prob])
    if prob.ndim != 2 or prob.shape[1] < 2 or y_true.ndim != 1 or not len(y_true):
        raise ValueError(
            "y_true and y_prob must have shapes (n_samples,) and (n_samples, n_classes), or "
            f"(n_samples,) for two classes, got {y_true.shape} and {np.shape(y_prob)}."
        )
    check_equally_long(y_true=y_true, y_prob=prob)
    if not ((prob >= 0) & (prob <= 1)).all():
        raise ValueError(
            f"y_prob must lie in [0, 1], got values from {prob.min():g} to {prob.max():g}; pass "
            "what predict_proba returns."
        )
    labels = _labels(y_true, classes, prob.shape[1])
    return prob.max(axis=1), labels[prob.argmax(axis=1)] == y_true


def _labels(y_true, classes, n_columns):
    if classes is None:
        labels = np.unique(y_true)
        if len(labels) != n_columns:
            raise ValueError(
                f"classes must be given where y_true lacks some, got {len(labels)} labels for "
                f"{n_columns} columns of y_prob; pass the classes_ of the estimator."
            )
        return labels
    labels = np.asarray(classes)
    if labels.shape != (n_columns,):
        raise ValueError(
            f"classes must name the {n_columns} columns of y_prob, got shape {labels.shape}."
        )
    unknown = ~np.isin(y_true, labels)
    if unknown.any():
        raise ValueError(
            f"y_true must hold labels of classes only, got {y_true[unknown].tolist()[0]!r}; leave "
            "such samples out."
        )
    return labels


def _bins(confidence, weight, n_bins, strategy):
    """Return the bin of every distinct confidence, ascending."""
    if not isinstance(n_bins, int | np.integer) or n_bins < 1:
        raise ValueError(f"n_bins must be a whole number of at least 1, got {n_bins!r}.")
    distinct, mass = add_up_ties(confidence, weight)
    if strategy == "uniform":
        # Bins (low, high], as in [1]; 0 falls into the first.
        return np.searchsorted(np.linspace(0, 1, n_bins + 1)[1:-1], distinct)
    if strategy != "quantile":
        raise ValueError(f"strategy must be 'quantile' or 'uniform', got {strategy!r}.")
    middle = np.cumsum(mass) - mass / 2
    # Rounding may carry the last one beyond the end.
    return np.minimum(n_bins * middle / mass.sum(), n_bins - 1).astype(np.int64)
