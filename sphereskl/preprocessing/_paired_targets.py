"""A class and a value for every row, as users write them down."""

import numpy as np


def split_targets(y):
    """Take a class and a value for every row out of what the user passed.

    Parameters
    ----------
    y : DataFrame with 2 columns, array-like of shape (n_samples, 2) or pair of array-like
        Classes first, values second. Missing ones are None, NaN or NA.

    Returns
    -------
    labels : ndarray of shape (n_samples,)
        Classes; those that are missing are None, and the dtype is object if there are any.
    values : ndarray of shape (n_samples,), float64
        Values; those that are missing are NaN.

    Raises
    ------
    ValueError
        If `y` has another form, or a value is no number or infinite.

    Examples
    --------
    >>> from sphereskl.preprocessing import split_targets
    >>> split_targets((["a", None, "b"], [1.0, 2.0, None]))
    (array(['a', None, 'b'], dtype=object), array([ 1.,  2., nan]))
    """
    if hasattr(y, "columns"):
        names = list(y.columns)
        parts = [y[name] for name in names]
    elif isinstance(y, tuple) and len(y) == 2:
        parts = list(y)
    else:
        table = np.asarray(y, dtype=object)
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


def join_targets(labels, values, like):
    """Put predicted classes and values into the form of the `y` that was fitted.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,)
        Classes.
    values : ndarray of shape (n_samples,)
        Values.
    like : tuple (kind, names)
        From `targets_form`.

    Returns
    -------
    y : DataFrame, ndarray of shape (n_samples, 2) or pair of ndarray
        As `like` says.
    """
    kind, names = like
    if kind == "pair":
        return labels, values
    if kind == "array":
        return np.stack([labels.astype(object), values.astype(object)], axis=1)
    if kind == "polars":
        from polars import DataFrame
    else:
        from pandas import DataFrame
    return DataFrame(dict(zip(names, (labels, values), strict=True)))


def targets_form(y):
    """Remember the form of `y`.

    Parameters
    ----------
    y : DataFrame, array-like of shape (n_samples, 2) or pair
        As for `split_targets`.

    Returns
    -------
    form : tuple (kind, names)
        "pandas", "polars", "array" or "pair", and the names of the columns if there are any.
    """
    if hasattr(y, "columns"):
        return type(y).__module__.split(".")[0], list(y.columns)
    return ("pair" if isinstance(y, tuple) else "array"), None


def _labels(column):
    given = np.asarray(column)
    missing = _is_missing(given)
    if not missing.any():
        return given
    given = given.astype(object)
    given[missing] = None
    return given


def _values(column):
    given = np.asarray(column)
    if given.dtype == object:
        given = np.where(_is_missing(given), np.nan, given)
    try:
        values = given.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"y_value must hold numbers, got dtype {np.asarray(column).dtype}; the class comes "
            "first, the value second."
        ) from None
    if np.isinf(values).any():
        raise ValueError("y_value must be finite, got infinity; mark missing values by NaN.")
    return values


def _is_missing(given):
    if given.dtype.kind == "f":
        return np.isnan(given)
    if given.dtype != object:
        return np.zeros(len(given), dtype=bool)
    # pandas' NA answers no comparison with a truth value, so it goes by name.
    return np.array(
        [v is None or type(v).__name__ in ("NAType", "NaTType") or v != v for v in given],
        dtype=bool,
    )
