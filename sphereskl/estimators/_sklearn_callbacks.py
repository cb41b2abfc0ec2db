"""Support of scikit-learn's callbacks: what they receive during a fit, and when they may end it.

The only module that imports scikit-learn's callbacks: they are experimental, and exist from 1.9 on.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Self

from ..training import EpochListener, seeded, snapshot
from ._components import is_own_network

try:
    from sklearn.callback import CallbackSupportMixin  # pyright: ignore
except ImportError:  # before scikit-learn 1.9

    class CallbackSupportMixin:
        """A stand-in without callbacks."""


class FitReport:
    """Reports one fit to the callbacks of an estimator: a task with a subtask for every epoch.

    As a context manager it reports the fit itself, and its end only if it was completed.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        About to be fitted, with callbacks.
    X, y, sample_weight : object
        The arguments of the fit.
    name : {"fit", "partial_fit"}
        Name of the task.
    n_epochs : int
        Maximum number of epochs.
    """

    def __init__(
        self, estimator: Any, X: Any, y: Any, sample_weight: Any, *, name: str, n_epochs: int
    ):
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self.estimator = estimator
        self.given = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self.context = estimator._init_callback_context(name, max_subtasks=n_epochs)
        self.epoch: Any = None

    def __enter__(self) -> Self:
        self.context.call_on_fit_task_begin(**self.given)
        return self

    def __exit__(self, kind: Any, *details: Any) -> None:
        if kind is not None:
            return
        if self.epoch is not None:
            # It was interrupted, so there is no fitted estimator.
            self.epoch.call_on_fit_task_end(estimator=self.estimator)
        self.context.call_on_fit_task_end(**self.given, reconstruction_attributes={})

    def listener(self, finish: Callable[[Any, Any], None]) -> EpochListener:
        """Return the listener that reports epochs to the callbacks.

        Parameters
        ----------
        finish : callable
            ``finish(estimator, net)`` makes a fitted estimator of a trained net.

        Returns
        -------
        listener : EpochListener
            For the net in training.
        """

        def begin(net: Any) -> None:
            self.epoch = self.context.subcontext(task_name="epoch")
            self._tell(self.epoch.call_on_fit_task_begin, net, finish)

        def end(net: Any) -> bool:
            epoch, self.epoch = self.epoch, None
            return self._tell(epoch.call_on_fit_task_end, net, finish)

        return EpochListener(begin, end)

    def _tell(self, call: Callable[..., Any], net: Any, finish: Callable[[Any, Any], None]) -> Any:
        """Report an epoch without any effect on the training in progress.

        scikit-learn copies the estimator that callbacks receive, and gives the copy the
        attributes it would have if the fit were over. The net in training, or one of an earlier
        fit, does not belong in that copy.
        """
        estimator = self.estimator
        attributes = vars(estimator)
        net_before = {"net_": attributes.pop("net_")} if "net_" in attributes else {}
        try:
            with _own_draws(estimator, net):
                return call(
                    **self.given, reconstruction_attributes=partial(_ended, estimator, net, finish)
                )
        finally:
            attributes.update(net_before)


def report_fit(
    estimator: Any, X: Any, y: Any, sample_weight: Any, *, name: str, n_epochs: int
) -> AbstractContextManager[FitReport | None]:
    """Return the report of a fit to the callbacks of an estimator, if it has any.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        About to be fitted.
    X, y, sample_weight : object
        As they were given to it.
    name : {"fit", "partial_fit"}
        Name of the method.
    n_epochs : int
        Maximum number of epochs.

    Returns
    -------
    report : context of FitReport or None
        For the fit. ``None`` without callbacks.
    """
    if not hasattr(estimator, "_skl_callbacks"):
        return nullcontext()
    return FitReport(estimator, X, y, sample_weight, name=name, n_epochs=n_epochs)


def _ended(estimator: Any, net: Any, finish: Callable[[Any, Any], None]) -> dict[str, Any]:
    """Return the attributes that an estimator would have if training ended here."""
    twin: Any = object.__new__(type(estimator))
    vars(twin).update(vars(estimator))
    finish(twin, snapshot(net))
    before = vars(estimator)
    return {n: v for n, v in vars(twin).items() if n not in before or v is not before[n]}


def _own_draws(estimator: Any, net: Any) -> AbstractContextManager[None]:
    """Keep random numbers of predictions from changing those of training."""
    draws = is_own_network(estimator.backbone)
    return seeded(net.seed, net.device) if draws else nullcontext()
