"""The first layer of a network for tables: numbers, flags and categories as its input."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from .._checks import choose
from ..layers import CategoryEmbedding, PeriodicEmbedding, PiecewiseLinearEmbedding

_NUMERIC: dict[str | None, Callable[..., nn.Module] | None] = {
    "piecewise": PiecewiseLinearEmbedding,
    "periodic": PeriodicEmbedding,
    None: None,
}
# Beyond this many numbers a row is a signal or an image rather than a table: its columns mean
# little on their own, and embedding each would be most of the computation.
_MOST_EMBEDDED = 128


@dataclass(frozen=True)
class Columns:
    """Kinds of columns of an encoded table, from left to right.

    Parameters
    ----------
    n_numeric : int
        Number of numeric columns, which may get a numeric embedding.
    n_flags : int, default=0
        Number of columns of two values, which are passed through.
    cardinalities : tuple of int, default=()
        Number of levels of every category, whose columns hold the index of a level.

    Examples
    --------
    >>> from sphereskl.nn import Columns
    >>> Columns(n_numeric=5, n_flags=1, cardinalities=(3, 12)).n_columns
    8
    """

    n_numeric: int
    n_flags: int = 0
    cardinalities: tuple[int, ...] = ()

    @property
    def n_columns(self) -> int:
        """Number of columns of all kinds."""
        return self.n_numeric + self.n_flags + len(self.cardinalities)


class TableInput(nn.Module):
    """Numeric and categorical embeddings, concatenated.

    Parameters
    ----------
    columns : Columns
        Kinds of the columns of a batch.
    numeric_embedding : {"piecewise", "periodic"} or None, default=None
        See `MLP`.
    n_members : int, default=1
        Number of networks k that have their own embeddings.
    **options
        Options of the numeric embedding.

    Attributes
    ----------
    width : int
        Width of the output.

    Notes
    -----
    Input (n_samples, n_columns), output (n_samples, width), or (n_members, n_samples, width) for
    several members.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import Columns, TableInput
    >>> layer = TableInput(Columns(n_numeric=2, cardinalities=(3,)))
    >>> layer(torch.tensor([[0.5, -0.5, 1.0]]))
    tensor([[ 0.5000, -0.5000,  0.0000,  1.0000,  0.0000]])
    """

    def __init__(
        self,
        columns: Columns,
        numeric_embedding: str | None = None,
        *,
        n_members: int = 1,
        **options: int,
    ):
        super().__init__()
        self.columns, self.n_members = columns, n_members
        make = choose("numeric_embedding", numeric_embedding, _NUMERIC)
        self.numeric = None
        if make is not None and columns.n_numeric > 0:
            self.numeric = make(columns.n_numeric, n_members=n_members, **options)
        self.categories = (
            CategoryEmbedding(columns.cardinalities, n_members) if columns.cardinalities else None
        )
        per_number = 1 if self.numeric is None else self.numeric.width
        self.width = columns.n_numeric * per_number + columns.n_flags
        self.width += self.categories.width if self.categories else 0

    @property
    def is_identity(self) -> bool:
        """Whether the output is the input."""
        return self.numeric is None and self.categories is None and self.n_members == 1

    def fit_edges(self, X: Tensor, weight: Tensor | None = None) -> Self:
        """Fit piecewise-linear curves to the data; other embeddings need no samples.

        Parameters
        ----------
        X : Tensor of shape (n_samples, n_columns)
            Rows.
        weight : Tensor of shape (n_samples,), default=None
            Sample weights; ``None`` means equal weights.

        Returns
        -------
        self : TableInput
            The layer.
        """
        if isinstance(self.numeric, PiecewiseLinearEmbedding):
            self.numeric.fit_edges(X[:, : self.columns.n_numeric], weight)
        return self

    def forward(self, X: Tensor) -> Tensor:
        n_numeric, n_members = self.columns.n_numeric, self.n_members
        n_numbers = n_numeric + self.columns.n_flags
        parts = []
        if self.numeric is not None:
            parts.append(self.numeric(X[:, :n_numeric]))
        else:
            parts.append(X[:, :n_numeric].expand(n_members, -1, -1))
        if self.columns.n_flags:
            parts.append(X[:, n_numeric:n_numbers].expand(n_members, -1, -1))
        if self.categories is not None:
            parts.append(self.categories(X[:, n_numbers:].long()))
        x = parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)
        return x[0] if n_members == 1 else x


def describe_input(
    columns: Columns, numeric_embedding: str | None, *, n_bins: int, n_members: int, is_table: bool
) -> TableInput:
    """Build the first layer that a configuration describes.

    Parameters
    ----------
    columns : Columns
        What the columns of a batch hold.
    numeric_embedding : {"auto", "piecewise", "periodic"} or None
        "auto" is "piecewise" for tables of at most 128 numeric columns, else None.
    n_bins : int
        Maximum number of pieces of a curve, for "piecewise".
    n_members : int
        Number of networks that have their own embeddings.
    is_table : bool
        Whether samples are rows of a table, not images.

    Returns
    -------
    layer : TableInput
        Curves are straight until `TableInput.fit_edges`.
    """
    choose("numeric_embedding", numeric_embedding, {"auto": None, **_NUMERIC})
    if numeric_embedding == "auto":
        embeds = is_table and columns.n_numeric <= _MOST_EMBEDDED
        numeric_embedding = "piecewise" if embeds else None
    options = {"n_bins": n_bins} if numeric_embedding == "piecewise" else {}
    return TableInput(columns, numeric_embedding, n_members=n_members, **options)
