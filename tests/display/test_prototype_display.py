"""PrototypeDisplay draws every prototype with its label, from arrays and estimators."""

import sys

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sphereskl import HypersphericalPrototypeClassifier
from sphereskl.display import PrototypeDisplay
from sphereskl.geometry import place_prototypes

plt = pytest.importorskip("matplotlib.pyplot")
plt.switch_backend("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def classifier():
    X, y = np.repeat(np.eye(3), 5, axis=0), np.repeat(["ape", "bee", "cat"], 5)
    return HypersphericalPrototypeClassifier(max_epochs=1, random_state=0).fit(X, y)


@pytest.mark.parametrize("embedding_dim", [2, 3, 7])
@pytest.mark.parametrize("n_prototypes", [2, 5, 13])
def test_sphere_holds_every_point_and_label(embedding_dim, n_prototypes):
    points = place_prototypes(n_prototypes, embedding_dim, effort="fast", random_state=0)
    labels = [f"class {k}" for k in range(n_prototypes)]
    display = PrototypeDisplay.from_prototypes(points, labels=labels, kind="sphere")
    display.figure_.canvas.draw()
    assert len(display.points_.get_facecolors()) == n_prototypes
    assert [text.get_text() for text in display.texts_] == labels
    assert ("principal" in display.ax_.get_title()) == (embedding_dim > 3)


@pytest.mark.parametrize("n_prototypes", [2, 3, 13])
def test_matrix_holds_all_cosines_in_the_order_of_its_labels(n_prototypes):
    points = place_prototypes(n_prototypes, 3, effort="fast", random_state=0).numpy()
    display = PrototypeDisplay.from_prototypes(2 * points)
    display.figure_.canvas.draw()
    ordered = points[display.order_]
    np.testing.assert_allclose(display.image_.get_array(), ordered @ ordered.T, atol=1e-12)
    names = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert names == [str(k) for k in display.order_]


def test_similar_prototypes_become_neighbours():
    angles = np.deg2rad([0, 90, 180, 5, 95, 185])
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    order = PrototypeDisplay.from_prototypes(points).order_
    assert {frozenset(pair) for pair in order.reshape(3, 2) % 3} == {
        frozenset({0}),
        frozenset({1}),
        frozenset({2}),
    }


def test_many_labels_are_thinned():
    points = place_prototypes(100, 50)
    display = PrototypeDisplay.from_prototypes(points)
    assert len(display.ax_.get_xticks()) <= 40
    assert display.image_.get_array().shape == (100, 100)


@pytest.mark.parametrize("in_pipeline", [False, True])
def test_estimator_gives_prototypes_and_classes(classifier, in_pipeline):
    scaler = StandardScaler().fit(np.eye(3))
    estimator = make_pipeline(scaler, classifier) if in_pipeline else classifier
    display = PrototypeDisplay.from_estimator(estimator, kind="sphere")
    assert [text.get_text() for text in display.texts_] == ["ape", "bee", "cat"]
    np.testing.assert_allclose(display.prototypes, classifier.prototypes_, atol=1e-6)


def test_unfitted_estimator_is_refused():
    with pytest.raises(NotFittedError):
        PrototypeDisplay.from_estimator(HypersphericalPrototypeClassifier())


def test_given_axes_are_used():
    figure, axes = plt.subplots(1, 2)
    display = PrototypeDisplay.from_prototypes(np.eye(2), kind="sphere", ax=axes[1])
    assert display.ax_ is axes[1]
    assert display.figure_ is figure


def test_sphere_needs_three_dimensional_axes():
    with pytest.raises(ValueError, match="ax must be three-dimensional"):
        PrototypeDisplay.from_prototypes(np.eye(3), kind="sphere", ax=plt.subplots()[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prototypes": np.ones(3)}, r"with at least 2 columns, got \(3,\)"),
        ({"prototypes": np.eye(3), "labels": ["a"]}, "got 1 labels for 3 prototypes"),
        ({"prototypes": np.eye(3), "kind": "disc"}, "got 'disc'"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        PrototypeDisplay.from_prototypes(**arguments)


def test_missing_matplotlib_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'pip install "sphereskl\[plot\]"'):
        PrototypeDisplay.from_prototypes(np.eye(3))
