"""Training loop of a net: epochs, steps and validation, with one host synchronisation per epoch."""

import math
import operator
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import Any, Self

import torch
from skorch.callbacks import Callback, LRScheduler
from torch import Tensor

from ._augmented import Augmentation, augmented, with_parity
from ._averaged_weights import AveragedWeights, averaged_weights
from ._by_member import by_member
from ._callbacks import OURS
from ._criterion import AngularCriterion
from ._data import ShuffledBatches, TensorData
from ._data_parallel import share_model, shared_gradients, shared_infer
from ._divergence import Diverged, FiniteEpochs, has_finite_weights
from ._inference import infer
from ._optimizers import take_step
from ._process_group import ProcessGroup
from ._readable import ReadableNet
from ._resume import resume_of
from ._rows import Rows
from ._schedules import make_schedule
from ._shards import Shards, least_rows
from ._short_step import short_backward, short_step

_BATCH_EVENTS = ("on_batch_begin", "on_batch_end", "on_grad_computed")

# Maximum number of losses kept one by one: small tensors that are kept would be scattered
# over the memory that large steps free, and keep very long epochs from reusing it.
_STEPS_TOLD = 256


class TrainingLoop(ReadableNet):
    """Skorch net with its own epoch loop, see `EmbeddingNet`."""

    # Set by the net that is trained.
    generator_: torch.Generator
    optimizer_: Any
    regularizer: Callable[[torch.nn.Module], Tensor] | None
    augmentation: Augmentation | None
    valid_score: Callable[[Tensor, Tensor, Tensor | None], Tensor] | None
    backbone_lr: float | None
    max_grad_norm: float | None
    compiles: bool
    schedule: str
    seed: int
    group_: ProcessGroup | None = None  # of processes that train together, see `fit_net`
    executor_: Executor | None = None  # of threads that shards of a batch run in
    forward_: Callable[[Tensor], Tensor] | None = None  # compiled, if it is
    shards_: Shards | None = None
    finite_: FiniteEpochs | None = None
    average_: AveragedWeights | None = None
    least_: dict[str, float]  # losses of all epochs so far

    def fit_loop(
        self, X: Rows, y: Rows | None = None, epochs: int | None = None, **kwargs: Any
    ) -> Self:
        if not hasattr(self, "generator_"):
            self.generator_ = torch.Generator().manual_seed(self.seed)
        epochs = self.max_epochs if epochs is None else epochs
        train, data = X.data, {"dataset_train": X, "dataset_valid": y}
        if self.augmentation is not None:
            train = with_parity(train, self.seed)
        batches = ShuffledBatches(train, self.batch_size, self.generator_)
        self.scheduler_ = None
        if self.group_ is not None:
            share_model(self, self.group_)
        if not self._has_own_rate():
            n_steps = epochs * len(batches)
            self.scheduler_ = make_schedule(self.schedule, self.optimizer_, self.lr, n_steps)
        self.least_, self.average_ = {}, None if y is None else averaged_weights(self)
        resume = resume_of(self)
        n_left = epochs if resume is None else resume.begin(self, X, y, epochs)
        if resume is not None and self.group_ is not None:
            # A folder that only some machines see would let some resume and others begin.
            self.group_.check_same({"number of epochs that Resume leaves": n_left})
        self.shards_, step = self._cut(train), None
        self.finite_ = FiniteEpochs(self)
        if n_left < epochs:
            self.finite_.keep(anew=True)
        for _ in range(n_left):
            self.notify("on_epoch_begin", **data)
            if step is None or self.group_ is not None or self._is_watched():
                # Callbacks of the user may have changed the network, here or in another process.
                step = self._choose_step()
                if self.shards_ is not None:
                    self.shards_.forget()
                self.module_.train()
                if self.average_ is not None:
                    self.average_.follow()
            if self.average_ is not None:
                self.average_.hide()
            changed = batches if self.augmentation is None else augmented(self, batches)
            self._train_epoch(changed, step)
            if self.group_ is not None:
                share_model(self, self.group_)
            if y is not None:
                if self.average_ is not None:
                    self.average_.show()
                self._validate(y.data)
                self.module_.train()
            self.n_finished_ += 1
            self.finite_.keep(anew=self._is_watched())
            self.notify("on_epoch_end", **data)
            if resume is not None:
                if self.average_ is not None:
                    self.average_.follow()
                self.check_weights()
                resume.after_epoch(self)
        return self

    def _cut(self, train: TensorData) -> Shards | None:
        """Return the shards of batches, if they are worthwhile on this device."""
        if self.group_ is not None or self.compiles or train.target.device.type != "cpu":
            return None
        n_rows = least_rows(self.module_, train.X[:1])
        if n_rows is None or 2 * n_rows > min(self.batch_size, len(train.X)):
            return None
        return Shards(self, n_rows, self.executor_)

    def _choose_step(self) -> Callable[[TensorData], list[Tensor]]:
        if self._is_heard():
            return self._heard_step
        return short_step(self) or (lambda batch: self._step(batch)[0])

    def _train_epoch(
        self, batches: Iterable[TensorData], step: Callable[[TensorData], list[Tensor]]
    ) -> None:
        told, values, sizes = [], [], []
        for batch in batches:
            values.append(step(batch))
            if self.average_ is not None:
                self.average_.update()
            sizes.append(len(batch.X))
            if len(values) == _STEPS_TOLD:
                told.append(_columns(values))
                values = []
        # The only point of an epoch at which the host waits for the device.
        columns = torch.cat([*told, _columns(values)] if values else told, dim=1)
        n_rows = sum(sizes)
        loss, *penalty = (
            sum(map(operator.mul, column, sizes)) / n_rows for column in columns.tolist()
        )
        self._record_loss("train_loss", loss)
        if penalty:
            self.history.record("train_penalty", penalty[0])
        self.history.record("train_batch_count", len(sizes))
        if step != self._heard_step:
            self.history.new_batch()  # checkpoints name files after the last batch
            self.history.record_batch("train_batch_size", sizes[-1])

    def _backward(self, batch: TensorData) -> tuple[list[Tensor], Tensor]:
        """Compute gradients; return [loss] or [loss, penalty], and the output of the model."""
        for group in self.optimizer_.param_groups:  # zero_grad, without its profiling
            for parameter in group["params"]:
                parameter.grad = None
        if self.group_ is not None:
            return shared_gradients(self, batch, self.group_)
        if self.shards_ is not None:
            return self.shards_.gradients(batch)
        outputs = (self.forward_ or self.module_)(batch.X)
        loss = self.criterion_(*by_member(outputs, batch), self.module_)
        values = [loss] if self.regularizer is None else [loss, self.regularizer(self.module_)]
        sum(values[1:], loss).backward()
        return values, outputs

    def _step(
        self,
        batch: TensorData,
        on_gradients: Callable[[], None] | None = None,
        short: Callable[[TensorData], tuple[list[Tensor], Tensor]] | None = None,
    ) -> tuple[list[Tensor], Tensor]:
        """Take a step; return what `_backward`, or a faster replacement, returned."""
        values, outputs = (short or self._backward)(batch)
        if self.max_grad_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.module_.parameters(), self.max_grad_norm)
        if on_gradients is not None:
            on_gradients()
        take_step(self.optimizer_)
        if isinstance(self.criterion_, AngularCriterion):
            self.criterion_.advance()
        if self.scheduler_ is not None:
            self.scheduler_.step()
        return [value.detach() for value in values], outputs

    def _heard_step(self, batch: TensorData) -> list[Tensor]:
        """Take a step and call the callbacks, at the cost of one synchronisation per batch."""
        target = self.reader.decode_target(batch.target)
        told: dict[str, Any] = {"batch": (batch.X, target), "training": True}
        self.heard_ = batch.X
        self.notify("on_batch_begin", **told)
        self.module_.train()
        if self.shards_ is not None:
            self.shards_.forget()
        parameters = list(self.module_.named_parameters())
        values, outputs = self._step(
            batch,
            lambda: self.notify("on_grad_computed", named_parameters=parameters, **told),
            short_backward(self),  # the very steps that are taken without callbacks
        )
        self.history.record_batch("train_loss", values[0].item())
        self.history.record_batch("train_batch_size", len(batch.X))
        # Callbacks score samples, not the outputs of every member.
        of_rows = outputs.detach() if outputs.ndim == 2 else outputs.detach().mean(dim=0)
        self.notify("on_batch_end", loss=values[0], y_pred=self.module_.open(of_rows), **told)
        return values

    def _validate(self, data: TensorData) -> None:
        heard = self._is_heard()
        if heard:
            target = self.reader.decode_target(data.target)
            told: dict[str, Any] = {"batch": (data.X, target), "training": False}
            self.heard_ = data.X
            self.notify("on_batch_begin", **told)
        self.module_.eval()
        judge = infer if self.group_ is None else shared_infer(self.group_)
        outputs = judge(self.module_, *data.inputs, device=self.device)
        outputs = outputs.to(data.target.device)
        with torch.inference_mode():
            loss = self.criterion_.of_validation(outputs, data.target, data.weight, self.module_)
            self._record_loss("valid_loss", loss.item())
            if self.valid_score is not None:
                logits = self.criterion_.logits(outputs)
                score = self.valid_score(logits, data.target, data.weight)
                self.history.record("valid_score", score.item())
        self.history.record_batch("valid_batch_size", len(data.X))
        if heard:
            self.history.record_batch("valid_loss", loss.item())
            self.notify("on_batch_end", loss=loss, y_pred=outputs, **told)

    def _record_loss(self, name: str, value: float) -> None:
        if self.group_ is not None:
            value = self.group_.agreed(value)
        if not math.isfinite(value):
            raise self._diverged(f"{name} is {value} in")
        if name not in self.least_:
            epochs: list[dict[str, Any]] = list(self.history)
            self.least_[name] = min((e[name] for e in epochs if name in e), default=math.inf)
        epoch: Any = self.history[-1]
        # Checkpoints of skorch go by the second.
        epoch[name], epoch[f"{name}_best"] = value, value < self.least_[name]
        self.least_[name] = min(self.least_[name], value)

    def check_weights(self) -> None:
        """Refuse weights that the last step made infinite or NaN, which no loss has seen."""
        if not has_finite_weights(self.module_):
            raise self._diverged("weights are not finite after")

    def _diverged(self, what: str) -> Diverged:
        rates = f"lr, which is {self.lr}"
        if self.backbone_lr is not None:
            rates += f", or backbone_lr, which is {self.backbone_lr}"
        return Diverged(
            f"{what} epoch {len(self.history)}",
            f"lower {rates}, set max_grad_norm, which is {self.max_grad_norm}, or see whether the "
            "network and the loss return finite numbers, if they are your own.",
        )

    def _last_epoch(self) -> dict[str, Any]:
        history: Any = self.history
        return history[-1] if history else {}

    def _is_heard(self) -> bool:
        """Whether any callback has batch methods, in any process."""
        here = any(
            getattr(type(callback), event) is not getattr(Callback, event)
            for _, callback in self.callbacks_
            for event in _BATCH_EVENTS
        )
        return here if self.group_ is None else self.group_.any(here, self.device)

    def _is_watched(self) -> bool:
        """Whether any callback may read the targets, or change the network."""
        return any(not isinstance(callback, OURS) for _, callback in self.callbacks_)

    def _has_own_rate(self) -> bool:
        """Whether a callback sets the learning rate, and no schedule of the package does."""
        moved = any(isinstance(callback, LRScheduler) for _, callback in self.callbacks_)
        return moved and self.schedule == "constant"


def _columns(values: list[list[Tensor]]) -> Tensor:
    """Return the results of steps, a row of losses and one of penalties, if there are any."""
    return torch.stack([torch.stack(column) for column in zip(*values, strict=True)])
