"""One course of learning: a network built or kept, rows that judge it, training, calibration."""

import textwrap
from copy import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from torch import Tensor, nn

from ..nn import EmbeddingModel, TableInput
from ..training import (
    EmbeddingNet,
    TensorData,
    assign_folds,
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

# With up to so many rows, an epoch of batches of 128 has too few steps.
_SMALL = 3000

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
    if fresh:
        encoder = make_encoder(estimator, rows[0])
        estimator.encoder_ = encoder.fit(rows[0], rows[2])
        net, estimator.n_members_ = _fresh_net(estimator, seed)
    else:
        net = _kept_net(estimator)
    net.batch_size = estimator.batch_size
    if net.batch_size == "auto":
        net.batch_size = 64 if len(rows[0]) <= _SMALL else 128
    # Members that are kept are judged by the rows that they were judged by before.
    keys = row_keys(rows[0], net.seed)
    fold, held_out = None, np.zeros(len(keys), dtype=bool)
    if judged is None and not partial:
        fold, held_out = _split(estimator, keys, strata)
    encode = estimator.encoder_.transform
    train = _to_device(net, encode(rows[0]), *rows[1:])
    if fresh:
        _fit_curves(net, train)
    stops = estimator.early_stopping
    if stops == "auto":
        # By default where it costs no row.
        stops = judged is not None or fold is not None
    valid, judging = None, keys
    if judged is not None:
        valid = _to_device(net, encode(judged[0]), *judged[1:])
        judging = row_keys(judged[0], seed)
    elif fold is not None:
        train = train._replace(fold=torch.from_numpy(fold).to(net.device))
        valid, judging = _select(train, fold >= 0), keys[fold >= 0]
    elif held_out.any():
        valid, train = (_select(train, part) for part in (held_out, ~held_out))
        judging = keys[held_out]
    fit_net(
        net,
        train,
        valid if judged is not None or stops else None,
        max_epochs=1 if partial else estimator.max_epochs,
        # The end of a stream of partial fits is not known: no schedule can lead there.
        schedule="constant" if partial else estimator.lr_schedule,
        keeps_momentum=partial,
        callbacks=estimator.callbacks or (),
        patience=estimator.n_iter_no_change if stops and not partial else None,
        verbose=bool(estimator.verbose),
        draws_globally=is_own_network(estimator.backbone),
    )
    estimator.net_ = net
    if estimator._calibrates:
        estimator._calibrate(train if valid is None else valid, len(np.unique(judging)))


def _split(
    estimator: Any, keys: NDArray[Any], strata: NDArray[Any]
) -> tuple[NDArray[np.int64] | None, NDArray[np.bool_]]:
    """Return which member every row judges, None if it judges none, and which rows are held out.

    With members no row is lost: each is judged by the rows that it was not trained on.
    """
    nobody, fraction = np.zeros(len(keys), dtype=bool), estimator.validation_fraction
    if not fraction or not (estimator._calibrates or estimator.early_stopping):
        return None, nobody
    if estimator.n_members_ > 1:
        fold = assign_folds(keys, strata, estimator.n_members_)
        enough = len(np.unique(keys[fold >= 0])) >= _MIN_HELD_OUT
        return fold if enough else None, nobody
    # Without members rows that are held out are lost, which only what needs them is worth.
    if not estimator._calibrates and estimator.early_stopping == "auto":
        return None, nobody
    return None, hold_out(keys, strata, fraction, at_least=_MIN_HELD_OUT)


def _fresh_net(estimator: Any, seed: int) -> tuple[EmbeddingNet, int]:
    """Build the network that an estimator's parameters describe, and count its members."""
    encoder = estimator.encoder_
    with seeded(seed):
        described, width, default = estimator._describe(encoder.output_shape_)
        place, criterion = estimator._make_placement(), estimator._make_criterion()
        backbone, width, n_members = sized_backbone(described, encoder, width, default)
        model = estimator._assemble(backbone, place(width, seed), criterion)
    return make_net(estimator, model, criterion, seed), n_members


def _fit_curves(net: EmbeddingNet, train: TensorData) -> None:
    """Let numeric embeddings bend where the rows are."""
    for layer in net.module.modules():
        if isinstance(layer, TableInput):
            layer.fit_edges(train.X.to(net.module.device), train.weight)


def _kept_net(estimator: Any) -> EmbeddingNet:
    """Tell the net of an estimator what changed since it was trained."""
    net = estimator.net_
    return net.reconfigure(estimator._make_criterion(), **_net_options(estimator, net.module_))


def rebuild_net(estimator: Any, prototypes: Tensor, embedding_dim: int) -> EmbeddingNet:
    """Build a net with prototypes and width that are known; its weights are any."""
    shape, criterion = estimator.encoder_.output_shape_, estimator._make_criterion()
    with seeded(0):
        described, columns = estimator._describe(shape)[0], estimator.encoder_.columns_
        backbone = build_backbone(described, shape, embedding_dim, columns)
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
        "device": str(resolve_device(estimator.device)),
    }


def _to_device(
    net: EmbeddingNet, X: Tensor, target: NDArray[Any], weight: NDArray[Any]
) -> TensorData:
    """Put encoded rows on the training device; equal weights are none."""
    equal = (weight == weight[0]).all()
    share = None if equal else torch.from_numpy(weight / weight.mean()).to(net.device, X.dtype)
    return TensorData(X.to(net.device), torch.from_numpy(target).to(net.device), share)


def _select(data: TensorData, chosen: NDArray[np.bool_]) -> TensorData:
    """Return the rows that are chosen, with weights of mean 1."""
    part = data.select(torch.from_numpy(np.flatnonzero(chosen)).to(data.X.device))
    return part if part.weight is None else part._replace(weight=part.weight / part.weight.mean())


def _shown(value: Any) -> str:
    """Return the beginning of a value's representation, in one line."""
    return textwrap.shorten(repr(value), 70, placeholder=" ...")


def _snapshot(value: Any) -> Any:
    """Return a copy of a configuration, which may be changed in place; others as they are."""
    is_configuration = hasattr(value, "get_params") and not isinstance(value, nn.Module | type)
    return copy(value) if is_configuration else value
