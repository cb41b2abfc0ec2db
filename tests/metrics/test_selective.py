"""Risk against coverage: the definition row by row, limits, copies for weights, errors."""

import numpy as np
import pytest

from sphereskl.metrics import area_under_risk_coverage, risk_coverage_curve


def draw(n_rows=60, levels=None, seed=0):
    rng = np.random.default_rng(seed)
    y_true, y_pred = rng.integers(0, 3, (2, n_rows))
    confidence = rng.random(n_rows) if levels is None else rng.integers(0, levels, n_rows)
    return y_true, y_pred, confidence.astype(float)


def oracle_area(y_true, y_pred, confidence):
    """Mean over rows of the risk among those at least as sure."""
    kept = confidence[None, :] >= confidence[:, None]
    return np.mean((kept & (y_true != y_pred)).sum(axis=1) / kept.sum(axis=1))


@pytest.mark.parametrize("levels", [None, 1, 2, 7])
def test_area_is_the_mean_risk_at_the_threshold_of_every_row(levels):
    drawn = draw(levels=levels)
    assert area_under_risk_coverage(*drawn) == pytest.approx(oracle_area(*drawn))


@pytest.mark.parametrize("levels", [None, 1, 7])
def test_curve_ends_with_all_rows_and_the_error_rate(levels):
    y_true, y_pred, confidence = draw(levels=levels)
    curve = risk_coverage_curve(y_true, y_pred, confidence)
    assert curve.coverage[-1] == 1
    assert curve.risk[-1] == pytest.approx(np.mean(y_true != y_pred))
    np.testing.assert_array_equal(curve.thresholds, np.unique(confidence)[::-1])


def test_curve_is_the_error_rate_above_its_thresholds():
    y_true, y_pred, confidence = draw(levels=5)
    curve = risk_coverage_curve(y_true, y_pred, confidence)
    kept = confidence >= curve.thresholds[:, None]
    np.testing.assert_allclose(curve.coverage, kept.mean(axis=1))
    wrong = np.tile(y_true != y_pred, (len(kept), 1))
    np.testing.assert_allclose(curve.risk, np.average(wrong, axis=1, weights=kept))


@pytest.mark.parametrize("n_wrong", [0, 1, 7, 20])
def test_excess_of_a_perfect_order_is_zero(n_wrong):
    y_pred = np.repeat([1, 0], [n_wrong, 20 - n_wrong])
    confidence = np.arange(20.0)
    assert area_under_risk_coverage(np.zeros(20), y_pred, confidence, excess=True) == 0


def test_excess_removes_the_least_area_that_these_errors_allow():
    # For distinct confidences it is a sum over the errors alone.
    y_true, y_pred, confidence = draw()
    wrong = int(np.sum(y_true != y_pred))
    n_rows, k = len(y_true), np.arange(1, wrong + 1)
    least = np.sum(k / (n_rows - wrong + k)) / n_rows
    area = area_under_risk_coverage(y_true, y_pred, confidence)
    excess = area_under_risk_coverage(y_true, y_pred, confidence, excess=True)
    assert excess == pytest.approx(area - least)


@pytest.mark.parametrize("seed", range(5))
def test_excess_is_never_negative_under_weights(seed):
    weight = np.random.default_rng(seed).exponential(size=60)
    drawn = draw(seed=seed)
    assert area_under_risk_coverage(*drawn, sample_weight=weight, excess=True) >= 0


def test_only_the_order_of_confidences_counts():
    y_true, y_pred, confidence = draw()
    area = area_under_risk_coverage(y_true, y_pred, confidence)
    assert area == area_under_risk_coverage(y_true, y_pred, np.log(confidence))


def test_no_confidence_has_the_area_of_the_error_rate():
    y_true, y_pred, _ = draw()
    area = area_under_risk_coverage(y_true, y_pred, np.zeros(60))
    assert area == pytest.approx(np.mean(y_true != y_pred))


def test_weights_count_copies():
    drawn, copies = draw(levels=9), np.arange(60) % 3
    weighted = risk_coverage_curve(*drawn, sample_weight=copies)
    repeated = risk_coverage_curve(*(np.repeat(part, copies) for part in drawn))
    np.testing.assert_allclose(weighted, repeated)


def test_rows_without_weight_set_no_threshold():
    curve = risk_coverage_curve([0, 0], [0, 1], [0.1, 0.9], sample_weight=[1, 0])
    np.testing.assert_array_equal(curve, [[1], [0], [0.1]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y_pred": ["a"]}, r"got shapes \(2,\) and \(1,\)"),
        ({"confidence": [1]}, "y_true, confidence must have equally many rows, got 2, 1"),
        ({"confidence": [1, np.nan]}, "confidence must hold no NaN, but row 1"),
        ({"confidence": np.ones((2, 2))}, r"confidence must be one column .* got shape \(2, 2\)"),
        ({"sample_weight": [1, np.inf]}, "a sum of inf"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    given = {"y_true": ["a", "b"], "y_pred": ["a", "a"], "confidence": [0.5, 0.6], **arguments}
    with pytest.raises(ValueError, match=message):
        area_under_risk_coverage(**given)
