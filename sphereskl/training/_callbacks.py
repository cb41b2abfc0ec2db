"""Callbacks of users: which are refused, and what their errors mean."""

import re
from copy import deepcopy
from inspect import isclass
from typing import Any

from skorch.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochTimer,
    InputShapeSetter,
    LRScheduler,
    MlflowLogger,
    NeptuneLogger,
    PrintLog,
    SacredLogger,
    TensorBoard,
    TrainEndCheckpoint,
    WandbLogger,
)
from skorch.callbacks import ProgressBar as SkorchProgressBar
from skorch.exceptions import SkorchException
from skorch.utils import noop
from torch import Tensor

from ._listener import EpochListener
from ._progress import ProgressBar


class QuietStopping(EarlyStopping):
    """Early stopping without output, which restores the best epoch.

    Parameters
    ----------
    monitor : {"train_loss", "valid_loss"}
        The monitored loss.
    patience : int
        Epochs to wait for a smaller loss.

    Notes
    -----
    There is no threshold below which an improvement is ignored. That of skorch is a share of
    the loss; for negative losses it would accept larger ones as smaller.
    """

    def __init__(self, monitor: str, patience: int):
        super().__init__(monitor, patience=patience, threshold=0.0, sink=noop)

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        try:
            super().on_epoch_end(net, **kwargs)
        finally:
            if self.misses_ == 0:
                # As skorch's load_best, without its deep copies, which take four times as long.
                self.best_model_weights_ = {
                    name: value.clone() if isinstance(value, Tensor) else deepcopy(value)
                    for name, value in net.module_.state_dict().items()
                }

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        # Training may have stopped before its first epoch, with a history of earlier fits.
        best = getattr(self, "best_model_weights_", None)
        # A best epoch beyond the history was dropped: its last step broke the weights.
        if net.history and best is not None and self.best_epoch_ < net.history[-1, "epoch"]:
            net.module_.load_state_dict(best)


# Callbacks that do not read the data.
OURS = (EpochListener, EpochTimer, ProgressBar, QuietStopping)

# Callbacks of which one suffices in data-parallel training.
_REPORTS = (
    *(Checkpoint, MlflowLogger, NeptuneLogger, PrintLog, ProgressBar, SacredLogger),
    *(SkorchProgressBar, TensorBoard, TrainEndCheckpoint, WandbLogger),
)


def check_callbacks(callbacks: Any, schedule: str) -> None:
    """Refuse callbacks that could not work as documented.

    Parameters
    ----------
    callbacks : sequence of skorch callbacks or pairs (name, callback)
        As the user passed them.
    schedule : str
        Learning rate schedule of the training.

    Raises
    ------
    ValueError
        If an item is not a callback, changes a learning rate that has a schedule, or needs
        another network.
    """
    for item in callbacks:
        callback, kind = _unpacked(item)
        if callback is not None and not issubclass(kind, Callback):
            raise ValueError(
                f"callbacks must be skorch callbacks or pairs (name, callback), got {item!r}."
            )
        if issubclass(kind, LRScheduler) and schedule != "constant":
            raise ValueError(
                f"callbacks hold an {kind.__name__}, but lr_schedule is {schedule!r}, and the two "
                "would multiply; set lr_schedule='constant'."
            )
        if issubclass(kind, InputShapeSetter):
            raise ValueError(
                f"callbacks hold an {kind.__name__}, but the network is built for the columns of X "
                "before training begins; leave it out."
            )


def without_reports(callbacks: Any) -> list[Any]:
    """Leave out callbacks that report the progress of training, or write it to files.

    Parameters
    ----------
    callbacks : sequence of skorch callbacks or pairs (name, callback)
        As the user passed them.

    Returns
    -------
    callbacks : list
        Those that control training, and unknown ones.
    """
    return [item for item in callbacks if not issubclass(_unpacked(item)[1], _REPORTS)]


def _unpacked(item: Any) -> tuple[Any, type]:
    """Return a callback without its name, and its class."""
    callback = item[1] if isinstance(item, list | tuple) and len(item) == 2 else item
    return callback, callback if isclass(callback) else type(callback)


def explained(
    name: str, callback: Callback, error: Exception, epoch: dict[str, Any]
) -> ValueError | None:
    """Explain the error of a callback that misses an entry of the history.

    Parameters
    ----------
    name : str
        Name of the callback.
    callback : Callback
        The callback that raised an error.
    error : Exception
        The error.
    epoch : dict
        Entries of the history for the epoch.

    Returns
    -------
    error : ValueError or None
        ``None`` if the error has another cause.
    """
    if not isinstance(error, KeyError | SkorchException | ValueError):
        return None
    missed = getattr(callback, "monitor", None)
    if not isinstance(missed, str) or missed in epoch:
        missed = _key(error, callback)
    if missed is None:
        return None
    recorded = ", ".join(sorted(key for key in epoch if key != "batches"))
    return ValueError(
        f"The callback {name} asks for {missed!r}, but history_ holds only {recorded}; pass X_val "
        "or early_stopping=True for names that begin with valid_, put the callback that records it "
        "first, or use one of these."
    )


def _key(error: Exception, callback: Callback) -> str | None:
    """Return the key of the history that an error is about, None if it has another cause."""
    if not isinstance(error, KeyError):
        return None
    text = str(error.args[0])
    asked = re.fullmatch(r"Key '?(.*?)'? was not found in history\.", text)
    if asked:
        return asked[1]
    # File names of checkpoints are formatted with the history.
    return text if isinstance(callback, Checkpoint | TrainEndCheckpoint) else None
