"""Validation of samples: what users hand over, as one array of numbers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, check_X_y, validate_data
from torch import Tensor

from ..preprocessing import ColumnReader, is_frame, is_plain
from ._components import as_array, check_meaning, takes_gaps


def check_samples(
    estimator: Any, X: Any, y: Any = "no_validation", *, reset: bool, **options: Any
) -> Any:
    """Let scikit-learn validate samples, and targets unless `y` is "no_validation".

    Parameters
    ----------
    estimator : BaseSphereEstimator
        Whose parameters count; gets what is known of samples.
    X : array-like, DataFrame or Tensor
        Samples.
    y : array-like or Tensor, default="no_validation"
        Targets.
    reset : bool
        Whether to set what is known of samples, instead of comparing with it.
    **options
        For targets, of scikit-learn's ``check_X_y``.

    Returns
    -------
    X : ndarray of shape (n_samples, ...)
        Of float64, float32 or, for images, uint8; the levels of categories as numbers.
    y : ndarray
        Only if targets are validated.
    """
    X = as_array("X", X) if isinstance(X, Tensor) else X
    y = as_array("y", y) if isinstance(y, Tensor) else y
    X = _from_lists(X) if isinstance(X, list | tuple) else X
    n_axes = np.ndim(X) if hasattr(X, "__len__") and not hasattr(X, "columns") else 2
    if reset and n_axes > 2 and estimator.input_shape is None:
        check_meaning(np.shape(X))
    is_table = n_axes == 2 and estimator.input_shape is None
    if reset:
        estimator._reader = _make_reader(estimator, X) if is_table else None
    options["dtype"] = np.float64, np.float32, *(() if is_table else (np.uint8,))
    options["allow_nd"] = True
    if is_table and takes_gaps(estimator):
        options["ensure_all_finite"] = "allow-nan"
    checked: Any
    if estimator._reader is None or not estimator._reader.has_levels:
        checked = validate_data(estimator, X, y, reset=reset, **options)
    else:
        checked = _read(estimator, X, y, reset=reset, **options)
    shape = (checked[0] if isinstance(checked, tuple) else checked).shape[1:]
    if reset:
        estimator._sample_shape = shape
    elif shape != estimator._sample_shape:
        raise ValueError(
            f"X has samples of shape {shape}, but {type(estimator).__name__} was fitted with "
            f"samples of shape {estimator._sample_shape}."
        )
    return checked


def _from_lists(X: Any) -> NDArray[Any]:
    """Return nested lists as an array, in which numbers beside strings stay numbers."""
    array = np.asarray(X)
    return np.asarray(X, dtype=object) if array.dtype.kind in "US" else array


def _make_reader(estimator: Any, X: Any) -> ColumnReader | None:
    """Return what reads the columns of a table, None for numbers and nothing else."""
    given = estimator.categorical_features
    by_type = given is None or (isinstance(given, str) and given == "from_dtype")
    is_array = isinstance(X, np.ndarray) and X.dtype.kind != "c"
    if not is_frame(X) and (not is_array or (is_plain(X) and by_type)):
        return None
    return ColumnReader(given).fit(X) if len(X) else None


def _read(estimator: Any, X: Any, y: Any, *, reset: bool, **options: Any) -> NDArray[Any] | tuple:
    """Validate a table with levels that are not numbers: names and number of columns, then rows."""
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    matrix = estimator._reader.read(X)
    options["estimator"], options["input_name"] = estimator, "X"
    if isinstance(y, str) and y == "no_validation":
        return check_array(matrix, **options)
    del options["input_name"]
    return check_X_y(matrix, y, **options)
