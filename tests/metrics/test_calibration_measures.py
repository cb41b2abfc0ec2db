"""Confidence against accuracy: scikit-learn's curve, limits, copies for weights, errors."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from sphereskl.metrics import expected_calibration_error, reliability_curve


def draw(n_rows=400, n_classes=4, seed=0):
    rng = np.random.default_rng(seed)
    y_prob = rng.dirichlet(np.full(n_classes, 0.6), n_rows)
    y_true = np.array([rng.choice(n_classes, p=row) for row in y_prob])
    return y_true, y_prob


STRATEGIES = pytest.mark.parametrize("strategy", ["quantile", "uniform"])


@STRATEGIES
@pytest.mark.parametrize("n_bins", [1, 5, 16])
def test_curve_is_scikit_learns_of_the_event_of_being_right(strategy, n_bins):
    y_true, y_prob = draw()
    right = y_prob.argmax(axis=1) == y_true
    # 400 rows split evenly: there scikit-learn's quantiles cut between the same rows.
    expected = calibration_curve(right, y_prob.max(axis=1), n_bins=n_bins, strategy=strategy)
    curve = reliability_curve(y_true, y_prob, n_bins=n_bins, strategy=strategy)
    np.testing.assert_allclose((curve.accuracy, curve.confidence), expected, atol=1e-12)
    assert curve.weight.sum() == 400


def test_error_of_many_bins_is_the_mean_distance_row_by_row():
    y_true, y_prob = draw(50)
    sure, right = y_prob.max(axis=1), y_prob.argmax(axis=1) == y_true
    error = expected_calibration_error(y_true, y_prob, n_bins=50)
    assert error == pytest.approx(np.mean(np.where(right, 1 - sure, sure)))


def test_error_of_one_bin_is_the_difference_of_the_means():
    y_true, y_prob = draw()
    accuracy = np.mean(y_prob.argmax(axis=1) == y_true)
    error = expected_calibration_error(y_true, y_prob, n_bins=1)
    assert error == pytest.approx(abs(y_prob.max(axis=1).mean() - accuracy))


@STRATEGIES
def test_sure_and_right_has_no_error_and_sure_and_wrong_has_all(strategy):
    right, wrong = np.eye(3), np.roll(np.eye(3), 1, axis=1)
    assert expected_calibration_error([0, 1, 2], right, strategy=strategy) == 0
    assert expected_calibration_error([0, 1, 2], wrong, strategy=strategy) == 1


def test_calibrated_probabilities_have_a_small_error_and_sharpened_ones_a_large_one():
    y_true, y_prob = draw(5000)
    sharp = y_prob**3 / np.sum(y_prob**3, axis=1, keepdims=True)
    assert expected_calibration_error(y_true, y_prob) < 0.03
    assert expected_calibration_error(y_true, sharp) > 0.1


@STRATEGIES
def test_weights_count_copies(strategy):
    y_true, y_prob = draw(60)
    y_prob = y_prob.round(1)
    copies = np.arange(60) % 4
    weighted = reliability_curve(
        y_true, y_prob, n_bins=5, strategy=strategy, classes=range(4), sample_weight=copies
    )
    repeated = reliability_curve(
        *(np.repeat(part, copies, axis=0) for part in (y_true, y_prob)),
        n_bins=5, strategy=strategy, classes=range(4),
    )  # fmt: skip
    np.testing.assert_allclose(weighted, repeated)


@STRATEGIES
def test_order_of_rows_does_not_matter(strategy):
    y_true, y_prob = draw(300)
    y_prob = y_prob.round(1)
    order = np.random.default_rng(1).permutation(300)
    one = reliability_curve(y_true, y_prob, strategy=strategy)
    other = reliability_curve(y_true[order], y_prob[order], strategy=strategy)
    np.testing.assert_allclose(one, other, atol=1e-12)


def test_equal_mass_bins_have_equal_mass():
    y_true, y_prob = draw(300)
    assert set(reliability_curve(y_true, y_prob, n_bins=10).weight) == {30}


def test_equal_confidences_share_a_bin():
    curve = reliability_curve([0, 1, 0, 1], np.full((4, 2), 0.5), n_bins=4)
    np.testing.assert_array_equal(curve, [[0.5], [0.5], [4]])


def test_one_column_is_the_probability_of_the_second_class():
    y_true, y_prob = draw(100, 2)
    labels = np.array(["no", "yes"])
    one = reliability_curve(labels[y_true], y_prob[:, 1])
    two = reliability_curve(y_true, y_prob)
    np.testing.assert_allclose(one, two)


def test_classes_name_the_columns():
    curve = reliability_curve(["b", "b"], [[0.2, 0.8, 0], [0, 1, 0]], classes=["c", "b", "a"])
    np.testing.assert_array_equal(curve.accuracy, [1, 1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y_prob": [0.1, 1.2]}, r"must lie in \[0, 1\], got values from -0.2 to 1.2"),
        ({"y_prob": [np.nan, 0.2]}, r"must lie in \[0, 1\], got values from nan"),
        ({"y_prob": [0.1, 0.2, 0.3]}, "must have equally many rows, got 2, 3"),
        ({"y_prob": np.zeros((2, 2, 2))}, r"got \(2,\) and \(2, 2, 2\)"),
        ({"y_prob": np.full((2, 3), 0.3)}, "got 2 labels for 3 columns"),
        ({"classes": ["a", "b", "c"]}, r"2 columns of y_prob, got shape \(3,\)"),
        ({"classes": [0, 5]}, "labels of classes only, got 1"),
        ({"n_bins": 0}, "at least 1, got 0"),
        ({"n_bins": 1.5}, "at least 1, got 1.5"),
        ({"strategy": "kmeans"}, "got 'kmeans'"),
        ({"sample_weight": [1]}, "each of the 2 rows, got 1"),
        ({"sample_weight": [1, -1]}, "minimum of -1"),
        ({"sample_weight": [0, 0]}, "a sum of 0"),
        ({"sample_weight": [1, np.nan]}, "sample_weight must hold no NaN, but row 1"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        expected_calibration_error(**{"y_true": [0, 1], "y_prob": [0.2, 0.9], **arguments})
