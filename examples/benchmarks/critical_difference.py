"""Diagram of mean ranks and their critical difference (Demsar 2006), for `tables.py`."""

import numpy as np
from scipy.stats import studentized_range


def critical_difference(n_models, n_sets, level=0.05):
    """Return the least difference of two mean ranks that is significant (Nemenyi's test)."""
    q = studentized_range.ppf(1 - level, n_models, np.inf) / np.sqrt(2)
    return q * np.sqrt(n_models * (n_models + 1) / (6 * n_sets))


def indistinct(ranks, distance):
    """Return the longest runs of sorted mean ranks that lie within a distance, as index pairs."""
    last = np.searchsorted(ranks, ranks + distance, side="right") - 1
    runs = [(first, end) for first, end in enumerate(last) if end > first]
    return [run for i, run in enumerate(runs) if i == 0 or run[1] > runs[i - 1][1]]


def draw_ranks(mean_ranks, n_sets, path):
    """Draw mean ranks on a line, and bars over models that cannot be told apart.

    Parameters
    ----------
    mean_ranks : Series
        By model.
    n_sets : int
        Number of sets that they are means over.
    path : path-like
        Of the picture.
    """
    import matplotlib.pyplot as plt

    ordered = mean_ranks.sort_values()
    n_models, distance = len(ordered), critical_difference(len(ordered), n_sets)
    left = -(-n_models // 2)
    figure, axes = plt.subplots(figsize=(6.5, 1.1 + 0.28 * left), layout="constrained")
    low, high = 1, n_models
    for place, (title, rank) in enumerate(ordered.items()):
        # Names of the better half on the left, of the others on the right, best on top.
        on_left = place < left
        row = -0.7 - 0.5 * (place if on_left else n_models - 1 - place)
        end = low - 0.15 if on_left else high + 0.15
        axes.plot([rank, rank, end], [0, row, row], color="0.3", linewidth=0.9)
        side = {"ha": "right" if on_left else "left", "va": "center"}
        weight = "bold" if title == "sphereskl" else "normal"
        axes.text(end, row, f" {title} {rank:.2f} ", weight=weight, size=9, **side)
    for height, (first, end) in enumerate(indistinct(ordered.to_numpy(), distance)):
        y = -0.2 - 0.14 * height
        ends = ordered.iloc[first] - 0.03, ordered.iloc[end] + 0.03
        axes.plot(ends, [y, y], color="0.1", linewidth=3, solid_capstyle="butt")
    axes.plot([low, low + distance], [0.75, 0.75], color="0.1", marker="|", linewidth=1)
    told = f"critical difference {distance:.2f} ({n_sets} sets, 5 %)"
    axes.text(low + distance + 0.08, 0.75, told, va="center", size=9)
    axes.plot([low, high], [0, 0], color="0.1", linewidth=1)
    for rank in range(low, high + 1):
        axes.plot([rank, rank], [0, 0.12], color="0.1", linewidth=1)
        axes.text(rank, 0.18, str(rank), ha="center", va="bottom", size=9)
    margin = 0.42 * (high - low)
    axes.set(xlim=(low - margin, high + margin), ylim=(-0.9 - 0.5 * (left - 1), 1.05))
    axes.axis("off")
    figure.savefig(path, dpi=150)
    plt.close(figure)
