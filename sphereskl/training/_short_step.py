"""A short way through a step, for small networks of ours whose gradients are written out."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..nn import DenseGradients, EmbeddingModel, cross_entropy
from ._criterion import Criterion
from ._data import TensorData
from ._short_update import short_update


def short_step(net: Any) -> Callable[[TensorData], list[Tensor]] | None:
    """Return what takes a step like the net's own in a fraction of the time, if anything does.

    Parameters
    ----------
    net : EmbeddingNet
        In training.

    Returns
    -------
    step : callable or None
        Maps a batch to [loss]; ``None`` if the network, the loss or the way in which it is
        trained is none whose gradients are written out in `DenseGradients`.

    Notes
    -----
    Steps differ from those of autograd by rounding. To be asked for once an epoch: whoever hears
    of epochs may change the network between them.
    """
    layers = _dense_layers(net.module_)
    if layers is None or not _is_plain(net):
        return None
    model, criterion = net.module_, net.criterion_
    prototypes = torch.cat([model.prototypes, model.reserved])
    gradients = DenseGradients(layers, prototypes, model.log_scale, criterion.label_smoothing)
    update, scheduler = None, net.scheduler_

    def step(batch: TensorData) -> list[Tensor]:
        nonlocal update
        # Nothing of it becomes part of a graph, which costs an eighth more to provide for.
        with torch.inference_mode():
            loss = gradients(batch.X, batch.target, batch.weight)
            if update is not None:
                update()
        if update is None:
            net.optimizer_.step()  # sets its state up
            update = short_update(net.optimizer_)
        if scheduler is not None:
            scheduler.step()
        return [loss]

    return step


def _is_plain(net: Any) -> bool:
    """Whether nothing but the loss decides about a step, and nobody listens in."""
    model, criterion = net.module_, net.criterion_
    return (
        type(criterion) is Criterion
        and criterion.loss is cross_entropy
        and criterion.uses_scale
        and net.regularizer is None
        and net.max_grad_norm is None
        and model.device.type == "cpu"
        and not torch.distributed.is_initialized()
        and not any(_is_hooked(module) for module in (*model.modules(), criterion))
    )


def _dense_layers(model: nn.Module) -> list[nn.Linear] | None:
    """Return the layers of a perceptron below fixed prototypes, None if it is another network."""
    if type(model) is not EmbeddingModel or model.free_norm or model.learn_prototypes:
        return None
    backbone = [model.backbone]
    while any(type(module) is nn.Sequential for module in backbone):
        backbone = [
            part
            for module in backbone
            for part in (module if type(module) is nn.Sequential else [module])
        ]
    layers, activations = backbone[::2], backbone[1::2]
    is_perceptron = (
        len(backbone) % 2
        and all(type(layer) is nn.Linear and layer.bias is not None for layer in layers)
        and all(type(activation) is nn.ReLU for activation in activations)
        and all(p.requires_grad and not p._backward_hooks for p in model.parameters())
    )
    return layers if is_perceptron else None


def _is_hooked(module: nn.Module) -> bool:
    return any(
        getattr(module, name)
        for name in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    )
