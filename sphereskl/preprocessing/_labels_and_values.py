"""Encoder of a class and a value for every sample, either of which may be missing."""

from typing import Any, Self

import narwhals as nw
import numpy as np
from sklearn.utils.multiclass import type_of_target
from torch import Tensor

from ._arrays import as_array
from ._labels import is_missing, plain_labels
from ._values import encode_values, from_cosines, resolve_bounds


class LabelsAndValues:
    """Encode a class and a value for every sample.

    Parameters
    ----------
    bounds : "minmax" or pair, default="minmax"
        Lower and upper value; see `resolve_bounds`.
    dtype : str, default="float32"
        Floating-point type of the encoded targets.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted.
    bounds_ : ndarray of shape (1, 2), float64
        Values at the poles.
    form_ : tuple (kind, names)
        The form of `y`, from `targets_form`: predictions take the same form.

    Examples
    --------
    >>> from sphereskl.preprocessing import LabelsAndValues
    >>> y = (["a", None, "b"], [1.0, 2.0, None])
    >>> encoder = LabelsAndValues().fit(y, given=y)
    >>> encoder.encode(y)
    array([[ 0., -1.],
           [-1.,  1.],
           [ 1., nan]], dtype=float32)
    """

    def __init__(self, bounds: Any = "minmax", dtype: str = "float32"):
        self.bounds, self.dtype = bounds, dtype

    def fit(
        self, y: Any, weight: np.ndarray | None = None, *, given: Any = None, classes: Any = None
    ) -> Self:
        """Learn the classes and the bounds.

        Parameters
        ----------
        y : DataFrame with 2 columns, array-like of shape (n_samples, 2) or pair of array-like
            See `split_targets`.
        weight : ndarray of shape (n_samples,), default=None
            Sample weights; a sample of weight 0 is ignored.
        given : DataFrame, array-like or pair, default=None
            Determines the form of predictions; ``None`` is that of `y`.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever occur; ``None`` takes those of `y`.

        Returns
        -------
        self : LabelsAndValues
            Fitted.

        Raises
        ------
        ValueError
            If there are fewer than two classes or no values.
        """
        labels, values = split_targets(y)
        counted = np.ones(len(labels), dtype=bool) if weight is None else weight > 0
        labels = labels[is_known(labels) & counted] if classes is None else np.asarray(classes)
        values = values[~np.isnan(values) & counted]
        labels = plain_labels(labels.astype(object), "y_class")
        if len(labels):
            _check_classes(labels)
        self.classes_ = np.unique(labels)
        if len(self.classes_) < 2:
            raise ValueError(
                f"y needs at least 2 classes, but its classes are {self.classes_.tolist()}."
            )
        if not len(values):
            raise ValueError(
                "y holds no value in any row; without values use HypersphericalPrototypeClassifier."
            )
        self.bounds_ = resolve_bounds(self.bounds, 0.0, values[:, None])
        self.form_ = targets_form(y if given is None else given)
        return self

    def check_same(self, other: Self) -> None:
        """Refuse another fit of this encoder with classes that this one lacks."""
        self._check_known(other.classes_, "y")

    def encode(self, y: Any, name: str = "y") -> np.ndarray:
        """Turn targets into class indices and cosines, (n_samples, 2); -1 and NaN if missing."""
        labels, values = split_targets(y)
        known = is_known(labels)
        found = np.array(labels[known].tolist())
        self._check_known(found, name)
        code = np.full(len(labels), -1)
        code[known] = np.searchsorted(self.classes_, found)
        cosine = encode_values(values[:, None], self.bounds_, name)[:, 0]
        return np.stack([code, cosine], axis=1).astype(self.dtype)

    def decode(self, logits: np.ndarray, index: Any = None) -> Any:
        """Return class and value of every sample, in the form of the `y` that was fitted.

        A pandas frame gets `index`.
        """
        return join_targets(*self.split(logits), self.form_, index)

    def split(self, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return classes and values of logits whose first column is the value's cosine."""
        logits = logits.astype(np.float64)
        labels = self.classes_[logits[:, 1:].argmax(axis=1)]
        return labels, from_cosines(logits[:, :1], self.bounds_)[:, 0]

    def strata(self, target: np.ndarray) -> np.ndarray:
        """Return the stratum of every sample: its class, or 0 for those without one."""
        return target[:, 0].astype(np.int64) + 1

    def _check_known(self, labels: np.ndarray, name: str) -> None:
        unknown = sorted(set(labels.tolist()) - set(self.classes_.tolist()))
        if unknown:
            raise ValueError(
                f"{name} has the labels {unknown}, which are not among the classes "
                f"{self.classes_.tolist()}."
            )


def split_targets(y):
    """Split targets into a class and a value for every sample.

    Parameters
    ----------
    y : DataFrame with 2 columns, array-like of shape (n_samples, 2) or pair of array-like
        Classes first, values second. Missing ones are None, NaN or NA.

    Returns
    -------
    labels : ndarray of shape (n_samples,)
        Classes; missing ones are None, in which case the dtype is object.
    values : ndarray of shape (n_samples,), float64
        Values; missing ones are NaN.

    Raises
    ------
    ValueError
        If `y` has another form, or a value is not a finite number.

    Examples
    --------
    >>> from sphereskl.preprocessing import split_targets
    >>> split_targets((["a", None, "b"], [1.0, 2.0, None]))
    (array(['a', None, 'b'], dtype=object), array([ 1.,  2., nan]))
    """
    if hasattr(y, "columns"):
        parts = [y[name] for name in _names(y)]
    elif isinstance(y, tuple) and len(y) == 2:
        parts = list(y)
    else:
        table = as_array("y", y) if isinstance(y, Tensor) else y
        hidden = np.ma.getmaskarray(np.ma.asarray(table)) if np.ma.is_masked(table) else None
        table = np.array(table, dtype=object)
        if hidden is not None:
            table[hidden] = None
        parts = list(table.T) if table.ndim == 2 else []
    if len(parts) != 2:
        raise ValueError(
            "y must give a class and a value for every row, as a DataFrame with two columns or as "
            f"a pair (y_class, y_value), got {type(y).__name__} with "
            f"{len(parts) or 'no'} columns."
        )
    return _labels(parts[0]), _values(parts[1])


def is_known(labels):
    """Tell which classes are not missing.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,)
        From `split_targets`.

    Returns
    -------
    known : ndarray of shape (n_samples,), bool
        False where the label is None.

    Examples
    --------
    >>> import numpy as np
    >>> from sphereskl.preprocessing import is_known
    >>> is_known(np.array(["a", None], dtype=object))
    array([ True, False])
    """
    return np.array([label is not None for label in labels.tolist()], dtype=bool)


def join_targets(labels, values, like, index=None):
    """Put predicted classes and values into the form of the `y` that was fitted.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,)
        Classes.
    values : ndarray of shape (n_samples,)
        Values.
    like : tuple (kind, names)
        From `targets_form`.
    index : pandas.Index, default=None
        Index of a pandas frame: that of the samples.

    Returns
    -------
    y : DataFrame, ndarray of shape (n_samples, 2) or pair of ndarray
        In the form of `like`.
    """
    kind, names = like
    if kind == "pair":
        return labels, values
    if kind == "array":
        return np.stack([labels.astype(np.float64), values], axis=1)
    if kind == "objects":
        return np.stack([labels.astype(object), values.astype(object)], axis=1)
    columns = dict(zip(names, (labels, values), strict=True))
    if kind in ("polars", "pyarrow"):
        return nw.from_dict(columns, backend=kind).to_native()
    from pandas import DataFrame, Index

    return DataFrame(columns, index=index if isinstance(index, Index) else None)


def targets_form(y):
    """Describe the form of `y`.

    Parameters
    ----------
    y : DataFrame, array-like of shape (n_samples, 2) or pair
        See `split_targets`.

    Returns
    -------
    form : tuple (kind, names)
        "pandas", "polars", "pyarrow", "array" of numbers, "objects" or "pair", and the names of
        the columns if there are any.
    """
    if hasattr(y, "columns"):
        return type(y).__module__.split(".")[0], _names(y)
    if isinstance(y, tuple):
        return "pair", None
    return ("array" if np.asarray(y).dtype.kind in "fiub" else "objects"), None


def _names(y):
    """Return the names of a frame's columns; pyarrow's `columns` are the columns themselves."""
    return list(getattr(y, "column_names", y.columns))


def _one_column(column, name):
    """Return a 1-D array from what may be a frame of one column or a tensor."""
    given = as_array(name, column) if isinstance(column, Tensor) else np.asarray(column)
    if np.ma.is_masked(column):
        given = given.astype(object)
        given[np.ma.getmaskarray(np.ma.asarray(column))] = None
    if given.ndim == 2 and given.shape[1] == 1:
        given = given[:, 0]
    if given.ndim != 1:
        raise ValueError(f"{name} must have one value for every row, got shape {given.shape}.")
    return given


def _labels(column):
    given = _one_column(column, "y_class")
    missing = is_missing(given)
    if not missing.any():
        return given
    given = given.astype(object)
    given[missing] = None
    return given


def _values(column):
    given = _one_column(column, "y_value")
    if given.dtype == object:
        given = np.where(is_missing(given), np.nan, given)
    try:
        if given.dtype.kind == "c":
            raise ValueError
        values = given.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            f"y_value must hold numbers, got dtype {given.dtype}; the class comes "
            "first, the value second."
        ) from None
    if np.isinf(values).any():
        raise ValueError("y_value must be finite, got infinity; mark missing values by NaN.")
    return values


def _check_classes(labels):
    """Refuse a column of values where the classes should be."""
    with np.errstate(invalid="ignore"):  # whether floats are integers is seen by a cast
        kind = type_of_target(labels)
    if kind not in ("binary", "multiclass"):
        odd = labels.tolist()[-1]
        raise ValueError(
            f"Unknown label type: y_class holds values such as {odd!r}, which are not "
            "classes; the class comes first, the value second."
        )
