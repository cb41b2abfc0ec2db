"""What scikit-learn's callbacks are told of a fit, and when they may end it.

The only module that imports scikit-learn's callbacks: they are experimental, and there from 1.9 on.
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
        """Nothing, where there are no callbacks to support."""


class FitReport:
    """What the callbacks of an estimator are told of one fit: a task with a task for every epoch.

    As a context it tells of the fit itself: of its end only if it has one.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        About to be fitted, with callbacks.
    X, y, sample_weight : object
        As they were given to it.
    name : {"fit", "partial_fit"}
        Of the task.
    n_epochs : int
        How many epochs there are at the most.
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
            # It was cut short, which leaves nothing to look at.
            self.epoch.call_on_fit_task_end(estimator=self.estimator)
        self.context.call_on_fit_task_end(**self.given, reconstruction_attributes={})

    def listener(self, finish: Callable[[Any, Any], None]) -> EpochListener:
        """Return what tells the callbacks of epochs.

        Parameters
        ----------
        finish : callable
            ``finish(estimator, net)`` makes a fitted estimator of a net that is trained.

        Returns
        -------
        listener : EpochListener
            For the net that trains.
        """

        def begin(net: Any) -> None:
            self.epoch = self.context.subcontext(task_name="epoch")
            self._tell(self.epoch.call_on_fit_task_begin, net, finish)

        def end(net: Any) -> bool:
            epoch, self.epoch = self.epoch, None
            return self._tell(epoch.call_on_fit_task_end, net, finish)

        return EpochListener(begin, end)

    def _tell(self, call: Callable[..., Any], net: Any, finish: Callable[[Any, Any], None]) -> Any:
        """Tell of an epoch without a trace in the training that goes on.

        scikit-learn copies the estimator that the callbacks get to see, and gives the copy what it
        would have if the fit were over. The net that is trained, or one of an earlier fit, does
        not belong into that copy.
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
    """Return what tells the callbacks of an estimator, if it has any, of a fit.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        About to be fitted.
    X, y, sample_weight : object
        As they were given to it.
    name : {"fit", "partial_fit"}
        Of the method.
    n_epochs : int
        How many epochs there are at the most.

    Returns
    -------
    report : context of FitReport or None
        For the fit. ``None`` where nobody listens.
    """
    if not hasattr(estimator, "_skl_callbacks"):
        return nullcontext()
    return FitReport(estimator, X, y, sample_weight, name=name, n_epochs=n_epochs)


def _ended(estimator: Any, net: Any, finish: Callable[[Any, Any], None]) -> dict[str, Any]:
    """Return what an estimator would have learned if training ended here."""
    twin: Any = object.__new__(type(estimator))
    vars(twin).update(vars(estimator))
    finish(twin, snapshot(net))
    before = vars(estimator)
    return {n: v for n, v in vars(twin).items() if n not in before or v is not before[n]}


def _own_draws(estimator: Any, net: Any) -> AbstractContextManager[None]:
    """Keep predictions of networks that draw random numbers out of the numbers of the training."""
    draws = is_own_network(estimator.backbone)
    return seeded(net.seed, net.device) if draws else nullcontext()
