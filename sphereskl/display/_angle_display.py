"""Angles between embeddings and their prototypes."""

import numpy as np

from ._drawing import BLUE, VERMILLION, axes_for, frame_of
from ._reading import last_step
from ._sphere import angles, unit_rows

_N_BINS = 60


class AngleDisplay:
    """Histograms of the angles to the own prototype and to the nearest other one.

    Where they overlap, classes are hard to separate. Create one with `from_estimator` or
    `from_angles`; all parameters are stored as attributes.

    Parameters
    ----------
    own : ndarray of shape (n_samples,)
        Angle in radians between an embedding and the prototype of its class.
    other : ndarray of shape (n_samples,)
        Angle in radians between it and the nearest of all other prototypes.

    Attributes
    ----------
    edges_ : ndarray of shape (n_bins + 1,)
        Edges of the bins, in degrees.
    counts_ : dict of ndarray of shape (n_bins,)
        Numbers of samples in the bins, for ``"own"`` and ``"other"``.
    ax_ : matplotlib Axes
        Axes with the histograms.
    figure_ : matplotlib Figure
        Figure with the axes.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> plt.switch_backend("Agg")
    >>> from sphereskl.display import AngleDisplay
    >>> display = AngleDisplay.from_angles([0.1, 0.2], [1.5, 1.4])
    >>> display.frame().own_degrees.round(1).tolist()
    [5.7, 11.5]
    >>> plt.close(display.figure_)
    """

    def __init__(self, own, other):
        self.own = own
        self.other = other

    @classmethod
    def from_estimator(cls, estimator, X, y, *, ax=None):
        """Draw the angles of samples under a fitted classifier.

        Parameters
        ----------
        estimator : fitted classifier or Pipeline that ends in one
            Has `classes_`, `prototypes_` and `transform`.
        X : array-like of shape (n_samples, n_features) or images
            Samples, preferably not trained on.
        y : array-like of shape (n_samples,)
            Their classes.
        ax : matplotlib Axes, default=None
            Where to draw; ``None`` makes a figure.

        Returns
        -------
        display : AngleDisplay
            With the drawing in its attributes.
        """
        last = last_step(estimator, "classes_", "prototypes_", instead="a classifier")
        z, prototypes = np.asarray(estimator.transform(X)), last.prototypes_
        # If the first axis is that of a value, classes are compared without it.
        z = unit_rows("embeddings", z[:, z.shape[1] - prototypes.shape[1] :])
        theta = angles(z, unit_rows("prototypes", prototypes))
        is_own = np.asarray(y)[:, None] == np.asarray(last.classes_)
        if not is_own.any(axis=1).all():
            row = int(np.argmin(is_own.any(axis=1)))
            raise ValueError(
                f"y must hold classes of the estimator only, got {np.asarray(y)[row]!r} in row "
                f"{row}; leave such rows out."
            )
        return cls.from_angles(theta[is_own], np.where(is_own, np.inf, theta).min(axis=1), ax=ax)

    @classmethod
    def from_angles(cls, own, other, *, ax=None):
        """Draw given angles.

        Parameters
        ----------
        own : array-like of shape (n_samples,)
            Angles in radians between an embedding and the prototype of its class.
        other : array-like of shape (n_samples,)
            Angles in radians between it and the nearest of all other prototypes.
        ax : matplotlib Axes, default=None
            Where to draw; ``None`` makes a figure.

        Returns
        -------
        display : AngleDisplay
            With the drawing in its attributes.
        """
        own, other = np.asarray(own, dtype=np.float64), np.asarray(other, dtype=np.float64)
        if own.ndim != 1 or own.shape != other.shape or not len(own):
            raise ValueError(
                "own and other must be angles of the same samples, one column each, got shapes "
                f"{own.shape} and {other.shape}."
            )
        both = np.concatenate([own, other])
        if not ((both >= 0) & (both <= np.pi)).all():
            raise ValueError(
                "own and other must be radians in [0, pi], got values from "
                f"{both.min():g} to {both.max():g}; np.deg2rad converts degrees."
            )
        return cls(own, other).plot(ax=ax)

    def plot(self, *, ax=None):
        """Draw both histograms over an axis in degrees.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; ``None`` makes a figure.

        Returns
        -------
        self : AngleDisplay
            With `ax_`, `figure_` and what was drawn as attributes.
        """
        self.ax_, self.figure_ = axes_for(self, ax, size=(6.4, 4))
        drawn = {"own": np.degrees(self.own), "other": np.degrees(self.other)}
        most = max(values.max() for values in drawn.values())
        self.edges_ = np.linspace(0, max(most, 1e-3), _N_BINS + 1)
        self.counts_ = {
            name: np.histogram(values, self.edges_)[0] for name, values in drawn.items()
        }
        self.ax_.stairs(
            self.counts_["own"], self.edges_, fill=True, color=BLUE, alpha=0.7,
            label="to the own prototype",
        )  # fmt: skip
        # Hatched, not filled: distinguishable in grey, and where they overlap.
        self.ax_.stairs(
            self.counts_["other"], self.edges_, color=VERMILLION, hatch="////", lw=1.4,
            label="to the nearest other",
        )  # fmt: skip
        wrong = np.mean(self.other < self.own)
        self.ax_.set(
            xlabel="angle in degrees", ylabel="samples", xlim=(0, 1.02 * self.edges_[-1]),
            title=f"another prototype is nearer for {wrong:.1%} of {len(self.own):,} rows",
        )  # fmt: skip
        self.ax_.legend(frameon=False)
        return self

    def frame(self):
        """Return the numbers that are drawn.

        Returns
        -------
        frame : pandas DataFrame
            A row for every sample: own and other in radians, own_degrees and other_degrees.
        """
        return frame_of(
            self,
            {
                "own": self.own,
                "other": self.other,
                "own_degrees": np.degrees(self.own),
                "other_degrees": np.degrees(self.other),
            },
        )
