"""The first layer of a network for tables with explicit gradients."""

from typing import Any

import torch
from torch import Tensor

from ..layers import layer_pass
from ._table_input import TableInput


def table_pass(layer: TableInput) -> Any:
    """Return the forward and backward pass of the first layer of a network for tables.

    Parameters
    ----------
    layer : TableInput
        Its parameters are used in place.

    Returns
    -------
    layer_pass : LayerPass or None
        As `layer_pass` returns it; ``None`` for periodic embeddings, and parameters that are not
        trained.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import Columns, TableInput, table_pass
    >>> first = table_pass(TableInput(Columns(n_numeric=1, cardinalities=(3,))))
    >>> first.forward(torch.tensor([[0.5, 2.0]])), first.learns
    (tensor([[0.5000, 0.0000, 0.0000, 1.0000]]), False)
    """
    embeddings = [part for part in (layer.numeric, layer.categories) if part is not None]
    passes = {part: layer_pass(part) for part in embeddings}
    return None if None in passes.values() else _TablePass(layer, passes)


class _TablePass:
    """Embeddings side by side: each has its own columns of the output and of its gradient."""

    def __init__(self, layer: TableInput, passes: dict[Any, Any]):
        self._columns, self._n_members = layer.columns, layer.n_members
        self._numeric, self._categories = passes.get(layer.numeric), passes.get(layer.categories)
        self.learns = any(part.learns for part in passes.values())
        # Columns of the output, from the left and from the right.
        self._width = layer.columns.n_numeric * layer.numeric.width if layer.numeric else 0
        self._n_last = layer.categories.width if layer.categories else 0

    def forward(self, x: Tensor) -> Tensor:
        columns, parts = self._columns, []
        n_numbers = columns.n_numeric + columns.n_flags
        first = 0
        if self._numeric is not None:
            first = columns.n_numeric
            parts.append(self._numeric.forward(x[:, :first]))
        if first < n_numbers:
            parts.append(x[:, first:n_numbers])
        if self._categories is not None:
            parts.append(self._categories.forward(x[:, n_numbers:].long()))
        if len(parts) == 1:
            return parts[0]
        if self.learns and self._n_members > 1:
            # Parts without parameters are the same for all members.
            parts = [part.expand(self._n_members, -1, -1) for part in parts]
        return torch.cat(parts, dim=-1)

    def backward(self, d_y: Tensor, *, on: bool) -> Tensor | None:
        if self._numeric is not None:
            self._numeric.backward(d_y[..., : self._width], on=False)
        if self._categories is not None:
            self._categories.backward(d_y[..., -self._n_last :], on=False)
        return None
