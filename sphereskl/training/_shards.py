"""Training steps on several cores, with the same result on any number of them."""

import copy
import operator
from collections.abc import Sequence
from concurrent.futures import Executor
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from ..geometry import one_thread
from ..nn import Dropout
from ._data import TensorData
from ._gathered_loss import gathered_loss
from ._hooks import is_hooked
from ._layout import laid_out_as

# Maximum number of shards of a batch, and minimum number of samples in each: batch normalisation
# computes its statistics per shard.
_MOST_SHARDS, _LEAST_ROWS = 8, 16

# Minimum multiplications in a shard's forward pass, some milliseconds: fewer are not worth the
# overhead.
_LEAST_PRODUCTS = 2**26

# Modules of torch's layers whose output in training is a function of the input: dropout and others
# use the random generator that all threads share.
_FILES = {
    f"torch.nn.modules.{name}"
    for name in (
        *("activation", "batchnorm", "channelshuffle", "container", "conv", "flatten", "linear"),
        *("normalization", "padding", "pixelshuffle", "pooling", "upsampling"),
    )
}
_NOT_OF_THEM = (nn.RReLU, nn.MultiheadAttention, nn.FractionalMaxPool2d, nn.FractionalMaxPool3d)


class Shards:
    """Copies of a model that share its parameters, each for a part of every batch.

    Parameters
    ----------
    net : EmbeddingNet
        In training.
    least_rows : int
        Minimum number of samples in a shard.
    executor : Executor or None
        Its threads run shards; ``None`` runs them sequentially.

    Notes
    -----
    The shards of a batch depend on the network and the batch only, every shard is computed on one
    thread, and sums are taken in the order of the shards: the result does not depend on the
    number of threads, to the bit.

    State that training modifies is separate for each shard: statistics of batches, of which the
    model gets the mean over shards, and the noise of dropout, seeded by the model's layer.
    """

    def __init__(self, net: Any, least_rows: int, executor: Executor | None = None):
        self.net, self.least_rows, self.executor = net, least_rows, executor
        self.copies: list[nn.Module] = []
        self._tensors: list[Tensor] = []  # of the model when it was copied

    def gradients(self, batch: TensorData) -> tuple[list[Tensor], Tensor]:
        """Compute the gradient of a batch on the parameters, which have none before.

        Parameters
        ----------
        batch : TensorData
            On the CPU.

        Returns
        -------
        values : list of Tensor
            Loss and, if there is a regulariser, penalty, detached.
        outputs : Tensor of shape (n_samples, n_outputs) or (n_members, n_samples, n_outputs)
            Output of the model, detached.
        """
        n_shards = max(1, min(_MOST_SHARDS, len(batch.X) // self.least_rows))
        hooked = any(map(is_hooked, self.net.module_.modules()))
        # Hooks may write to shared objects.
        run = map if hooked or self.executor is None else self.executor.map
        self._follow(n_shards, hooked)
        self._spread(n_shards)
        outputs = list(run(_forward, self.copies[:n_shards], batch.X.tensor_split(n_shards)))
        self._collect(n_shards)
        whole = torch.cat([part.detach() for part in outputs], dim=-2)
        values, gradient = gathered_loss(self.net, whole, batch)
        pulled = gradient.tensor_split(n_shards, dim=-2)
        parameters = [p for p in self.net.module_.parameters() if p.requires_grad]
        terms = run(_gradients, outputs, [parameters] * n_shards, pulled)
        for parameter, *summands in zip(parameters, *terms, strict=True):
            known = [term for term in (*summands, parameter.grad) if term is not None]
            total = laid_out_as(reduce(operator.add, known), parameter) if known else None
            parameter.grad = total
        return values, whole.detach()

    def forget(self) -> None:
        """Copy the model again for the next batch: its layers may have changed."""
        self._tensors = []

    def _follow(self, n_shards: int, hooked: bool) -> None:
        """Copy the model again if its tensors were replaced, or if there are hooks."""
        model = self.net.module_
        tensors = [*model.parameters(), *model.buffers()]
        known = len(tensors) == len(self._tensors) and n_shards <= len(self.copies)
        if known and not hooked and all(map(operator.is_, tensors, self._tensors)):
            return
        self._tensors = [] if hooked else tensors
        self.copies = [_copy(model) for _ in range(n_shards)]
        models = (model, *self.copies)
        self._statistics = [_statistics(each) for each in models]
        self._dropouts = [[m for m in each.modules() if isinstance(m, Dropout)] for each in models]

    def _spread(self, n_shards: int) -> None:
        """Give shards the statistics of the model, and separate noise."""
        model, *copies = self._statistics
        for own in copies[:n_shards]:
            for statistic, value in zip(own, model, strict=True):
                statistic.copy_(value)
        layers, *theirs = self._dropouts
        for layer, *shards in zip(layers, *theirs[:n_shards], strict=True):
            layer.seed_copies(shards)

    def _collect(self, n_shards: int) -> None:
        """Give the model the mean of the shards' statistics."""
        model, *copies = self._statistics
        for own, *parts in zip(model, *copies[:n_shards], strict=True):
            if own.is_floating_point():
                own.copy_(reduce(operator.add, parts) / n_shards)
            else:  # a count of batches
                own.copy_(parts[0])


def _forward(model: nn.Module, X: Tensor) -> Tensor:
    with one_thread():
        return model(X)


def _gradients(
    outputs: Tensor, parameters: list[nn.Parameter], gradient: Tensor
) -> Sequence[Tensor | None]:
    if not outputs.requires_grad:
        return [None] * len(parameters)
    with one_thread():
        return torch.autograd.grad(outputs, parameters, gradient, allow_unused=True)


def _copy(model: nn.Module) -> nn.Module:
    """Return a copy with the same parameters and buffers, except for statistics of batches."""
    own = set(map(id, _statistics(model)))
    shared = [t for t in (*model.parameters(), *model.buffers()) if id(t) not in own]
    return copy.deepcopy(model, {id(tensor): tensor for tensor in shared}).train()


def _statistics(model: nn.Module) -> list[Tensor]:
    return [b for layer in model.modules() if isinstance(layer, _NormBase) for b in layer.buffers()]


def least_rows(model: nn.Module, sample: Tensor) -> int | None:
    """Return the minimum size of a shard in samples, None if batches cannot be split.

    Parameters
    ----------
    model : nn.Module
        In training, on the CPU.
    sample : Tensor of shape (1, ...)
        An encoded sample.
    """
    if sample.ndim < 3 or not all(map(_is_pure, model.modules())):
        return None
    return max(_LEAST_ROWS, -(-_LEAST_PRODUCTS // max(1, _count_products(model, sample))))


def _is_pure(layer: nn.Module) -> bool:
    """Whether a layer in training is a function of its input, apart from state of shards."""
    kind = type(layer)
    return kind.__module__.startswith("sphereskl.nn.") or (
        kind.__module__ in _FILES and not isinstance(layer, _NOT_OF_THEM)
    )


def _count_products(model: nn.Module, sample: Tensor) -> int:
    """Count the multiplications by weights in a forward pass."""
    n_products = 0

    def add(layer: Any, inputs: Any, outputs: Tensor) -> None:
        nonlocal n_products
        # Every weight of a filter counts once per position, of a dense layer once.
        n_products += layer.weight.numel() * outputs[0, 0].numel()

    hooks = [
        layer.register_forward_hook(add)
        for layer in model.modules()
        if getattr(getattr(layer, "weight", None), "ndim", 0) > 1
    ]
    try:
        model.eval()
        with torch.no_grad():
            model(sample)
    finally:
        model.train()
        for hook in hooks:
            hook.remove()
    return n_products
