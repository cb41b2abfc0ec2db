"""Training history: losses and scores of every epoch."""

import numpy as np

from ._drawing import BLUE, GREEN, VERMILLION, axes_for, frame_of
from ._reading import last_step


class TrainingHistoryDisplay:
    """Training curves: losses and validation scores of every epoch, the best epoch marked.

    Create one with `from_estimator` or `from_history`; all parameters are stored as attributes.

    Parameters
    ----------
    train_loss : ndarray of shape (n_epochs,)
        Training loss.
    valid_loss : ndarray of shape (n_epochs,)
        Validation loss; NaN without validation samples.
    valid_score : ndarray of shape (n_epochs,)
        Validation score, accuracy or R2; NaN without validation samples.

    Attributes
    ----------
    best_epoch_ : int
        Epoch of the lowest validation loss, counted from 1; of the lowest training loss without
        validation. Early stopping restores its weights.
    lines_ : dict of matplotlib Line2D
        Lines by the name of what they show.
    score_ax_ : matplotlib Axes or None
        Axes of the score, on the right; ``None`` if there is no score.
    ax_ : matplotlib Axes
        Axes with the losses.
    figure_ : matplotlib Figure
        Figure with the axes.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> plt.switch_backend("Agg")
    >>> from sphereskl.display import TrainingHistoryDisplay
    >>> history = [{"train_loss": 2.0, "valid_loss": 2.1}, {"train_loss": 1.0, "valid_loss": 1.2}]
    >>> display = TrainingHistoryDisplay.from_history(history)
    >>> display.best_epoch_
    2
    >>> plt.close(display.figure_)
    """

    def __init__(self, train_loss, *, valid_loss, valid_score):
        self.train_loss = train_loss
        self.valid_loss = valid_loss
        self.valid_score = valid_score

    @classmethod
    def from_estimator(cls, estimator, *, ax=None):
        """Draw the training of a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator or Pipeline that ends in one
            Has `history_`.
        ax : matplotlib Axes, default=None
            Where to draw; ``None`` makes a figure.

        Returns
        -------
        display : TrainingHistoryDisplay
            With the drawing in its attributes.
        """
        last = last_step(estimator, "history_", instead="an estimator of this package")
        return cls.from_history(last.history_, ax=ax)

    @classmethod
    def from_history(cls, history, *, ax=None):
        """Draw a recorded training history.

        Parameters
        ----------
        history : list of dict
            One for every epoch, with ``train_loss`` and, if there were validation samples,
            ``valid_loss`` and ``valid_score``; such as `history_`.
        ax : matplotlib Axes, default=None
            Where to draw; ``None`` makes a figure.

        Returns
        -------
        display : TrainingHistoryDisplay
            With the drawing in its attributes.
        """
        epochs = list(history)
        if not epochs or any("train_loss" not in epoch for epoch in epochs):
            raise ValueError(
                "history must have a dict with train_loss for every epoch, got "
                f"{len(epochs)} epochs; pass history_ of a fitted estimator."
            )
        train_loss, valid_loss, valid_score = (
            np.array([epoch.get(name, np.nan) for epoch in epochs], dtype=np.float64)
            for name in ("train_loss", "valid_loss", "valid_score")
        )
        return cls(train_loss, valid_loss=valid_loss, valid_score=valid_score).plot(ax=ax)

    def plot(self, *, ax=None):
        """Draw losses on the left axis and the score on the right one.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; ``None`` makes a figure.

        Returns
        -------
        self : TrainingHistoryDisplay
            With `ax_`, `figure_` and what was drawn as attributes.
        """
        self.ax_, self.figure_ = axes_for(self, ax, size=(6.4, 4))
        self.lines_, self.score_ax_ = {}, None
        judged = "valid_loss" if np.isfinite(self.valid_loss).any() else "train_loss"
        self.best_epoch_ = int(np.nanargmin(getattr(self, judged))) + 1
        self._draw(self.ax_, "train_loss", "training loss", color=BLUE, ls="-")
        self._draw(self.ax_, "valid_loss", "validation loss", color=VERMILLION, ls="--")
        if np.isfinite(self.valid_score).any():
            self.score_ax_ = self.ax_.twinx()
            self._draw(self.score_ax_, "valid_score", "validation score", color=GREEN, ls=":")
            self.score_ax_.set_ylabel("validation score")
        self.ax_.axvline(self.best_epoch_, color="0.6", lw=1, zorder=0)
        self.ax_.set(xlabel="epoch", ylabel="loss")
        self.ax_.locator_params(axis="x", integer=True)
        kind = "validation" if judged == "valid_loss" else "training"
        self.ax_.set_title(f"least {kind} loss in epoch {self.best_epoch_}")
        # Above the axes: lines may run anywhere inside.
        self.ax_.legend(
            handles=list(self.lines_.values()), loc="lower center", ncols=3, frameon=False,
            bbox_to_anchor=(0.5, 1.1),
        )  # fmt: skip
        return self

    def frame(self):
        """Return the numbers that are drawn.

        Returns
        -------
        frame : pandas DataFrame
            A row for every epoch: epoch, train_loss, valid_loss, valid_score.
        """
        return frame_of(
            self,
            {
                "epoch": np.arange(1, len(self.train_loss) + 1),
                "train_loss": self.train_loss,
                "valid_loss": self.valid_loss,
                "valid_score": self.valid_score,
            },
        )

    def _draw(self, ax, name, label, **style):
        values = getattr(self, name)
        if np.isfinite(values).any():
            epochs = np.arange(1, len(values) + 1)
            # A single epoch is drawn as a point, which a line alone would not show.
            marker = "o" if len(values) == 1 else None
            (self.lines_[name],) = ax.plot(epochs, values, label=label, marker=marker, **style)
