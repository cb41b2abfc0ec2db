"""A fast training step, for networks of this package with explicit gradients."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..nn import EmbeddingModel, TableInput, WrittenOut, cross_entropy, layer_pass, table_pass
from ._by_member import by_member
from ._criterion import Criterion
from ._data import TensorData
from ._hooks import is_hooked
from ._optimizers import take_step
from ._short_update import short_update

# Smoothed targets are looked up in a table with this many rows and columns at most; for more
# classes, matrix products dominate the time of a step, not autograd.
_MOST_PROTOTYPES = 1024


def short_backward(net: Any) -> Callable[[TensorData], tuple[list[Tensor], Tensor]] | None:
    """Return a function that computes gradients of a batch in a fraction of autograd's time.

    Parameters
    ----------
    net : EmbeddingNet
        In training.

    Returns
    -------
    backward : callable or None
        Maps a batch to [loss] and cosines; ``None`` if `WrittenOut` does not support the network,
        the loss or the way in which it is trained.

    Notes
    -----
    Gradients differ from those of autograd by rounding. Call it again if the network may have
    been changed or its gradients removed.
    """
    gradients = _written_out(net.module_, net.criterion_) if _is_plain(net) else None
    if gradients is None:
        return None

    def backward(batch: TensorData) -> tuple[list[Tensor], Tensor]:
        cosines = gradients.forward(batch.X)
        _, target, weight = by_member(cosines, batch)
        return [gradients.backward(target, weight)], cosines

    return backward


def short_step(net: Any) -> Callable[[TensorData], list[Tensor]] | None:
    """Return a function that takes a step by `short_backward` and a fast optimiser update.

    Parameters
    ----------
    net : EmbeddingNet
        In training; no callback uses its batches.

    Returns
    -------
    step : callable or None
        Maps a batch to [loss].
    """
    backward, scheduler, update = short_backward(net), net.scheduler_, None
    if backward is None:
        return None

    def step(batch: TensorData) -> list[Tensor]:
        nonlocal update
        # Nothing of it becomes part of a graph, which would cost an eighth more.
        with torch.inference_mode():
            values, _ = backward(batch)
            if update is not None:
                update()
        if update is None:
            take_step(net.optimizer_)  # initialises its state
            update = short_update(net.optimizer_)
        if scheduler is not None:
            scheduler.step()
        return values

    return step


def _is_plain(net: Any) -> bool:
    """Whether only the network and the loss determine the gradients, on this CPU."""
    return (
        net.regularizer is None
        and net.augmentation is None  # mixed samples have two targets
        and net.max_grad_norm is None
        and net.module_.autocast_dtype is None
        and not net.compiles
        and net.module_.device.type == "cpu"
        and not torch.distributed.is_initialized()
        and not any(map(is_hooked, (*net.module_.modules(), net.criterion_)))
    )


def _written_out(model: nn.Module, criterion: Any) -> WrittenOut | None:
    """Return loss and gradients of an MLP with fixed prototypes, None for other models."""
    is_smoothed = type(criterion) is Criterion and criterion.loss is cross_entropy
    if not is_smoothed or not criterion.uses_scale or type(model) is not EmbeddingModel:
        return None
    shared = len(list(model.named_parameters(remove_duplicate=False))) - len([*model.parameters()])
    prototypes = torch.cat([model.prototypes, model.reserved])
    if model.free_norm or model.learn_prototypes or shared or len(prototypes) > _MOST_PROTOTYPES:
        return None
    first, *rest = _flat(model.backbone)
    table = None
    if type(first) is TableInput:
        table, (first, *rest) = table_pass(first), rest
        if table is None:
            return None
    dense, activations = [first, *rest[1::2]], rest[::2]
    passes = [layer_pass(layer) for layer in dense]
    if (
        None in passes
        or len(dense) != len(activations) + 1
        or any(type(activation) is not nn.ReLU for activation in activations)
    ):
        return None
    return WrittenOut(table, passes, prototypes, model.log_scale, criterion.label_smoothing)


def _flat(module: nn.Module) -> list[nn.Module]:
    """Return the modules of a network in the order of computation."""
    if type(module) is not nn.Sequential:
        return [module]
    return [part for child in module for part in _flat(child)]
