"""RiskCoverageDisplay draws the curve of the metric, and the best one beside it."""

import numpy as np
import pytest

from sphereskl.display import RiskCoverageDisplay
from sphereskl.metrics import area_under_risk_coverage


def draw(n_rows=100):
    rng = np.random.default_rng(0)
    return rng.integers(0, 2, n_rows), rng.integers(0, 2, n_rows), rng.random(n_rows)


def test_curve_is_the_numbers_of_the_frame():
    display = RiskCoverageDisplay.from_predictions(*draw())
    frame = display.frame()
    np.testing.assert_allclose(display.line_.get_xydata(), frame[["coverage", "risk"]])
    assert display.line_.get_label() == f"AURC = {area_under_risk_coverage(*draw()):.4f}"


def test_optimum_is_never_above_the_curve_and_ends_with_it():
    display = RiskCoverageDisplay.from_predictions(*draw())
    coverage, least = display.optimum_.get_data()
    best = np.interp(display.curve.coverage, coverage, least)
    assert (display.curve.risk >= best - 1e-3).all()
    assert least[-1] == pytest.approx(display.curve.risk[-1])


def test_classifier_is_sure_by_its_largest_probability(classifier, iris):
    X, y = iris
    display = RiskCoverageDisplay.from_estimator(classifier, X, y)
    confidence = classifier.predict_proba(X).max(axis=1)
    assert display.area == area_under_risk_coverage(y, classifier.predict(X), confidence)
    assert display.line_.get_label().startswith("HypersphericalPrototypeClassifier, AURC")


def test_two_displays_share_axes_under_their_names():
    first = RiskCoverageDisplay.from_predictions(*draw(), name="one")
    second = RiskCoverageDisplay.from_predictions(*draw(50), name="two", ax=first.ax_)
    texts = [text.get_text() for text in second.ax_.get_legend().get_texts()]
    # The optimum is named once.
    assert [text.split(",")[0] for text in texts] == ["one", "best order of the same errors", "two"]
    assert first.line_.get_color() != second.line_.get_color()
    assert first.line_.get_linestyle() != second.line_.get_linestyle()


def test_a_second_curve_that_is_higher_is_not_cut():
    y_true, confidence = np.zeros(50), np.linspace(0, 1, 50)
    good = RiskCoverageDisplay.from_predictions(y_true, confidence < 0.05, confidence)
    bad = RiskCoverageDisplay.from_predictions(y_true, confidence < 0.5, confidence, ax=good.ax_)
    low, high = bad.ax_.get_ylim()
    assert low == 0
    assert high > bad.curve.risk.max() > 5 * good.curve.risk.max()
