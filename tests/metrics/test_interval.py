"""Coverage and width of intervals: pinball losses as an oracle, limits, errors."""

import numpy as np
import pytest
from sklearn.metrics import mean_pinball_loss

from sphereskl.metrics import interval_report


def draw(n_rows=300, seed=0):
    rng = np.random.default_rng(seed)
    y, low = rng.normal(size=(2, n_rows))
    return y, low, low + rng.exponential(size=n_rows)


@pytest.mark.parametrize("nominal", [0.1, 0.5, 0.9])
def test_interval_score_is_a_sum_of_two_pinball_losses(nominal):
    # Bracher, Ray, Gneiting and Reich (2021), "Evaluating Epidemic Forecasts in an Interval
    # Format", section 2.2.
    y, low, high = draw()
    tail = (1 - nominal) / 2
    pinball = mean_pinball_loss(y, low, alpha=tail) + mean_pinball_loss(y, high, alpha=1 - tail)
    report = interval_report(y, low, high, nominal=nominal)
    assert report.interval_score == pytest.approx(pinball / tail)


def test_coverage_and_width_are_means():
    y, low, high = draw()
    report = interval_report(y, low, high)
    assert report.coverage == np.mean((y >= low) & (y <= high))
    assert report.mean_width == pytest.approx(high.mean() - low.mean())
    assert report.coverage_by_third.mean() == pytest.approx(report.coverage)


def test_thirds_follow_the_middle_of_the_intervals():
    middle = np.arange(9.0)[::-1]
    report = interval_report(np.where(middle < 3, 99, middle), middle - 1, middle + 1)
    np.testing.assert_array_equal(report.coverage_by_third, [0, 1, 1])


@pytest.mark.parametrize("factor", [0.5, 8.0])
def test_units_of_the_target_scale_width_and_score_alone(factor):
    y, low, high = draw()
    report, scaled = (
        interval_report(y, low, high),
        interval_report(*factor * np.array([y, low, high])),
    )
    assert scaled.coverage == report.coverage
    assert scaled.mean_width == pytest.approx(factor * report.mean_width)
    assert scaled.interval_score == pytest.approx(factor * report.interval_score)


def test_ends_belong_to_the_interval():
    assert interval_report([1, 2, 3], [1, 2, 3], [1, 2, 3]).coverage == 1


def test_two_rows_have_no_thirds():
    assert np.isnan(interval_report([1, 2], [1, 2], [1, 2]).coverage_by_third).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y_true": np.ones((2, 2))}, r"y_true must be one column .* one target at a time"),
        ({"low": [0.0]}, "y_true, low, high must have equally many rows, got 2, 1, 2"),
        ({"low": [0.0, 3.0]}, "got 3 and 2 in row 1"),
        ({"high": [0.0, np.inf]}, "got 0 and inf in row 1"),
        ({"nominal": 1}, r"nominal must be in \(0, 1\), got 1"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    given = {"y_true": [1.0, 2.0], "low": [0.0, 0.0], "high": [2.0, 2.0], **arguments}
    with pytest.raises(ValueError, match=message):
        interval_report(**given)
