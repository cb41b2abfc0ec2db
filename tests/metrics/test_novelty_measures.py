"""Scores of known and new rows: scikit-learn's measures, limits, order, errors."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from sphereskl.metrics import novelty_report, novelty_threshold


def draw(levels, seed=0):
    rng = np.random.default_rng(seed)
    known, new = rng.normal(1, 1, 90), rng.normal(0, 1.5, 70)
    return (known, new) if levels is None else (np.round(known * levels), np.round(new * levels))


TIES = pytest.mark.parametrize("levels", [None, 1, 3])


@TIES
def test_report_agrees_with_scikit_learn(levels):
    known, new = draw(levels)
    is_known, score = np.repeat([1, 0], [90, 70]), np.concatenate([known, new])
    report = novelty_report(known, new)
    assert report.auroc == pytest.approx(roc_auc_score(is_known, score))
    assert report.aupr_known == pytest.approx(average_precision_score(is_known, score))
    assert report.aupr_new == pytest.approx(average_precision_score(1 - is_known, -score))
    false, true, _ = roc_curve(is_known, score, drop_intermediate=False)
    assert report.fpr95 == pytest.approx(false[true >= 0.95].min())


@TIES
def test_only_the_order_counts(levels):
    known, new = draw(levels)
    assert novelty_report(known, new) == novelty_report(np.exp(known), np.exp(new))


@TIES
def test_exchange_of_the_two_mirrors_the_auroc(levels):
    known, new = draw(levels)
    report, mirrored = novelty_report(known, new), novelty_report(-new, -known)
    assert report.auroc == pytest.approx(mirrored.auroc)
    assert report.aupr_new == pytest.approx(mirrored.aupr_known)


def test_apart_is_perfect_and_reversed_is_worst():
    assert novelty_report([2, 3], [0, -np.inf]) == (1, 0, 1, 1)
    assert novelty_report([0, 1], [2, 3])[:2] == (0, 1)


def test_equal_scores_are_chance():
    assert novelty_report(np.zeros(5), np.zeros(3))[:2] == (0.5, 1)


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.05, 0.3, 0.99])
@pytest.mark.parametrize("levels", [None, 1])
def test_threshold_is_the_highest_that_keeps_the_rate(rate, levels):
    known, _ = draw(levels)
    threshold = novelty_threshold(known, false_alarm_rate=rate)
    assert np.mean(known < threshold) <= rate
    higher = known[known > threshold]
    assert not len(higher) or np.mean(known < higher.min()) > rate


@pytest.mark.parametrize("rate", [-0.1, 1, np.nan])
def test_wrong_rates_are_named(rate):
    with pytest.raises(ValueError, match=rf"false_alarm_rate must be in \[0, 1\), got {rate}"):
        novelty_threshold([1.0], false_alarm_rate=rate)


@pytest.mark.parametrize("name", ["scores_known", "scores_new"])
@pytest.mark.parametrize("scores", [[], [[1.0]], [np.nan]])
def test_wrong_scores_are_named(name, scores):
    given = {"scores_known": [1.0], "scores_new": [0.0], name: scores}
    with pytest.raises(ValueError, match=f"{name} must"):
        novelty_report(**given)
