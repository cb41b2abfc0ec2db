"""Encoder of tables."""

from functools import reduce
from typing import Any, NamedTuple, NoReturn

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from ..nn import Columns
from ._arrays import as_tensor, check_dtype
from ._columns import ColumnReader, is_plain
from ._moments import Moments, block_moments, joined
from ._stored_rows import StoredRows, row_blocks

# Standard deviations at which standardised columns are clipped. Heavy tails would
# otherwise dominate the embedding of their row.
LIMIT = 4.0

# Limits the memory of computations in double precision.
_ROWS_AT_ONCE = 16_384


class _Block(NamedTuple):
    """Statistics of a block of rows in `TableEncoder.fit`, about every column of its kind."""

    has_gaps: NDArray[np.bool_]
    is_empty: NDArray[np.bool_]
    levels: list[NDArray[Any]]
    numbers: Moments
    flags: Moments


class TableEncoder(BaseEstimator):
    """Standardise numbers, flag missing values, and number the levels of categories.

    Parameters
    ----------
    categorical_features : "from_dtype", array-like or None, default="from_dtype"
        Which columns are categories, see `ColumnReader`.
    dtype : {"float32", "float64"}, default="float32"
        Floating-point type of the result.
    standardize : bool, default=True
        Whether columns are shifted to mean 0, divided by their standard deviation and
        clipped to [-4, 4], or used as they are; in this case there must be no missing values.

    Attributes
    ----------
    mean_, std_ : ndarray of shape (n_numeric,), float64
        Weighted moments of the numbers that are not missing; a constant column has `std_` 1, and
        an empty one mean 0.
    gaps_ : ndarray of int
        Numeric columns with missing values in training, which get a flag.
    flag_mean_, flag_std_ : ndarray of shape (n_flags,), float64
        Weighted moments of the flags.
    levels_ : list of ndarray
        Levels of every category, sorted, NaN last if a value was missing.
    is_categorical_ : ndarray of shape (n_features,), bool
        Which columns are categories.
    columns_ : Columns
        Kinds of the columns of the result.
    output_shape_ : tuple of int
        ``(n_columns,)``.

    Notes
    -----
    The result holds the numbers, then a flag for every numeric column with missing values in
    training, then the index of the level of every category, -1 for a level unseen in `fit`. A
    missing number is imputed by the mean; if `fit` saw missing values, the network learns their
    effect from the flag.

    Examples
    --------
    >>> import numpy as np
    >>> from sphereskl.preprocessing import TableEncoder
    >>> X = np.array([["red", 1.0], ["blue", np.nan], ["red", 2.0]], dtype=object)
    >>> encoder = TableEncoder().fit(X)
    >>> encoder.transform(X)
    tensor([[-1.0000, -0.7071,  1.0000],
            [ 0.0000,  1.4142,  0.0000],
            [ 1.0000, -0.7071,  1.0000]])
    >>> encoder.get_feature_names_out()
    array(['x1', 'x1_missing', 'x0'], dtype=object)
    """

    n_features_in_: int

    def __init__(
        self,
        categorical_features: Any = "from_dtype",
        *,
        dtype: str = "float32",
        standardize: bool = True,
    ):
        self.categorical_features = categorical_features
        self.dtype = dtype
        self.standardize = standardize

    def fit(self, X: Any, weight: ArrayLike | None = None) -> "TableEncoder":
        """Learn moments and levels of samples under sample weights.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_samples, n_features)
            Rows.
        weight : array-like of shape (n_samples,), default=None
            Sample weights; ``None`` means equal weights.

        Returns
        -------
        self : TableEncoder
            The encoder.

        Raises
        ------
        ValueError
            If a column is neither numeric nor a category, or holds infinite values, or if
            `standardize` is false and there are categories or missing values.
        """
        check_dtype(self.dtype)
        validate_data(self, X, reset=True, skip_check_array=True)
        is_stored = isinstance(X, StoredRows)
        self._reader = ColumnReader(self.categorical_features).fit(X[:1] if is_stored else X)
        self.is_categorical_ = self._reader.is_categorical_
        X = X if is_stored else self._reader.read(X)
        weight = None if weight is None else np.asarray(weight)
        found = [
            self._look_at(block, None if weight is None else weight[rows])
            for rows, block in row_blocks(X)
        ]
        self.gaps_ = np.flatnonzero(
            np.any([block.has_gaps for block in found], axis=0)
            & ~np.all([block.is_empty for block in found], axis=0)
        )
        self.levels_ = [
            np.unique(np.concatenate(column))
            for column in zip(*(block.levels for block in found), strict=True)
        ]
        self.output_shape_ = (self.columns_.n_columns,)
        if not self.standardize:
            if self.levels_ or np.any([block.has_gaps for block in found]):
                kind = "categories" if self.levels_ else "missing values"
                raise ValueError(
                    f"X has {kind}, but a network of your own receives X as it is; "
                    "encode and impute them before it in a pipeline, or use backbone='auto'."
                )
            return self
        self.mean_, self.std_ = reduce(joined, [block.numbers for block in found]).standard()
        flags = reduce(joined, [block.flags for block in found]).standard()
        self.flag_mean_, self.flag_std_ = (moment[self.gaps_] for moment in flags)
        return self

    def _look_at(self, X: NDArray[Any], weight: NDArray[Any] | None) -> _Block:
        """Compute the statistics of a block of rows."""
        if X.dtype.kind == "f" and np.isinf(X).any():
            _refuse_infinity(X)
        numbers = X[:, ~self.is_categorical_] if self.is_categorical_.any() else X
        missing = np.isnan(numbers) if numbers.dtype.kind == "f" else np.zeros_like(numbers, bool)
        return _Block(
            np.asarray(missing.any(axis=0)),
            np.asarray(missing.all(axis=0)),
            [np.unique(column) for column in X[:, self.is_categorical_].T],
            block_moments(numbers, weight, missing if missing.any() else None),
            block_moments(missing, weight),
        )

    def transform(self, X: Any) -> Tensor:
        """Encode samples.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_samples, n_features)
            Rows with the columns that were fitted.

        Returns
        -------
        x : Tensor of shape (n_samples, n_columns)
            Numbers, flags and levels, without missing values.

        Raises
        ------
        ValueError
            If columns are missing, new or in another order, or hold infinite values.
        """
        if not hasattr(self, "is_categorical_"):
            check_is_fitted(self)
        is_numbers = is_plain(X)
        # Nothing can be wrong with the columns of an array of as many, unless they have names.
        known = is_numbers and X.shape[1:] == (self.n_features_in_,)
        if not known or hasattr(self, "feature_names_in_"):
            validate_data(self, X, reset=False, skip_check_array=True)
        X = X if is_numbers else self._reader.read(X)
        if X.dtype.kind == "f" and np.isinf(X).any():
            _refuse_infinity(X)
        if not self.levels_:
            return self._numbers(X)
        is_number = ~self.is_categorical_
        levels = [
            _codes(column, levels)
            for column, levels in zip(X[:, self.is_categorical_].T, self.levels_, strict=True)
        ]
        codes = torch.from_numpy(np.stack(levels, axis=1)).to(getattr(torch, self.dtype))
        return torch.cat([self._numbers(X[:, is_number]), codes], dim=1)

    @property
    def columns_(self) -> Columns:
        """Kinds of the columns of the result."""
        n_numeric = int((~self.is_categorical_).sum())
        return Columns(n_numeric, len(self.gaps_), tuple(len(levels) for levels in self.levels_))

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        """Return names of the encoded columns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of `X`; ``None`` takes those of the frame that was fitted, or
            x0, x1, and so on.

        Returns
        -------
        names : ndarray of shape (n_columns,), object
            Those of numbers, of flags as ``name_missing``, and of categories.
        """
        check_is_fitted(self)
        if input_features is None:
            made_up = [f"x{j}" for j in range(self.n_features_in_)]
            input_features = getattr(self, "feature_names_in_", made_up)
        names = np.asarray(input_features, dtype=object)
        numbers = names[~self.is_categorical_]
        flags = [f"{name}_missing" for name in numbers[self.gaps_]]
        return np.array([*numbers, *flags, *names[self.is_categorical_]], dtype=object)

    def _numbers(self, X: NDArray[Any]) -> Tensor:
        """Standardise numbers, and append their flags."""
        x, dtype = as_tensor(X), getattr(torch, self.dtype)
        if not self.standardize:
            return x.to(dtype)
        mean, std = as_tensor(self.mean_), as_tensor(self.std_)
        flag_mean, flag_std = as_tensor(self.flag_mean_), as_tensor(self.flag_std_)
        width = len(mean) + len(flag_mean)
        encoded = torch.empty(len(x), width, dtype=dtype, device="cpu")
        for rows, result in zip(x.split(_ROWS_AT_ONCE), encoded.split(_ROWS_AT_ONCE), strict=True):
            # In double precision before casting: float32 would round time stamps before
            # their mean is subtracted, and the same numbers in another type would differ.
            rows = rows.double()
            numbers = (rows - mean).div_(std).clamp_(-LIMIT, LIMIT).nan_to_num_(nan=0.0)
            result[:, : len(mean)] = numbers
            if len(self.gaps_):
                flags = rows[:, self.gaps_].isnan().double()
                result[:, len(mean) :] = (flags - flag_mean).div_(flag_std).clamp_(-LIMIT, LIMIT)
        return encoded


def _refuse_infinity(X: NDArray[Any]) -> NoReturn:
    row, column = np.argwhere(np.isinf(X))[0]
    raise ValueError(
        f"X contains infinity, in row {row} and column {column} first; NaN stands for missing "
        "values, and a number must be finite."
    )


def _codes(column: NDArray[Any], levels: NDArray[Any]) -> NDArray[np.int64]:
    """Return the index of every value's level, -1 for an unknown one."""
    place = np.searchsorted(levels, column).clip(max=len(levels) - 1)
    found = levels[place]
    return np.where((found == column) | (np.isnan(found) & np.isnan(column)), place, -1)
