"""ArcDisplay puts every prediction where the cosine or the class has it."""

import numpy as np
import pytest

from sphereskl import HypersphericalOrdinalClassifier
from sphereskl.display import ArcDisplay


def draw(n_rows=300):
    rng = np.random.default_rng(0)
    y = rng.uniform(10, 20, n_rows)
    return y, y + rng.normal(size=n_rows)


def test_dots_are_the_numbers_of_the_frame():
    display = ArcDisplay.from_predictions(*draw(), bounds=(10, 20))
    display.figure_.canvas.draw()
    frame = display.frame()
    np.testing.assert_allclose(display.collection_.get_offsets(), frame[["x", "y"]])
    np.testing.assert_allclose(np.arctan2(frame.y, -frame.x), np.deg2rad(frame.degrees))
    cosines = (2 * frame.y_pred - 30).clip(-10, 10) / 10
    np.testing.assert_allclose(np.cos(np.deg2rad(frame.degrees)), -cosines, atol=1e-12)


def test_dots_stand_apart_under_the_arc():
    display = ArcDisplay.from_predictions(*draw(500), bounds=(10, 20))
    radius = np.linalg.norm(display.points_, axis=1)
    assert 0.3 <= radius.min()
    assert radius.max() < 1
    assert len(np.unique(display.points_.round(9), axis=0)) == 500


def test_a_perfect_prediction_has_the_colour_of_its_place():
    y = np.linspace(10, 20, 50)
    display = ArcDisplay.from_predictions(y, y, bounds=(10, 20))
    angle = np.deg2rad(display.frame().degrees)
    band = np.clip((angle / np.pi * 360).astype(int), 0, 359)
    np.testing.assert_allclose(
        display.collection_.get_facecolors(), display.band_.get_colors()[band], atol=0.05
    )


@pytest.mark.parametrize("bounds", [(0, 1), (25, 346), (-3.5e6, 1e7), (0.001, 0.002)])
def test_poles_are_labelled_with_the_bounds(bounds):
    display = ArcDisplay.from_predictions(bounds, bounds, bounds)
    texts = [text.get_text() for text in display.ax_.texts]
    assert {f"{bound:.4g}" for bound in bounds} <= set(texts)
    assert len(texts) >= 4


def test_regressor_gives_predictions_and_bounds(regressor, iris):
    X, y = iris[0][:, :3], iris[0][:, 3]
    frame = ArcDisplay.from_estimator(regressor, X, y).frame()
    np.testing.assert_allclose(frame.y_pred, regressor.predict(X))
    np.testing.assert_allclose(frame.y_true, y)


@pytest.mark.parametrize("target", [0, 1])
def test_target_chooses_a_column(regressor_of_two, iris, target):
    X, y = iris[0][:, :2], iris[0][:, 2:]
    display = ArcDisplay.from_estimator(regressor_of_two, X, y, target=target)
    np.testing.assert_allclose(display.y_pred, regressor_of_two.predict(X)[:, target])
    np.testing.assert_allclose(display.bounds, regressor_of_two.bounds_[target])


@pytest.mark.parametrize("target", [2, -1])
def test_wrong_targets_are_named(regressor_of_two, iris, target):
    with pytest.raises(ValueError, match=rf"in \[0, 2\) for 2 targets, got {target}"):
        ArcDisplay.from_estimator(regressor_of_two, iris[0][:, :2], iris[0][:, 2:], target=target)


def test_ordered_classes_are_nearest_to_the_place_of_their_prediction(ordinal, iris):
    X, y = iris
    display = ArcDisplay.from_estimator(ordinal, X, y)
    assert [text.get_text() for text in display.ax_.texts] == ["cat", "ape", "bee"]
    assert (ordinal.categories_[display.y_true] == y).all()
    nearest = ordinal.categories_[np.rint(display.y_pred).astype(int)]
    assert np.mean(nearest == ordinal.predict(X)) == 1


def test_estimators_without_an_arc_are_refused(classifier, iris):
    with pytest.raises(ValueError, match="must have bounds_, which HypersphericalPrototype"):
        ArcDisplay.from_estimator(classifier, *iris)


def test_unknown_classes_are_refused(ordinal, iris):
    with pytest.raises(ValueError, match=r"classes of the estimator only, got .*'dog'.* in row 1"):
        ArcDisplay.from_estimator(ordinal, iris[0][:2], ["ape", "dog"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y_pred": [1.0]}, r"got shapes \(2,\) and \(1,\)"),
        ({"y_true": [1.0, np.nan]}, "must be finite, got NaN"),
        ({"bounds": (3, 3)}, r"low < high, got \(3, 3\)"),
        ({"bounds": 3}, "low < high, got 3"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    given = {"y_true": [1.0, 2.0], "y_pred": [1.0, 2.0], "bounds": (0, 3), **arguments}
    with pytest.raises(ValueError, match=message):
        ArcDisplay.from_predictions(**given)


def test_labels_that_would_overlap_are_left_out():
    display = ArcDisplay.from_predictions([0.0, 1.0], [0.0, 1.0], bounds=(0.02, 1.001))
    named = [float(text.get_text()) for text in display.ax_.texts]
    assert named[:2] == [0.02, 1.001]
    assert not {0.0, 1.0} & set(named)


def test_two_ordered_classes_lie_on_an_arc(iris):
    X, y = iris[0][:100], iris[1][:100]
    clf = HypersphericalOrdinalClassifier(max_epochs=3, random_state=0).fit(X, y)
    display = ArcDisplay.from_estimator(clf, X, y)
    cosines = clf.transform(X) @ clf.prototypes_[0]
    expected = np.rad2deg(np.arccos(cosines.clip(-1, 1)))
    np.testing.assert_allclose(display.frame().degrees, expected, atol=1e-3)


def test_ticks_that_would_overlap_a_pole_are_left_out():
    display = ArcDisplay.from_predictions([0, 9], [0, 9], (0, 9.01))
    texts = [text.get_text() for text in display.ax_.texts]
    assert {"0", "9.01", "7.5"} <= set(texts)
    assert "9" not in texts
