"""Predictions on the arc between the poles."""

from typing import Any

import numpy as np

from ._drawing import VALUES, axes_for, frame_of, thin
from ._reading import last_step
from ._sphere import unit_rows

_N_BINS = 90
# Radii: the band of true values, the line of the arc, the innermost dot.
_BAND, _LINE, _INNERMOST = (1.04, 1.1), 1.0, 0.3
_MOST_TICKS = 13


class ArcDisplay:
    """Predictions of values or of ordered classes on the half circle between the poles.

    Every sample is a dot below its predicted position, in the colour of its true
    value; the band above shows the correct colour at every position. Create one with
    `from_estimator` or `from_predictions`; all parameters are stored as attributes.

    Parameters
    ----------
    y_true : ndarray of shape (n_samples,)
        True values, or ranks of the true classes.
    y_pred : ndarray of shape (n_samples,)
        Predicted values or ranks; ranks may lie between classes.
    bounds : pair of float
        Values at the lower and the upper pole.
    categories : ndarray of shape (n_classes,), default=None
        Classes from the lowest to the highest, at equal angles; ``None`` if these are values,
        whose cosines are at equal distances.

    Attributes
    ----------
    points_ : ndarray of shape (n_samples, 2)
        Positions of the dots, with the lower pole at (-1, 0).
    collection_ : matplotlib PathCollection
        The dots.
    band_ : matplotlib LineCollection
        The band of true values.
    ax_ : matplotlib Axes
        Axes with the arc.
    figure_ : matplotlib Figure
        Figure with the axes.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> plt.switch_backend("Agg")
    >>> from sphereskl.display import ArcDisplay
    >>> display = ArcDisplay.from_predictions([0.0, 5.0, 9.0], [1.0, 5.0, 8.0], bounds=(0, 10))
    >>> display.frame().degrees.round().tolist()
    [37.0, 90.0, 127.0]
    >>> plt.close(display.figure_)
    """

    def __init__(self, y_true, y_pred, *, bounds, categories=None):
        self.y_true = y_true
        self.y_pred = y_pred
        self.bounds = bounds
        self.categories = categories

    @classmethod
    def from_estimator(cls, estimator, X, y, *, target=0, ax=None):
        """Draw the predictions of a fitted regressor or classifier of ordered classes.

        Parameters
        ----------
        estimator : fitted estimator or Pipeline that ends in one
            Has `bounds_`, or `categories_` and `prototypes_`. Classes are placed by the angle of
            the embedding in the plane of the arc.
        X : array-like of shape (n_samples, n_features) or images
            Samples, best those that were not trained on.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Their values or classes.
        target : int, default=0
            Index of the target, if there are several.
        ax : matplotlib Axes, default=None
            Where to draw; ``None`` makes a figure.

        Returns
        -------
        display : ArcDisplay
            With the drawing in its attributes.
        """
        instead = "a HypersphericalRegressor or a HypersphericalOrdinalClassifier"
        last = last_step(estimator, instead=instead)
        if hasattr(last, "categories_"):
            return cls._from_classes(last, np.asarray(estimator.transform(X)), y, ax)
        last = last_step(estimator, "bounds_", "predict", instead=instead)
        truth, guess = np.asarray(y), np.asarray(estimator.predict(X))
        n_targets = len(last.bounds_)
        if not 0 <= target < n_targets:
            raise ValueError(
                f"target must be in [0, {n_targets}) for {n_targets} targets, got {target!r}."
            )
        truth, guess = (part.reshape(len(part), -1)[:, target] for part in (truth, guess))
        return cls.from_predictions(truth, guess, last.bounds_[target], ax=ax)

    @classmethod
    def from_predictions(cls, y_true, y_pred, bounds, *, ax=None):
        """Draw given predictions of values.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True values.
        y_pred : array-like of shape (n_samples,)
            Predicted values.
        bounds : pair of float
            Values at the lower and the upper pole; those beyond are drawn at the pole.
        ax : matplotlib Axes, default=None
            Where to draw; ``None`` makes a figure.

        Returns
        -------
        display : ArcDisplay
            With the drawing in its attributes.
        """
        y_true, y_pred = (np.asarray(y, dtype=np.float64) for y in (y_true, y_pred))
        if y_true.ndim != 1 or y_true.shape != y_pred.shape or not len(y_true):
            raise ValueError(
                "y_true and y_pred must be values of the same samples, one column each, got shapes "
                f"{y_true.shape} and {y_pred.shape}."
            )
        if not np.isfinite([y_true, y_pred]).all():
            raise ValueError(
                "y_true and y_pred must be finite, got NaN or infinity; leave such rows out."
            )
        pair = np.asarray(bounds, dtype=np.float64)
        if pair.shape != (2,) or not np.isfinite(pair).all() or pair[0] >= pair[1]:
            raise ValueError(f"bounds must be a pair (low, high) with low < high, got {bounds!r}.")
        return cls(y_true, y_pred, bounds=(float(pair[0]), float(pair[1]))).plot(ax=ax)

    @classmethod
    def _from_classes(cls, classifier, z, y, ax):
        """Draw classes, with samples in the direction of the embedding in the plane of the arc."""
        categories = np.asarray(classifier.categories_)
        is_true = np.asarray(y)[:, None] == categories
        if not is_true.any(axis=1).all():
            row = int(np.argmin(is_true.any(axis=1)))
            raise ValueError(
                f"y must hold classes of the estimator only, got {np.asarray(y)[row]!r} in row "
                f"{row}; leave such rows out."
            )
        at = np.argmax(classifier.classes_ == categories[:, None], axis=1)
        place = _angle_on_arc(unit_rows("embeddings", z), classifier.prototypes_[at])
        ranks = len(categories) - 1
        return cls(
            is_true.argmax(axis=1), place / np.pi * ranks, bounds=(0.0, float(ranks)),
            categories=categories,
        ).plot(ax=ax)  # fmt: skip

    def plot(self, *, ax=None):
        """Draw the arc, the dots below it and the band above.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; ``None`` makes a figure.

        Returns
        -------
        self : ArcDisplay
            With `ax_`, `figure_` and what was drawn as attributes.
        """
        from matplotlib import colormaps

        self.ax_, self.figure_ = axes_for(self, ax, size=(7.4, 4.4))
        ax_: Any = self.ax_
        colors = colormaps[VALUES]
        turn = np.linspace(0, np.pi, 181)
        ax_.plot(*_on_circle(turn, _LINE), color="0.4", lw=1)
        self._draw_band(colors)
        self.points_ = _on_circle(self._angles(self.y_pred), self._radii()).T
        self.collection_ = ax_.scatter(
            *self.points_.T, c=colors(self._share(self.y_true)), s=14, edgecolors="0.3",
            linewidths=0.25,
        )  # fmt: skip
        self._draw_ticks()
        ax_.set(xlim=(-1.32, 1.32), ylim=(-0.12, 1.28), aspect="equal")
        ax_.set_axis_off()
        what = "classes" if self.categories is not None else "values"
        ax_.set_title(f"{len(self.points_):,} rows where predicted, in the colour of true {what}")
        return self

    def frame(self):
        """Return the numbers that are drawn.

        Returns
        -------
        frame : pandas DataFrame
            A row for every sample: y_true and y_pred, degrees of the prediction from the lower
            pole, degrees_true, and the position of the dot, x and y. Classes are ranks.
        """
        x, y = self.points_.T
        return frame_of(
            self,
            {
                "y_true": self.y_true,
                "y_pred": self.y_pred,
                "degrees": np.degrees(self._angles(self.y_pred)),
                "degrees_true": np.degrees(self._angles(self.y_true)),
                "x": x,
                "y": y,
            },
        )

    def _share(self, values):
        """Return the positions of values between the bounds, in [0, 1]."""
        low, high = self.bounds
        return np.clip((np.asarray(values, dtype=np.float64) - low) / (high - low), 0, 1)

    def _angles(self, values):
        """Return radians from the lower pole: classes in equal angles, values by cosines."""
        share = self._share(values)
        return np.pi * share if self.categories is not None else np.arccos(1 - 2 * share)

    def _radii(self):
        """Stack dots of about the same angle inwards, in the order of their true values."""
        step = np.minimum((self._angles(self.y_pred) / np.pi * _N_BINS).astype(int), _N_BINS - 1)
        order = np.lexsort((self.y_true, step))
        first = np.searchsorted(step[order], step[order])
        level = np.empty(len(order))
        level[order] = np.arange(len(order)) - first
        gap = min(0.034, (_LINE - 0.03 - _INNERMOST) / max(level.max(), 1))
        return _LINE - 0.03 - gap * level

    def _draw_band(self, colors):
        from matplotlib.collections import LineCollection

        turn = np.linspace(0, np.pi, 361)
        middle = (turn[:-1] + turn[1:]) / 2
        if self.categories is None:
            share = (1 - np.cos(middle)) / 2
        else:
            ranks = len(self.categories) - 1
            share = np.round(middle / np.pi * ranks) / ranks
        inner, outer = (_on_circle(middle, radius).T for radius in _BAND)
        self.band_ = LineCollection(
            list(np.stack([inner, outer], axis=1)), colors=colors(share), linewidths=3
        )
        self.ax_.add_collection(self.band_)

    def _draw_ticks(self):
        from matplotlib.ticker import MaxNLocator

        if self.categories is not None:
            at = thin(len(self.categories), _MOST_TICKS)
            names = [str(name) for name in self.categories[at]]
        else:
            at = MaxNLocator(8).tick_values(*self.bounds)
            inside = (at > self.bounds[0]) & (at < self.bounds[1])
            at = self._apart(np.concatenate([self.bounds, at[inside]]))
            names = [f"{value:.4g}" for value in at]
        for angle, name in zip(self._angles(at), names, strict=True):
            x, y = _on_circle(angle, 1.14)
            across = "center" if abs(x) < 0.25 else ("left" if x > 0 else "right")
            self.ax_.text(x, y, name, ha=across, va="bottom" if y > 0.9 else "center", fontsize=9)

    def _apart(self, values):
        """Omit labels that would overlap an earlier one; the poles come first."""
        kept = []
        for value in values:
            angles = self._angles(np.array([*kept, value]))
            if not kept or np.abs(angles[:-1] - angles[-1]).min() > 0.12:
                kept.append(value)
        return np.array(kept)


def _angle_on_arc(z, prototypes):
    """Return the angle of embeddings from the lower pole, in the plane of the arc.

    Embeddings that point away from the half circle are assigned to the nearer pole.
    """
    lower, middle = prototypes[0], prototypes[len(prototypes) // 2]
    along = z @ lower
    across = middle - (middle @ lower) * lower
    if len(prototypes) < 3:
        return np.arccos(np.clip(along, -1, 1))
    angle = np.arctan2(z @ (across / np.linalg.norm(across)), along)
    return np.where(angle >= 0, angle, np.where(along > 0, 0, np.pi))


def _on_circle(angle, radius):
    """Return x and y of angles from the lower pole, which is on the left."""
    return np.array([-radius * np.cos(angle), radius * np.sin(angle)])
