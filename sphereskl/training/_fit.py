"""Training of a net in one call: callbacks, early stopping, threads, random numbers, clean-up."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from skorch.callbacks import LRScheduler

from ..geometry import one_thread, threads_outside
from ._callbacks import QuietStopping, check_callbacks, without_reports
from ._data import TensorData
from ._data_parallel import draw_apart
from ._listener import EpochListener
from ._net import EmbeddingNet
from ._process_group import ProcessGroup
from ._progress import ProgressBar
from ._resume import check_resume
from ._seed import seeded


def fit_net(
    net: EmbeddingNet,
    train: TensorData,
    valid: TensorData | None = None,
    *,
    max_epochs: int,
    schedule: str,
    keeps_momentum: bool = False,
    callbacks: Sequence[Any] = (),
    listener: EpochListener | None = None,
    patience: int | None = None,
    verbose: bool = False,
    draws_globally: bool = False,
    group: ProcessGroup | None = None,
) -> EmbeddingNet:
    """Train a net in place.

    Parameters
    ----------
    net : EmbeddingNet
        New, or trained before.
    train : TensorData
        Training samples, on the net's device.
    valid : TensorData, default=None
        Validation samples for every epoch.
    max_epochs : int
        Maximum number of epochs.
    schedule : {"one_cycle", "cosine", "step", "constant"}
        Learning rate schedule.
    keeps_momentum : bool, default=False
        Whether the optimiser keeps its state, as on a stream of parts.
    callbacks : sequence of skorch callbacks or pairs (name, callback), default=()
        Called during this training, and removed from the net afterwards. The net is verbose
        while they are called, so that those that print do so.
    listener : EpochListener, default=None
        Called for every epoch; it may end training.
    patience : int, default=None
        Early stopping: epochs without a lower loss, of `valid` if there is any, after which to
        stop and restore the best epoch; ``None`` trains to the end.
    verbose : bool, default=False
        Whether to show a progress bar.
    draws_globally : bool, default=False
        Whether the network may draw from torch's global generators in training; they are
        seeded for it, and restored afterwards.
    group : ProcessGroup, default=None
        From `joined`: the processes that train together, with the same rows and options.

    Returns
    -------
    net : EmbeddingNet
        Trained. Its ``interrupted_`` says whether Ctrl-C ended the training.

    Raises
    ------
    ValueError
        If a loss or a weight is not finite.
    """
    if callbacks:
        check_callbacks(callbacks, schedule)
        check_resume(callbacks, streams=keeps_momentum)
    rank = 0 if group is None else group.rank
    net.callbacks = list(without_reports(callbacks) if rank else callbacks)
    if patience is not None:
        monitor = "train_loss" if valid is None else "valid_loss"
        net.callbacks.append(("_early_stopping", QuietStopping(monitor, patience)))
    bar = ProgressBar()
    if verbose and not rank:
        net.callbacks.append(("_progress", bar))
    if listener is not None:
        net.callbacks.append(("_listener", listener))
    net.max_epochs, net.schedule, net.group_ = max_epochs, schedule, group
    net.verbose = int((bool(callbacks) or verbose) and not rank)
    net.draws_globally_ = draws_globally
    if group is not None:
        draw_apart(net.module, rank)
    with ExitStack() as stack:
        stack.callback(bar.close)
        if train.target.device.type == "cpu":
            stack.enter_context(one_thread())
            n_threads = threads_outside()
            if n_threads > 1:  # threads start with the first shard
                net.executor_ = stack.enter_context(ThreadPoolExecutor(n_threads))
        if draws_globally:
            stack.enter_context(seeded(net.seed + rank, train.target.device))
        try:
            if net.initialized_:
                net.initialize_callbacks()
                if not keeps_momentum:
                    net.optimizer_ = None
            return net.partial_fit(train, valid)
        finally:
            for _, callback in getattr(net, "callbacks_", ()):
                if isinstance(callback, LRScheduler):
                    callback.lr_scheduler_ = None
            # Callbacks may hold weights, data or open files; the net outlives them.
            net.callbacks, net.callbacks_, net.verbose, net.group_ = None, [], 0, None
            net.executor_ = net.shards_ = None
