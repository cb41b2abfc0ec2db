"""Samples that are encoded batch by batch."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

# Alignment of torch's tensors in CPU memory, in bytes.
_ALIGNMENT = 64

_ROWS_AT_ONCE = 16_384


class Source(Protocol):
    """Rows in some storage, such as `sphereskl.preprocessing.StoredRows`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of all rows as one array."""
        ...

    def __len__(self) -> int: ...

    def take(self, index: np.ndarray) -> Any:
        """Select rows, without reading them."""
        ...

    def parts(self, indices: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Read parts, one after the other."""
        ...


class LazyRows:
    """Encoded samples that are read and encoded on demand.

    They replace a tensor of samples in the training loop and in `infer`.

    Parameters
    ----------
    source : Source
        Stored rows.
    encode : callable
        Maps an array of rows to a tensor, row by row: the result of a row does not depend on
        its batch.

    Attributes
    ----------
    device : torch.device
        The CPU, on which they are read and encoded.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from sphereskl.preprocessing import StoredRows
    >>> from sphereskl.training import LazyRows
    >>> X = LazyRows(StoredRows(np.eye(3), np.dtype(np.float64)), torch.from_numpy)
    >>> X[1:]
    tensor([[0., 1., 0.],
            [0., 0., 1.]], dtype=torch.float64)
    """

    device = torch.device("cpu")

    def __init__(self, source: Source, encode: Callable[[np.ndarray], Tensor]):
        self.source, self.encode = source, encode

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, rows: slice | Sequence[int]) -> Tensor:
        """Read rows."""
        if isinstance(rows, slice):
            return next(self.parts([torch.arange(*rows.indices(len(self)))]))
        return next(self.parts([torch.tensor(rows) % len(self)]))

    def index_select(self, dim: int, index: Tensor) -> "LazyRows":
        """Select rows without reading them; `dim` is 0, as for tensors."""
        if dim != 0:
            raise ValueError(f"dim must be 0, the axis of the rows, got {dim}.")
        return LazyRows(self.source.take(index.cpu().numpy()), self.encode)

    def parts(self, indices: Iterable[Tensor]) -> Iterator[Tensor]:
        """Read parts, one after the other.

        Parameters
        ----------
        indices : iterable of Tensor of int64
            Indices of the rows of every part, on the CPU.

        Yields
        ------
        part : Tensor of shape (n_rows, ...)
            Encoded rows.
        """
        return map(self._encoded, self.source.parts(index.numpy() for index in indices))

    def load(self) -> Tensor:
        """Read all rows, block by block."""
        if len(self) <= _ROWS_AT_ONCE:
            return self[:]
        blocks = torch.arange(len(self)).split(_ROWS_AT_ONCE)
        loaded = self[:1].new_empty(len(self), *self[:1].shape[1:])
        for block, part in zip(loaded.split(_ROWS_AT_ONCE), self.parts(blocks), strict=True):
            block.copy_(part)
        return loaded

    def _encoded(self, part: np.ndarray) -> Tensor:
        return aligned(self.encode(part))


def aligned(x: Tensor) -> Tensor:
    """Return a tensor with torch's memory alignment: kernels differ with alignment."""
    return x if x.data_ptr() % _ALIGNMENT == 0 else x.clone()
