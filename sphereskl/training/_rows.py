"""Datasets passed to callbacks: those of skorch, with targets in the units of y."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from skorch.dataset import Dataset
from torch import Tensor

from ._data import TensorData


@dataclass(eq=False)
class Rows(Dataset):
    """Encoded samples and decoded targets.

    Parameters
    ----------
    data : TensorData
        On the training device.
    reader : object
        Translates targets back into `y`; see `ReadableNet`.
    judged : bool, default=False
        Whether every sample is predicted by the member that its fold names, as in validation,
        instead of by the mean of all.

    Notes
    -----
    They are not pickled: a pickle or a copy of a net in training has None in their place.
    """

    data: TensorData
    reader: Any
    judged: bool = False

    # Attributes that skorch's own dataset computes.
    X_indexing = y_indexing = None
    X_is_ndframe = False

    @property
    def X(self) -> Tensor:
        """Encoded samples, (n_samples, ...)."""
        return self.data.X

    @property
    def target(self) -> Tensor:
        """Targets of the loss."""
        return self.data.target

    @property
    def weight(self) -> Tensor | None:
        """Sample weights, (n_samples,)."""
        return self.data.weight

    @cached_property
    def y(self) -> Any:
        """Targets in the user's units."""
        return self.reader.decode_target(self.data.target)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """Inputs of a model in prediction."""
        return self.data.inputs if self.judged else (self.data.X,)

    def __len__(self) -> int:
        return len(self.data.X)

    def __reduce__(self) -> Any:
        return type(None), ()
