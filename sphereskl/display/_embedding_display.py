"""Embeddings on the sphere."""

from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from ._drawing import VALUES, axes_for, frame_of, group_colors, outline
from ._groups import Groups, group
from ._interactive_sphere import interactive_sphere
from ._places import place_on_ball, place_on_circle, place_on_map
from ._reading import last_step
from ._sphere import draw_ball, draw_circle, outward, unit_rows, view_direction

_MOST_ROWS = 2000
# More names do not fit next to the drawing.
_MOST_NAMES = 12
# Colours show what is behind.
_SOLID = {"ball": {"depthshade": False}}


class EmbeddingDisplay:
    """Embeddings on a circle, on a ball or on a map, with the prototypes as stars.

    Create one with `from_estimator` or `from_embeddings`; all parameters are stored as
    attributes.

    Parameters
    ----------
    embeddings : ndarray of shape (n_samples, embedding_dim)
        Unit rows.
    y : ndarray of shape (n_samples,), default=None
        Labels, or values with fractions. ``None`` takes the nearest prototype.
    prototypes : ndarray of shape (n_prototypes, embedding_dim), default=None
        Unit rows.
    labels : ndarray of shape (n_prototypes,), default=None
        Names of the prototypes.
    random_state : int, RandomState instance or None, default=0
        Random seed of the samples that are drawn if there are more than 2,000, and of the map.

    Attributes
    ----------
    rows_ : ndarray of shape (n_drawn,)
        Samples that are drawn.
    groups_ : Groups
        Groups that determine colours and markers.
    points_ : ndarray of shape (n_drawn, 2) or (n_drawn, 3)
        Their positions in the drawing.
    prototype_points_ : ndarray of shape (n_prototypes, 2) or (n_prototypes, 3)
        Positions of the prototypes in the drawing.
    collections_ : list of matplotlib PathCollection
        Drawn samples, one for every group.
    stars_ : matplotlib PathCollection
        The prototypes.
    texts_ : list of matplotlib Text
        Labels next to the prototypes.
    ax_ : matplotlib Axes
        Axes with the drawing; three-dimensional for a ball.
    figure_ : matplotlib Figure
        Figure with the axes.

    See Also
    --------
    PrototypeDisplay : The prototypes alone.
    AngleDisplay : Angles on the sphere itself, which a map cannot preserve.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> plt.switch_backend("Agg")
    >>> import numpy as np
    >>> from sphereskl.display import EmbeddingDisplay
    >>> z = np.array([[1.0, 0.1], [0.9, -0.1], [-1.0, 0.2]])
    >>> display = EmbeddingDisplay.from_embeddings(z, ["a", "a", "b"])
    >>> display.ax_.get_title()
    '3 rows on the circle'
    >>> plt.close(display.figure_)
    """

    def __init__(self, embeddings, *, y=None, prototypes=None, labels=None, random_state=0):
        self.embeddings = embeddings
        self.y = y
        self.prototypes = prototypes
        self.labels = labels
        self.random_state = random_state

    @classmethod
    def from_estimator(cls, estimator, X, y=None, *, kind="auto", random_state=0, ax=None):
        """Draw the embeddings of samples under a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator or Pipeline that ends in one
            A classifier, or a regressor of one target.
        X : array-like of shape (n_samples, n_features) or images
            Samples, best those that were not trained on.
        y : array-like of shape (n_samples,), default=None
            Their classes or values. ``None`` uses the predicted ones.
        kind : {"auto", "circle", "ball", "map"}, default="auto"
            See `plot`.
        random_state : int, RandomState instance or None, default=0
            Random seed of the samples that are drawn if there are more than 2,000, and of the
            map.
        ax : matplotlib Axes, default=None
            See `plot`.

        Returns
        -------
        display : EmbeddingDisplay
            With the drawing in its attributes.
        """
        last = last_step(estimator, "prototypes_", instead="an estimator of this package")
        z = np.asarray(estimator.transform(X))
        if hasattr(last, "classes_"):
            # If the first axis is that of a value, the classes lie on the equator.
            missing = z.shape[1] - last.prototypes_.shape[1]
            prototypes, labels = np.pad(last.prototypes_, ((0, 0), (missing, 0))), last.classes_
        else:
            prototypes, labels = _poles(last)
            y = estimator.predict(X) if y is None else y
            y = np.asarray(y, dtype=np.float64).reshape(len(z))
        return cls.from_embeddings(
            z, y, prototypes=prototypes, labels=labels, kind=kind, random_state=random_state, ax=ax
        )

    @classmethod
    def from_embeddings(
        cls, embeddings, y=None, *, prototypes=None, labels=None, kind="auto", random_state=0,
        ax=None,
    ):  # fmt: skip
        """Draw given embeddings.

        Parameters
        ----------
        embeddings : array-like of shape (n_samples, embedding_dim)
            Directions; rows are normalised.
        y : array-like of shape (n_samples,), default=None
            Labels; numbers with fractions that are not labels of prototypes are values. ``None``
            takes the nearest prototype.
        prototypes : array-like of shape (n_prototypes, embedding_dim), default=None
            Directions to draw as stars; rows are normalised.
        labels : array-like of shape (n_prototypes,), default=None
            Names of the prototypes, as in `y`; ``None`` numbers them.
        kind : {"auto", "circle", "ball", "map"}, default="auto"
            See `plot`.
        random_state : int, RandomState instance or None, default=0
            Random seed of the samples that are drawn if there are more than 2,000, and of the map.
        ax : matplotlib Axes, default=None
            See `plot`.

        Returns
        -------
        display : EmbeddingDisplay
            With the drawing in its attributes.
        """
        z = unit_rows("embeddings", embeddings)
        y = None if y is None else np.asarray(y)
        if y is not None and y.shape != (len(z),):
            raise ValueError(
                f"y must have a label or a value for every embedding, got shape {y.shape} for "
                f"{len(z)} rows."
            )
        if prototypes is not None:
            prototypes = unit_rows("prototypes", prototypes)
            labels = np.arange(len(prototypes)) if labels is None else np.asarray(labels)
            if prototypes.shape[1] != z.shape[1] or len(labels) != len(prototypes):
                raise ValueError(
                    "prototypes must have the width of embeddings and a label each, got shape "
                    f"{prototypes.shape} for embeddings of {z.shape}, and {len(labels)} labels."
                )
        display = cls(z, y=y, prototypes=prototypes, labels=labels, random_state=random_state)
        return display.plot(kind=kind, ax=ax)

    def plot(self, *, kind="auto", ax=None):
        """Draw the embeddings; at most 2,000, as stated in the title.

        Parameters
        ----------
        kind : {"auto", "circle", "ball", "map"}, default="auto"
            ``"circle"`` for two dimensions; ``"ball"`` for three, and for more after projection
            on the three principal directions, as stated in the title; ``"map"`` is t-SNE of the
            cosines of samples and prototypes together. "auto" is the first of these that shows
            the embeddings without distortion, or else the map.
        ax : matplotlib Axes, default=None
            Where to draw; ``None`` makes a figure. A ball needs ``projection="3d"``.

        Returns
        -------
        self : EmbeddingDisplay
            With `ax_`, `figure_` and what was drawn as attributes.
        """
        kind = self._settle(kind)
        self.ax_, self.figure_ = axes_for(self, ax, size=(7, 5.6), solid=kind == "ball")
        drawn = self._choose()
        self.rows_, self.groups_ = drawn.rows, drawn.groups
        if kind == "circle":
            places = place_on_circle(drawn.samples, drawn.prototypes)
            draw_circle(self.ax_)
        elif kind == "ball":
            places = place_on_ball(drawn.samples, drawn.prototypes)
            draw_ball(self.ax_, azimuth=_azimuth(places.samples))
        else:
            places = place_on_map(drawn.samples, drawn.prototypes, drawn.random)
            self.ax_.set(xticks=[], yticks=[])
        self.points_, self.prototype_points_ = places.samples, places.prototypes
        self._draw_samples(kind)
        self._draw_prototypes(kind)
        self._draw_key()
        self.ax_.set_title(f"{self._count(drawn)} {places.note}")
        return self

    def frame(self):
        """Return the numbers that are drawn.

        Returns
        -------
        frame : pandas DataFrame
            A row for every sample drawn and then for every prototype: x, y and, on a ball, z;
            label, or the value; degrees to the own prototype; is_prototype.
        """
        places = np.concatenate([self.points_, self.prototype_points_])
        n_samples, n_prototypes = len(self.points_), len(self.prototype_points_)
        drawn = self._choose()
        names = [self.groups_.label(row) for row in range(n_samples)]
        return frame_of(
            self,
            {
                **dict(zip("xyz", places.T, strict=False)),
                "label": names + self.groups_.names[:n_prototypes],
                "degrees": np.concatenate([drawn.own_degrees(), np.zeros(n_prototypes)]),
                "is_prototype": np.arange(len(places)) >= n_samples,
            },
        )

    def to_plotly(self):
        """Return an interactive sphere of the samples and prototypes that `plot` draws.

        Returns
        -------
        figure : plotly Figure
            To be shown, or written with ``write_html``. Other than three dimensions are
            projected on the three principal directions, as stated in the title. Hovering shows
            label, or value, and the angle to the own prototype.
        """
        drawn = self._choose()
        places = place_on_ball(drawn.samples, drawn.prototypes)
        title = f"{self._count(drawn)} {places.note}".replace("\n", "<br>")
        return interactive_sphere(places, drawn.groups, drawn.own_degrees(), title=title)

    def _settle(self, kind):
        """Return the requested kind, if these embeddings can be drawn that way."""
        width = self.embeddings.shape[1]
        if kind not in ("auto", "circle", "ball", "map"):
            raise ValueError(f"kind must be 'auto', 'circle', 'ball' or 'map', got {kind!r}.")
        if (kind == "circle" and width > 2) or (kind == "ball" and width < 3):
            needed = "2 dimensions" if kind == "circle" else "at least 3 dimensions"
            raise ValueError(f"kind={kind!r} needs embeddings of {needed}, got {width}; use 'map'.")
        return {2: "circle", 3: "ball"}.get(width, "map") if kind == "auto" else kind

    def _choose(self):
        """Choose which samples are drawn, and their groups."""
        random, n_rows = check_random_state(self.random_state), len(self.embeddings)
        rows = np.arange(n_rows)
        if n_rows > _MOST_ROWS:
            rows = np.sort(random.choice(n_rows, _MOST_ROWS, replace=False))
        samples, y = self.embeddings[rows], None if self.y is None else self.y[rows]
        prototypes, labels = self.prototypes, self.labels
        if prototypes is None:
            prototypes, labels = np.empty((0, samples.shape[1])), np.empty(0)
        groups = group(samples, y, prototypes, labels)
        return _Drawn(rows, samples, prototypes, groups, random)

    def _count(self, drawn):
        n_drawn, n_rows = len(drawn.rows), len(self.embeddings)
        return f"{n_drawn:,} rows" if n_drawn == n_rows else f"{n_drawn:,} of {n_rows:,} rows"

    def _draw_samples(self, kind):
        ax: Any = self.ax_
        colors = self.groups_.colors()
        colors[:, 3] = 0.8
        if kind == "ball":
            # Points behind the ball are drawn fainter, never hidden.
            colors[self.points_ @ view_direction(ax) < 0, 3] = 0.2
        edges = colors * (0.5, 0.5, 0.5, 1)
        self.collections_ = [
            ax.scatter(
                *self.points_[rows].T, c=colors[rows], edgecolors=edges[rows], marker=marker,
                s=20, linewidths=0.4, zorder=3, **_SOLID.get(kind, {}),
            )
            for _, marker, rows in self.groups_.members()
        ]  # fmt: skip

    def _draw_prototypes(self, kind):
        from matplotlib.colors import to_rgba_array

        ax: Any = self.ax_
        points, groups = self.prototype_points_, self.groups_
        behind = kind == "ball" and points @ view_direction(ax) < 0
        alpha = np.where(behind, 0.45, 1.0) * np.ones(len(points))
        colors = ["white"] * len(points) if groups.values is not None else group_colors(len(points))
        self.stars_ = ax.scatter(
            *points.T, c=to_rgba_array(colors, alpha), marker="*", s=170,
            edgecolors=to_rgba_array(["black"] * len(points), alpha), linewidths=0.9, zorder=5,
            **_SOLID.get(kind, {}),
        )  # fmt: skip
        names = [
            f"{name:.4g}" if isinstance(name, float) else str(name)
            for name in groups.names[: len(points)]
        ]
        self.texts_ = [
            self._write(kind, *parts) for parts in zip(points, names, alpha, strict=True)
        ]

    def _write(self, kind, point, name, alpha):
        ax: Any = self.ax_
        style = {"fontsize": 10, "fontweight": "bold", "zorder": 6, "alpha": alpha}
        style["path_effects"] = outline()
        if kind == "ball":
            return ax.text(*(1.16 * point), name, ha="center", va="center", **style)
        if kind == "circle":
            return ax.text(*(1.1 * point), name, **outward(point), **style)
        above = {"xytext": (0, 7), "textcoords": "offset points", "ha": "center"}
        return ax.annotate(name, point, **above, **style)

    def _draw_key(self):
        """Draw a bar of values, or a legend of groups if they are few."""
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize
        from matplotlib.lines import Line2D

        groups = self.groups_
        if groups.values is not None:
            mappable = ScalarMappable(Normalize(*groups.limits()), VALUES)
            bar: Any = self.figure_.colorbar(mappable, ax=self.ax_, fraction=0.04, pad=0.03)
            bar.outline.set_visible(False)
        elif 1 < len(groups.names) <= _MOST_NAMES:
            style = {"ls": "", "markersize": 6}
            handles = [
                Line2D([], [], color=color, marker=marker, label=str(name), **style)
                for name, color, marker in groups.styles()
            ]
            self.ax_.legend(
                handles=handles, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False
            )


class _Drawn(NamedTuple):
    """The embeddings that are drawn."""

    rows: np.ndarray
    samples: np.ndarray
    prototypes: np.ndarray
    groups: Groups
    random: np.random.RandomState

    def own_degrees(self):
        return self.groups.own_angles(self.samples, self.prototypes)


def _azimuth(points):
    """Return the viewing direction that shows most points, if they are on one side."""
    x, y = points.mean(axis=0)[:2]
    return float(np.degrees(np.arctan2(y, x))) if np.hypot(x, y) > 0.3 else -60.0


def _poles(regressor):
    """Return both poles of a regressor's sphere, and the values at them."""
    if len(regressor.prototypes_) > 1:
        raise ValueError(
            f"estimator must have one target, got {len(regressor.prototypes_)}, each on a sphere "
            "of its own; use ArcDisplay with target=0."
        )
    upper = regressor.prototypes_
    return np.concatenate([-upper, upper]), np.asarray(regressor.bounds_, dtype=np.float64)[0]
