"""Encoder of values: cosines with the upper of two poles."""

import warnings
from typing import Any, Self

import numpy as np
from torch import Tensor

from ._arrays import as_array
from ._labels import is_missing

# Cosines, -1 to 1 within the bounds, that are still squared and summed without an overflow of
# float32, which ends at 3e38.
_FARTHEST = 1e15


class Values:
    """Encode values as the target cosines of their embeddings with the upper poles.

    Parameters
    ----------
    bounds : "minmax", pair or array-like of shape (n_targets, 2), default="minmax"
        Lower and upper value; see `resolve_bounds`.
    margin : float, default=0.0
        Share of the range by which bounds are widened on both sides.
    dtype : str, default="float32"
        Floating-point type of the cosines.

    Attributes
    ----------
    bounds_ : ndarray of shape (n_targets, 2), float64
        Values at the poles.
    is_2d_ : bool
        Whether values came in columns; predictions do so too.

    Examples
    --------
    >>> import numpy as np
    >>> from sphereskl.preprocessing import Values
    >>> encoder = Values().fit(np.array([1.0, 2.0, 3.0]))
    >>> encoder.encode(np.array([2.0, 3.0])).T
    array([[0., 1.]], dtype=float32)
    >>> encoder.decode(np.array([[0.0], [1.0]]))
    array([2., 3.])
    """

    def __init__(self, bounds: Any = "minmax", margin: float = 0.0, dtype: str = "float32"):
        self.bounds, self.margin, self.dtype = bounds, margin, dtype

    def fit(
        self, y: np.ndarray, weight: Any = None, *, given: Any = None, classes: Any = None
    ) -> Self:
        """Learn the bounds.

        Parameters
        ----------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
            Values.
        weight : ndarray of shape (n_samples,), default=None
            Sample weights; a sample of weight 0 is ignored.
        given : array-like, default=None
            Unused; for compatibility with the encoders of labels.
        classes : None, default=None
            Unused too.

        Returns
        -------
        self : Values
            Fitted.

        Raises
        ------
        ValueError
            If `bounds` are invalid, or exceeded by `y`.
        """
        counted = y if weight is None else y[weight > 0]
        self.is_2d_ = y.ndim == 2
        columns = counted.astype(np.float64, copy=False).reshape(len(counted), -1)
        self.bounds_ = resolve_bounds(self.bounds, self.margin, columns)
        return self

    def check_same(self, other: Self) -> None:
        """Refuse another fit of this encoder with another number of targets."""
        if len(self.bounds_) != len(other.bounds_):
            raise self._wrong_number("y", len(other.bounds_))

    def encode(self, y: np.ndarray, name: str = "y") -> np.ndarray:
        """Turn values into cosines, (n_samples, n_targets); `name` is used in errors."""
        y = y.astype(np.float64, copy=False).reshape(len(y), -1)
        if y.shape[1] != len(self.bounds_):
            raise self._wrong_number(name, y.shape[1])
        return encode_values(y, self.bounds_, name).astype(self.dtype)

    def decode(self, logits: np.ndarray) -> np.ndarray:
        """Turn cosines into values, in the shape of the `y` that was fitted."""
        y = from_cosines(logits.astype(np.float64), self.bounds_)
        return y if self.is_2d_ else y[:, 0]

    def strata(self, target: np.ndarray) -> np.ndarray:
        """Return the stratum of every sample: all are in one."""
        return np.zeros(len(target), dtype=np.int64)

    def _wrong_number(self, name: str, n_targets: int) -> ValueError:
        return ValueError(
            f"{name} has {n_targets} targets, but the fitted model has {len(self.bounds_)}; "
            "call fit with warm_start=False to start anew."
        )


def plain_values(y: Any) -> Any:
    """Return values as an array of numbers.

    Parameters
    ----------
    y : array-like
        Numbers, also of a nullable type or as objects.

    Returns
    -------
    y : ndarray
        Numbers; missing ones are NaN. Objects without a dtype are returned unchanged.

    Raises
    ------
    ValueError
        If there are other things than numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from sphereskl.preprocessing import plain_values
    >>> plain_values(np.array([1, None], dtype=object))
    array([ 1., nan])
    """
    if isinstance(y, Tensor):
        y = as_array("y", y)
    if isinstance(y, list) and not any(np.ndim(value) for value in y):
        y = np.array(y, dtype=object)
    if not hasattr(y, "dtype") and not hasattr(y, "__array__"):
        return y
    array = np.ma.filled(np.ma.asarray(y, float), np.nan) if np.ma.is_masked(y) else np.asarray(y)
    if array.dtype.kind in "fiubc":
        with np.errstate(over="ignore"):
            return array.astype(np.float64) if array.dtype == np.longdouble else array
    try:
        if array.dtype.kind in "mM":
            raise ValueError
        missing = is_missing(array.ravel()).reshape(array.shape)
        return np.where(missing, np.nan, array).astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            f"y must hold numbers, got dtype {array.dtype} with {array.ravel()[0]!r} first; encode "
            "it, or use a classifier if it holds labels."
        ) from None


def resolve_bounds(bounds, margin, y):
    """Find the values at the poles.

    Parameters
    ----------
    bounds : "minmax", pair or array-like of shape (n_targets, 2)
        Lower and upper value, the same for all targets or one pair each; "minmax" takes
        the minimum and the maximum of `y`.
    margin : float
        Share of the range, at least 0, by which bounds are widened on both sides.
    y : ndarray of shape (n_samples, n_targets)
        Values; missing ones are NaN.

    Returns
    -------
    bounds : ndarray of shape (n_targets, 2), float64
        Lower and upper value of every target. They are equal if "minmax" found a single
        value.

    Raises
    ------
    ValueError
        If given bounds have a wrong shape, are not finite, not in order, or exceeded by
        `y`.

    Examples
    --------
    >>> import numpy as np
    >>> from sphereskl.preprocessing import resolve_bounds
    >>> resolve_bounds("minmax", 0.5, np.array([[1.0], [3.0]]))
    array([[0., 4.]])
    """
    n_targets = y.shape[1]
    observed = np.stack([np.nanmin(y, axis=0), np.nanmax(y, axis=0)], axis=1)
    resolved = observed if isinstance(bounds, str) else _given(bounds, n_targets)
    outside = (observed[:, 0] < resolved[:, 0]) | (observed[:, 1] > resolved[:, 1])
    if outside.any():
        target = int(outside.argmax())
        low, high = resolved[target].tolist()
        least, greatest = observed[target].tolist()
        raise ValueError(
            f"bounds are ({low}, {high}), but y{_which(target, n_targets)} reaches from {least} to "
            f"{greatest}; widen bounds, clip y, or pass bounds='minmax'."
        )
    if not margin:
        return resolved
    with np.errstate(over="ignore"):
        width = resolved[:, 1] - resolved[:, 0]
        resolved = resolved + margin * np.stack([-width, width], axis=1)
    if not np.isfinite(resolved).all():
        raise ValueError(
            f"bounds_margin is {margin}, which moves the bounds beyond the largest number; scale y."
        )
    return resolved


def encode_values(y, bounds, name="y"):
    """Turn values into cosines with the upper pole, see `to_cosines`.

    Parameters
    ----------
    y : ndarray of shape (n_samples, n_targets)
        Values; those that are missing are NaN.
    bounds : ndarray of shape (n_targets, 2)
        Lower and upper value of every target.
    name : str, default="y"
        Name of the values in messages.

    Returns
    -------
    cosines : ndarray of shape (n_samples, n_targets)
        Beyond -1 and 1 for values beyond the bounds.

    Warns
    -----
    UserWarning
        If training values are beyond the bounds; without the values, so that Python shows it
        only once per line of a user's loop.

    Raises
    ------
    ValueError
        If a value is so far beyond the bounds that its loss would overflow.
    """
    beyond = ((y < bounds[:, 0]) | (y > bounds[:, 1])).any(axis=0)
    if beyond.any() and name == "y":
        target = int(beyond.argmax())
        low, high = bounds[target].tolist()
        warnings.warn(
            f"y{_which(target, len(beyond))} has values beyond the bounds {low:g} and {high:g} "
            "of the first fit, and predictions stay within them; pass bounds that are "
            "wide enough.",
            stacklevel=6,
        )
    with np.errstate(over="ignore"):
        cosines = to_cosines(y, bounds)
    far = np.argwhere(np.abs(cosines) > _FARTHEST)
    if len(far):
        row, target = far[0].tolist()
        low, high = bounds[target].tolist()
        raise ValueError(
            f"{name}{_which(target, len(beyond))} has {y[row, target]:g} in row {row}, so far "
            f"beyond the bounds {low:g} and {high:g} of the first fit that its loss overflows; "
            "leave the row out, or pass bounds that are wide enough."
        )
    return cosines


def to_cosines(y, bounds):
    """Turn values into cosines with the upper pole.

    Parameters
    ----------
    y : ndarray of shape (n_samples, n_targets)
        Values; NaN stays NaN.
    bounds : ndarray of shape (n_targets, 2)
        Lower and upper value of every target.

    Returns
    -------
    cosines : ndarray of shape (n_samples, n_targets)
        ``2 (y - low) / (high - low) - 1``, exactly -1 and 1 at the bounds, beyond them for
        values beyond; 0 where the bounds of a target are equal.

    References
    ----------
    .. [1] Mettes, van der Pol and Snoek (2019), "Hyperspherical Prototype Networks",
       NeurIPS, section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from sphereskl.preprocessing import to_cosines
    >>> to_cosines(np.array([[1.0], [2.0], [3.0]]), np.array([[1.0, 3.0]])).T
    array([[-1.,  0.,  1.]])
    """
    # Halves where the difference of the bounds would overflow: exact there.
    unit = np.where(np.abs(bounds).max(axis=1) > 1e300, 0.25, 1.0)
    y, (low, high) = y * unit, bounds.T * unit
    # Not 2 (y - low) / (high - low) - 1, which rounding keeps from being exactly 1 at the bound.
    return ((y - low) - (high - y)) / np.where(high > low, high - low, np.inf)


def from_cosines(cosines, bounds):
    """Turn cosines with the upper pole back into values.

    Parameters
    ----------
    cosines : ndarray of shape (n_samples, n_targets)
        In [-1, 1].
    bounds : ndarray of shape (n_targets, 2)
        Lower and upper value of every target.

    Returns
    -------
    y : ndarray of shape (n_samples, n_targets)
        Values within the bounds.

    Examples
    --------
    >>> import numpy as np
    >>> from sphereskl.preprocessing import from_cosines
    >>> from_cosines(np.array([[-1.0], [0.0], [1.0]]), np.array([[1.0, 3.0]])).T
    array([[1., 2., 3.]])
    """
    low, high = bounds.T
    return np.clip(low * ((1 - cosines) / 2) + high * ((1 + cosines) / 2), low, high)


def _given(bounds, n_targets):
    """Check bounds that the user passed, and repeat a single pair for every target."""
    try:
        given = np.asarray(bounds, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        given = np.empty(0)
    if given.shape not in ((2,), (n_targets, 2)):
        raise ValueError(
            f"bounds must be 'minmax', a pair (low, high) or one pair for each of the {n_targets} "
            f"targets, got {bounds!r}."
        )
    pairs = np.broadcast_to(given, (n_targets, 2)).copy()
    for target, (low, high) in enumerate(pairs.tolist()):
        if not (np.isfinite(low) and np.isfinite(high) and low < high):
            raise ValueError(
                f"bounds must be finite with low < high, got ({low}, {high})"
                f"{_which(target, n_targets, 'for')}."
            )
    return pairs


def _which(target, n_targets, preposition="of"):
    return f" {preposition} target {target}" if n_targets > 1 else ""
