"""Reliability diagram: calibration of a classifier."""

import numpy as np

from ..metrics import expected_calibration_error, reliability_curve
from ._drawing import BLUE, axes_for, frame_of
from ._reading import last_step


class ReliabilityDisplay:
    """Reliability diagram: accuracy against confidence, the highest class probability.

    Points below the diagonal are overconfident, points above underconfident. Create one with
    `from_estimator` or `from_predictions`; all parameters are stored as attributes.

    Parameters
    ----------
    curve : ReliabilityCurve
        Result of `sphereskl.metrics.reliability_curve`.
    error : float
        Expected calibration error.

    Attributes
    ----------
    line_ : matplotlib Line2D
        Accuracy against confidence.
    masses_ : matplotlib LineCollection
        Shares of the samples in the bins.
    mass_ax_ : matplotlib Axes
        Axes with the shares, below the others.
    ax_ : matplotlib Axes
        Axes with the curve.
    figure_ : matplotlib Figure
        Figure with the axes.

    See Also
    --------
    sklearn.calibration.CalibrationDisplay : For one class of two.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> plt.switch_backend("Agg")
    >>> from sphereskl.display import ReliabilityDisplay
    >>> y_prob = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.1, 0.6]]
    >>> display = ReliabilityDisplay.from_predictions([0, 1, 2], y_prob, n_bins=3)
    >>> round(display.error, 3)
    0.3
    >>> plt.close(display.figure_)
    """

    def __init__(self, curve, *, error):
        self.curve = curve
        self.error = error

    @classmethod
    def from_estimator(cls, estimator, X, y, *, n_bins=15, strategy="quantile", ax=None):
        """Draw the reliability of a fitted classifier.

        Parameters
        ----------
        estimator : fitted classifier or Pipeline that ends in one
            Has `predict_proba` and `classes_`.
        X : array-like of shape (n_samples, n_features) or images
            Samples that were not trained on.
        y : array-like of shape (n_samples,)
            Their classes.
        n_bins : int, default=15
            Number of bins.
        strategy : {"quantile", "uniform"}, default="quantile"
            Bins of equal weight or of equal width.
        ax : matplotlib Axes, default=None
            Where to draw; ``None`` makes a figure.

        Returns
        -------
        display : ReliabilityDisplay
            With the drawing in its attributes.
        """
        last = last_step(estimator, "classes_", "predict_proba", instead="a classifier")
        return cls.from_predictions(
            y, estimator.predict_proba(X), classes=last.classes_, n_bins=n_bins,
            strategy=strategy, ax=ax,
        )  # fmt: skip

    @classmethod
    def from_predictions(
        cls, y_true, y_prob, *, classes=None, n_bins=15, strategy="quantile", ax=None
    ):
        """Draw the reliability of given probabilities.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels.
        y_prob : array-like of shape (n_samples, n_classes) or (n_samples,)
            Probabilities of the classes; one column is that of the second of two classes.
        classes : array-like of shape (n_classes,), default=None
            Labels of the columns. ``None`` takes the sorted labels of `y_true`.
        n_bins : int, default=15
            Number of bins.
        strategy : {"quantile", "uniform"}, default="quantile"
            Bins of equal weight or of equal width.
        ax : matplotlib Axes, default=None
            Where to draw; ``None`` makes a figure.

        Returns
        -------
        display : ReliabilityDisplay
            With the drawing in its attributes.
        """
        options = {"n_bins": n_bins, "strategy": strategy, "classes": classes}
        curve = reliability_curve(y_true, y_prob, **options)
        error = expected_calibration_error(y_true, y_prob, **options)
        return cls(curve, error=error).plot(ax=ax)

    def plot(self, *, ax=None):
        """Draw the curve, and below it the shares of the samples in its bins.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; ``None`` makes a figure.

        Returns
        -------
        self : ReliabilityDisplay
            With `ax_`, `figure_` and what was drawn as attributes.
        """
        self.ax_, self.figure_ = axes_for(self, ax, size=(5.2, 5.6))
        confidence, accuracy, weight = self.curve
        least = np.floor(10 * min(confidence.min(), accuracy.min()) - 0.2) / 10
        span = max(0.0, min(least, 0.9)), 1.0
        self.ax_.plot(span, span, color="0.6", ls="--", lw=1, label="perfect calibration")
        (self.line_,) = self.ax_.plot(
            confidence, accuracy, "o-", color=BLUE, clip_on=False, label="bins"
        )
        self.ax_.set(xlim=span, ylim=span, ylabel="accuracy")
        self.ax_.set_title(f"expected calibration error {self.error:.3f}")
        self.ax_.legend(frameon=False, loc="upper left")
        self.ax_.tick_params(labelbottom=False)
        self.mass_ax_ = self.ax_.inset_axes((0, -0.28, 1, 0.22), sharex=self.ax_)
        share = weight / weight.sum()
        self.masses_ = self.mass_ax_.vlines(confidence, 0, share, color=BLUE, lw=4)
        self.mass_ax_.set(xlabel="confidence", ylabel="samples", ylim=(0, 1.15 * share.max()))
        self.mass_ax_.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        return self

    def frame(self):
        """Return the numbers that are drawn.

        Returns
        -------
        frame : pandas DataFrame
            A row for every non-empty bin: confidence, accuracy, weight.
        """
        return frame_of(self, self.curve._asdict())
