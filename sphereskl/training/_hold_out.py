"""Hold-out: which samples are held out, from training or from a member, by their content."""

import hashlib
from typing import NamedTuple

import numpy as np

# Limits the memory of a copy in float64, and of the edges of every row's stratum.
_ROWS_AT_ONCE, _KEYS_AT_ONCE = 4096, 65_536

# This many keys determine where a share of all ends; of more, a sample is sorted.
_MOST_SORTED = 2**18
_LAST_KEY = np.uint64(2**64 - 1)


def row_keys(X: np.ndarray, seed: int) -> np.ndarray:
    """Hash every row's content.

    Parameters
    ----------
    X : ndarray of shape (n_samples, ...)
        Rows; rows of equal numbers get equal keys, whatever the type of the numbers.
    seed : int
        Salt in [0, 2^63): different seeds give unrelated keys.

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
    keys = np.empty(len(X), dtype=np.uint64)
    for start in range(0, len(X), _ROWS_AT_ONCE):
        rows = _canonical(X[start : start + _ROWS_AT_ONCE])
        digests = (hashlib.blake2b(row, digest_size=8, key=salt).digest() for row in rows)
        keys[start : start + len(rows)] = np.frombuffer(b"".join(digests), dtype=np.uint64)
    return keys


def _canonical(X: np.ndarray) -> np.ndarray:
    """Return rows in the type that can represent all others, with one zero and one NaN."""
    rows = np.add(X, 0.0, dtype=np.float64, order="C")  # -0.0 + 0.0 is 0.0
    rows[np.isnan(rows)] = np.nan
    return rows


def sampled(keys: np.ndarray, most: int) -> np.ndarray:
    """Choose rows by their content, in whatever range their keys lie.

    Parameters
    ----------
    keys : ndarray of shape (n_samples,), uint64
        From `row_keys`.
    most : int
        Expected number of rows.

    Returns
    -------
    chosen : ndarray of shape (n_samples,), bool
        Copies of a row are treated alike. All, if there are no more rows.
    """
    if len(keys) <= most:
        return np.ones(len(keys), dtype=bool)
    # Multiplication by 2^64 divided by the golden ratio scatters adjacent numbers
    # (Knuth, The Art of Computer Programming, volume 3, section 6.4).
    limit = np.uint64(int(most / len(keys) * 2**64))
    return keys * np.uint64(0x9E3779B97F4A7C15) < limit


class KeyRanges(NamedTuple):
    """Parts of the rows, by the position of a row's key among those of its stratum.

    Rows that come later do not change the part of earlier ones: the ranges stay fixed.

    Parameters
    ----------
    strata : ndarray of shape (n_strata,), int64
        Sorted; rows of other strata are in no part.
    edges : ndarray of shape (n_strata, n_parts - 1), uint64
        Smallest key of the second part, of the third, and so on.
    """

    strata: np.ndarray
    edges: np.ndarray

    def part_of(self, keys: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Find the part of every row.

        Parameters
        ----------
        keys : ndarray of shape (n_samples,)
            From `row_keys`.
        target : ndarray of shape (n_samples,)
            Strata, int64.

        Returns
        -------
        part : ndarray of shape (n_samples,), int64
            In [0, n_parts), or -1 for a row in no part. Copies of a row with the same target
            share theirs.
        """
        if not len(self.strata):
            return np.full(len(keys), -1)
        part = np.empty(len(keys), dtype=np.int64)
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            rows = slice(start, start + _KEYS_AT_ONCE)
            place = np.searchsorted(self.strata, target[rows]).clip(max=len(self.strata) - 1)
            found = (keys[rows, None] >= self.edges[place]).sum(axis=1)
            part[rows] = np.where(self.strata[place] == target[rows], found, -1)
        return part


def hold_out(keys: np.ndarray, target: np.ndarray, fraction: float) -> KeyRanges:
    """Choose a stratified share of the distinct rows to hold out: part 0 of two.

    Copies of a row with the same target stay together: none is in both the training and the
    validation set, and a row of weight 2 is treated exactly as two copies of it.

    Parameters
    ----------
    keys : ndarray of shape (n_samples,)
        From `row_keys`.
    target : ndarray of shape (n_samples,)
        Strata, int64.
    fraction : float
        Share of the distinct rows to hold out, in [0, 1).

    Returns
    -------
    ranges : KeyRanges
        Every stratum gives its share, rounded up or down, and keeps at least one row.

    Examples
    --------
    >>> import numpy as np
    >>> from sphereskl.training import hold_out
    >>> keys, target = np.arange(10, dtype=np.uint64), np.repeat([0, 1], 5)
    >>> hold_out(keys, target, 0.2).part_of(keys, target)
    array([0, 1, 1, 1, 1, 0, 1, 1, 1, 1])
    """
    strata, sizes, sorted_keys = _by_stratum(keys, target)
    ends = np.cumsum(sizes)
    # Systematic sampling along the strata: the total share is exact as well.
    crossed = np.floor(np.append(0, ends) * fraction + 0.5).astype(np.int64)
    held_out = np.minimum(np.diff(crossed), sizes - 1)
    return _ranges(strata, sorted_keys, ends - sizes, np.stack([held_out, sizes - held_out], 1))


def assign_folds(keys: np.ndarray, target: np.ndarray, n_folds: int) -> KeyRanges:
    """Assign the distinct rows to folds, stratum by stratum.

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
    ranges : KeyRanges
        One part for every fold; the only distinct row of a stratum is in none, so that every
        member is trained on it. Folds differ by at most one distinct row, in every stratum and
        in total.

    Examples
    --------
    >>> import numpy as np
    >>> from sphereskl.training import assign_folds
    >>> keys, target = np.arange(6, dtype=np.uint64), np.repeat([0, 1], 3)
    >>> assign_folds(keys, target, 3).part_of(keys, target)
    array([0, 1, 2, 0, 1, 2])
    """
    strata, sizes, sorted_keys = _by_stratum(keys, target)
    starts = np.cumsum(sizes) - sizes
    spared = np.where(sizes > 1, sizes, 0)
    # Rows are numbered through all strata and assigned in turn: fold f gets those whose number
    # leaves f when divided by the number of folds, (n - f + n_folds - 1) // n_folds below n.
    until = np.append(0, np.cumsum(spared))[:, None]
    counts = np.diff((until - np.arange(n_folds) + n_folds - 1) // n_folds, axis=0)
    kept = sizes > 1
    return _ranges(strata[kept], sorted_keys, starts[kept], counts[kept])


def _by_stratum(keys: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return strata, their numbers of distinct keys, and these keys, sorted within strata.

    Of more than a quarter of a million rows, those of a sample by content.
    """
    if len(keys) > _MOST_SORTED:
        chosen = sampled(keys, _MOST_SORTED)
        keys, target = keys[chosen], target[chosen]
    pairs = np.unique(np.stack([target.astype(np.uint64), keys], axis=1), axis=0)
    strata, sizes = np.unique(pairs[:, 0], return_counts=True)
    return strata.astype(np.int64), sizes, pairs[:, 1]


def _ranges(
    strata: np.ndarray, sorted_keys: np.ndarray, starts: np.ndarray, counts: np.ndarray
) -> KeyRanges:
    """Return the ranges that give parts of every stratum their counts of the keys."""
    ends = np.cumsum(counts, axis=1)
    first = np.append(sorted_keys, _LAST_KEY)[np.minimum(starts[:, None] + ends, len(sorted_keys))]
    # After the last key of a stratum comes the next stratum, which is irrelevant here.
    edges = np.where(ends == ends[:, -1:], _LAST_KEY, first)[:, :-1]
    return KeyRanges(strata, edges)
