"""How well scores separate known samples from novel ones."""

import numpy as np

from ..metrics import novelty_report, novelty_threshold
from ._drawing import BLUE, VERMILLION, axes_for, frame_of
from ._reading import input_of_last_step, last_step

_N_BINS = 50


class NoveltyDisplay:
    """Histograms of the scores of known and of novel samples.

    Create one with `from_estimator` or `from_scores`; all parameters are stored as attributes.

    Parameters
    ----------
    scores_known : ndarray of shape (n_known,)
        Scores of samples like the training data; higher is more typical.
    scores_new : ndarray of shape (n_new,)
        Scores of samples from another distribution.
    false_alarm_rate : float, default=0.05
        Maximum share of known samples classified as novel, in [0, 1); it sets the threshold.

    Attributes
    ----------
    report_ : NoveltyReport
        Result of `sphereskl.metrics.novelty_report`.
    threshold_ : float
        Samples that score below it are classified as novel.
    edges_ : ndarray of shape (n_bins + 1,)
        Edges of the bins.
    shares_ : dict of ndarray of shape (n_bins,)
        Shares of the samples in the bins, for ``"known"`` and ``"new"``.
    ax_ : matplotlib Axes
        Axes with the histograms.
    figure_ : matplotlib Figure
        Figure with the axes.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> plt.switch_backend("Agg")
    >>> from sphereskl.display import NoveltyDisplay
    >>> display = NoveltyDisplay.from_scores([0.9, 0.8, 0.7], [0.3, 0.2])
    >>> display.report_.auroc
    1.0
    >>> plt.close(display.figure_)
    """

    def __init__(self, scores_known, scores_new, *, false_alarm_rate=0.05):
        self.scores_known = scores_known
        self.scores_new = scores_new
        self.false_alarm_rate = false_alarm_rate

    @classmethod
    def from_estimator(
        cls, estimator, X_known, X_new, *, method="auto", false_alarm_rate=0.05, ax=None
    ):
        """Draw the scores of a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator or Pipeline that ends in one
            Has `score_samples`.
        X_known : array-like of shape (n_known, n_features) or images
            Samples like the training data, not trained on.
        X_new : array-like of shape (n_new, n_features) or images
            Samples from another distribution.
        method : str, default="auto"
            Method of `score_samples`.
        false_alarm_rate : float, default=0.05
            Maximum share of known samples classified as novel.
        ax : matplotlib Axes, default=None
            Where to draw; ``None`` makes a figure.

        Returns
        -------
        display : NoveltyDisplay
            With the drawing in its attributes.
        """
        last = last_step(estimator, "score_samples", instead="a classifier of this package")
        # Not the pipeline's own score_samples, which takes no method.
        known, new = (
            last.score_samples(input_of_last_step(estimator, X), method=method)
            for X in (X_known, X_new)
        )
        return cls.from_scores(known, new, false_alarm_rate=false_alarm_rate, ax=ax)

    @classmethod
    def from_scores(cls, scores_known, scores_new, *, false_alarm_rate=0.05, ax=None):
        """Draw given scores.

        Parameters
        ----------
        scores_known : array-like of shape (n_known,)
            Scores of samples like the training data; higher is more typical.
        scores_new : array-like of shape (n_new,)
            Scores of samples from another distribution.
        false_alarm_rate : float, default=0.05
            Largest share of known rows that may count as new.
        ax : matplotlib Axes, default=None
            Where to draw; ``None`` makes a figure.

        Returns
        -------
        display : NoveltyDisplay
            With the drawing in its attributes.
        """
        known, new = (np.asarray(s, dtype=np.float64) for s in (scores_known, scores_new))
        return cls(known, new, false_alarm_rate=false_alarm_rate).plot(ax=ax)

    def plot(self, *, ax=None):
        """Draw both histograms and the threshold.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; ``None`` makes a figure.

        Returns
        -------
        self : NoveltyDisplay
            With `ax_`, `figure_` and what was drawn as attributes.
        """
        self.report_ = novelty_report(self.scores_known, self.scores_new)
        rate = self.false_alarm_rate
        self.threshold_ = novelty_threshold(self.scores_known, false_alarm_rate=rate)
        self.ax_, self.figure_ = axes_for(self, ax, size=(6.4, 4))
        scores = {"known": self.scores_known, "new": self.scores_new}
        self._count(scores)
        self.ax_.stairs(
            self.shares_["known"], self.edges_, fill=True, color=BLUE, alpha=0.7,
            label=f"known, {len(scores['known']):,} rows",
        )  # fmt: skip
        self.ax_.stairs(
            self.shares_["new"], self.edges_, color=VERMILLION, hatch="////", lw=1.4,
            label=f"new, {len(scores['new']):,} rows",
        )  # fmt: skip
        found = np.mean(self.scores_new < self.threshold_)
        self.ax_.axvline(
            self.threshold_, color="black", ls="--", lw=1.2,
            label=f"{rate:.0%} false alarms find {found:.0%}",
        )  # fmt: skip
        self.ax_.set(xlabel="score, higher is more typical", ylabel="share of samples")
        self.ax_.set_title(f"AUROC {self.report_.auroc:.3f}, FPR95 {self.report_.fpr95:.3f}")
        self.ax_.legend(frameon=False)
        return self

    def frame(self):
        """Return the numbers that are drawn.

        Returns
        -------
        frame : pandas DataFrame
            A row for every sample: score, and is_new.
        """
        score = np.concatenate([self.scores_known, self.scores_new])
        return frame_of(
            self, {"score": score, "is_new": np.arange(len(score)) >= len(self.scores_known)}
        )

    def _count(self, scores):
        """Choose bins for all scores, and compute the shares of the samples in them."""
        both = np.concatenate(list(scores.values()))
        finite = both[np.isfinite(both)]
        low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 1.0)
        self.edges_ = np.histogram_bin_edges([low, high], _N_BINS)
        # Infinite scores are counted in the bins at the ends.
        self.shares_ = {
            name: np.histogram(values.clip(low, high), self.edges_)[0] / len(values)
            for name, values in scores.items()
        }
