"""Prototypes of the classes on the sphere."""

from typing import Any

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from ._drawing import axes_for, group_colors, thin
from ._reading import last_step
from ._sphere import (
    draw_ball,
    draw_circle,
    outward,
    principal_directions,
    unit_rows,
    view_direction,
)

# More labels than this are not legible.
_MOST_LABELS = 40
_MOST_VALUES = 12


class PrototypeDisplay:
    """Prototypes on the sphere, or the matrix of their cosines.

    Create one with `from_prototypes` or `from_estimator`; all parameters are stored as
    attributes.

    Parameters
    ----------
    prototypes : ndarray of shape (n_prototypes, embedding_dim)
        Unit rows.
    labels : ndarray of shape (n_prototypes,)
        Names of the rows.

    Attributes
    ----------
    order_ : ndarray of shape (n_prototypes,)
        Rows in the order drawn: in the matrix, similar ones are neighbours.
    ax_ : matplotlib Axes
        Axes with the drawing; three-dimensional for the sphere of d >= 3.
    figure_ : matplotlib Figure
        Figure with the axes.
    image_ : matplotlib AxesImage
        The matrix; only for ``kind="matrix"``.
    points_ : matplotlib PathCollection
        The prototypes; only for ``kind="sphere"``.
    texts_ : list of matplotlib Text
        Labels next to the prototypes; only for ``kind="sphere"``.

    See Also
    --------
    sphereskl.geometry.place_prototypes : Places the prototypes.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> plt.switch_backend("Agg")
    >>> from sphereskl.display import PrototypeDisplay
    >>> from sphereskl.geometry import place_prototypes
    >>> display = PrototypeDisplay.from_prototypes(place_prototypes(4, 2), kind="sphere")
    >>> [text.get_text() for text in display.texts_]
    ['0', '1', '2', '3']
    >>> plt.close(display.figure_)
    """

    def __init__(self, prototypes, *, labels):
        self.prototypes = prototypes
        self.labels = labels

    @classmethod
    def from_prototypes(cls, prototypes, *, labels=None, kind="matrix", ax=None):
        """Draw given prototypes.

        Parameters
        ----------
        prototypes : array-like of shape (n_prototypes, embedding_dim)
            Directions; rows are normalised.
        labels : array-like of shape (n_prototypes,), default=None
            Names; ``None`` numbers them.
        kind : {"matrix", "sphere"}, default="matrix"
            See `plot`.
        ax : matplotlib Axes, default=None
            See `plot`.

        Returns
        -------
        display : PrototypeDisplay
            With the drawing in its attributes.
        """
        rows = unit_rows("prototypes", prototypes)
        labels = np.arange(len(rows)) if labels is None else np.asarray(labels)
        if len(labels) != len(rows):
            raise ValueError(
                f"labels must name every prototype, got {len(labels)} labels for {len(rows)} "
                "prototypes."
            )
        return cls(rows, labels=labels).plot(kind=kind, ax=ax)

    @classmethod
    def from_estimator(cls, estimator, *, kind="matrix", ax=None):
        """Draw the prototypes of a fitted classifier, labelled by its classes.

        Parameters
        ----------
        estimator : fitted classifier or Pipeline that ends in one
            Has `prototypes_` and `classes_`.
        kind : {"matrix", "sphere"}, default="matrix"
            See `plot`.
        ax : matplotlib Axes, default=None
            See `plot`.

        Returns
        -------
        display : PrototypeDisplay
            With the drawing in its attributes.
        """
        last = last_step(estimator, "classes_", "prototypes_", instead="a classifier")
        return cls.from_prototypes(last.prototypes_, labels=last.classes_, kind=kind, ax=ax)

    def plot(self, *, kind="matrix", ax=None):
        """Draw the prototypes.

        Parameters
        ----------
        kind : {"matrix", "sphere"}, default="matrix"
            ``"matrix"`` shows all pairwise cosines, similar prototypes next to each other;
            ``"sphere"`` the prototypes themselves, on a circle for embedding_dim 2, on a
            ball for more. More than three dimensions are projected on the three principal
            directions, as stated in the title; arrows then end inside the ball.
        ax : matplotlib Axes, default=None
            Where to draw; ``None`` makes a figure. A ball needs ``projection="3d"``.

        Returns
        -------
        self : PrototypeDisplay
            With `ax_`, `figure_` and what was drawn as attributes.
        """
        if kind not in ("matrix", "sphere"):
            raise ValueError(f"kind must be 'matrix' or 'sphere', got {kind!r}.")
        solid = kind == "sphere" and self.prototypes.shape[1] > 2
        self.ax_, self.figure_ = axes_for(self, ax, solid=solid)
        if kind == "matrix":
            self._plot_matrix()
        elif solid:
            self._plot_ball()
        else:
            self._plot_circle()
        return self

    def _plot_matrix(self):
        gram = self.prototypes @ self.prototypes.T
        self.order_ = _seriate(gram)
        gram, labels = gram[np.ix_(self.order_, self.order_)], self.labels[self.order_]
        self.image_ = self.ax_.imshow(gram, vmin=-1, vmax=1, cmap="RdBu_r")
        bar = self.figure_.colorbar(self.image_, ax=self.ax_, fraction=0.046, pad=0.03)
        bar.set_label("cosine")
        bar.outline.set_visible(False)
        n = len(labels)
        ticks = thin(n, _MOST_LABELS)
        size = float(np.clip(240 / len(ticks), 6, 10))
        names = [str(label) for label in labels[ticks]]
        turned = max(map(len, names)) > 2 or len(names) > 20
        self.ax_.set_xticks(ticks, names, rotation=90 if turned else 0, fontsize=size)
        self.ax_.set_yticks(ticks, names, fontsize=size)
        self.ax_.tick_params(length=0)
        self.ax_.spines[:].set_visible(False)
        if n <= _MOST_VALUES:
            self._write_values(gram)
        closest = np.max(gram - 3 * np.eye(n), initial=-1)
        self.ax_.set_title(f"{self._caption()}, max cosine {closest:.2f}")

    def _write_values(self, gram):
        for (i, j), value in np.ndenumerate(gram):
            # White on saturated cells, near-black on pale ones. "+ 0.0" turns -0.00 into 0.00.
            color = "white" if abs(value) > 0.6 else "0.15"
            text = f"{np.round(value, 2) + 0.0:.2f}"
            self.ax_.text(j, i, text, ha="center", va="center", color=color, fontsize=7)

    def _plot_circle(self):
        ax: Any = self.ax_
        points = self.prototypes
        self.order_ = np.arange(len(points))
        draw_circle(ax)
        colors = group_colors(len(points))
        ax.quiver(
            *np.zeros((2, len(points))), *points.T, color=colors, angles="xy", scale_units="xy",
            scale=1, width=0.006, alpha=0.8,
        )  # fmt: skip
        self.points_ = ax.scatter(*points.T, c=colors, s=30, zorder=3)
        self.texts_ = [
            ax.text(*(1.08 * point), str(label), **outward(point), fontsize=9)
            for point, label in zip(points, self.labels, strict=True)
        ]
        ax.set_title(self._caption())

    def _plot_ball(self):
        from matplotlib.colors import to_rgba_array

        ax: Any = self.ax_
        points = self.prototypes @ principal_directions(self.prototypes).T
        self.order_ = np.arange(len(points))
        draw_ball(ax)
        toward = points @ view_direction(ax)
        # Points behind the ball are drawn fainter, never hidden.
        shares = np.where(toward < 0, 0.4, 1.0)
        colors = to_rgba_array(group_colors(len(points)), shares)
        for point, color in zip(points, colors, strict=True):
            ax.plot(*np.outer(point, (0, 1)), color=color, lw=1.4)
        self.points_ = ax.scatter(*points.T, c=colors, s=34, depthshade=False, zorder=3)
        self.texts_ = [
            ax.text(
                *(1.16 * point), str(label), ha="center", va="center", fontsize=9,
                color=(0, 0, 0, 0.5 if behind else 1.0),
            )
            for point, label, behind in zip(points, self.labels, toward < 0, strict=True)
        ]  # fmt: skip
        projected = self.prototypes.shape[1] > 3
        share = np.sum(points**2) / len(points)
        note = f"\nprojected on 3 principal directions ({share:.0%} of length)"
        ax.set_title(self._caption() + note * projected)

    def _caption(self):
        n_prototypes, embedding_dim = self.prototypes.shape
        return f"{n_prototypes} prototypes in {embedding_dim} dimensions"


def _seriate(gram):
    """Order in which neighbours are similar: leaves of an average-linkage tree."""
    if len(gram) < 3:
        return np.arange(len(gram))
    distance = np.clip(1 - (gram + gram.T) / 2, 0, None)
    np.fill_diagonal(distance, 0)
    condensed = squareform(distance, checks=False)
    return leaves_list(linkage(condensed, "average", optimal_ordering=len(gram) <= 500))
