"""Data frames and arrays of users, read as one matrix of numbers."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

# A column of strings with more levels than this, of which most occur once, is text or a key.
_MAX_RARE_LEVELS = 50


class ColumnReader:
    """Reader of tables: separates numbers from categories, and reads both as numbers.

    Parameters
    ----------
    categorical_features : "from_dtype", array-like or None, default="from_dtype"
        Which columns are categories: those whose type says so (categorical, enum, string or
        object), those given by indices, names or a boolean mask, or none.

    Attributes
    ----------
    is_categorical_ : ndarray of shape (n_features,), bool
        Which columns are categorical.
    levels_ : list of (list or None)
        Distinct values of every category that is not numeric in an array, sorted; values are
        read as their indices in this list.

    Examples
    --------
    >>> import numpy as np
    >>> from sphereskl.preprocessing import ColumnReader
    >>> X = np.array([["red", 1.5], ["blue", None], [None, 2.0]], dtype=object)
    >>> ColumnReader().fit(X).read(X)
    array([[1. , 1.5],
           [0. , nan],
           [nan, 2. ]])
    """

    def __init__(self, categorical_features: Any = "from_dtype"):
        self.categorical_features = categorical_features

    def fit(self, X: Any) -> "ColumnReader":
        """Learn which columns are categorical and, unless they are numeric, their levels.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        self : ColumnReader
            The reader.

        Raises
        ------
        ValueError
            If a column is neither numeric nor a category, or `categorical_features` names one
            that does not exist.
        """
        columns = split_columns(X)
        named = self._named(columns)
        asked = self.categorical_features is not None
        self.is_categorical_ = named.copy()
        self.levels_: list[list[Any] | None] = [None] * len(columns)
        for j, column in enumerate(columns):
            column.check_kind()
            if named[j] or not column.is_number():
                if not named[j]:
                    column.check_category(asked, self.categorical_features)
                self.is_categorical_[j] = True
                self.levels_[j] = None if column.is_plain else column.levels()
        return self

    @property
    def has_levels(self) -> bool:
        """Whether there are categories that are not numeric in an array."""
        return any(levels is not None for levels in self.levels_)

    def read(self, X: Any) -> NDArray[Any]:
        """Read samples.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_samples, n_features)
            Samples with the columns that were fitted.

        Returns
        -------
        matrix : ndarray of shape (n_samples, n_features)
            Numbers; for categories the index of the level in `levels_`, -1 for one unseen in
            `fit`; NaN where a value is missing. A numeric array is returned unchanged.

        Raises
        ------
        ValueError
            If a numeric column holds anything else.
        """
        if is_plain(X):
            return X
        columns = split_columns(X)
        matrix = np.empty((len(X), len(columns)))
        for j, (column, levels) in enumerate(zip(columns, self.levels_, strict=True)):
            matrix[:, j] = column.numbers() if levels is None else column.codes(levels)
        return matrix

    def _named(self, columns: Sequence["_Column"]) -> NDArray[np.bool_]:
        """Return which columns are categories by name, index or mask."""
        chosen, given = np.zeros(len(columns), dtype=bool), self.categorical_features
        if given is None or (isinstance(given, str) and given == "from_dtype"):
            return chosen
        wanted = np.atleast_1d(np.asarray(given, dtype=object if _has_names(given) else None))
        if wanted.dtype == bool:
            if wanted.shape != chosen.shape:
                raise ValueError(
                    f"categorical_features is a mask of {len(wanted)} values, but X has "
                    f"{len(columns)} columns; give one value for each."
                )
            return wanted.copy()
        places = {column.name: j for j, column in enumerate(columns)}
        for feature in wanted.tolist():
            place = places.get(feature) if isinstance(feature, str) else _index(feature, columns)
            if place is None:
                raise ValueError(
                    f"categorical_features holds {feature!r}, which is not a column of X; it has "
                    f"{[column.name for column in columns][:10]}."
                )
            chosen[place] = True
        return chosen


def is_plain(X: Any) -> bool:
    """Tell whether samples are an array of numbers, which needs no reading.

    Parameters
    ----------
    X : object
        Samples.

    Returns
    -------
    is_plain : bool
        Whether they are.

    Examples
    --------
    >>> import numpy as np
    >>> from sphereskl.preprocessing import is_plain
    >>> is_plain(np.zeros((2, 3))), is_plain(np.array([["red"]]))
    (True, False)
    """
    return isinstance(X, np.ndarray) and X.dtype.kind in "fiub"


def is_frame(X: Any) -> bool:
    """Tell whether samples are a table of named columns: pandas, polars, pyarrow and others.

    Parameters
    ----------
    X : object
        Rows.

    Returns
    -------
    is_frame : bool
        Whether they are.

    Examples
    --------
    >>> import numpy as np
    >>> from sphereskl.preprocessing import is_frame
    >>> is_frame(np.zeros((2, 3)))
    False
    """
    return nw.dependencies.is_into_dataframe(X)


def split_columns(X: Any) -> list["_Column"]:
    """Split a table into its columns.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_samples, n_features)
        Samples.

    Returns
    -------
    columns : list
        Each with its ``name`` and its values.

    Examples
    --------
    >>> import numpy as np
    >>> from sphereskl.preprocessing import split_columns
    >>> [column.name for column in split_columns(np.zeros((2, 3)))]
    ['x0', 'x1', 'x2']
    """
    if not is_frame(X):
        return [_ArrayColumn(f"x{j}", X[:, j]) for j in range(X.shape[1])]
    frame = nw.from_native(X, eager_only=True)
    # By position: names need not be distinct, nor strings.
    series = frame.iter_columns()
    return [_FrameColumn(name, s) for name, s in zip(frame.columns, series, strict=True)]


class _Column(ABC):
    """One column: its type, and its values as numbers."""

    name: Any
    is_plain = False

    @abstractmethod
    def check_kind(self) -> None:
        """Refuse columns that are neither numeric nor categorical."""

    @abstractmethod
    def is_number(self) -> bool:
        """Tell whether values are numbers or booleans."""

    @abstractmethod
    def values(self) -> list[Any]:
        """Return values as Python objects, None where one is missing."""

    @abstractmethod
    def numbers(self) -> NDArray[Any]:
        """Return values as numbers, NaN where one is missing."""

    def is_declared(self) -> bool:
        """Tell whether the type of the column says that it is a category."""
        return False

    def holds_numbers(self) -> bool:
        """Tell whether values are numbers, or convertible to numbers."""
        try:
            self.numbers()
        except (TypeError, ValueError):
            return False
        return True

    def check_category(self, asked: bool, given: Any) -> None:
        """Refuse a column that was not named and does not look like a category."""
        if not asked or not (isinstance(given, str) and given == "from_dtype"):
            raise ValueError(
                f"X has column {self.name!r} that is not numbers, and categorical_features does "
                "not name it; name it there, or leave categorical_features='from_dtype'."
            )
        if self.is_declared():
            return
        known = [value for value in self.values() if value is not None]
        n_levels = len(set(known))
        if n_levels > _MAX_RARE_LEVELS and n_levels > len(known) / 2:
            raise ValueError(
                f"X has column {self.name!r} of strings with {n_levels} distinct values in "
                f"{len(known)} rows, which looks like text or a key; drop it, encode it with "
                "skrub's TableVectorizer in a pipeline, or name it in categorical_features."
            )

    def levels(self) -> list[Any]:
        """Return distinct values, sorted."""
        known = {value for value in self.values() if value is not None}
        # Values of mixed types have no common order: by type, then by value.
        return sorted(known, key=lambda value: (isinstance(value, str), value))

    def codes(self, levels: list[Any]) -> NDArray[np.float64]:
        """Return the indices of values in levels, -1 elsewhere and NaN where missing."""
        place: dict[Any, float] = {level: float(j) for j, level in enumerate(levels)}
        place[None] = np.nan
        return np.array([place.get(value, -1.0) for value in self.values()], dtype=np.float64)


class _FrameColumn(_Column):
    """A column of a data frame, read through narwhals."""

    def __init__(self, name: Any, series: Any):
        self.name, self.series = name, series

    def check_kind(self) -> None:
        dtype = self.series.dtype
        if dtype.is_temporal():
            raise ValueError(
                f"X has column {self.name!r} of dates or times ({dtype}); encode it with skrub's "
                "TableVectorizer or DatetimeEncoder in a pipeline, or drop it."
            )
        if dtype == nw.Unknown and self.series.to_numpy().dtype.kind == "c":
            raise ValueError(
                f"Complex data not supported: X has column {self.name!r} of complex numbers; "
                "pass real and imaginary parts as two columns."
            )
        if dtype.is_nested() or dtype == nw.Binary:
            raise ValueError(
                f"X has column {self.name!r} of type {dtype}, which is neither numbers nor a "
                "category; drop it, or spread it over columns."
            )

    def is_number(self) -> bool:
        dtype = self.series.dtype
        if dtype == nw.Object:
            return _all_numbers(self.values())
        return dtype.is_numeric() or dtype == nw.Boolean or dtype == nw.Unknown

    def is_declared(self) -> bool:
        return self.series.dtype in (nw.Categorical, nw.Enum)

    def numbers(self) -> NDArray[Any]:
        try:
            return np.asarray(self.series.cast(nw.Float64).to_numpy(), dtype=np.float64)
        except Exception as error:  # Every library behind narwhals has errors of its own.
            raise ValueError(
                f"X has column {self.name!r} of type {self.series.dtype}, but numbers were "
                "expected there, as in fit."
            ) from error

    def values(self) -> list[Any]:
        values, missing = self.series.to_list(), self.series.is_null().to_numpy()
        return [
            None if gone else _hashable(value, self.name)
            for value, gone in zip(values, missing, strict=True)
        ]


class _ArrayColumn(_Column):
    """A column of an array, of numbers or of any objects."""

    def __init__(self, name: Any, array: NDArray[Any]):
        self.name, self.array = name, array
        self.is_plain = array.dtype.kind in "fiub"

    def check_kind(self) -> None:
        if self.array.dtype.kind in "mM":
            raise ValueError(
                f"X has column {self.name!r} of dates or times ({self.array.dtype}); encode it "
                "with skrub's TableVectorizer or DatetimeEncoder in a pipeline, or drop it."
            )

    def is_number(self) -> bool:
        return self.is_plain or _all_numbers(self.values())

    def numbers(self) -> NDArray[Any]:
        if self.is_plain:
            return self.array
        values = [np.nan if value is None else value for value in self.values()]
        try:
            return np.array([float(value) for value in values])
        except OverflowError:
            raise ValueError(
                f"X has a number in column {self.name!r} that is beyond the largest float."
            ) from None
        except (TypeError, ValueError):
            odd = next((value for value in values if isinstance(value, str)), values[0])
            raise ValueError(
                f"could not convert string to float: X has {odd!r} in column {self.name!r}, but "
                "numbers were expected there, as in fit."
            ) from None

    def values(self) -> list[Any]:
        return [
            None if _is_missing(value) else _hashable(value, self.name)
            for value in self.array.tolist()
        ]


def _hashable(value: Any, name: Any) -> Any:
    if isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, np.generic):
        return value.item()
    # float() decides whether it is a number; scikit-learn expects a TypeError for other objects.
    if hasattr(value, "__float__") and not np.ndim(value):
        return float(value)
    raise TypeError(
        f"argument must be a string or a number: X has {value!r} of type {type(value).__name__} "
        f"in column {name!r}; drop the column, or encode it with skrub's TableVectorizer in a "
        "pipeline."
    )


def _is_missing(value: Any) -> bool:
    # pandas' NA cannot be used as a boolean, and an array in a cell may hold itself.
    gap = value is None or type(value).__name__ in ("NAType", "NaTType")
    return gap or (hasattr(value, "__float__") and not getattr(value, "ndim", 0) and value != value)


def _all_numbers(values: list[Any]) -> bool:
    return all(value is None or isinstance(value, int | float) for value in values)


def _has_names(given: Any) -> bool:
    return isinstance(given, str) or any(isinstance(feature, str) for feature in given)


def _index(feature: Any, columns: Sequence[_Column]) -> int | None:
    known = isinstance(feature, int) and -len(columns) <= feature < len(columns)
    return feature % len(columns) if known else None
