"""The skorch net that trains embedding models, with a hot path of its own."""

import math
from collections.abc import Callable, Iterable
from typing import Any, Self

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EpochTimer
from torch import Tensor

from ..nn import EmbeddingModel
from ._by_member import by_member
from ._criterion import AngularCriterion, Criterion
from ._data import ShuffledBatches, TensorData
from ._inference import infer
from ._optimizers import make_optimizer
from ._schedules import make_schedule

_BATCH_EVENTS = ("on_batch_begin", "on_batch_end", "on_grad_computed")


class StopTraining(Exception):
    """A callback asked for the end of training."""


class EmbeddingNet(NeuralNet):
    """Skorch net over whole tensors.

    Skorch brings history, callbacks, device handling and pickling. Replaced are its data
    loading (whole tensors instead of a ``DataLoader``), its epoch loop (one host
    synchronisation an epoch; callbacks hear of batches only if they listen to them) and
    its way with Ctrl-C (`interrupted_` tells, instead of silence).

    Parameters
    ----------
    module : EmbeddingModel
        The initialised model; trained in place.
    criterion : Criterion
        The loss.
    optimizer : str or callable, default="adamw"
        See `make_optimizer`.
    weight_decay : float, default=0.0
        Decay of weight matrices.
    schedule : {"one_cycle", "cosine", "step", "constant"}, default="constant"
        Learning rate over the course of a fit.
    max_grad_norm : float, default=None
        Largest norm of the gradient; longer ones are shortened to it.
    regularizer : callable, default=None
        ``regularizer(model)``, a scalar that is added to what is minimised; ``train_loss``
        goes without it, and ``train_penalty`` is its mean over an epoch's steps.
    score : callable, default=None
        ``score(logits, target, weight)``, a scalar to record for validation rows.
    seed : int, default=0
        Of the order in which rows are visited.
    **kwargs
        Of skorch's ``NeuralNet``: lr, max_epochs, batch_size, callbacks, device, ...

    Attributes
    ----------
    interrupted_ : bool
        Whether Ctrl-C ended the last training.
    n_finished_ : int
        Number of epochs that ran to their end.
    """

    # Only seen by type checkers: skorch sets these when it initialises.
    module_: EmbeddingModel
    criterion_: Criterion | AngularCriterion
    optimizer_: Any

    def __init__(
        self,
        module: EmbeddingModel,
        criterion: torch.nn.Module,
        optimizer: str | Callable[..., torch.optim.Optimizer] = "adamw",
        *,
        weight_decay: float = 0.0,
        schedule: str = "constant",
        max_grad_norm: float | None = None,
        regularizer: Callable[[torch.nn.Module], Tensor] | None = None,
        score: Callable[[Tensor, Tensor, Tensor | None], Tensor] | None = None,
        seed: int = 0,
        **kwargs: Any,
    ):
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.max_grad_norm = max_grad_norm
        self.regularizer = regularizer
        self.score = score
        self.seed = seed
        # Skorch's annotations, read off its defaults, are narrower than what it accepts.
        options: dict[str, Any] = {"optimizer": optimizer, "train_split": None, "verbose": 0}
        super().__init__(module, criterion, **{**options, **kwargs})

    @property
    def _default_callbacks(self):
        return [("epoch_timer", EpochTimer())]

    def reconfigure(self, criterion: Criterion | AngularCriterion, **options: Any) -> Self:
        """Take options that changed since the last training; the model stays as it is.

        Parameters
        ----------
        criterion : Criterion
            The loss; it goes on where the last one was.
        **options
            Of the constructor, the device among them. Another optimiser, decay or device starts
            without momentum.

        Returns
        -------
        self : EmbeddingNet
            The net.
        """
        criterion.load_state_dict(self.criterion_.state_dict(), strict=False)
        self.criterion = self.criterion_ = criterion.to(options["device"])
        self.module_.to(options["device"])
        bound_to = ("optimizer", "weight_decay", "device")
        if any(getattr(self, name) != options[name] for name in bound_to):
            self.optimizer_ = None
        vars(self).update(options)
        return self

    def initialize_optimizer(self, triggered_directly: bool | None = None) -> Self:
        self.optimizer_ = make_optimizer(
            self.optimizer, self.module_, lr=self.lr, weight_decay=self.weight_decay
        )
        return self

    def partial_fit(self, X: TensorData, y: TensorData | None = None, **kwargs: Any) -> Self:
        """Train for `max_epochs` on rows `X`, validating on rows `y` if there are any."""
        if not self.initialized_:
            self.initialize()
        if self.optimizer_ is None:
            self._initialize_optimizer()
        self.interrupted_ = False
        self.n_finished_ = len(self.history)
        try:
            self.notify("on_train_begin", X=X, y=y)
            self.fit_loop(X, y)
        except StopTraining:
            pass
        except KeyboardInterrupt:
            self.interrupted_ = True
        except Exception:
            del self.history[self.n_finished_ :]
            raise
        finally:
            self.module_.eval()
        self.notify("on_train_end", X=X, y=y)
        del self.history[self.n_finished_ :]
        return self

    def predict(self, X: Any) -> Any:
        """Return the row number of the nearest prototype, as scores of callbacks expect."""
        return self.predict_proba(X).argmax(axis=1)

    def _get_predict_nonlinearity(self) -> Callable[[Tensor], Tensor]:
        return self.criterion_.logits

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        """Call a method of every callback."""
        try:
            super().notify(method_name, **cb_kwargs)
        except KeyboardInterrupt as stop:
            # How skorch's callbacks ask for the end; from anywhere else it is Ctrl-C.
            raise StopTraining from stop

    def fit_loop(
        self, X: TensorData, y: TensorData | None = None, epochs: int | None = None, **kwargs: Any
    ) -> Self:
        if not hasattr(self, "generator_"):
            self.generator_ = torch.Generator().manual_seed(self.seed)
        epochs = self.max_epochs if epochs is None else epochs
        is_single = len(X.X) <= self.batch_size
        batches = [X] if is_single else ShuffledBatches(X, self.batch_size, self.generator_)
        self.scheduler_ = make_schedule(
            self.schedule, self.optimizer_, self.lr, epochs * len(batches)
        )
        data = {"dataset_train": X, "dataset_valid": y}
        for _ in range(epochs):
            self.notify("on_epoch_begin", **data)
            self._train_epoch(batches)
            if y is not None:
                self._validate(y)
            self.n_finished_ += 1
            self.notify("on_epoch_end", **data)
        return self

    def _train_epoch(self, batches: Iterable[TensorData]) -> None:
        self.module_.train()
        heard = self._is_heard()
        parameters = [p for group in self.optimizer_.param_groups for p in group["params"]]
        values, sizes = [], []
        for batch in batches:
            for parameter in parameters:  # zero_grad, without its profiling
                parameter.grad = None
            values.append(self._heard_step(batch) if heard else self._step(batch)[0])
            sizes.append(len(batch.X))
        # The only point of an epoch at which the host waits for the device.
        columns = torch.stack([torch.stack(column) for column in zip(*values, strict=True)])
        sums = columns.double() @ torch.tensor(sizes).double().to(self.device)
        loss, *penalty = (sums / sum(sizes)).tolist()
        self._record_loss("train_loss", loss)
        if penalty:
            self.history.record("train_penalty", penalty[0])
        self.history.record("train_batch_count", len(sizes))
        if not heard:
            self.history.new_batch()  # checkpoints name files after the last batch

    def _step(
        self, batch: TensorData, on_gradients: Callable[[], None] | None = None
    ) -> tuple[list[Tensor], Tensor]:
        """Take a step; return [loss] or [loss, penalty], and what the model returned."""
        outputs = self.module_(batch.X)
        loss = self.criterion_(*by_member(outputs, batch), self.module_)
        values = [loss] if self.regularizer is None else [loss, self.regularizer(self.module_)]
        sum(values[1:], loss).backward()
        if self.max_grad_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.module_.parameters(), self.max_grad_norm)
        if on_gradients is not None:
            on_gradients()
        self.optimizer_.step()
        if isinstance(self.criterion_, AngularCriterion):
            self.criterion_.advance()
        if self.scheduler_ is not None:
            self.scheduler_.step()
        return [value.detach() for value in values], outputs

    def _heard_step(self, batch: TensorData) -> list[Tensor]:
        """Take a step and tell the callbacks, at the price of a synchronisation a batch."""
        told: dict[str, Any] = {"batch": (batch.X, batch.target), "training": True}
        self.notify("on_batch_begin", **told)
        parameters = list(self.module_.named_parameters())
        values, outputs = self._step(
            batch, lambda: self.notify("on_grad_computed", named_parameters=parameters, **told)
        )
        self.history.record_batch("train_loss", values[0].item())
        self.history.record_batch("train_batch_size", len(batch.X))
        # Callbacks score rows, not what every member says of them.
        of_rows = outputs.detach() if outputs.ndim == 2 else outputs.detach().mean(dim=0)
        self.notify("on_batch_end", loss=values[0], y_pred=of_rows, **told)
        return values

    def _validate(self, data: TensorData) -> None:
        self.module_.eval()
        outputs = infer(self.module_, *data.inputs, device=self.device)
        outputs = outputs.to(data.target.device)
        with torch.inference_mode():
            loss = self.criterion_(outputs, data.target, data.weight, self.module_)
            self._record_loss("valid_loss", loss.item())
            if self.score is not None:
                score = self.score(self.criterion_.logits(outputs), data.target, data.weight)
                self.history.record("valid_score", score.item())
        if self._is_heard():
            told: dict[str, Any] = {"batch": (data.X, data.target), "training": False}
            self.notify("on_batch_begin", **told)
            self.notify("on_batch_end", loss=loss, y_pred=outputs, **told)

    def _record_loss(self, name: str, value: float) -> None:
        if not math.isfinite(value):
            raise ValueError(
                f"Training diverged: {name} is {value} in epoch {len(self.history)}; lower lr, "
                f"which is {self.lr}, or set max_grad_norm, which is {self.max_grad_norm}."
            )
        epochs: list[dict[str, Any]] = list(self.history)
        earlier = [epoch[name] for epoch in epochs if name in epoch]
        self.history.record(name, value)
        # Checkpoints of skorch go by this.
        self.history.record(f"{name}_best", value < min(earlier, default=math.inf))

    def _is_heard(self) -> bool:
        """Whether any callback wants to know of batches."""
        return any(
            getattr(type(callback), event) is not getattr(Callback, event)
            for _, callback in self.callbacks_
            for event in _BATCH_EVENTS
        )

    def __getstate__(self):
        state = super().__getstate__()
        # Schedule and order of rows are bound to the fit that is over. `module` is the
        # object that skorch trains and stores as `module_`, ready for other devices.
        for name in ("scheduler_", "generator_", "module"):
            state.pop(name, None)
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        self.module = self.module_
