"""AngleDisplay counts the angles that embeddings have with prototypes."""

import numpy as np
import pytest

from sphereskl.display import AngleDisplay


def test_bars_count_the_frame():
    own, other = np.random.default_rng(0).uniform(0, np.pi, (2, 200))
    display = AngleDisplay.from_angles(own, other)
    frame = display.frame()
    np.testing.assert_allclose(frame.own_degrees, np.rad2deg(frame.own))
    drawn = [patch.get_data().values for patch in display.ax_.patches]
    expected = [
        np.histogram(frame[name], display.edges_)[0] for name in ("own_degrees", "other_degrees")
    ]
    np.testing.assert_array_equal(drawn, expected)
    assert np.sum(drawn) == 400


def test_angles_are_those_of_embeddings_and_prototypes(classifier, iris):
    X, y = iris
    display = AngleDisplay.from_estimator(classifier, X, y)
    cosines = classifier.transform(X).astype(float) @ classifier.prototypes_.T
    own = np.searchsorted(classifier.classes_, y)
    np.testing.assert_allclose(np.cos(display.own), cosines[np.arange(len(y)), own], atol=1e-5)
    cosines[np.arange(len(y)), own] = -1
    np.testing.assert_allclose(np.cos(display.other), cosines.max(axis=1), atol=1e-5)


def test_classes_of_two_tasks_are_compared_without_the_value(multi_task, iris):
    X, y = iris
    display = AngleDisplay.from_estimator(multi_task, X[:, :3], y)
    predicted = multi_task.predict_class(X[:, :3])
    assert ((display.own < display.other) == (predicted == y)).mean() > 0.99


def test_title_counts_rows_that_are_nearer_to_another():
    display = AngleDisplay.from_angles([0.1, 0.9, 0.2, 0.3], [0.5, 0.5, 0.5, 0.5])
    assert display.ax_.get_title() == "another prototype is nearer for 25.0% of 4 rows"


def test_unknown_classes_are_refused(classifier, iris):
    with pytest.raises(ValueError, match=r"classes of the estimator only, got .*'dog'.* in row 0"):
        AngleDisplay.from_estimator(classifier, iris[0][:2], ["dog", "ape"])


@pytest.mark.parametrize(
    ("own", "other", "message"),
    [
        ([0.1], [0.1, 0.2], r"got shapes \(1,\) and \(2,\)"),
        ([10.0], [90.0], "radians in .*, got values from 10 to 90"),
    ],
)
def test_wrong_angles_are_named(own, other, message):
    with pytest.raises(ValueError, match=message):
        AngleDisplay.from_angles(own, other)
