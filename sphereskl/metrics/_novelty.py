"""Novelty detection: how well scores separate known samples from novel ones."""

from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score

from ._rows import numbers


class NoveltyReport(NamedTuple):
    """How well scores separate known samples from novel ones.

    Parameters
    ----------
    auroc : float
        Probability that a known sample scores above a novel one, ties counted by half: 1 is
        perfect, 0.5 is chance.
    fpr95 : float
        False positive rate: share of novel samples accepted as known where at least 95 % of the
        known ones are; 0 is perfect.
    aupr_known : float
        Average precision of finding the known samples among all.
    aupr_new : float
        Average precision of finding the novel samples among all.
    """

    auroc: float
    fpr95: float
    aupr_known: float
    aupr_new: float


def novelty_report(scores_known, scores_new):
    """Report how well scores separate known samples from novel ones.

    Parameters
    ----------
    scores_known : array-like of shape (n_known,)
        Scores of samples like the training data, not trained on; higher is more typical.
    scores_new : array-like of shape (n_new,)
        Scores of samples from another distribution.

    Returns
    -------
    report : NoveltyReport
        AUROC, the false positive rate at 95 % true positives, and the average precision both
        ways. All depend only on the order of the scores; the average precisions depend on the
        share of novel samples as well.

    Raises
    ------
    ValueError
        If scores are not a column of numbers.

    References
    ----------
    .. [1] Hendrycks and Gimpel (2017), "A Baseline for Detecting Misclassified and
       Out-of-Distribution Examples in Neural Networks", ICLR.

    Examples
    --------
    >>> from sphereskl.metrics import novelty_report
    >>> novelty_report([0.9, 0.8, 0.7, 0.4], [0.5, 0.2, 0.1]).auroc
    0.916...
    """
    known, new = numbers("scores_known", scores_known), numbers("scores_new", scores_new)
    # Ranks replace values, so that infinite scores are ordered too.
    rank = rankdata(np.concatenate([known, new]))
    is_known = np.arange(len(rank)) < len(known)
    above = rank[is_known].sum() - len(known) * (len(known) + 1) / 2
    return NoveltyReport(
        auroc=float(above / (len(known) * len(new))),
        fpr95=float(np.mean(new >= novelty_threshold(known))),
        aupr_known=float(average_precision_score(is_known, rank)),
        aupr_new=float(average_precision_score(~is_known, -rank)),
    )


def novelty_threshold(scores_known, *, false_alarm_rate=0.05):
    """Return the score below which a sample is considered novel.

    Parameters
    ----------
    scores_known : array-like of shape (n_known,)
        Scores of samples like those of training, not trained on; higher is more typical.
    false_alarm_rate : float, default=0.05
        Maximum share of these samples, in [0, 1), that may be considered novel.

    Returns
    -------
    threshold : float
        One of the scores: the highest below which no larger share lies.

    Raises
    ------
    ValueError
        If scores are not a column of numbers, or `false_alarm_rate` is not in [0, 1).

    Examples
    --------
    >>> from sphereskl.metrics import novelty_threshold
    >>> novelty_threshold([0.9, 0.8, 0.7, 0.4], false_alarm_rate=0.25)
    0.7
    """
    known = numbers("scores_known", scores_known)
    if not 0 <= false_alarm_rate < 1:
        raise ValueError(f"false_alarm_rate must be in [0, 1), got {false_alarm_rate!r}.")
    return float(np.sort(known)[int(false_alarm_rate * len(known))])
