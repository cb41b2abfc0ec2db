"""Encoders of samples as torch modules, for exporters, which cannot trace NumPy."""

from typing import Any

import torch
from torch import Tensor, nn

from ._images import ImageEncoder
from ._tables import LIMIT, TableEncoder


def traced(encoder: TableEncoder | ImageEncoder, levels: list[Any] | None = None) -> nn.Module:
    """Return a module that encodes like a fitted encoder.

    Parameters
    ----------
    encoder : TableEncoder or ImageEncoder
        Fitted.
    levels : list of (array-like or None), default=None
        For every category, its levels in the order of their indices, NaN for a missing one, as
        they occur in the samples of the module; ``None`` for a column that holds the
        indices of levels already. Those of the encoder by default.

    Returns
    -------
    module : nn.Module
        Takes rows as a tensor of float64 of shape (n_samples, n_features), or images of the type
        fitted.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from sphereskl.preprocessing import TableEncoder, traced
    >>> X = np.array([[1.0, 5.0], [np.nan, 7.0], [3.0, 5.0]])
    >>> encoder = TableEncoder([1]).fit(X)
    >>> bool((traced(encoder)(torch.from_numpy(X)) == encoder.transform(X)).all())
    True
    """
    if isinstance(encoder, ImageEncoder):
        return _TracedImages(encoder)
    return _TracedTable(encoder, encoder.levels_ if levels is None else levels)


class _TracedTable(nn.Module):
    """`TableEncoder.transform` for samples in a matrix of numbers."""

    is_number: Tensor
    is_category: Tensor
    gaps: Tensor
    mean: Tensor
    std: Tensor
    flag_mean: Tensor
    flag_std: Tensor

    def __init__(self, encoder: TableEncoder, levels: list[Any]):
        super().__init__()
        self.dtype, self.standardize = getattr(torch, encoder.dtype), encoder.standardize
        is_category = torch.from_numpy(encoder.is_categorical_)
        self.register_buffer("is_number", (~is_category).nonzero()[:, 0])
        self.register_buffer("is_category", is_category.nonzero()[:, 0])
        self.register_buffer("gaps", torch.from_numpy(encoder.gaps_))
        if self.standardize:
            for name in ("mean", "std", "flag_mean", "flag_std"):
                moment = getattr(encoder, f"{name}_")
                self.register_buffer(name, torch.tensor(moment, dtype=torch.float64))
        self.categories = nn.ModuleList(
            nn.Identity() if known is None else _LevelNumber(known) for known in levels
        )

    def forward(self, X: Tensor) -> Tensor:
        if not self.standardize:
            return X.to(self.dtype)
        parts = []
        if len(self.is_number):
            parts += self._numbers(X[:, self.is_number])
        codes = X[:, self.is_category]
        parts += [read(codes[:, j : j + 1]) for j, read in enumerate(self.categories)]
        return torch.cat(parts, dim=1).to(self.dtype)

    def _numbers(self, x: Tensor) -> list[Tensor]:
        # A missing number is imputed by the mean, that is 0.
        missing = x.isnan()
        parts = [((torch.where(missing, self.mean, x) - self.mean) / self.std).clamp(-LIMIT, LIMIT)]
        if len(self.gaps):
            flags = missing[:, self.gaps].double()
            parts.append(((flags - self.flag_mean) / self.flag_std).clamp(-LIMIT, LIMIT))
        return parts


class _LevelNumber(nn.Module):
    """The index of every value's level, -1 for an unknown one; (n_samples, 1)."""

    levels: Tensor

    def __init__(self, levels: Any):
        super().__init__()
        self.register_buffer("levels", torch.tensor(levels, dtype=torch.float64))

    def forward(self, column: Tensor) -> Tensor:
        found = (column == self.levels) | (column.isnan() & self.levels.isnan())
        known = found.any(dim=1, keepdim=True)
        return torch.where(known, found.double().argmax(dim=1, keepdim=True).double(), -1.0)


class _TracedImages(nn.Module):
    """`ImageEncoder.transform` for images as they were fitted."""

    mean: Tensor
    std: Tensor

    def __init__(self, encoder: ImageEncoder):
        super().__init__()
        self.dtype, self.standardize = getattr(torch, encoder.dtype), encoder.standardize
        self.shape, self.axes = encoder.sample_shape, encoder.axes
        self.of_bytes = encoder.dtype_in_ == "uint8"
        if self.standardize:
            self.register_buffer("mean", torch.tensor(encoder.mean_, dtype=self.dtype))
            self.register_buffer("std", torch.tensor(encoder.std_, dtype=self.dtype))

    def forward(self, X: Tensor) -> Tensor:
        images = X.reshape(X.shape[0], *self.shape).permute(0, *(1 + axis for axis in self.axes))
        images = images.unsqueeze(1) if len(self.axes) == 2 else images
        x = images.contiguous().to(self.dtype)  # bytes are reordered faster than floats
        x = x / 255 if self.of_bytes else x
        return (x - self.mean) / self.std if self.standardize else x
