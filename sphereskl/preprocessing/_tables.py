"""Tables to tensors."""

import numpy as np
import torch
from torch import Tensor

# Standard deviations at which standardised columns are cut off. Heavy tails would
# otherwise dominate the embedding of their row.
_LIMIT = 4.0


class TableEncoder:
    """Standardise columns and cut off what lies far out.

    Parameters
    ----------
    dtype : torch.dtype
        Floating-point type of the result.
    standardize : bool, default=True
        Whether columns are shifted to mean 0, divided by their standard deviation and
        clipped to [-4, 4], or passed on as they are.

    Attributes
    ----------
    mean_, std_ : ndarray of shape (n_features,), float64
        Weighted moments of the fitted rows; a constant column has `std_` 1.
    output_shape_ : tuple of int
        ``(n_features,)``.
    """

    def __init__(self, *, dtype: torch.dtype, standardize: bool = True):
        self.dtype = dtype
        self.standardize = standardize

    def fit(self, X: np.ndarray, weight: np.ndarray | None = None) -> "TableEncoder":
        """Learn the moments of rows `X` (n_samples, n_features) under row weights."""
        self.output_shape_ = X.shape[1:]
        if self.standardize:
            # About the first row and in units of the range: exact for constant columns,
            # safe for time stamps, whose mean is far above their deviation, and for
            # columns whose squares would overflow.
            offset = X - X[0].astype(np.float64)
            unit = np.abs(offset).max(axis=0)
            unit[unit == 0] = 1.0
            offset /= unit
            centre = np.average(offset, axis=0, weights=weight)
            variance = np.average(np.square(offset - centre), axis=0, weights=weight)
            self.mean_ = X[0] + unit * centre
            self.std_ = np.where(variance > 0, unit * np.sqrt(variance), 1.0)
        return self

    def transform(self, X: np.ndarray) -> Tensor:
        """Encode rows as a tensor of shape (n_samples, n_features)."""
        x = as_tensor(X)
        if self.standardize:
            # In the type of the data and only then cast: float32 would round time stamps
            # before their mean is taken off.
            mean, std = (as_tensor(moment).to(x.dtype) for moment in (self.mean_, self.std_))
            x = (x - mean).div_(std).clamp_(-_LIMIT, _LIMIT)
        return x.to(self.dtype)


def as_tensor(X: np.ndarray) -> Tensor:
    """Share an array's memory as a tensor; torch warns of arrays it could not write to."""
    return torch.from_numpy(X if X.flags.writeable else X.copy())
