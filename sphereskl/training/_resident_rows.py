"""Samples that stay as they were passed, in the memory of a device, until a batch needs them."""

from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from ._lazy_rows import LazyRows, aligned

_ROWS_AT_ONCE = 4096


class ResidentRows:
    """Samples in the memory of a device, encoded on demand and on that device.

    They replace a tensor of encoded samples in the training loop and in `infer`: images of bytes
    take a quarter of the memory that they take as numbers of float32.

    Parameters
    ----------
    X : Tensor of shape (n_stored, ...)
        Samples as they were passed.
    encode : nn.Module
        Maps such rows to encoded ones, row by row; on the device of `X`.
    index : Tensor of shape (n_samples,), int32 or int64, default=None
        Indices of the rows, on the same device; ``None`` means all, in order.

    Attributes
    ----------
    device : torch.device
        Of the rows, encoded or not.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.training import ResidentRows
    >>> class Scaled(torch.nn.Module):
    ...     def forward(self, x):
    ...         return x / 255
    >>> X = ResidentRows(torch.tensor([[0, 51], [255, 0]], dtype=torch.uint8), Scaled())
    >>> X[:]
    tensor([[0.0000, 0.2000],
            [1.0000, 0.0000]])
    >>> len(X), X.nbytes
    (2, 4)
    """

    def __init__(self, X: Tensor, encode: nn.Module, index: Tensor | None = None):
        self.X, self.encode, self.index = X, encode, index
        self.device = X.device

    @property
    def nbytes(self) -> int:
        """Bytes of the stored samples, chosen or not."""
        return self.X.nbytes

    def __len__(self) -> int:
        return len(self.X if self.index is None else self.index)

    def __getitem__(self, rows: slice | Sequence[int]) -> Tensor:
        """Encode rows."""
        if not isinstance(rows, slice):
            return self._encoded(torch.tensor(rows, device=self.device) % len(self))
        if self.index is None:
            return self._encode(self.X[rows])
        return self._encode(self.X.index_select(0, self.index[rows]))

    def index_select(self, dim: int, index: Tensor) -> "ResidentRows":
        """Select rows without copying them; `dim` is 0, as for tensors."""
        if dim != 0:
            raise ValueError(f"dim must be 0, the axis of the rows, got {dim}.")
        index = index.to(self.device)
        chosen = index if self.index is None else self.index.index_select(0, index)
        return ResidentRows(self.X, self.encode, chosen)

    def parts(self, indices: Iterable[Tensor]) -> Iterator[Tensor]:
        """Encode parts, one after the other.

        Parameters
        ----------
        indices : iterable of Tensor of int64
            Indices of the rows of every part, on the device.

        Yields
        ------
        part : Tensor of shape (n_rows, ...)
            Encoded rows.
        """
        return map(self._encoded, indices)

    def load(self) -> Tensor:
        """Encode all rows, block by block."""
        first = self[:1]
        loaded = first.new_empty(len(self), *first.shape[1:])
        for start in range(0, len(self), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            loaded[rows] = self[rows]
        return loaded

    def to(self, device: torch.device) -> "ResidentRows":
        """Return the same rows in the memory of another device."""
        if device == self.device:
            return self
        index = None if self.index is None else self.index.to(device)
        return ResidentRows(self.X.to(device), deepcopy(self.encode).to(device), index)

    def _encoded(self, index: Tensor) -> Tensor:
        places = index if self.index is None else self.index.index_select(0, index)
        return self._encode(self.X.index_select(0, places))

    def _encode(self, rows: Tensor) -> Tensor:
        # In torch's order whatever the layout of the images: kernels differ with it.
        return aligned(self.encode(rows).contiguous())


# Samples as a network takes them: all at once, or encoded when they are needed.
EncodedRows = Tensor | LazyRows | ResidentRows
