"""Samples with targets and weights, and mini-batches of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ._devices import moved

# Batches gathered in one call, and numbers in them: fewer calls, without a second copy of all.
_BATCHES_AT_ONCE, _NUMBERS_AT_ONCE = 16, 2**22


class TensorData(NamedTuple):
    """Samples with everything that the training loop needs.

    Parameters
    ----------
    X : EncodedRows of shape (n_samples, ...)
        Encoded samples; those of a batch are a tensor.
    target : Tensor of shape (n_samples,)
        Encoded targets, on the training device.
    weight : Tensor of shape (n_samples,), default=None
        Sample weights of mean 1 over the training set; ``None`` stands for ones.
    fold : Tensor of shape (n_samples,), default=None
        For an ensemble, the member that is not trained on each sample but validated on it,
        int64, -1 for none; ``None`` trains all members on all samples.
    parity : Tensor of shape (n_samples,), default=None
        For augmented samples, a bit that each keeps from epoch to epoch, bool.
    other : Tensor of shape (n_samples,), default=None
        For a batch of mixed samples, the index of the second sample of every row, int64.
    share : Tensor of shape (n_samples,), default=None
        With `other`, the share of a row's own sample, to which `target` belongs.
    """

    X: Any
    target: Tensor
    weight: Tensor | None = None
    fold: Tensor | None = None
    parity: Tensor | None = None
    other: Tensor | None = None
    share: Tensor | None = None

    @property
    def inputs(self) -> tuple[Any, ...]:
        """Inputs of a model in validation: `X`, and `fold` for an ensemble."""
        return (self.X,) if self.fold is None else (self.X, self.fold)

    def select(self, index: Tensor) -> "TensorData":
        """Return the rows at `index`; stored samples are not read."""
        return TensorData._make(
            part if part is None else part.index_select(0, index) for part in self
        )

    def thinned(self, most: int) -> "TensorData":
        """Return at most `most` rows in their order, a random sample that is always the same.

        Every other row would be of the same class if classes alternate.
        """
        if len(self.target) <= most:
            return self
        order = torch.randperm(len(self.target), generator=torch.Generator().manual_seed(0))
        return self.select(order[:most].sort().values.to(self.target.device))

    def batches(self, indices: tuple[Tensor, ...]) -> Iterator["TensorData"]:
        """Gather batches.

        Parameters
        ----------
        indices : tuple of Tensor of int64
            Indices of the rows of every batch, on the device of `X`.

        Yields
        ------
        batch : TensorData
            Tensors on the device of the targets.
        """
        n_numbers = max(1, len(indices[0]) * self.X[:1].numel())
        n_at_once = max(1, min(_BATCHES_AT_ONCE, _NUMBERS_AT_ONCE // n_numbers))
        groups = [indices[i : i + n_at_once] for i in range(0, len(indices), n_at_once)]
        for group, together in zip(groups, self._gathered(groups), strict=True):
            sizes = [len(index) for index in group]
            parts = [[None] * len(sizes) if t is None else t.split(sizes) for t in together]
            yield from map(TensorData._make, zip(*parts, strict=True))

    def _gathered(self, groups: Sequence[tuple[Tensor, ...]]) -> Iterator["TensorData"]:
        """Yield the rows of every group of batches as tensors."""
        if isinstance(self.X, Tensor):
            yield from (self.select(torch.cat(group)) for group in groups)
            return
        others, device = self._replace(X=self.target), self.target.device
        samples = self.X.parts(torch.cat(group) for group in groups)
        for X, group in zip(samples, groups, strict=True):
            index = moved(torch.cat(group), device)
            yield others.select(index)._replace(X=moved(X, device))


@dataclass
class ShuffledBatches:
    """Random mini-batches, without row-by-row collation.

    Parameters
    ----------
    data : TensorData
        Data to split.
    batch_size : int
        Maximum number of rows in a batch. Batches of an epoch differ by at most one row,
        so that no small remainder takes a step as large as the others.
    generator : torch.Generator
        Random generator of the order, on the CPU. A single batch is not shuffled.
    """

    data: TensorData
    batch_size: int
    generator: torch.Generator

    def __len__(self) -> int:
        return -(-len(self.data.X) // self.batch_size)

    def __iter__(self) -> Iterator[TensorData]:
        n_rows = len(self.data.X)
        if len(self) == 1:
            if isinstance(self.data.X, Tensor):
                return iter([self.data])
            order = torch.arange(n_rows)
        else:
            # Four bytes per row: the same order, in half the memory.
            dtype = torch.int32 if n_rows < 2**31 else torch.int64
            order = torch.randperm(n_rows, generator=self.generator, dtype=dtype)
        return self.data.batches(order.to(self.data.X.device).tensor_split(len(self)))
