"""Selective prediction: what is gained by rejecting the least confident predictions."""

from typing import NamedTuple

import numpy as np

from ._rows import add_up_ties, check_equally_long, numbers, row_weights


class RiskCoverageCurve(NamedTuple):
    """Risk of the accepted samples, by increasing coverage.

    Parameters
    ----------
    coverage : ndarray of shape (n_thresholds,)
        Share of accepted samples, in (0, 1]; the last is 1.
    risk : ndarray of shape (n_thresholds,)
        Error rate among them.
    thresholds : ndarray of shape (n_thresholds,)
        Confidence thresholds, decreasing.
    """

    coverage: np.ndarray
    risk: np.ndarray
    thresholds: np.ndarray


def risk_coverage_curve(y_true, y_pred, confidence, *, sample_weight=None):
    """Return the risk-coverage curve: the error rate among the most confident samples.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_pred : array-like of shape (n_samples,)
        Predicted labels.
    confidence : array-like of shape (n_samples,)
        Confidence, higher is more certain; only the order matters. Ties are accepted together.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows; a row of weight 2 is the same as two copies of it.

    Returns
    -------
    curve : RiskCoverageCurve
        Coverage, risk and threshold for every distinct confidence, the highest first.

    Raises
    ------
    ValueError
        If an argument has a wrong shape or range.

    References
    ----------
    .. [1] El-Yaniv and Wiener (2010), "On the Foundations of Noise-free Selective
       Classification", Journal of Machine Learning Research 11.
    .. [2] Geifman and El-Yaniv (2017), "Selective Classification for Deep Neural Networks",
       NeurIPS.

    Examples
    --------
    >>> from sphereskl.metrics import risk_coverage_curve
    >>> curve = risk_coverage_curve([0, 1, 1, 0], [0, 1, 0, 0], [0.9, 0.8, 0.6, 0.6])
    >>> curve.coverage, curve.risk
    (array([0.25, 0.5 , 1.  ]), array([0.  , 0.  , 0.25]))
    """
    wrong = _wrong(y_true, y_pred)
    confidence = numbers("confidence", confidence)
    check_equally_long(y_true=wrong, confidence=confidence)
    return _curve(wrong, confidence, row_weights(sample_weight, len(wrong)))


def area_under_risk_coverage(y_true, y_pred, confidence, *, sample_weight=None, excess=False):
    r"""Return the area under the risk-coverage curve: the mean risk over all thresholds.

    .. math:: \mathrm{AURC} = \frac1n \sum_{i=1}^n
        \frac{\sum_j \ell_j [c_j \ge c_i]}{\sum_j [c_j \ge c_i]}

    where :math:`\ell` is 1 for an error and :math:`c` is the confidence [1]_.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.
    y_pred : array-like of shape (n_samples,)
        Predicted labels.
    confidence : array-like of shape (n_samples,)
        Higher is surer; only the order counts. Rows of equal confidence are kept together.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows; a row of weight 2 is the same as two copies of it.
    excess : bool, default=False
        Whether to subtract the lowest possible area for these predictions, that of a confidence
        that ranks every error below all correct predictions: the excess is due to the
        confidence alone. The errors are ranked by weight, and no sample is split.

    Returns
    -------
    area : float
        In [0, 1], lower is better. Uninformative confidence has the error rate as its area;
        with `excess`, 0 is perfect.

    Raises
    ------
    ValueError
        If an argument has a wrong shape or range.

    References
    ----------
    .. [1] Geifman, Uziel and El-Yaniv (2019), "Bias-Reduced Uncertainty Estimation for Deep
       Neural Classifiers", ICLR.

    Examples
    --------
    >>> from sphereskl.metrics import area_under_risk_coverage
    >>> truth, guess = [0, 1, 1, 0], [0, 1, 0, 0]
    >>> area_under_risk_coverage(truth, guess, [0.9, 0.8, 0.7, 0.6])
    0.145...
    >>> area_under_risk_coverage(truth, guess, [0.9, 0.8, 0.6, 0.7], excess=True)
    0.0
    """
    wrong = _wrong(y_true, y_pred)
    confidence = numbers("confidence", confidence)
    check_equally_long(y_true=wrong, confidence=confidence)
    weight = row_weights(sample_weight, len(wrong))
    area = _area(wrong, confidence, weight)
    return area - _area(wrong, _best_confidence(wrong, weight), weight) if excess else area


def _wrong(y_true, y_pred):
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    if y_true.ndim != 1 or y_true.shape != y_pred.shape or not len(y_true):
        raise ValueError(
            "y_true and y_pred must be labels of the same samples, one column each, got shapes "
            f"{y_true.shape} and {y_pred.shape}."
        )
    return y_true != y_pred


def _curve(wrong, confidence, weight):
    distinct, kept, errors = add_up_ties(-confidence, weight, weight * wrong)
    # Before the first sample of positive weight the risk is undefined.
    first = int((kept > 0).argmax())
    kept, errors = np.cumsum(kept)[first:], np.cumsum(errors)[first:]
    return RiskCoverageCurve(kept / kept[-1], errors / kept, -distinct[first:])


def _area(wrong, confidence, weight):
    curve = _curve(wrong, confidence, weight)
    return float(np.sum(np.diff(curve.coverage, prepend=0) * curve.risk))


def _best_confidence(wrong, weight):
    """Return a confidence with the lowest area.

    Risk is concave in the weight of the accepted errors, so light errors come before heavy ones.
    """
    confidence = np.empty(len(wrong))
    confidence[np.lexsort((weight, wrong))] = -np.arange(len(wrong))
    return confidence
