"""ReliabilityDisplay draws the curve of the metric, and how many rows are in its bins."""

import numpy as np
import pytest

from sphereskl.display import ReliabilityDisplay
from sphereskl.metrics import expected_calibration_error


@pytest.mark.parametrize("strategy", ["quantile", "uniform"])
def test_curve_and_masses_are_the_numbers_of_the_frame(strategy):
    rng = np.random.default_rng(0)
    y_prob, y_true = rng.dirichlet(np.ones(3), 200), rng.integers(0, 3, 200)
    display = ReliabilityDisplay.from_predictions(y_true, y_prob, n_bins=8, strategy=strategy)
    frame = display.frame()
    np.testing.assert_allclose(display.line_.get_xydata(), frame[["confidence", "accuracy"]])
    tops = np.array([line[1] for line in display.masses_.get_segments()])
    shares = frame.weight / frame.weight.sum()
    np.testing.assert_allclose(tops, np.column_stack([frame.confidence, shares]))
    assert frame.weight.sum() == 200


def test_classifier_gives_probabilities_and_classes(classifier, iris):
    X, y = iris
    display = ReliabilityDisplay.from_estimator(classifier, X, y, n_bins=5)
    error = expected_calibration_error(y, classifier.predict_proba(X), n_bins=5)
    assert display.error == error
    assert display.ax_.get_title() == f"expected calibration error {error:.3f}"


def test_rows_may_lack_classes(classifier, iris):
    X, y = (part[:60] for part in iris)
    display = ReliabilityDisplay.from_estimator(classifier, X, y)
    assert display.frame().weight.sum() == 60
