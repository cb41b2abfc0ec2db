"""EmbeddingDisplay draws every row and prototype where they are, however many."""

import sys

import numpy as np
import pytest
from matplotlib.colors import to_hex

from sphereskl.display import EmbeddingDisplay

plt = pytest.importorskip("matplotlib.pyplot")


def draw(n_rows, embedding_dim, seed=0):
    return np.random.default_rng(seed).normal(size=(n_rows, embedding_dim))


def places(collection):
    """Where the dots of a collection are, in two or three dimensions."""
    solid = getattr(collection, "_offsets3d", None)
    return np.asarray(collection.get_offsets()) if solid is None else np.array(solid).T


KINDS = pytest.mark.parametrize(
    ("embedding_dim", "kind"), [(2, "circle"), (3, "ball"), (7, "ball"), (2, "map"), (7, "map")]
)


@KINDS
def test_dots_and_stars_are_the_numbers_of_the_frame(embedding_dim, kind):
    z, y = draw(30, embedding_dim), np.repeat(["a", "b", "c"], 10)
    display = EmbeddingDisplay.from_embeddings(
        z, y, prototypes=z[::10], labels=["a", "b", "c"], kind=kind
    )
    display.figure_.canvas.draw()
    frame = display.frame()
    columns = ["x", "y", "z"] if kind == "ball" else ["x", "y"]
    drawn = np.concatenate([places(c) for c in (*display.collections_, display.stars_)])
    np.testing.assert_allclose(drawn, frame[columns])
    assert frame.label.tolist() == [*y, "a", "b", "c"]
    assert frame.is_prototype.sum() == 3
    assert [text.get_text() for text in display.texts_] == ["a", "b", "c"]


@pytest.mark.parametrize(("embedding_dim", "kind"), [(2, "circle"), (3, "ball")])
def test_what_fits_is_drawn_as_it_is(embedding_dim, kind):
    z = draw(20, embedding_dim)
    display = EmbeddingDisplay.from_embeddings(5 * z)
    expected = z / np.linalg.norm(z, axis=1, keepdims=True)
    np.testing.assert_allclose(display.points_, expected)
    assert kind in display.ax_.get_title() or "sphere" in display.ax_.get_title()


def test_degrees_are_those_to_the_own_prototype():
    turn = np.deg2rad([10, 100, 350])
    z = np.column_stack([np.cos(turn), np.sin(turn)])
    display = EmbeddingDisplay.from_embeddings(
        z, [0, 1, 7], prototypes=[[1, 0], [0, 1]], labels=[0, 1]
    )
    np.testing.assert_allclose(display.frame().degrees, [10, 10, np.nan, 0, 0], atol=1e-9)


def test_without_labels_the_nearest_prototype_names_rows():
    display = EmbeddingDisplay.from_embeddings(
        [[1, 0.1], [-1, 0.2]], prototypes=[[-1, 0], [1, 0]], labels=["west", "east"]
    )
    assert display.frame().label[:2].tolist() == ["east", "west"]


def test_map_shows_groups_apart():
    z = np.repeat(np.eye(5), 20, axis=0) + 0.05 * draw(100, 5)
    display = EmbeddingDisplay.from_embeddings(z, np.repeat(np.arange(5), 20))
    centres = display.points_.reshape(5, 20, 2).mean(axis=1)
    distances = np.linalg.norm(display.points_[:, None] - centres, axis=2)
    assert (distances.argmin(axis=1) == np.repeat(np.arange(5), 20)).all()


def test_random_state_decides_the_map():
    z = draw(30, 5)
    one, again, other = (
        EmbeddingDisplay.from_embeddings(z, random_state=seed).points_ for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, other)


def test_many_rows_are_thinned_and_the_title_says_so():
    z = draw(2500, 3)
    display = EmbeddingDisplay.from_embeddings(z, np.arange(2500) % 3)
    assert len(np.unique(display.rows_)) == len(display.points_) == 2000
    assert display.ax_.get_title().startswith("2,000 of 2,500 rows")
    expected = z / np.linalg.norm(z, axis=1, keepdims=True)
    np.testing.assert_allclose(display.points_, expected[display.rows_])


def test_points_behind_the_ball_are_fainter():
    display = EmbeddingDisplay.from_embeddings(draw(200, 3))
    alpha = display.collections_[0].get_facecolors()[:, 3]
    assert set(alpha.round(2)) == {0.2, 0.8}


@pytest.mark.parametrize("n_groups", [3, 8, 20, 60])
def test_groups_differ_in_colour_or_marker(n_groups):
    display = EmbeddingDisplay.from_embeddings(draw(n_groups, 2), np.arange(n_groups))
    looks = {
        (to_hex(c.get_facecolors()[0]), c.get_paths()[0].vertices.tobytes())
        for c in display.collections_
    }
    assert len(looks) == n_groups


@pytest.mark.parametrize("n_groups", [2, 8])
def test_few_groups_differ_in_both(n_groups):
    display = EmbeddingDisplay.from_embeddings(draw(n_groups, 2), np.arange(n_groups))
    assert len({to_hex(c.get_facecolors()[0]) for c in display.collections_}) == n_groups
    markers = {c.get_paths()[0].vertices.tobytes() for c in display.collections_}
    assert len(markers) == n_groups


def test_classifier_gives_classes_and_prototypes(classifier, iris):
    display = EmbeddingDisplay.from_estimator(classifier, *iris)
    np.testing.assert_allclose(display.embeddings, classifier.transform(iris[0]), atol=1e-6)
    np.testing.assert_allclose(display.prototypes, classifier.prototypes_, atol=1e-6)
    assert [text.get_text() for text in display.texts_] == ["ape", "bee", "cat"]


def test_classifier_without_y_shows_what_it_predicts(classifier, iris):
    display = EmbeddingDisplay.from_estimator(classifier, iris[0])
    names = display.frame().label[: len(iris[0])]
    assert np.mean(names == classifier.predict(iris[0])) == 1


@pytest.mark.parametrize("given", [False, True])
def test_regressor_gives_values_and_both_poles(regressor, iris, given):
    X = iris[0]
    y = X[:, 3] if given else None
    display = EmbeddingDisplay.from_estimator(regressor, X[:, :3], y, kind="ball")
    expected = X[:, 3] if given else regressor.predict(X[:, :3])
    np.testing.assert_allclose(display.frame().label[: len(X)].astype(float), expected)
    assert [text.get_text() for text in display.texts_] == ["0.1", "2.5"]


def test_several_targets_are_referred_to_arcs(regressor_of_two, iris):
    with pytest.raises(ValueError, match="must have one target, got 2"):
        EmbeddingDisplay.from_estimator(regressor_of_two, iris[0][:, :2])


def test_classes_of_two_tasks_lie_on_the_equator(multi_task, iris):
    X, y = iris
    display = EmbeddingDisplay.from_estimator(multi_task, X[:, :3], y, kind="ball")
    np.testing.assert_array_equal(display.prototypes[:, 0], 0)


@pytest.mark.parametrize("embedding_dim", [2, 3, 7])
def test_interactive_sphere_holds_rows_labels_and_angles(embedding_dim):
    pytest.importorskip("plotly")
    z = draw(9, embedding_dim)
    display = EmbeddingDisplay.from_embeddings(
        z, np.repeat(["a", "b", "c"], 3), prototypes=z[::3], labels=["a", "b", "c"]
    )
    figure = display.to_plotly()
    rows = {trace.name: trace for trace in figure.data if trace.name in set("abc")}
    assert {name: len(trace.x) for name, trace in rows.items()} == dict.fromkeys("abc", 3)
    degrees = display.frame().degrees
    assert rows["b"].customdata[1][1] == f"{degrees[4]:.1f}° from its prototype"
    assert rows["b"].customdata[1][0] == "b"
    lengths = np.linalg.norm([[*trace[axis]] for trace in rows.values() for axis in "xyz"])
    assert lengths <= 3 + 1e-9
    assert ("principal" in figure.layout.title.text) == (embedding_dim != 3)


def test_interactive_sphere_shows_values(regressor, iris):
    pytest.importorskip("plotly")
    X = iris[0]
    display = EmbeddingDisplay.from_estimator(regressor, X[:, :3], X[:, 3], kind="ball")
    markers = [trace.marker for trace in display.to_plotly().select_traces({"mode": "markers"})]
    np.testing.assert_allclose([marker.color for marker in markers], [X[:, 3]])


def test_missing_plotly_names_the_extra(monkeypatch):
    display = EmbeddingDisplay.from_embeddings(draw(5, 3))
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    with pytest.raises(ImportError, match=r'plotly.* pip install "sphereskl\[plot\]"'):
        display.to_plotly()


def test_ball_needs_three_dimensional_axes():
    with pytest.raises(ValueError, match="ax must be three-dimensional"):
        EmbeddingDisplay.from_embeddings(np.eye(3), ax=plt.subplots()[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"embeddings": np.ones(3)}, r"embeddings must have shape .* got \(3,\)"),
        ({"embeddings": [[1, 0], [0, 0]]}, "embeddings must be directions, but row 1 has length 0"),
        ({"embeddings": [[1, np.nan]]}, "row 0 has length nan"),
        ({"y": [0, 1]}, r"got shape \(2,\) for 3 rows"),
        ({"prototypes": np.eye(2)}, r"got shape \(2, 2\) for embeddings of \(3, 3\)"),
        ({"prototypes": np.eye(3), "labels": ["a"]}, "and 1 labels"),
        ({"kind": "disc"}, "got 'disc'"),
        ({"embeddings": np.eye(1, 4)}, "at least 2 rows for a map, got 1"),
        ({"kind": "circle"}, "kind='circle' needs embeddings of 2 dimensions, got 3"),
        ({"embeddings": np.eye(2), "kind": "ball"}, "at least 3 dimensions, got 2"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingDisplay.from_embeddings(**{"embeddings": np.eye(3), **arguments})


def test_interactive_sphere_without_prototypes_shows_the_rows():
    pytest.importorskip("plotly")
    figure = EmbeddingDisplay.from_embeddings(draw(9, 3), np.repeat(["a", "b", "c"], 3)).to_plotly()
    assert sum(len(trace.x) for trace in figure.select_traces({"mode": "markers"})) == 9
