"""Whole tensors on the training device, and batches cut from them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

# Batches gathered in one call: fewer calls, without a second copy of all the data.
_BATCHES_AT_ONCE = 16


class TensorData(NamedTuple):
    """Samples with everything that the training loop needs to know of them.

    Parameters
    ----------
    X : Tensor of shape (n_samples, ...)
        Encoded samples.
    target : Tensor of shape (n_samples,)
        Encoded targets.
    weight : Tensor of shape (n_samples,), default=None
        Row weights of mean 1 over the training set; ``None`` stands for ones.
    fold : Tensor of shape (n_samples,), default=None
        For a network with members, the one that is not trained on each row, int64, and that the
        row judges instead, -1 for none; ``None`` trains all on all.
    """

    X: Tensor
    target: Tensor
    weight: Tensor | None = None
    fold: Tensor | None = None

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What a model takes to judge itself by the rows: `X`, and `fold` if there are members."""
        return (self.X,) if self.fold is None else (self.X, self.fold)

    def select(self, index: Tensor) -> "TensorData":
        """Return the rows at `index`."""
        return TensorData(
            self.X.index_select(0, index),
            self.target.index_select(0, index),
            None if self.weight is None else self.weight.index_select(0, index),
            None if self.fold is None else self.fold.index_select(0, index),
        )


@dataclass
class ShuffledBatches:
    """Random batches of a whole tensor, without row-by-row collation.

    Parameters
    ----------
    data : TensorData
        What to cut.
    batch_size : int
        Largest number of rows in a batch. Batches of an epoch differ by one row at the
        most, so that no small remainder takes a step as large as the others.
    generator : torch.Generator
        Source of the order, on the CPU. A single batch is not shuffled.
    """

    data: TensorData
    batch_size: int
    generator: torch.Generator

    def __len__(self) -> int:
        return -(-len(self.data.X) // self.batch_size)

    def __iter__(self) -> Iterator[TensorData]:
        return iter([self.data]) if len(self) == 1 else self._shuffled()

    def _shuffled(self) -> Iterator[TensorData]:
        order = torch.randperm(len(self.data.X), generator=self.generator)
        batches = order.to(self.data.X.device).tensor_split(len(self))
        for start in range(0, len(batches), _BATCHES_AT_ONCE):
            sizes = [len(batch) for batch in batches[start : start + _BATCHES_AT_ONCE]]
            together = self.data.select(torch.cat(batches[start : start + _BATCHES_AT_ONCE]))
            parts = [[None] * len(sizes) if t is None else t.split(sizes) for t in together]
            yield from map(TensorData._make, zip(*parts, strict=True))
