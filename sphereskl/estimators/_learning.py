"""One course of learning: a network built or kept, rows that judge it, training, calibration."""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
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
    ProcessGroup,
    TensorData,
    assign_folds,
    fit_net,
    hold_out,
    one_thread,
    resolve_device,
    row_keys,
    seeded,
)
from ._alike import described_fit
from ._angular_components import resolve_regularizer
from ._components import (
    is_own_network,
    is_same,
    make_encoder,
    sized_backbone,
)
from ._reading import READINGS

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
    group: ProcessGroup | None,
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
    group : ProcessGroup or None
        The processes that learn together.
    fresh : bool
        Whether to build a new network.
    partial : bool
        Whether to train for one epoch, on all rows.
    """
    net, train, valid, judging = _prepare(
        estimator, rows, strata, judged, group, fresh=fresh, partial=partial
    )
    stops = estimator.early_stopping
    if stops == "auto":
        # By default where it costs no row.
        stops = judged is not None or train.fold is not None
    with _one_row_explained():
        fit_net(
            net,
            train,
            valid if judged is not None or (stops and not partial) else None,
            max_epochs=1 if partial else int(estimator.max_epochs),
            # The end of a stream of partial fits is not known: no schedule can lead there.
            schedule="constant" if partial else estimator.lr_schedule,
            keeps_momentum=partial,
            callbacks=estimator.callbacks or (),
            patience=int(estimator.n_iter_no_change) if stops and not partial else None,
            verbose=bool(estimator.verbose),
            draws_globally=is_own_network(estimator.backbone),
            group=group,
        )
    estimator.net_ = net
    if estimator._calibrates:
        estimator._calibrate(train if valid is None else valid, len(np.unique(judging)))
        net.scale = estimator.scale_
    estimator._look_back(train, valid, anew=not partial)


@one_thread()
def _prepare(
    estimator: Any,
    rows: Rows,
    strata: NDArray[Any],
    judged: Rows | None,
    group: ProcessGroup | None,
    *,
    fresh: bool,
    partial: bool,
) -> tuple[EmbeddingNet, TensorData, TensorData | None, NDArray[np.uint64]]:
    """Return the net, rows to train on and to judge by, and keys of those that judge.

    On one thread like the training: a process that was forked from one in which torch used
    more could wait for threads that it does not have.
    """
    seed = int(check_random_state(estimator.random_state).randint(2**31 - 1))
    if group is not None:
        seed = group.agreed(seed)
    if fresh:
        encoder = make_encoder(estimator, rows[0])
        estimator.encoder_ = encoder.fit(rows[0], rows[2])
    encode = estimator.encoder_.transform
    X = encode(rows[0])
    if fresh:
        net, estimator.n_members_ = _fresh_net(estimator, X, seed)
    else:
        net = _kept_net(estimator)
    net.batch_size = estimator.batch_size
    if net.batch_size == "auto":
        net.batch_size = 64 if len(rows[0]) <= _SMALL else 128
    net.batch_size = int(net.batch_size)  # NumPy's small integers overflow
    keys = row_keys(rows[0], net.seed)
    fold, held_out = None, np.zeros(len(keys), dtype=bool)
    if judged is None:
        fold, held_out = _split(estimator, keys, strata, fresh=fresh, partial=partial)
    train = _to_device(net, X, *rows[1:])
    if fresh:
        _fit_curves(net, train)
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
    if group is not None:
        validation = None if judged is None else judging
        told = {"X": keys, "y": rows[1], "sample_weight": rows[2], "X_val": validation}
        group.check_same({**described_fit(estimator, net.module), **told})
    return net, train, valid, judging


@contextmanager
def _one_row_explained() -> Iterator[None]:
    """Say what to do about batches of one row where torch only says that it cannot use them."""
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise ValueError(
            "A batch of one row leaves BatchNorm1d and its like nothing to normalise over; give "
            "more rows, a batch_size of at least 2, or another layer such as norm='layer'."
        ) from error


def _split(
    estimator: Any, keys: NDArray[Any], strata: NDArray[Any], *, fresh: bool, partial: bool
) -> tuple[NDArray[np.int64] | None, NDArray[np.bool_]]:
    """Return which member every row judges, None if it judges none, and which rows are held out.

    With members no row is lost: each is judged by the rows that it was not trained on. Who is
    judged by which rows is settled once: a network that is kept has learned from the others.
    """
    if fresh:
        estimator._key_ranges = None
    nobody, fraction = np.zeros(len(keys), dtype=bool), estimator.validation_fraction
    if not fraction or not (estimator._calibrates or estimator.early_stopping):
        return None, nobody
    has_members = estimator.n_members_ > 1
    # Without members rows that are held out are lost, which only what needs them is worth, and
    # which parts of a stream cannot spare.
    if not has_members and (
        partial or (not estimator._calibrates and estimator.early_stopping == "auto")
    ):
        return None, nobody
    ranges = estimator._key_ranges
    if ranges is None:
        amount = estimator.n_members_ if has_members else fraction
        ranges = (assign_folds if has_members else hold_out)(keys, strata, amount)
    part = ranges.part_of(keys, strata)
    judges = part >= 0 if has_members else part == 0
    if len(np.unique(keys[judges])) < _MIN_HELD_OUT:
        return None, nobody
    estimator._key_ranges = ranges
    return (part, nobody) if has_members else (None, judges)


def _fresh_net(estimator: Any, X: Tensor, seed: int) -> tuple[EmbeddingNet, int]:
    """Build the network that an estimator's parameters describe, and count its members."""
    encoder = estimator.encoder_
    with seeded(seed):
        described, width, default = estimator._describe(encoder.output_shape_)
        place, criterion = estimator._make_placement(), estimator._make_criterion()
        backbone, width, n_members = sized_backbone(described, encoder, X, width, default)
        model = estimator._assemble(backbone, place(width, seed), criterion)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError(
            "backbone has no parameter that learns, and neither has what stands above it; add a "
            "layer such as torch.nn.Linear, or leave some parameters with requires_grad."
        )
    return make_net(estimator, model, criterion, seed), n_members


def _fit_curves(net: EmbeddingNet, train: TensorData) -> None:
    """Let numeric embeddings bend where the rows are."""
    for layer in net.module.modules():
        if isinstance(layer, TableInput):
            layer.fit_edges(train.X.to(net.module.device), train.weight)


def _kept_net(estimator: Any) -> EmbeddingNet:
    """Tell the net of an estimator what changed since it was trained."""
    net = estimator.net_
    return net.reconfigure(estimator._make_criterion(), **net_options(estimator, net.module_))


def make_net(
    estimator: Any, model: EmbeddingModel, criterion: nn.Module, seed: int
) -> EmbeddingNet:
    """Build the skorch net that trains `model` in place, and remember what it was built with."""
    estimator._built_with = {
        name: _snapshot(getattr(estimator, name)) for name in estimator._network_parameters
    }
    model = model.to(getattr(torch, estimator.dtype))
    return EmbeddingNet(model, criterion, seed=seed, **net_options(estimator, model))


def check_unchanged(estimator: Any) -> None:
    """Refuse parameters that a network which is kept could not follow."""
    for name, built_with in estimator._built_with.items():
        value = getattr(estimator, name)
        if not is_same(value, built_with):
            raise ValueError(
                f"{name} is {_shown(value)}, but the network that is kept was built with "
                f"{_shown(built_with)}; set it back, or start anew by fit with warm_start=False."
            )


def net_options(estimator: Any, model: EmbeddingModel) -> dict[str, Any]:
    """Return the options of a net that may change from one training to the next.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        Whose parameters count.
    model : EmbeddingModel
        Its network.

    Returns
    -------
    options : dict
        Of `EmbeddingNet`.
    """
    encoder = estimator.target_encoder_
    reading = READINGS.get((type(encoder), getattr(estimator, "prediction", None)))
    regularizer = getattr(estimator, "regularizer", None)
    if regularizer is not None:
        regularizer = resolve_regularizer(regularizer, model)
    return {
        "optimizer": estimator.optimizer,
        "lr": estimator.lr,
        "weight_decay": estimator.weight_decay,
        "max_grad_norm": estimator.max_grad_norm,
        "regularizer": regularizer,
        "valid_score": estimator._score,
        "reader": reading and reading(encoder),
        "scale": getattr(estimator, "scale_", None),
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
