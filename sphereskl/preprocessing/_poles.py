"""Values as cosines with the upper of two poles."""

import numpy as np


def resolve_bounds(bounds, margin, y):
    """Find the values that stand at the poles.

    Parameters
    ----------
    bounds : "minmax", pair or array-like of shape (n_targets, 2)
        Lower and upper value, the same for all targets or one pair each; "minmax" takes
        the least and the greatest value of `y`.
    margin : float
        Part of the range, at least 0, by which bounds are moved apart on both sides.
    y : ndarray of shape (n_samples, n_targets)
        Values; those that are missing are NaN.

    Returns
    -------
    bounds : ndarray of shape (n_targets, 2), float64
        Lower and upper value of every target. They are equal where "minmax" met a single
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
    width = resolved[:, 1] - resolved[:, 0]
    return resolved + margin * np.stack([-width, width], axis=1)


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
    low, high = bounds.T
    # Not 2 (y - low) / (high - low) - 1, which rounding keeps from being 1 at the bound.
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
    except (TypeError, ValueError):
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
