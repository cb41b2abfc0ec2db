"""Rows that are read in parts, from disk or from a Dataset."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from ._arrays import as_array

# Numbers in a block: computing with one in double precision takes a few times 8 MB.
_BLOCK_SIZE = 2**20

# Options of a DataLoader about reading, in contrast to the order and number of rows.
_LOADER_OPTIONS = ("num_workers", "worker_init_fn", "multiprocessing_context", "prefetch_factor")


class StoredRows:
    """Rows of an array that may be larger than memory.

    Parameters
    ----------
    source : ndarray of shape (n_stored, ...)
        Often a memory map.
    dtype : dtype
        Type of the rows that are read: float64, float32 or uint8.
    index : ndarray of shape (n_samples,), int32 or int64, default=None
        Indices of the rows; ``None`` means all, in order.

    Attributes
    ----------
    check : callable or None
        Called with every block of `blocks`; refuses invalid samples.

    Examples
    --------
    >>> import numpy as np
    >>> from sphereskl.preprocessing import StoredRows
    >>> X = StoredRows(np.arange(8).reshape(4, 2), np.dtype(np.float64))
    >>> X.shape, X[1:3].tolist()
    ((4, 2), [[2.0, 3.0], [4.0, 5.0]])
    >>> X.take(np.array([3, 0]))[:].tolist()
    [[6.0, 7.0], [0.0, 1.0]]
    """

    check: Callable[[NDArray[Any]], Any] | None = None

    def __init__(
        self, source: Any, dtype: np.dtype[Any], index: NDArray[np.integer[Any]] | None = None
    ):
        self.source, self.dtype, self.index = source, dtype, index

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one row."""
        return tuple(self.source.shape[1:])

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of all rows as one array."""
        return (len(self), *self.sample_shape)

    @property
    def ndim(self) -> int:
        """Number of axes of `shape`."""
        return len(self.shape)

    def __len__(self) -> int:
        return len(self.source) if self.index is None else len(self.index)

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Read consecutive rows."""
        return next(self.parts([np.arange(*rows.indices(len(self)))]))

    def take(self, index: NDArray[np.integer[Any]]) -> Self:
        """Select rows, without reading them."""
        chosen = self._copy()
        chosen.index = index if self.index is None else self.index[index]
        return chosen

    def parts(self, indices: Iterable[NDArray[np.integer[Any]]]) -> Iterator[NDArray[Any]]:
        """Read parts, one after the other.

        Parameters
        ----------
        indices : iterable of ndarray of int64
            Indices of the rows of every part.

        Yields
        ------
        part : ndarray of shape (n_rows, ...)
            Rows in the requested order.
        """
        for index in indices:
            stored = index if self.index is None else self.index[index]
            if len(stored) and (np.diff(stored) == 1).all():
                rows = self.source[stored[0] : stored[-1] + 1]
                yield np.array(rows, dtype=self.dtype, order="C", subok=False)
                continue
            # In their order on disk, where neighbouring rows are read together.
            order = stored.argsort()
            part = np.empty((len(stored), *self.sample_shape), dtype=self.dtype)
            part[order] = self.source[stored[order]]
            yield part

    def _copy(self) -> Self:
        copied = object.__new__(type(self))
        vars(copied).update(vars(self))
        return copied


class DatasetRows(StoredRows):
    """Rows of a map-style torch Dataset.

    Parameters
    ----------
    source : torch.utils.data.Dataset or DataLoader
        Returns a sample, or a sample and its target, for every index below its length. Of a
        loader, only the Dataset and its workers (number and start method) are used; it does not
        determine which rows are read when, nor how many at a time.

    Attributes
    ----------
    holds_bytes : bool
        Whether samples are bytes. They are read as numbers unless `dtype` is set to uint8, as for
        images.

    Raises
    ------
    TypeError
        If it has no length, or does not hold numbers.
    ValueError
        If it is empty, or returns more than a sample and its target.
    """

    def __init__(self, source: Dataset[Any] | DataLoader[Any]):
        options: dict[str, Any] = {}
        if isinstance(source, DataLoader):
            options = {name: getattr(source, name) for name in _LOADER_OPTIONS}
            source = source.dataset
        if isinstance(source, IterableDataset) or not hasattr(source, "__len__"):
            raise TypeError(
                f"X is a {type(source).__name__}, which has no length or no rows by number; pass "
                "a map-style Dataset, or learn from parts by partial_fit."
            )
        if not len(source):  # pyright: ignore[reportArgumentType]
            raise ValueError(f"X is a {type(source).__name__} with 0 sample(s); give it some.")
        # Seeds of workers come from here: reading must not advance torch's own generator.
        self.options = {**options, "generator": torch.Generator().manual_seed(0)}
        first, target = _collate([source[0]])
        self.has_targets = target is not None
        if first.dtype.kind not in "fiub":
            raise TypeError(
                f"X is a {type(source).__name__} of {first.dtype}; its samples must be numbers."
            )
        self.holds_bytes = first.dtype == np.uint8
        exact = first.dtype in (np.float32, np.float64)
        super().__init__(source, first.dtype if exact else np.dtype(np.float64))
        self._sample_shape = first.shape[1:]

    @property
    def sample_shape(self) -> tuple[int, ...]:
        return self._sample_shape

    def targets(self) -> NDArray[Any]:
        """Read the target of every row."""
        if not self.has_targets:
            raise ValueError(
                f"y is None, but the {type(self.source).__name__} gives samples without targets; "
                "pass y, or let it give pairs (sample, target)."
            )
        blocks = (np.arange(*rows.indices(len(self))) for rows in _block_slices(self))
        return np.concatenate([target for _, target in self._load(blocks)])

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        # A few rows, for which no worker is started.
        places = np.arange(*rows.indices(len(self)))
        places = places if self.index is None else self.index[places]
        return _collate([self.source[i] for i in places.tolist()])[0].astype(self.dtype)

    def parts(self, indices: Iterable[NDArray[np.integer[Any]]]) -> Iterator[NDArray[Any]]:
        stored = (index if self.index is None else self.index[index] for index in indices)
        for part, _ in self._load(stored):
            if part.shape[1:] != self.sample_shape:
                raise ValueError(
                    f"X is a {type(self.source).__name__} with samples of shape {part.shape[1:]} "
                    f"and a first one of shape {self.sample_shape}; make all alike."
                )
            yield part.astype(self.dtype, copy=False)

    def _load(self, indices: Iterable[NDArray[np.integer[Any]]]) -> Iterator[tuple[Any, Any]]:
        batches: Any = (index.tolist() for index in indices)
        yield from DataLoader(
            self.source, batch_sampler=batches, collate_fn=_collate, **self.options
        )


def _collate(items: list[Any]) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Put rows into one array, and targets, if any, into another."""
    pairs = [tuple(item) if isinstance(item, tuple | list) else (item,) for item in items]
    odd = next((len(pair) for pair in pairs if len(pair) not in (1, 2)), None)
    if odd is not None:
        raise ValueError(
            f"X has rows of {odd} values, but a Dataset gives a sample, or a sample and its "
            "target; put other values into one of the two, or leave them out."
        )
    rows = [as_array("X", x) if isinstance(x, Tensor) else np.asarray(x) for x, *_ in pairs]
    if len({row.shape for row in rows}) > 1:
        shapes = sorted({row.shape for row in rows})
        raise ValueError(f"X has samples of different shapes, {shapes}; make all alike.")
    has_targets = len(pairs[0]) == 2
    return np.stack(rows), np.array([np.asarray(p[-1]) for p in pairs]) if has_targets else None


def row_blocks(X: NDArray[Any] | StoredRows) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Iterate over rows in blocks, which limit the memory of computations.

    Parameters
    ----------
    X : ndarray or StoredRows of shape (n_samples, ...)
        Rows.

    Yields
    ------
    rows : slice
        Which rows.
    block : ndarray of shape (n_rows, ...)
        The rows: views of an array; stored rows are read and checked.
    """
    slices = _block_slices(X)
    if not isinstance(X, StoredRows):
        yield from ((rows, X[rows]) for rows in slices)
        return
    parts = X.parts(np.arange(rows.start, min(rows.stop, len(X))) for rows in slices)
    for rows, block in zip(slices, parts, strict=True):
        if X.check is not None:
            X.check(block)
        yield rows, block


def _block_slices(X: Any) -> list[slice]:
    n_rows = max(1, _BLOCK_SIZE // max(1, int(np.prod(X.shape[1:]))))
    return [slice(start, start + n_rows) for start in range(0, len(X), n_rows)]


def take_rows(X: Any, chosen: NDArray[np.bool_]) -> Any:
    """Select rows; stored rows are not read.

    Parameters
    ----------
    X : ndarray or StoredRows of shape (n_samples, ...)
        Rows.
    chosen : ndarray of shape (n_samples,), bool
        Which rows.

    Returns
    -------
    X : ndarray or StoredRows of shape (n_chosen, ...)
        Of the same type.
    """
    return X.take(row_numbers(chosen)) if isinstance(X, StoredRows) else X[chosen]


def row_numbers(chosen: NDArray[np.bool_]) -> NDArray[np.integer[Any]]:
    """Return the indices of the chosen rows.

    Parameters
    ----------
    chosen : ndarray of shape (n_samples,), bool
        Which ones.

    Returns
    -------
    index : ndarray of shape (n_chosen,), int32 or int64
        In four bytes each if that suffices.
    """
    small = len(chosen) <= np.iinfo(np.int32).max
    return np.flatnonzero(chosen).astype(np.int32 if small else np.int64)
