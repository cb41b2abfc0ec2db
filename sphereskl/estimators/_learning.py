"""One course of learning: rows held out, a network built or kept, trained and calibrated."""

import textwrap
from copy import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from torch import Tensor, nn

from ..nn import Dropout, EmbeddingModel
from ..training import (
    EmbeddingNet,
    TensorData,
    fit_net,
    hold_out,
    resolve_device,
    row_keys,
    seeded,
)
from ._angular_components import resolve_regularizer
from ._components import (
    build_backbone,
    is_own_network,
    is_same,
    make_encoder,
    sized_backbone,
)

# Fewer distinct held-out rows than this say too little to judge a model by.
_MIN_HELD_OUT = 10

# Samples, targets and weights of rows.
Rows = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]


def learn(
    estimator: Any,
    rows: Rows,
    strata: NDArray[Any],
    judged: Rows | None,
    *,
    fresh: bool,
    partial: bool,
) -> None:
    """Train an estimator on validated rows, and calibrate it.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        With `target_encoder_`; gets `net_`, `encoder_`, and what it calibrates.
    rows : tuple (X, target, weight)
        Rows to learn from, of positive weight.
    strata : ndarray of shape (n_samples,)
        Of which held-out rows hold an even share.
    judged : tuple (X_val, target_val, weight_val) or None
        Rows to judge the model by; ``None`` holds some out.
    fresh : bool
        Whether to build a new network.
    partial : bool
        Whether to train for one epoch, on all rows.
    """
    seed = int(check_random_state(estimator.random_state).randint(2**31 - 1))
    holds_out = judged is None and not partial
    # Rows held out only to calibrate the result cost nothing while training.
    watches = judged is not None or estimator.early_stopping
    (X, target, weight), keys, held_out = _split(estimator, rows, strata, seed, holds_out)
    judging = keys if judged is None else row_keys(judged[0], seed)
    if held_out is not None:
        judged, judging = held_out
    own = is_own_network(estimator.backbone)
    if fresh:
        encoder = make_encoder(estimator, X, standardize=not own)
        estimator.encoder_ = encoder.fit(X, weight)
    X = estimator.encoder_.transform(X)
    X_val = None if judged is None else estimator.encoder_.transform(judged[0])
    net = _fresh_net(estimator, seed) if fresh else _kept_net(estimator)
    train = _to_device(net, X, target, weight)
    # Copies of a row are dropped out alike: the layers have to be told which rows they see.
    if any(isinstance(layer, Dropout) for layer in net.module.modules()):
        rows_seen = torch.from_numpy((keys >> 1).astype(np.int64))
        train = train._replace(rows=rows_seen.to(net.device))
    valid = None if judged is None or X_val is None else _to_device(net, X_val, *judged[1:])
    fit_net(
        net,
        train,
        valid if watches else None,
        max_epochs=1 if partial else estimator.max_epochs,
        # The end of a stream of partial fits is not known: no schedule can lead there.
        schedule="constant" if partial else estimator.lr_schedule,
        keeps_momentum=partial,
        callbacks=estimator.callbacks or (),
        patience=estimator.n_iter_no_change if estimator.early_stopping and not partial else None,
        verbose=bool(estimator.verbose),
        draws_globally=own,
    )
    estimator.net_ = net
    if estimator._calibrates:
        estimator._calibrate(train if valid is None else valid, len(np.unique(judging)))


def _split(
    estimator: Any, rows: Rows, strata: NDArray[Any], seed: int, holds_out: bool
) -> tuple[Rows, NDArray[Any], tuple[Rows, NDArray[Any]] | None]:
    """Return rows to train on with their keys, and those held out with theirs, if any are."""
    keys = row_keys(rows[0], seed)
    if not (holds_out and (estimator._calibrates or estimator.early_stopping)):
        return rows, keys, None
    fraction = estimator.validation_fraction
    held_out = hold_out(keys, strata, fraction, at_least=_MIN_HELD_OUT)
    if not held_out.any():
        return rows, keys, None
    X, target, weight = rows
    judges = X[held_out], target[held_out], weight[held_out]
    kept = ~held_out
    return (X[kept], target[kept], weight[kept]), keys[kept], (judges, keys[held_out])


def _fresh_net(estimator: Any, seed: int) -> EmbeddingNet:
    """Build the network that an estimator's parameters describe, for its encoded samples."""
    shape = estimator.encoder_.output_shape_
    with seeded(seed):
        described, width, default = estimator._describe(shape)
        place, criterion = estimator._make_placement(), estimator._make_criterion()
        backbone, width = sized_backbone(described, shape, width, default)
        model = estimator._assemble(backbone, place(width, seed), criterion)
    return make_net(estimator, model, criterion, seed)


def _kept_net(estimator: Any) -> EmbeddingNet:
    """Tell the net of an estimator what changed since it was trained."""
    net = estimator.net_
    return net.reconfigure(estimator._make_criterion(), **_net_options(estimator, net.module_))


def rebuild_net(estimator: Any, prototypes: Tensor, embedding_dim: int) -> EmbeddingNet:
    """Build a net with prototypes and width that are known; its weights are any."""
    shape, criterion = estimator.encoder_.output_shape_, estimator._make_criterion()
    with seeded(0):
        backbone = build_backbone(estimator._describe(shape)[0], shape, embedding_dim)
        model = estimator._assemble(backbone, prototypes, criterion)
    return make_net(estimator, model, criterion, seed=0).initialize()


def make_net(
    estimator: Any, model: EmbeddingModel, criterion: nn.Module, seed: int
) -> EmbeddingNet:
    """Build the skorch net that trains `model` in place, and remember what it was built with."""
    estimator._built_with = {
        name: _snapshot(getattr(estimator, name)) for name in estimator._network_parameters
    }
    model = model.to(getattr(torch, estimator.dtype))
    return EmbeddingNet(model, criterion, seed=seed, **_net_options(estimator, model))


def check_unchanged(estimator: Any) -> None:
    """Refuse parameters that a network which is kept could not follow."""
    for name, built_with in estimator._built_with.items():
        value = getattr(estimator, name)
        if not is_same(value, built_with):
            raise ValueError(
                f"{name} is {_shown(value)}, but the network that is kept was built with "
                f"{_shown(built_with)}; set it back, or start anew by fit with warm_start=False."
            )


def _net_options(estimator: Any, model: EmbeddingModel) -> dict[str, Any]:
    """Return the options of a net that may change from one training to the next."""
    regularizer = getattr(estimator, "regularizer", None)
    if regularizer is not None:
        regularizer = resolve_regularizer(regularizer, model)
    return {
        "optimizer": estimator.optimizer,
        "lr": estimator.lr,
        "weight_decay": estimator.weight_decay,
        "max_grad_norm": estimator.max_grad_norm,
        "regularizer": regularizer,
        "score": estimator._score,
        "batch_size": estimator.batch_size,
        "device": str(resolve_device(estimator.device)),
    }


def _to_device(
    net: EmbeddingNet, X: Tensor, target: NDArray[Any], weight: NDArray[Any]
) -> TensorData:
    """Put encoded rows on the training device; equal weights are none."""
    equal = (weight == weight[0]).all()
    share = None if equal else torch.from_numpy(weight / weight.mean()).to(net.device, X.dtype)
    return TensorData(X.to(net.device), torch.from_numpy(target).to(net.device), share)


def _shown(value: Any) -> str:
    """Return the beginning of a value's representation, in one line."""
    return textwrap.shorten(repr(value), 70, placeholder=" ...")


def _snapshot(value: Any) -> Any:
    """Return a copy of a configuration, which may be changed in place; others as they are."""
    is_configuration = hasattr(value, "get_params") and not isinstance(value, nn.Module | type)
    return copy(value) if is_configuration else value
