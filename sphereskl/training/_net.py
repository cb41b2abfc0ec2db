"""The skorch net that trains embedding models, with an efficient loop of its own."""

from collections.abc import Callable
from typing import Any, Self

import torch
from skorch.callbacks import EpochTimer
from torch import Tensor

from ..nn import EmbeddingModel
from ._augmented import Augmentation
from ._callbacks import QuietStopping, explained
from ._carried import available_device, on_cpu, restore_momentum, stored_momentum
from ._compiled import CompiledForward
from ._criterion import AngularCriterion, Criterion
from ._data import TensorData
from ._data_parallel import settle
from ._divergence import Diverged
from ._loop import TrainingLoop
from ._optimizers import make_optimizer
from ._readable import RowNumbers
from ._resume import resume_of
from ._rows import Rows

# Parts that are stored separately, and those of skorch that this net does not use.
_NOT_CARRIED = (
    *("module", "criterion", "dataset", "iterator_train", "iterator_valid", "train_split"),
    *("compile", "predict_nonlinearity", "torch_load_kwargs", "use_caching", "warm_start"),
)


class StopTraining(Exception):
    """A callback requested the end of training."""


class EmbeddingNet(TrainingLoop):
    """Skorch net over whole tensors.

    Skorch provides history, callbacks, device handling and pickling. Replaced are its data
    loading (whole tensors instead of a ``DataLoader``), its epoch loop (one host
    synchronisation per epoch; batch methods of callbacks are called only if they have any), its
    predictions (in the units of y) and its handling of Ctrl-C (reported by `interrupted_`).
    Training that diverges ends with the last finite epoch (reported by `diverged_`).

    Parameters
    ----------
    module : EmbeddingModel
        The initialised model; trained in place.
    criterion : Criterion
        The loss.
    optimizer : str or callable, default="adamw"
        See `make_optimizer`.
    weight_decay : float, default=0.0
        Weight decay of weight matrices.
    schedule : {"one_cycle", "cosine", "step", "constant"}, default="constant"
        Learning rate schedule of a fit.
    backbone_lr : float, default=None
        Learning rate of the backbone below its last layer, see `make_optimizer`.
    max_grad_norm : float, default=None
        Gradient clipping: maximum norm of the gradient.
    regularizer : callable, default=None
        ``regularizer(model)``, a scalar penalty that is added to the loss; ``train_loss``
        is without it, and ``train_penalty`` is its mean over an epoch's steps.
    augmentation : Augmentation, default=None
        Data augmentation of the training batches.
    valid_score : callable, default=None
        ``valid_score(logits, target, weight)``, a scalar to record for validation samples.
    reader : object, default=None
        Translates between targets and the units of y; see `ReadableNet`. ``None`` uses indices of
        prototypes as labels.
    scale : float, default=None
        Scale of probabilities, discarded when training continues; ``None`` is that of the loss.
    precision : {"full", "bf16"}, default="full"
        Whether the backbone computes in bfloat16 in training, under autocast.
    compiles : bool, default=False
        Whether the forward pass of training is compiled.
    seed : int, default=0
        Random seed of the order of samples.
    **kwargs
        Parameters of skorch's ``NeuralNet``: lr, max_epochs, batch_size, callbacks, device, ...

    Attributes
    ----------
    interrupted_ : bool
        Whether Ctrl-C ended the last training.
    diverged_ : str
        If the last training diverged after at least one epoch: what was found, which epoch was
        kept, and what may be done about it. Else empty.
    n_finished_ : int
        Number of completed epochs.
    """

    # For type checkers only: skorch sets it when it initialises.
    optimizer_: Any
    # Whether the network may draw from torch's global generators in training.
    draws_globally_ = False
    diverged_ = ""

    def __init__(
        self,
        module: EmbeddingModel,
        criterion: torch.nn.Module,
        optimizer: str | Callable[..., torch.optim.Optimizer] = "adamw",
        *,
        weight_decay: float = 0.0,
        schedule: str = "constant",
        backbone_lr: float | None = None,
        max_grad_norm: float | None = None,
        regularizer: Callable[[torch.nn.Module], Tensor] | None = None,
        augmentation: Augmentation | None = None,
        valid_score: Callable[[Tensor, Tensor, Tensor | None], Tensor] | None = None,
        reader: Any = None,
        scale: float | None = None,
        precision: str = "full",
        compiles: bool = False,
        seed: int = 0,
        **kwargs: Any,
    ):
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.backbone_lr = backbone_lr
        self.max_grad_norm = max_grad_norm
        self.regularizer = regularizer
        self.augmentation = augmentation
        self.valid_score = valid_score
        self.reader = RowNumbers() if reader is None else reader
        self.scale = scale
        self.precision = precision
        self.compiles = compiles
        self.seed = seed
        # Skorch's annotations, inferred from its defaults, are narrower than what it accepts.
        options: dict[str, Any] = {"optimizer": optimizer, "train_split": None, "verbose": 0}
        super().__init__(module, criterion, **{**options, **kwargs})

    @property
    def _default_callbacks(self):
        return [("epoch_timer", EpochTimer())]

    def reconfigure(self, criterion: Criterion | AngularCriterion, **options: Any) -> Self:
        """Update options that changed since the last training; the model is unchanged.

        Parameters
        ----------
        criterion : Criterion
            The loss; it continues in the state of the last one.
        **options
            Parameters of the constructor, including the device. Another optimiser, decay or device
            starts without momentum.

        Returns
        -------
        self : EmbeddingNet
            The net.
        """
        criterion.load_state_dict(self.criterion_.state_dict(), strict=False)
        self.criterion = self.criterion_ = criterion.to(options["device"])
        self.module_.to(options["device"])
        bound_to = ("optimizer", "weight_decay", "backbone_lr", "device")
        if any(getattr(self, name) != options[name] for name in bound_to):
            self.optimizer_ = None
        vars(self).update(options)
        return self

    def initialize_optimizer(self, triggered_directly: bool | None = None) -> Self:
        self.optimizer_ = make_optimizer(
            self.optimizer,
            self.module_,
            lr=self.lr,
            weight_decay=self.weight_decay,
            backbone_lr=self.backbone_lr,
        )
        return self

    def partial_fit(self, X: TensorData, y: TensorData | None = None, **kwargs: Any) -> Self:
        """Train for `max_epochs` on rows `X`, validating on rows `y` if given.

        Raises
        ------
        ValueError
            If training diverges in its first epoch.
        """
        if not self.initialized_:
            self.initialize()
        if self.optimizer_ is None:
            self.initialize_optimizer()
        self._choose_arithmetic()
        self.interrupted_, self.diverged_, self.scale = False, "", None
        self.n_finished_ = len(self.history)
        train = Rows(X, self.reader)
        self.judged_ = None if y is None else Rows(y, self.reader, judged=True)
        told = {"X": X.X, "y": train.y if self._is_watched() else None}
        try:
            self._train(train, told)
            self.notify("on_train_end", **told)
            if self.group_ is not None:
                settle(self, self.group_)
        finally:
            self.judged_ = self.heard_ = self.collected_ = self.finite_ = self.average_ = None
        del self.history[self.n_finished_ :]
        if self.diverged_:
            self.optimizer_ = None  # its moments are not finite
        resume = resume_of(self)
        if resume is not None:
            resume.finish(self)
        return self

    def _choose_arithmetic(self) -> None:
        """Let the model round and be compiled as the options say; once for all fits."""
        if self.precision == "bf16":
            self.module_.autocast_dtype = torch.bfloat16
        else:
            vars(self.module_).pop("autocast_dtype", None)
        if not self.compiles:
            self.forward_ = None
        elif self.forward_ is None or self.forward_.module is not self.module_:
            self.forward_ = CompiledForward(self.module_)

    def _train(self, train: Rows, told: dict[str, Any]) -> None:
        """Train to the end, or until a callback, Ctrl-C or divergence ends it."""
        try:
            self._train_undisturbed(train, told)
            if self.finite_ is not None:
                self.check_weights()
        except Exception as error:
            del self.history[self.n_finished_ :]
            if not isinstance(error, Diverged):
                raise
            self._return_to_finite(error)
        finally:
            self.module_.eval()

    def _train_undisturbed(self, train: Rows, told: dict[str, Any]) -> None:
        try:
            self._begin(told)
            self.fit_loop(train, self.judged_)
        except StopTraining:
            pass
        except KeyboardInterrupt:
            if self.group_ is not None:  # the others may be at any step
                raise
            self.interrupted_ = True

    def _return_to_finite(self, error: Diverged) -> None:
        """Keep the last finite epoch of a training that diverged; without one, it is an error."""
        n_lost = None if self.finite_ is None else self.finite_.restore()
        if n_lost is None and self.interrupted_:
            raise KeyboardInterrupt from None  # which the error would hide
        if n_lost is None:
            raise ValueError(error.told()) from None
        self.n_finished_ -= n_lost
        del self.history[self.n_finished_ :]
        # Early stopping returns to an earlier epoch still.
        best = [c.best_epoch_ for _, c in self.callbacks_ if isinstance(c, QuietStopping)]
        kept = min([len(self.history), *best])
        self.diverged_ = error.told(f", and the weights of epoch {kept} are kept")

    def _begin(self, told: dict[str, Any]) -> None:
        if self._has_own_rate():
            # Its initial value, and what torch requires of an optimiser that continues.
            for group in self.optimizer_.param_groups:
                initial = group.get("peak_lr", self.lr)
                if group.get("initial_lr") != initial:
                    group["lr"] = group["initial_lr"] = initial
        try:
            self.notify("on_train_begin", **told)
        finally:
            # Callbacks may have loaded another history, with an unfinished epoch.
            while self.history and "train_loss" not in self._last_epoch():
                del self.history[-1]
            self.n_finished_ = len(self.history)

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        """Call a method of every callback, and end training if one requested it."""
        getattr(self, method_name)(self, **cb_kwargs)
        stops = None
        for name, callback in self.callbacks_:
            try:
                getattr(callback, method_name)(self, **cb_kwargs)
            except KeyboardInterrupt as stop:
                # How skorch's callbacks request the end; from anywhere else it is Ctrl-C.
                stops = stop
            except Exception as error:
                reason = explained(name, callback, error, self._last_epoch())
                if reason is None:
                    raise
                raise reason from error
        if method_name != "on_train_end":
            stop = stops is not None
            if stop if self.group_ is None else self.group_.any(stop, self.device):
                raise StopTraining from stops

    def __getstate__(self) -> dict[str, Any]:
        """Return modules on the CPU and plain values, which any pickler supports.

        Skorch pickles modules separately, hidden from the pickler of the net, which may be the
        only one that can pickle classes of a notebook.
        """
        options = {name: value for name, value in vars(self).items() if name[-1] != "_" != name[0]}
        trained = self.initialized_
        return {
            "module": on_cpu(self.module_ if trained else self.module),
            "criterion": on_cpu(self.criterion_ if trained else self.criterion),
            "options": {k: v for k, v in options.items() if k not in _NOT_CARRIED},
            "progress": {
                "history": list(self.history) if trained else [],
                "interrupted": getattr(self, "interrupted_", False),
                "n_finished": getattr(self, "n_finished_", 0),
            },
            "momentum": stored_momentum(getattr(self, "optimizer_", None)) if trained else None,
            "initialized": trained,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        options = {**state["options"], "device": available_device(state["options"]["device"])}
        EmbeddingNet.__init__(self, state["module"], state["criterion"], **options)
        if not state["initialized"]:
            return
        self.initialize()
        self.history.extend(state["progress"]["history"])
        self.interrupted_ = state["progress"]["interrupted"]
        self.n_finished_ = state["progress"]["n_finished"]
        self.module_.eval()
        # Schedule and order of rows belong to the finished fit.
        restore_momentum(self, state["momentum"])
