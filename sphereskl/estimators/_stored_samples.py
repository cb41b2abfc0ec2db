"""Samples that are not loaded into memory: memory maps, Datasets, and images of bytes."""

from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, check_consistent_length, validate_data
from torch.utils.data import DataLoader, Dataset

from ..preprocessing import DatasetRows, StoredRows, row_blocks, traced
from ..training import LazyRows, ResidentRows, row_keys

# Maximum bytes of encoded samples in a fit; larger data are encoded batch by batch. A row is
# encoded identically in either case.
_MOST_BYTES = 2**26


def opened(X: Any, y: Any) -> tuple[Any, Any]:
    """Wrap a torch Dataset as rows, and read its targets if no others are given.

    Parameters
    ----------
    X : Dataset, DataLoader or anything else
        Samples.
    y : array-like or None
        Targets.

    Returns
    -------
    X, y : object
        Anything but a Dataset is returned unchanged.
    """
    if not isinstance(X, Dataset | DataLoader):
        return X, y
    rows = DatasetRows(X)
    return rows, rows.targets() if y is None else y


def with_targets(X: Any, y: Any) -> tuple[Any, Any]:
    """Return samples and their targets, which a Dataset may hold itself.

    Parameters
    ----------
    X : object
        Samples.
    y : array-like or None
        Targets.

    Returns
    -------
    X, y : object
        As `opened` returns them.

    Raises
    ------
    ValueError
        If there are no targets.
    """
    X, y = opened(X, y)
    if y is None:
        raise ValueError(
            "score requires y to be passed, but y is None; pass true targets, or a Dataset that "
            "gives pairs (sample, target) as X."
        )
    return X, y


def as_stored(estimator: Any, X: Any, *, is_table: bool) -> StoredRows | None:
    """Return rows that are read in parts, None for samples that are encoded at once.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        Its `dtype` is used.
    X : object
        Samples.
    is_table : bool
        Whether they are not images.

    Returns
    -------
    X : StoredRows or None
        For a Dataset, and for large arrays of numbers on disk or images of bytes.
    """
    if isinstance(X, DatasetRows) and X.holds_bytes and not is_table:
        X.dtype = np.dtype(np.uint8)
    if isinstance(X, StoredRows):
        return X
    if not isinstance(X, np.ndarray) or X.ndim < 2 or X.dtype.kind not in "fiub":
        return None
    of_bytes = X.dtype == np.uint8 and not is_table
    on_disk = isinstance(X, np.memmap)
    if not (of_bytes or on_disk) or X.size * np.dtype(estimator.dtype).itemsize <= _MOST_BYTES:
        return None
    exact = X.dtype in (np.float32, np.float64)
    return StoredRows(X, X.dtype.newbyteorder("=") if of_bytes or exact else np.dtype(np.float64))


def check_stored(estimator: Any, X: StoredRows, y: Any, *, reset: bool, **options: Any) -> Any:
    """Let scikit-learn validate targets and the first stored samples; others when they are read.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        Gets what is known of samples if `reset`.
    X : StoredRows
        Samples.
    y : array-like or "no_validation"
        Targets.
    reset : bool
        Whether to set what is known of samples, instead of comparing with it.
    **options
        Options of scikit-learn's ``check_X_y``.

    Returns
    -------
    X : StoredRows
        Samples; `row_blocks` checks them.
    y : ndarray
        Only if targets are validated.
    """
    names = ("multi_output", "y_numeric")
    of_targets = {name: options.pop(name) for name in names if name in options}
    first: Any = X[:1]
    validate_data(estimator, first, reset=reset, **options)
    X.check = partial(check_array, input_name="X", estimator=estimator, **options)
    if isinstance(y, str) and y == "no_validation":
        return X
    y = validate_data(estimator, y=y, reset=False, **of_targets)
    check_consistent_length(X, y)
    return X, y


def lazy_rows(estimator: Any, X: Any, *, checked: bool = True) -> LazyRows | ResidentRows:
    """Return validated samples as the network takes them, encoded on demand.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        With `encoder_`.
    X : ndarray or StoredRows of shape (n_samples, ...)
        Samples.
    checked : bool, default=True
        Whether stored samples have been read and checked before.

    Returns
    -------
    X : LazyRows or ResidentRows
        On the CPU; the latter for images of bytes that are in its memory.
    """
    encoder = estimator.encoder_
    encode = encoder.transform
    if not isinstance(X, StoredRows):
        X = StoredRows(X, X.dtype)
    in_memory = type(X.source) is np.ndarray  # and no memory map
    if in_memory and X.source.dtype == np.uint8 and encoder.dtype_in_ == "uint8":
        index = None if X.index is None else torch.from_numpy(X.index)
        return ResidentRows(_shared(X.source), traced(encoder), index)
    check = X.check
    return LazyRows(X, encode if checked or check is None else lambda rows: encode(check(rows)))


def _shared(X: NDArray[np.uint8]) -> torch.Tensor:
    """Return a tensor in the memory of an array, or in a new one if torch cannot take it."""
    shareable = X.flags.writeable and all(stride >= 0 for stride in X.strides)
    return torch.from_numpy(X if shareable else X.copy())


def keys_of(X: NDArray[Any] | StoredRows, seed: int) -> NDArray[np.uint64]:
    """Hash every row's content, see `row_keys`; stored rows are checked at the same time."""
    keys = np.empty(len(X), dtype=np.uint64)
    for rows, block in row_blocks(X):
        keys[rows] = row_keys(block, seed)
    return keys
