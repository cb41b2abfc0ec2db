"""Listener of the epochs of a training, which may end it."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from skorch.callbacks import Callback
from skorch.utils import noop


class EpochListener(Callback):
    """Report the begin and the end of every epoch.

    Parameters
    ----------
    begin : callable
        ``begin(net)``, called before an epoch.
    end : callable
        ``end(net)``, called after a finished epoch; True ends the training.
    """

    def __init__(self, begin: Callable[[Any], Any], end: Callable[[Any], Any]):
        self.begin = begin
        self.end = end

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        self.begin(net)

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        if self.end(net):
            raise KeyboardInterrupt

    def __reduce__(self) -> Any:
        # A net that is pickled in training is pickled without its listener.
        return EpochListener, (noop, noop)


def snapshot(net: Any) -> Any:
    """Return a copy of a net between two epochs.

    Parameters
    ----------
    net : EmbeddingNet
        In training.

    Returns
    -------
    twin : EmbeddingNet
        A new one, which shares no trainable state and has the finished epochs only.
    """
    state = net.__getstate__()
    progress = state["progress"]
    finished = deepcopy(progress["history"][: progress["n_finished"]])
    twin = object.__new__(type(net))
    twin.__setstate__(
        {
            **state,
            "module": deepcopy(state["module"]),
            "criterion": deepcopy(state["criterion"]),
            "options": {**state["options"], "callbacks": None, "verbose": 0},
            "progress": {**progress, "history": finished},
            "momentum": None,
        }
    )
    return twin
