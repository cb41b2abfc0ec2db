"""Arguments with one entry per sample."""

import numpy as np


def numbers(name, values):
    """Return a column of numbers, none of them NaN."""
    column = np.asarray(values, dtype=np.float64)
    if column.ndim != 1 or not len(column):
        raise ValueError(
            f"{name} must be one column with at least one row, got shape {column.shape}; pass "
            "one target at a time."
        )
    if np.isnan(column).any():
        row = int(np.isnan(column).argmax())
        raise ValueError(f"{name} must hold no NaN, but row {row} is one; leave such rows out.")
    return column


def check_equally_long(**columns):
    """Refuse columns of different lengths, in the order of their names."""
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(str(length) for length in lengths.values())
        raise ValueError(
            f"{', '.join(lengths)} must have equally many rows, got {counts}; pass values of "
            "the same samples."
        )


def row_weights(sample_weight, n_rows):
    """Return finite, non-negative sample weights with a positive sum."""
    if sample_weight is None:
        return np.ones(n_rows)
    weight = numbers("sample_weight", sample_weight)
    if len(weight) != n_rows:
        raise ValueError(
            f"sample_weight must have a weight for each of the {n_rows} rows, got {len(weight)}."
        )
    if weight.min() < 0 or not 0 < weight.sum() < np.inf:
        raise ValueError(
            "sample_weight must be finite, at least 0, and positive for at least one row, got "
            f"a minimum of {weight.min():g} and a sum of {weight.sum():g}."
        )
    return weight


def add_up_ties(values, *amounts):
    """Return the distinct values, ascending, and the sums of amounts over ties."""
    distinct, group = np.unique(values, return_inverse=True)
    return distinct, *(np.bincount(group, amount, len(distinct)) for amount in amounts)
