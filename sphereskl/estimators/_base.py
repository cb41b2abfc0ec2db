"""What all estimators share: input, training and inference.

The only module that imports scikit-learn's private helpers.
"""

import warnings
from contextlib import ExitStack, contextmanager
from copy import copy, deepcopy
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted
from skorch.callbacks import EarlyStopping
from skorch.utils import noop

from ..nn import Dropout
from ..training import (
    OPTIMIZERS,
    SCHEDULES,
    EmbeddingNet,
    ProgressBar,
    TensorData,
    called_from_prompt,
    hold_out,
    infer,
    one_thread,
    row_keys,
    seeded,
)
from ._components import BACKBONES, is_own_network, resolve_device
from ._input import check_samples, make_encoder

__all__ = [
    "BaseSphereEstimator",
    "HasMethods",
    "Interval",
    "Real",
    "StrOptions",
    "_fit_context",
]

# Fewer distinct held-out rows than this say too little to judge a model by.
_MIN_HELD_OUT = 10


class BaseSphereEstimator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Input checks, training and inference of a network onto the sphere."""

    _doc_link_module = "sphereskl"

    # Whether something is fitted on held-out rows when training is over.
    _calibrates = False

    _parameter_constraints = {
        "backbone": [
            StrOptions({"auto", *BACKBONES}),
            HasMethods("build"),
            torch.nn.Module,
            callable,
        ],
        "embedding_dim": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "input_shape": [tuple, list, None],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "lr_schedule": [StrOptions(set(SCHEDULES))],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "callbacks": [list, None],
        "device": [str, torch.device],
        "dtype": [StrOptions({"float32", "float64"})],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    @property
    def module_(self):
        """The trained model, a `sphereskl.nn.EmbeddingModel`."""
        return self.net_.module_

    @property
    def prototypes_(self):
        """Unit directions, ndarray of shape (n_prototypes, embedding_dim)."""
        return self.module_.prototypes.detach().cpu().numpy()

    @property
    def embedding_dim_(self):
        """Width of the embedding."""
        return self.prototypes_.shape[1]

    @property
    def device_(self):
        """Where the model is, a `torch.device`."""
        return self.module_.log_scale.device

    @property
    def history_(self):
        """What training recorded, a list with a dict for every epoch."""
        return self.net_.history

    @property
    def n_iter_(self):
        """Number of epochs trained."""
        return len(self.history_)

    @property
    def loss_curve_(self):
        """Training loss of every epoch, a list of float."""
        return [epoch["train_loss"] for epoch in self.history_]

    @property
    def validation_scores_(self):
        """Score on the validation rows for every epoch that was validated."""
        return [epoch["valid_score"] for epoch in self.history_ if "valid_score" in epoch]

    @property
    def _n_features_out(self):
        return self.embedding_dim_

    def set_params(self, **params):
        """Set parameters, those of a backbone's configuration as ``backbone__name``.

        Parameters
        ----------
        **params
            Parameters by name.

        Returns
        -------
        self : estimator
            The estimator.
        """
        backbone = params.get("backbone", self.backbone)
        nested = [name for name in params if name.startswith("backbone__")]
        if nested and not hasattr(backbone, "set_params"):
            raise ValueError(
                f"{nested[0]} cannot be set because backbone is {backbone!r}, which has no "
                "parameters; pass a configuration such as backbone=MLP()."
            )
        return super().set_params(**params)

    def transform(self, X):
        """Embed samples on the unit sphere.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples in the form that was fitted.

        Returns
        -------
        z : ndarray of shape (n_samples, embedding_dim)
            Unit rows.
        """
        return self._infer(X, "embed")

    def _infer(self, X, view):
        """Return rows of a view of the model, as an ndarray of its dtype."""
        check_is_fitted(self)
        X = check_samples(self, X, "no_validation", reset=False)
        view = getattr(self.module_, view)
        return infer(view, self.encoder_.transform(X), device=self.device_).numpy()

    def _check_weight(self, sample_weight, X):
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        if not weight.any():
            raise ValueError("sample_weight is zero for every row; at least one must be positive.")
        return weight

    def _check_validation(self, X_val, y_val):
        """Return (X, target, weight) of the rows to judge by, or None if there are none."""
        if (X_val is None) != (y_val is None):
            missing = "X_val" if X_val is None else "y_val"
            raise ValueError(f"X_val and y_val belong together, but {missing} is None.")
        if X_val is None:
            return None
        X_val, y_val = self._check_rows(X_val, y_val, reset=False)
        return X_val, self._encode(y_val, "y_val"), np.ones(len(X_val))

    def _fit_network(self, X, target, weight, validation, *, fresh, partial=False):
        """Build the network unless there is one, train it, and calibrate it.

        Parameters
        ----------
        X : ndarray
            Validated samples.
        target : ndarray of shape (n_samples,) or (n_samples, n_targets)
            Encoded targets.
        weight : ndarray of shape (n_samples,)
            Row weights. Rows of weight 0 are left out altogether.
        validation : tuple (X_val, target_val, weight_val) or None
            Rows to judge the model by; ``None`` holds some out.
        fresh : bool
            Whether to start from a new network.
        partial : bool, default=False
            Whether to train for one epoch on all rows.
        """
        counted = weight > 0
        X, target, weight = X[counted], target[counted], weight[counted]
        seed = self._seed()
        keys = row_keys(X, seed)
        held_out = np.zeros(len(X), dtype=bool)
        if validation is None and not partial and (self._calibrates or self.early_stopping):
            held_out = self._hold_out(keys, target)
        kept = ~held_out
        if fresh:
            self.encoder_ = make_encoder(self, X).fit(X[kept], weight[kept])
            with seeded(seed):
                model = self._make_model(self.encoder_.output_shape_, seed)
            net = self._make_net(model.to(getattr(torch, self.dtype)), seed)
        else:
            net = self.net_
        needs_keys = any(isinstance(layer, Dropout) for layer in net.module.modules())
        train = self._tensor_data(X[kept], target[kept], weight[kept], keys[kept], needs_keys)
        valid = None
        if validation is not None:
            valid = self._tensor_data(*validation)
        elif held_out.any():
            valid = self._tensor_data(X[held_out], target[held_out], weight[held_out])
        # Rows held out only to calibrate the result cost nothing while training.
        watched = valid if self.early_stopping or validation is not None else None
        self._train(net, train, watched, partial=partial)
        self.net_ = net
        judges = held_out if held_out.any() else kept
        keys = keys[judges] if validation is None else row_keys(validation[0], seed)
        self._calibrate(train if valid is None else valid, len(np.unique(keys)))
        self._settle_interruption()

    def _described_backbone(self, input_shape):
        """Return what the network is built from, for `build_backbone`."""
        return self.backbone

    def _hold_out(self, keys, target):
        """Choose the rows that judge the model; none if they would be too few to do so."""
        held_out = hold_out(keys, self._strata(target), self.validation_fraction)
        enough = len(np.unique(keys[held_out])) >= _MIN_HELD_OUT
        return held_out if enough else np.zeros_like(held_out)

    def _strata(self, target):
        """Return the stratum of every row, of which the held-out rows hold an even share."""
        return np.zeros(len(target), dtype=np.int64)

    def _calibrate(self, data, n_distinct):
        """Fit on rows, `n_distinct` of them no copies, what the network does not learn."""

    def _tensor_data(self, X, target, weight=None, keys=None, needs_keys=False):
        """Encode rows and put them on the training device."""
        device = resolve_device(self.device)
        X, target = self.encoder_.transform(X), torch.from_numpy(target)
        rows = torch.from_numpy((keys >> 1).astype(np.int64)).to(device) if needs_keys else None
        if weight is not None:
            equal = (weight == weight[0]).all()
            weight = None if equal else torch.from_numpy(weight / weight.mean()).to(device, X.dtype)
        return TensorData(X.to(device), target.to(device), weight, rows)

    def _make_net(self, model, seed):
        """Build the skorch net; it trains `model` in place."""
        return EmbeddingNet(
            model,
            self._make_criterion(),
            optimizer=self.optimizer,
            lr=self.lr,
            weight_decay=self.weight_decay,
            max_grad_norm=self.max_grad_norm,
            score=self._score_function,
            seed=seed,
            batch_size=self.batch_size,
            device=str(resolve_device(self.device)),
            verbose=0,
        )

    def _train(self, net, train, valid, *, partial):
        """Train `net` in place, for one epoch if `partial`."""
        net.callbacks = self._make_callbacks(valid, partial)
        net.max_epochs = 1 if partial else self.max_epochs
        # The end of a stream of partial fits is not known: no schedule can lead there.
        net.schedule = "constant" if partial else self.lr_schedule
        if net.initialized_:
            net.initialize_callbacks()
        if net.initialized_ and not partial:
            net.optimizer_ = None  # a warm start keeps the weights, not the momentum
        with ExitStack() as stack:
            if train.X.device.type == "cpu":
                stack.enter_context(one_thread())
            if is_own_network(self.backbone):
                # It may draw from torch's global generator while it trains.
                stack.enter_context(seeded(net.seed, train.X.device))
            try:
                net.partial_fit(train, valid)
            finally:
                # Callbacks may hold weights, data or open files; the net outlives them.
                net.callbacks, net.callbacks_ = None, []

    def _make_callbacks(self, valid, partial):
        callbacks = [] if self.callbacks is None else list(self.callbacks)
        if self.early_stopping and not partial:
            monitor = "train_loss" if valid is None else "valid_loss"
            patience = self.n_iter_no_change
            stopping = EarlyStopping(monitor, patience=patience, load_best=True, sink=noop)
            callbacks.append(("early_stopping", stopping))
        if self.verbose:
            callbacks.append(("progress", ProgressBar()))
        return callbacks

    @contextmanager
    def _unchanged_on_error(self):
        """Put fitted attributes back if a fit fails, so that the last model stays usable."""
        before = vars(self).copy()
        trained = [self.module_, self.net_.criterion_] if "net_" in before else []
        states = [deepcopy(module.state_dict()) for module in trained]
        try:
            yield
        except Exception:
            vars(self).clear()
            vars(self).update(before)
            for module, state in zip(trained, states, strict=True):
                module.load_state_dict(state)
                self.net_.optimizer_ = None
            raise

    def _settle_interruption(self):
        if not self.net_.interrupted_:
            return
        if not called_from_prompt():
            raise KeyboardInterrupt
        warnings.warn(
            f"Training was interrupted after {self.n_iter_} epochs; the best model so far is kept.",
            stacklevel=2,
        )

    def _seed(self):
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def __getstate__(self):
        state = super().__getstate__()
        if "net_" in state and not self.warm_start:
            net = copy(state["net_"])
            net.optimizer_ = None
            state = {**state, "net_": net}
        return state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = [self.dtype]
        tags.input_tags.three_d_array = self.input_shape is not None
        return tags
