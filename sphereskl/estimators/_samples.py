"""Validation of samples: whatever users pass, as one array of numbers."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, check_X_y, validate_data
from torch import Tensor

from ..preprocessing import ColumnReader, StoredRows, as_array, is_frame, is_plain, split_columns
from ..training import EncodedRows, one_thread
from ._components import check_meaning, takes_gaps
from ._stored_samples import as_stored, check_stored, lazy_rows, opened
from ._weights import counted


def check_samples(
    estimator: Any, X: Any, y: Any = "no_validation", *, reset: bool, **options: Any
) -> Any:
    """Let scikit-learn validate samples, and targets unless `y` is "no_validation".

    Parameters
    ----------
    estimator : BaseSphereEstimator
        Estimator with its parameters; gets the attributes that describe samples.
    X : array-like, DataFrame or Tensor
        Samples.
    y : array-like or Tensor, default="no_validation"
        Targets.
    reset : bool
        Whether to set the attributes that describe samples, instead of comparing with them.
    **options
        For targets, options of scikit-learn's ``check_X_y``.

    Returns
    -------
    X : ndarray of shape (n_samples, ...)
        Of float64, float32 or, for images, uint8; the levels of categories as numbers.
    y : ndarray
        Only if targets are validated.
    """
    if not isinstance(X, np.ndarray | StoredRows):
        X, y = opened(X, y)
        _check_kind(X)
    X = as_array("X", X) if isinstance(X, Tensor) else X
    y = as_array("y", y) if isinstance(y, Tensor) else y
    if isinstance(X, np.ma.MaskedArray):
        X = _fill_masked(X, X.ndim == 2 and takes_gaps(estimator))
    X = _from_lists(X) if isinstance(X, list | tuple) else X
    n_axes = np.ndim(X) if hasattr(X, "__len__") and not hasattr(X, "columns") else 2
    if reset and n_axes > 2 and estimator.input_shape is None:
        check_meaning(np.shape(X))
    is_table = n_axes == 2 and estimator.input_shape is None
    stored = as_stored(estimator, X, is_table=is_table)
    if reset:
        first = X if stored is None else stored[:1]
        estimator._reader = _make_reader(estimator, first) if is_table else None
    options["dtype"] = np.float64, np.float32, *(() if is_table else (np.uint8,))
    options["allow_nd"] = True
    if is_table and takes_gaps(estimator):
        options["ensure_all_finite"] = "allow-nan"
    checked: Any
    # Scikit-learn sums all values to see whether one is not finite, and sums may overflow.
    with np.errstate(over="ignore", invalid="ignore"):
        if stored is not None:
            checked = check_stored(estimator, stored, y, reset=reset, **options)
        else:
            has_levels = estimator._reader is not None and estimator._reader.has_levels
            validate = _read if has_levels else validate_data
            try:
                checked = validate(estimator, X, y, reset=reset, **options)
            except (TypeError, ValueError, OverflowError) as error:
                _explain(X, error, has_levels)
                raise
    shape = (checked[0] if isinstance(checked, tuple) else checked).shape[1:]
    if reset:
        estimator._sample_shape = shape
    elif shape != estimator._sample_shape:
        raise ValueError(
            f"X has samples of shape {shape}, but {type(estimator).__name__} was fitted with "
            f"samples of shape {estimator._sample_shape}."
        )
    return checked


@one_thread()
def encode_samples(estimator: Any, X: Any) -> EncodedRows:
    """Validate samples to predict, and turn them into a tensor.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        Fitted.
    X : array-like, DataFrame, Tensor or Dataset
        Samples.

    Returns
    -------
    X : EncodedRows of shape (n_samples, ...)
        Input of the network.
    """
    checked = check_samples(estimator, X, reset=False)
    if isinstance(checked, StoredRows):
        return lazy_rows(estimator, checked, checked=False)
    return estimator.encoder_.transform(checked)


def check_judges(
    estimator: Any, X_val: Any, y_val: Any, weigh: Callable[..., Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]] | None:
    """Validate the validation set, if there is one.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        With `target_encoder_`.
    X_val, y_val : array-like or None
        Samples and targets.
    weigh : callable
        Factors that targets give to the weights of their samples.

    Returns
    -------
    judges : tuple (X, target, weight) or None
        Samples of positive weight; ``None`` if there is no validation set.
    """
    X_val, y_val = opened(X_val, y_val)
    if X_val is None and y_val is None:
        return None
    if X_val is None or y_val is None:
        missing = "X_val" if X_val is None else "y_val"
        raise ValueError(f"X_val and y_val belong together, but {missing} is None.")
    try:
        X_val, y_val = estimator._check_rows(X_val, y_val, reset=False)
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"X_val and y_val, read as X and y: {error}") from error
    target = estimator.target_encoder_.encode(y_val, "y_val")
    judges = counted(X_val, target, np.ones(len(X_val)) * weigh(target))
    if not len(judges[0]):
        raise ValueError("y_val leaves no sample of positive weight to validate; see class_weight.")
    return judges


def _check_kind(X: Any) -> None:
    """Refuse samples that are neither a table nor images, whatever they contain."""
    is_text = isinstance(X, str | bytes)
    known = isinstance(X, Sequence | memoryview | StoredRows) or any(
        hasattr(X, name) for name in ("__array__", "__array_interface__", "shape")
    )
    if isinstance(X, type) or (X is not None and not is_text and not known and not is_frame(X)):
        raise TypeError(
            f"X is a {type(X).__name__}, which is not a table: float() argument must be a string "
            "or a number; pass an array, a frame, a tensor or a list of rows."
        )


def _explain(X: Any, error: Exception, has_levels: bool) -> None:
    """Raise an error that names the column that is not numeric or finite, or at least `X`."""
    is_table = is_frame(X) or (isinstance(X, np.ndarray) and X.ndim == 2)
    if is_table and str(error).startswith("Input X contains infinity"):
        raise ValueError(f"{error}{_first_infinity(X)}") from error
    if has_levels:
        return
    of_numbers = "float" in str(error) or isinstance(error, OverflowError)
    columns = split_columns(X) if is_table and of_numbers else []
    odd = next((column.name for column in columns if not column.holds_numbers()), None)
    if odd is not None:
        raise ValueError(
            f"X has column {odd!r} that is not numbers, but numbers were fitted there ({error}); "
            "give the columns that were fitted."
        ) from error
    if not re.search(r"\b(X|y|samples?|features?)\b", str(error)):
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"X or y cannot be read as numbers: {error}") from error


def _first_infinity(X: Any) -> str:
    """Return a sentence that tells in which column and row the first infinite number is."""
    for column in split_columns(X):
        if column.is_number():
            with np.errstate(over="ignore"):  # of numbers that only a long double holds
                rows = np.flatnonzero(np.isinf(column.numbers().astype(np.float64)))
            if len(rows):
                return (
                    f" The first is in column {column.name!r}, row {rows[0]}; leave the row out, "
                    "or put NaN there if the value is missing."
                )
    return ""


def _fill_masked(X: np.ma.MaskedArray, takes_gaps: bool) -> NDArray[Any]:
    """Return a masked array with NaN where numbers are masked."""
    if not np.ma.getmaskarray(X).any():
        return np.asarray(X)
    if not takes_gaps:
        raise ValueError(
            "X is a masked array, but missing values are accepted only in tables and not by your "
            "own network; fill it, "
            "for example by X.filled(0)."
        )
    return np.ma.filled(X.astype(np.float64), np.nan)


def _from_lists(X: Any) -> NDArray[Any]:
    """Return nested lists as an array in which numbers next to strings stay numbers."""
    try:
        array = np.asarray(X)
    except ValueError as error:
        raise ValueError(
            f"X is a list that makes no array ({error}); pass a list of rows of one length."
        ) from None
    return np.asarray(X, dtype=object) if array.dtype.kind in "US" else array


def _make_reader(estimator: Any, X: Any) -> ColumnReader | None:
    """Return the reader of the columns of a table, None if it is purely numeric."""
    given = estimator.categorical_features
    by_type = given is None or (isinstance(given, str) and given == "from_dtype")
    is_array = isinstance(X, np.ndarray) and X.dtype.kind != "c"
    if not is_frame(X) and (not is_array or (is_plain(X) and by_type)):
        return None
    return ColumnReader(given).fit(X) if len(X) else None


def _read(estimator: Any, X: Any, y: Any, *, reset: bool, **options: Any) -> NDArray[Any] | tuple:
    """Validate a table with non-numeric levels: names and number of columns, then rows."""
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    matrix = estimator._reader.read(X)
    options["estimator"], options["input_name"] = estimator, "X"
    if isinstance(y, str) and y == "no_validation":
        return check_array(matrix, **options)
    del options["input_name"]
    return check_X_y(matrix, y, **options)
