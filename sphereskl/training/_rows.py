"""What callbacks are given for data: datasets of skorch's, with targets in the units of y."""

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
        What turns targets back into `y`; see `ReadableNet`.
    judged : bool, default=False
        Whether every row is judged by the member that its fold names, as validation rows are,
        instead of by the mean of all.

    Notes
    -----
    They do not travel: in a pickle or a copy of a net that is being trained stands None.
    """

    data: TensorData
    reader: Any
    judged: bool = False

    # What skorch's own dataset finds out when it is made.
    X_indexing = y_indexing = None
    X_is_ndframe = False

    @property
    def X(self) -> Tensor:
        """Encoded samples, (n_samples, ...)."""
        return self.data.X

    @property
    def target(self) -> Tensor:
        """Targets as the loss sees them."""
        return self.data.target

    @property
    def weight(self) -> Tensor | None:
        """Row weights, (n_samples,)."""
        return self.data.weight

    @cached_property
    def y(self) -> Any:
        """Targets in the units of the user's."""
        return self.reader.decode_target(self.data.target)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What a model takes to predict the rows."""
        return self.data.inputs if self.judged else (self.data.X,)

    def __len__(self) -> int:
        return len(self.data.X)

    def __reduce__(self) -> Any:
        return type(None), ()
