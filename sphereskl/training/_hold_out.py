"""Which rows are held out, from training or from a member, decided by what the rows hold."""

import hashlib

import numpy as np


def row_keys(X: np.ndarray, seed: int) -> np.ndarray:
    """Hash every row's content.

    Parameters
    ----------
    X : ndarray of shape (n_samples, ...)
        Rows; equal rows get equal keys.
    seed : int
        Salt in [0, 2^63): other seeds give unrelated keys.

    Returns
    -------
    keys : ndarray of shape (n_samples,), uint64
        Independent of the order of the rows and of the process.

    Examples
    --------
    >>> import numpy as np
    >>> from sphereskl.training import row_keys
    >>> keys = row_keys(np.array([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]]), seed=0)
    >>> bool(keys[0] == keys[2]), bool(keys[0] == keys[1])
    (True, False)
    """
    salt = seed.to_bytes(8, "little")
    content = np.ascontiguousarray(X + X.dtype.type(0)).tobytes()  # 0 makes -0.0 equal 0.0
    width = len(content) // len(X)
    digests = (
        hashlib.blake2b(content[start : start + width], digest_size=8, key=salt).digest()
        for start in range(0, len(content), width)
    )
    return np.frombuffer(b"".join(digests), dtype=np.uint64)


def hold_out(
    keys: np.ndarray, target: np.ndarray, fraction: float, *, at_least: int = 0
) -> np.ndarray:
    """Choose a stratified share of the distinct rows.

    Copies of a row with the same target stay together: none is trained on while another
    judges the result, and a row of weight 2 is treated exactly as two copies of it.

    Parameters
    ----------
    keys : ndarray of shape (n_samples,)
        From `row_keys`.
    target : ndarray of shape (n_samples,)
        Strata, int64.
    fraction : float
        Share of the distinct rows to hold out, in [0, 1).
    at_least : int, default=0
        Distinct rows below which none is held out: they would say too little.

    Returns
    -------
    held_out : ndarray of shape (n_samples,), bool
        Every stratum gives its share, rounded up or down, and keeps at least one row.

    Examples
    --------
    >>> import numpy as np
    >>> from sphereskl.training import hold_out
    >>> keys = np.arange(10, dtype=np.uint64)
    >>> hold_out(keys, np.repeat([0, 1], 5), 0.2).sum()
    np.int64(2)
    """
    distinct, copies_of = _distinct(keys, target)
    # Systematic sampling along rows sorted by (stratum, key): stratified by construction.
    crossed = np.floor(np.arange(len(distinct) + 1) * fraction + 0.5)
    chosen = np.diff(crossed).astype(bool)
    stratum = distinct[:, 0].astype(np.int64)
    kept = np.bincount(stratum, weights=~chosen)
    first = np.flatnonzero(np.diff(stratum, prepend=-1))
    chosen[first[kept[stratum[first]] == 0]] = False
    held_out = chosen[copies_of]
    enough = len(np.unique(keys[held_out])) >= at_least
    return held_out if enough else np.zeros_like(held_out)


def assign_folds(keys: np.ndarray, target: np.ndarray, n_folds: int) -> np.ndarray:
    """Deal the distinct rows out to folds, stratum by stratum.

    Parameters
    ----------
    keys : ndarray of shape (n_samples,)
        From `row_keys`.
    target : ndarray of shape (n_samples,)
        Strata, int64.
    n_folds : int
        Number of folds.

    Returns
    -------
    fold : ndarray of shape (n_samples,), int64
        In [0, n_folds), or -1 for the only distinct row of a stratum, which no fold can spare;
        copies of a row with the same target share theirs. Folds differ by one distinct row at
        the most, in every stratum and in all.

    Examples
    --------
    >>> import numpy as np
    >>> from sphereskl.training import assign_folds
    >>> assign_folds(np.arange(6, dtype=np.uint64), np.repeat([0, 1], 3), 3)
    array([0, 1, 2, 0, 1, 2])
    """
    distinct, copies_of = _distinct(keys, target)
    _, stratum, sizes = np.unique(distinct[:, 0], return_inverse=True, return_counts=True)
    spared = sizes[stratum.reshape(-1)] > 1
    fold = np.where(spared, (np.cumsum(spared) - 1) % n_folds, -1)
    return fold[copies_of]


def _distinct(keys: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return distinct pairs (stratum, key), sorted, and the place of every row's among them."""
    pairs = np.stack([target.astype(np.uint64), keys], axis=1)
    distinct, copies_of = np.unique(pairs, axis=0, return_inverse=True)
    return distinct, copies_of.reshape(-1)
