"""Tables to tensors."""

from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from ..nn import Columns
from ._columns import ColumnReader, is_plain

# Standard deviations at which standardised columns are cut off. Heavy tails would
# otherwise dominate the embedding of their row.
_LIMIT = 4.0

_FLOATS_OF_NUMPY = (torch.float16, torch.float32, torch.float64)

# Bounds the memory of what is computed in double precision.
_ROWS_AT_ONCE = 65_536


class TableEncoder(BaseEstimator):
    """Standardise numbers, mark what is missing, and number the levels of categories.

    Parameters
    ----------
    categorical_features : "from_dtype", array-like or None, default="from_dtype"
        Which columns are categories, see `ColumnReader`.
    dtype : {"float32", "float64"}, default="float32"
        Floating-point type of the result.
    standardize : bool, default=True
        Whether columns are shifted to mean 0, divided by their standard deviation and
        clipped to [-4, 4], or passed on as they are; these must be numbers without gaps.

    Attributes
    ----------
    mean_, std_ : ndarray of shape (n_numeric,), float64
        Weighted moments of the numbers that are there; a constant column has `std_` 1, and one
        that is empty mean 0.
    gaps_ : ndarray of int
        Which of the columns of numbers had gaps, and so have a flag.
    flag_mean_, flag_std_ : ndarray of shape (n_flags,), float64
        Weighted moments of the flags.
    levels_ : list of ndarray
        Levels of every category, sorted, NaN last if a value was missing.
    is_categorical_ : ndarray of shape (n_features,), bool
        Which columns are categories.
    columns_ : Columns
        What the columns of the result are.
    output_shape_ : tuple of int
        ``(n_columns,)``.

    Notes
    -----
    The result holds the numbers, then a flag for every column of them that had gaps, then the
    number of the level of every category, -1 for a level that was not seen in `fit`. A missing
    number becomes the mean; where `fit` saw gaps, the network learns from the flag what to put in
    its place.

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
        """Learn moments and levels of rows under row weights.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_samples, n_features)
            Rows.
        weight : array-like of shape (n_samples,), default=None
            Row weights; ``None`` stands for ones.

        Returns
        -------
        self : TableEncoder
            The encoder.

        Raises
        ------
        ValueError
            If a column is neither numbers nor a category, or holds infinite values, or if
            `standardize` is false and there are categories or gaps.
        """
        check_dtype(self.dtype)
        validate_data(self, X, reset=True, skip_check_array=True)
        self._reader = ColumnReader(self.categorical_features).fit(X)
        self.is_categorical_ = self._reader.is_categorical_
        X, weight = self._reader.read(X), None if weight is None else np.asarray(weight)
        if X.dtype.kind == "f" and np.isinf(X).any():
            _refuse_infinity(X)
        numbers = X[:, ~self.is_categorical_] if self.is_categorical_.any() else X
        missing = np.isnan(numbers) if numbers.dtype.kind == "f" else np.zeros_like(numbers, bool)
        self.gaps_ = np.flatnonzero(missing.any(axis=0) & ~missing.all(axis=0))
        self.levels_ = [np.unique(column) for column in X[:, self.is_categorical_].T]
        self.output_shape_ = (self.columns_.n_columns,)
        if not self.standardize:
            if self.levels_ or missing.any():
                kind = "categories" if self.levels_ else "missing values"
                raise ValueError(
                    f"X has {kind}, but a network of your own sees the numbers of X as they are; "
                    "encode and impute them before it in a pipeline, or take backbone='auto'."
                )
            return self
        self.mean_, self.std_ = _moments(numbers, weight, missing if missing.any() else None)
        flags = missing[:, self.gaps_].astype(np.float64)
        self.flag_mean_, self.flag_std_ = _moments(flags, weight)
        return self

    def transform(self, X: Any) -> Tensor:
        """Encode rows.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_samples, n_features)
            Rows with the columns that were fitted.

        Returns
        -------
        x : Tensor of shape (n_samples, n_columns)
            Numbers, flags and levels, without gaps.

        Raises
        ------
        ValueError
            If columns are missing, new or in another order, or hold infinite values.
        """
        if not hasattr(self, "is_categorical_"):
            check_is_fitted(self)
        validate_data(self, X, reset=False, skip_check_array=True)
        X = X if is_plain(X) else self._reader.read(X)
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
        """What the columns of the result are."""
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
        """Standardise numbers, and put their flags beside them."""
        x, dtype = as_tensor(X), getattr(torch, self.dtype)
        if not self.standardize:
            return x.to(dtype)
        mean, std = as_tensor(self.mean_), as_tensor(self.std_)
        flag_mean, flag_std = as_tensor(self.flag_mean_), as_tensor(self.flag_std_)
        width = len(mean) + len(flag_mean)
        encoded = torch.empty(len(x), width, dtype=dtype, device="cpu")
        for rows, result in zip(x.split(_ROWS_AT_ONCE), encoded.split(_ROWS_AT_ONCE), strict=True):
            # In double precision and only then cast: float32 would round time stamps before
            # their mean is taken off, and the same numbers in another type would differ.
            rows = rows.double()
            numbers = (rows - mean).div_(std).clamp_(-_LIMIT, _LIMIT).nan_to_num_(nan=0.0)
            result[:, : len(mean)] = numbers
            if len(self.gaps_):
                flags = rows[:, self.gaps_].isnan().double()
                result[:, len(mean) :] = (flags - flag_mean).div_(flag_std).clamp_(-_LIMIT, _LIMIT)
        return encoded


def _moments(
    X: NDArray[Any], weight: NDArray[Any] | None, missing: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return weighted mean and deviation of every column, over what is not missing."""
    if not X.shape[1]:
        return np.zeros(0), np.ones(0)
    # About the first row and in units of the range: exact for constant columns,
    # safe for time stamps, whose mean is far above their deviation, and for
    # columns whose squares would overflow.
    first = X[0].astype(np.float64)
    if missing is not None:
        first = np.nan_to_num(X[(~missing).argmax(axis=0), np.arange(X.shape[1])].astype(float))
        X = np.where(missing, first, X)
    with np.errstate(over="ignore"):
        offset = X - first
    unit = np.abs(offset).max(axis=0)
    if np.isinf(unit).any():
        column = int(np.isinf(unit).argmax())
        raise ValueError(
            f"X has numbers in its numeric column {column} that are further apart than the largest "
            "number; scale it, or put NaN where such a number stands for a missing value."
        )
    unit[unit == 0] = 1.0
    offset /= unit
    if missing is None:
        centre = np.average(offset, axis=0, weights=weight)
        variance = np.average(np.square(offset - centre), axis=0, weights=weight)
    else:
        share = (1.0 if weight is None else weight[:, None]) * ~missing
        total = share.sum(axis=0)
        total[total == 0] = 1.0
        centre = (share * offset).sum(axis=0) / total
        variance = (share * np.square(offset - centre)).sum(axis=0) / total
    return first + unit * centre, np.where(variance > 0, unit * np.sqrt(variance), 1.0)


def _refuse_infinity(X: NDArray[Any]) -> NoReturn:
    row, column = np.argwhere(np.isinf(X))[0]
    raise ValueError(
        f"X contains infinity, in row {row} and column {column} first; NaN stands for what is "
        "missing, and a number must be finite."
    )


def _codes(column: NDArray[Any], levels: NDArray[Any]) -> NDArray[np.int64]:
    """Return the number of every value's level, -1 for one that is none."""
    place = np.searchsorted(levels, column).clip(max=len(levels) - 1)
    found = levels[place]
    return np.where((found == column) | (np.isnan(found) & np.isnan(column)), place, -1)


def as_tensor(X: np.ndarray) -> Tensor:
    """Share an array's memory as a tensor if torch can, which wants it writable and in order."""
    if X.dtype == np.longdouble:
        X = X.astype(np.float64)
    in_order = X.flags.c_contiguous or X.flags.f_contiguous
    if X.flags.writeable and X.dtype.isnative and in_order:
        return torch.from_numpy(X)
    return torch.from_numpy(np.array(X, dtype=X.dtype.newbyteorder("="), order="C"))


def check_dtype(name: Any) -> None:
    """Refuse what is not the name of a type: names, not types, can be stored in any form."""
    if name not in ("float32", "float64"):
        raise ValueError(f"dtype must be 'float32' or 'float64', got {name!r}.")


def as_array(name: str, values: Tensor) -> NDArray[Any]:
    """Turn a torch tensor into an array.

    Parameters
    ----------
    name : str
        What the user calls it.
    values : Tensor
        On any device.

    Returns
    -------
    values : ndarray
        Sharing memory if it can.

    Raises
    ------
    ValueError
        If the tensor belongs to a graph, is sparse, or holds nothing.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.preprocessing import as_array
    >>> as_array("X", torch.tensor([1.5], dtype=torch.bfloat16))
    array([1.5], dtype=float32)
    """
    if values.requires_grad:
        raise ValueError(
            f"{name} is a torch tensor that requires grad, which fitting would silently cut off; "
            f"pass {name}.detach()."
        )
    if values.is_meta:
        raise ValueError(f"{name} is a torch tensor on the device 'meta', which holds no numbers.")
    if values.is_quantized:
        values = values.dequantize()
    if values.is_nested or values.layout != torch.strided:
        raise ValueError(f"{name} is a sparse or nested torch tensor; pass {name}.to_dense().")
    if values.is_floating_point() and values.dtype not in _FLOATS_OF_NUMPY:
        values = values.float()  # exact: bfloat16 and the types of eight bits are parts of it
    return values.cpu().resolve_conj().resolve_neg().numpy()
