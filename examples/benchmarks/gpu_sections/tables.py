"""Cells and tables of Markdown."""

import statistics
from collections import defaultdict


def table(head, lines):
    """Return a table; cells are strings."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def spread(values, digits=2, factor=1.0):
    """Mean ± standard deviation (number of seeds) of numbers."""
    if not values:
        return "-"
    scaled = [factor * value for value in values]
    mean = f"{statistics.mean(scaled):.{digits}f}"
    if len(scaled) == 1:
        return f"{mean} (1)"
    return f"{mean} ± {statistics.stdev(scaled):.{digits}f} ({len(scaled)})"


def filters(widths):
    """Say how many filters the stages of a network have."""
    return f"{', '.join(map(str, widths[:-1]))} and {widths[-1]} filters"


def by_name(rows):
    """Results of rows by name, in the order in which names first occur: dicts by seed."""
    found = defaultdict(dict)
    for row in rows:
        found[row["name"]][row["seed"]] = row["result"]
    return dict(found)


def differences(own, other, key):
    """Differences of two dicts of results by seed, for the seeds that both have."""
    return [own[seed][key] - other[seed][key] for seed in sorted(own.keys() & other.keys())]
