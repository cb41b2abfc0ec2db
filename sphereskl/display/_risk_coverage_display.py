"""Risk-coverage curve: what is gained by rejecting the least confident predictions."""

import numpy as np

from ..metrics import area_under_risk_coverage, risk_coverage_curve
from ._drawing import axes_for, frame_of
from ._reading import last_step

_STYLES = ("-", "--", "-.")


class RiskCoverageDisplay:
    """Risk-coverage curve: error rate among the most confident samples, against their share.

    Create one with `from_estimator` or `from_predictions`; all parameters are stored as
    attributes.

    Parameters
    ----------
    curve : RiskCoverageCurve
        Result of `sphereskl.metrics.risk_coverage_curve`.
    area : float
        Area under the curve.
    name : str, default=None
        Name in the legend.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The curve.
    optimum_ : matplotlib Line2D
        The lowest risk that these predictions allow: every error is rejected before any correct
        prediction.
    ax_ : matplotlib Axes
        Axes with the curve.
    figure_ : matplotlib Figure
        Figure with the axes.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> plt.switch_backend("Agg")
    >>> from sphereskl.display import RiskCoverageDisplay
    >>> display = RiskCoverageDisplay.from_predictions([0, 1, 1], [0, 1, 0], [0.9, 0.8, 0.6])
    >>> round(display.area, 3)
    0.111
    >>> plt.close(display.figure_)
    """

    def __init__(self, curve, *, area, name=None):
        self.curve = curve
        self.area = area
        self.name = name

    @classmethod
    def from_estimator(cls, estimator, X, y, *, name=None, ax=None):
        """Draw the curve of a fitted classifier, with its largest probability as confidence.

        Parameters
        ----------
        estimator : fitted classifier or Pipeline that ends in one
            Has `predict` and `predict_proba`.
        X : array-like of shape (n_samples, n_features) or images
            Samples that were not trained on.
        y : array-like of shape (n_samples,)
            Their classes.
        name : str, default=None
            Name in the legend; ``None`` is that of the class.
        ax : matplotlib Axes, default=None
            Where to draw; ``None`` makes a figure. Pass that of another display to compare.

        Returns
        -------
        display : RiskCoverageDisplay
            With the drawing in its attributes.
        """
        last = last_step(estimator, "predict_proba", instead="a classifier")
        confidence = np.max(estimator.predict_proba(X), axis=1)
        name = type(last).__name__ if name is None else name
        return cls.from_predictions(y, estimator.predict(X), confidence, name=name, ax=ax)

    @classmethod
    def from_predictions(cls, y_true, y_pred, confidence, *, name=None, ax=None):
        """Draw the curve of given predictions.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels.
        y_pred : array-like of shape (n_samples,)
            Predicted labels.
        confidence : array-like of shape (n_samples,)
            Confidence, higher is more certain; only the order matters.
        name : str, default=None
            Name in the legend.
        ax : matplotlib Axes, default=None
            Where to draw; ``None`` makes a figure. Pass that of another display to compare.

        Returns
        -------
        display : RiskCoverageDisplay
            With the drawing in its attributes.
        """
        curve = risk_coverage_curve(y_true, y_pred, confidence)
        area = area_under_risk_coverage(y_true, y_pred, confidence)
        return cls(curve, area=area, name=name).plot(ax=ax)

    def plot(self, *, ax=None):
        """Draw the curve, and dotted the best one that the same errors allow.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; ``None`` makes a figure.

        Returns
        -------
        self : RiskCoverageDisplay
            With `ax_`, `figure_` and what was drawn as attributes.
        """
        self.ax_, self.figure_ = axes_for(self, ax, size=(6.4, 4))
        coverage, risk, _ = self.curve
        named = "" if self.name is None else f"{self.name}, "
        # A curve and its optimum for each existing one: line styles differ in grey as well.
        n_before = len(self.ax_.lines) // 2
        (self.line_,) = self.ax_.plot(
            coverage, risk, lw=1.8, marker="o" if len(coverage) == 1 else None,
            ls=_STYLES[n_before % len(_STYLES)], label=f"{named}AURC = {self.area:.4f}",
        )  # fmt: skip
        kept = np.linspace(0, 1, 401)[1:]
        least = np.maximum(0, 1 - (1 - risk[-1]) / kept)
        best = "best order of the same errors"
        named_before = best in self.ax_.get_legend_handles_labels()[1]
        (self.optimum_,) = self.ax_.plot(
            kept, least, color=self.line_.get_color(), lw=1, ls=":",
            label="_" if named_before else best,
        )  # fmt: skip
        self.ax_.set(xlabel="coverage", ylabel="error rate", xlim=(0, 1))
        # The upper limit stays open: the next curve on these axes may be higher.
        self.ax_.set_ylim(bottom=0, auto=None)
        self.ax_.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g}%")
        # Above the axes: a curve may run anywhere inside.
        self.ax_.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1))
        return self

    def frame(self):
        """Return the numbers that are drawn.

        Returns
        -------
        frame : pandas DataFrame
            A row for every threshold: coverage, risk, thresholds.
        """
        return frame_of(self, self.curve._asdict())
