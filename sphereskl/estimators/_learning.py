"""One fit: network built or kept, validation samples chosen, training, calibration."""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from torch import nn

from ..nn import EmbeddingModel, TableInput
from ..preprocessing import StoredRows, row_numbers
from ..training import (
    EmbeddingNet,
    EncodedRows,
    ProcessGroup,
    ResidentRows,
    TensorData,
    assign_folds,
    fit_net,
    has_room,
    hold_out,
    one_thread,
    resolve_device,
    resolve_precision,
    sampled,
    seeded,
)
from ._alike import described_fit
from ._angular_components import resolve_regularizer
from ._augmented_images import builds_same, checked_augmentation, with_mirror
from ._components import (
    explained_size,
    is_own_network,
    is_same,
    make_encoder,
    sized_backbone,
)
from ._reading import READINGS
from ._sklearn_callbacks import FitReport
from ._stored_samples import keys_of, lazy_rows

# With fewer distinct held-out samples than this, validation is too unreliable.
_MIN_HELD_OUT = 10

# More samples than these add nothing to the estimate of a loss or a quantile; and the number of
# outputs of the network that are held at a time.
_MOST_JUDGES, _MOST_OUTPUTS = 2**17, 2**24

# Up to this many samples, an epoch of batches of 128 has too few steps.
_SMALL = 3000

# Samples, targets and sample weights.
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
    report: FitReport | None = None,
) -> None:
    """Train an estimator on validated samples, and calibrate it.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        With `target_encoder_`; gets `net_`, `encoder_`, and its calibration.
    rows : tuple (X, target, weight)
        Training samples, of positive weight.
    strata : ndarray of shape (n_samples,)
        Strata, of which held-out samples contain equal shares.
    judged : tuple (X_val, target_val, weight_val) or None
        Validation set; ``None`` holds some samples out.
    group : ProcessGroup or None
        The processes that train together.
    fresh : bool
        Whether to build a new network.
    partial : bool
        Whether to train for one epoch, on all samples.
    report : FitReport, default=None
        Reports epochs to scikit-learn's callbacks.
    """
    net, train, valid, judging = _prepare(
        estimator, rows, strata, judged, group, fresh=fresh, partial=partial
    )
    stops = estimator.early_stopping
    if stops == "auto":
        # By default if it costs no sample.
        stops = judged is not None or train.fold is not None

    def finish(estimator: Any, net: EmbeddingNet) -> None:
        estimator.net_ = net
        if estimator._calibrates:
            some = judging[sampled(judging, _MOST_JUDGES)]
            estimator._calibrate(train if valid is None else valid, len(np.unique(some)))
            net.scale = estimator.scale_
        estimator._look_back(train, valid, anew=not partial)

    with _one_row_explained():
        fit_net(
            net,
            train,
            valid if judged is not None or (stops and not partial) else None,
            max_epochs=1 if partial else int(estimator.max_epochs),
            # The end of a stream of partial fits is unknown: no schedule can be planned.
            schedule="constant" if partial else estimator.lr_schedule,
            keeps_momentum=partial,
            callbacks=estimator.callbacks or (),
            listener=report and report.listener(finish),
            patience=int(estimator.n_iter_no_change) if stops and not partial else None,
            verbose=bool(estimator.verbose),
            draws_globally=is_own_network(estimator.backbone),
            group=group,
        )
    finish(estimator, net)


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
    """Return the net, the training and the validation samples, and keys of the latter.

    On one thread, like training: a process forked from one in which torch used several threads
    could wait for threads that it does not have.
    """
    seed = int(check_random_state(estimator.random_state).randint(2**31 - 1))
    if group is not None:
        seed = group.agreed(seed)
    if fresh:
        encoder = make_encoder(estimator, rows[0])
        estimator.encoder_ = encoder.fit(rows[0], rows[2])
    X = lazy_rows(estimator, rows[0])
    if fresh:
        net, estimator.n_members_ = _fresh_net(estimator, X, seed)
    else:
        net = _kept_net(estimator)
    net.batch_size = estimator.batch_size
    if net.batch_size == "auto":
        net.batch_size = 64 if len(rows[0]) <= _SMALL else 128
    net.batch_size = int(net.batch_size)  # NumPy's small integers overflow
    keys = keys_of(rows[0], net.seed)
    judging = keys if judged is None else keys_of(judged[0], seed)
    if group is not None:
        told = {"X": keys, "y": rows[1], "sample_weight": rows[2]}
        validation = None if judged is None else judging
        group.check_same({**described_fit(estimator, net.module), **told, "X_val": validation})
    fold, held_out = None, np.zeros(len(keys), dtype=bool)
    if judged is None:
        most = min(_MOST_JUDGES, _MOST_OUTPUTS // len(net.module.prototypes))
        fold, held_out = _split(estimator, keys, strata, most, fresh=fresh, partial=partial)
    train = _as_data(net, X, *rows[1:])
    if fresh:
        _fit_curves(net, train)
    valid, is_stored = None, isinstance(rows[0], StoredRows)
    if judged is not None:
        valid = _as_data(net, lazy_rows(estimator, judged[0]), *judged[1:])
        valid = _resident(valid, isinstance(judged[0], StoredRows))
    elif held_out.any():
        # Chosen before encoding, which then needs no memory for a second copy.
        judging = keys[held_out]
        del keys
        valid, train = _select(train, held_out), _select(train, ~held_out)
        valid = _resident(valid, is_stored)
    train = _resident(train, is_stored)
    if fold is not None:
        train = train._replace(fold=torch.from_numpy(fold).to(net.device))
        valid, judging = _select(train, fold >= 0), keys[fold >= 0]
    return net, train, valid, judging


@contextmanager
def _one_row_explained() -> Iterator[None]:
    """Explain batches of one sample, where torch only says that it cannot use them."""
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise ValueError(
            "A batch of one sample leaves BatchNorm1d and others nothing to normalise over; "
            "use more samples, batch_size of at least 2, or another layer such as norm='layer'."
        ) from error


def _split(
    estimator: Any,
    keys: NDArray[Any],
    strata: NDArray[Any],
    most: int,
    *,
    fresh: bool,
    partial: bool,
) -> tuple[NDArray[np.int64] | None, NDArray[np.bool_]]:
    """Return which member every sample validates (None for none), and which are held out.

    At most `most` samples validate. With members no sample is lost: each member is validated on
    the samples that it was not trained on. The assignment is made once: a network that is kept
    was trained on the others.
    """
    if fresh:
        estimator._key_ranges = None
    nobody, fraction = np.zeros(len(keys), dtype=bool), estimator.validation_fraction
    if not fraction or not (estimator._calibrates or estimator.early_stopping):
        return None, nobody
    has_members = estimator.n_members_ > 1
    # Without members, held-out samples are lost for training: only worth it if something needs
    # them, and not affordable in parts of a stream.
    if not has_members and (
        partial or (not estimator._calibrates and estimator.early_stopping == "auto")
    ):
        return None, nobody
    ranges = estimator._key_ranges
    if ranges is None:
        # Of very many samples a smaller share suffices, and the others are trained on.
        fraction = min(fraction, most / len(keys))
        amount = estimator.n_members_ if has_members else fraction
        ranges = (assign_folds if has_members else hold_out)(keys, strata, amount)
    part = ranges.part_of(keys, strata)
    if has_members:
        part[~sampled(keys, most)] = -1
    judges = part >= 0 if has_members else part == 0
    if len(np.unique(keys[judges])) < _MIN_HELD_OUT:
        return None, nobody
    estimator._key_ranges = ranges
    return (part, nobody) if has_members else (None, judges)


def _fresh_net(estimator: Any, X: EncodedRows, seed: int) -> tuple[EmbeddingNet, int]:
    """Build the network that an estimator's parameters describe, and count its members."""
    encoder = estimator.encoder_
    with seeded(seed), explained_size():
        described, width, default = estimator._describe(encoder.output_shape_)
        place, criterion = estimator._make_placement(), estimator._make_criterion()
        backbone, width, n_members = sized_backbone(described, encoder, X, width, default)
        if estimator.augmentation is not None:
            backbone = with_mirror(estimator, backbone)
        model = estimator._assemble(backbone, place(width, seed), criterion)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError(
            "backbone has no trainable parameter, and the layers above it have none either; add a "
            "layer such as torch.nn.Linear, or leave some parameters with requires_grad."
        )
    return make_net(estimator, model, criterion, seed), n_members


def _fit_curves(net: EmbeddingNet, train: TensorData) -> None:
    """Fit numeric embeddings to the distribution of the training samples."""
    rows = None
    for layer in net.module.modules():
        if isinstance(layer, TableInput):
            rows = rows or train.thinned(_MOST_JUDGES)
            layer.fit_edges(rows.X[:].to(net.module.device), rows.weight)


def _kept_net(estimator: Any) -> EmbeddingNet:
    """Update the net of an estimator with what changed since it was trained."""
    net = estimator.net_
    return net.reconfigure(estimator._make_criterion(), **net_options(estimator, net.module_))


def make_net(
    estimator: Any, model: EmbeddingModel, criterion: nn.Module, seed: int
) -> EmbeddingNet:
    """Build the skorch net that trains `model` in place, and record its parameters."""
    estimator._built_with = {
        name: _snapshot(getattr(estimator, name)) for name in estimator._network_parameters
    }
    model = model.to(getattr(torch, estimator.dtype))
    return EmbeddingNet(model, criterion, seed=seed, **net_options(estimator, model))


def check_unchanged(estimator: Any) -> None:
    """Refuse changed parameters that would need another network than the one that is kept."""
    for name, built_with in estimator._built_with.items():
        value = getattr(estimator, name)
        if name == "augmentation" and builds_same(value, built_with):
            continue
        if not is_same(value, built_with):
            raise ValueError(
                f"{name} is {_shown(value)}, but the network that is kept was built with "
                f"{_shown(built_with)}; set it back, or start anew by fit with warm_start=False."
            )


def net_options(estimator: Any, model: EmbeddingModel) -> dict[str, Any]:
    """Return the options of a net that may change between fits.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        Estimator with its parameters.
    model : EmbeddingModel
        Its network.

    Returns
    -------
    options : dict
        Options of `EmbeddingNet`.
    """
    encoder = estimator.target_encoder_
    reading = READINGS.get((type(encoder), getattr(estimator, "prediction", None)))
    regularizer = getattr(estimator, "regularizer", None)
    if regularizer is not None:
        regularizer = resolve_regularizer(regularizer, model)
    augments = estimator.augmentation is not None
    device = resolve_device(estimator.device)
    is_image = len(estimator.encoder_.output_shape_) == 3
    return {
        "augmentation": checked_augmentation(estimator) if augments else None,
        "optimizer": estimator.optimizer,
        "lr": estimator.lr,
        "weight_decay": estimator.weight_decay,
        "backbone_lr": estimator.backbone_lr,
        "max_grad_norm": estimator.max_grad_norm,
        "regularizer": regularizer,
        "valid_score": estimator._score,
        "reader": reading and reading(encoder),
        "scale": getattr(estimator, "scale_", None),
        "precision": resolve_precision(
            estimator.precision, estimator.dtype, device, is_image=is_image
        ),
        "compiles": bool(estimator.compile),
        "device": str(device),
    }


def _as_data(
    net: EmbeddingNet, X: EncodedRows, target: NDArray[Any], weight: NDArray[Any]
) -> TensorData:
    """Put targets, sample weights and bytes on the training device; equal weights become None."""
    equal, dtype = (weight == weight[0]).all(), net.module.prototypes.dtype
    share = None if equal else torch.from_numpy(weight / weight.mean()).to(net.device, dtype)
    device = torch.device(net.device)
    if isinstance(X, ResidentRows) and has_room(device, X.nbytes):
        X = X.to(device)  # before a part is held out, so that both parts share its memory
    return TensorData(X, torch.from_numpy(target).to(device), share)


def _resident(data: TensorData, is_stored: bool) -> TensorData:
    """Return encoded samples on the training device, unless they are encoded batch by batch.

    On a GPU, bytes are, which take a quarter of the memory, and so are samples that would fill
    its memory.
    """
    device = data.target.device
    if device.type != "cpu" and not is_stored:
        of_bytes = isinstance(data.X, ResidentRows)
        is_stored = of_bytes or not has_room(device, len(data.X) * data.X[:1].nbytes)
    if is_stored:
        return data
    return data._replace(X=data.X.load().to(device))


def _select(data: TensorData, chosen: NDArray[np.bool_]) -> TensorData:
    """Return the chosen samples, with weights of mean 1."""
    part = data
    if not chosen.all():  # all of them need no copy
        part = data.select(torch.from_numpy(row_numbers(chosen)).to(data.target.device))
    return part if part.weight is None else part._replace(weight=part.weight / part.weight.mean())


def _shown(value: Any) -> str:
    """Return the beginning of a value's representation, in one line."""
    return textwrap.shorten(repr(value), 70, placeholder=" ...")


def _snapshot(value: Any) -> Any:
    """Return a copy of a configuration, which may be modified later; other values unchanged."""
    is_configuration = hasattr(value, "get_params") and not isinstance(value, nn.Module | type)
    return copy(value) if is_configuration else value
