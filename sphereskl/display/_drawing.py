"""What the displays share: axes, colours and markers that differ, tables of numbers."""

from collections.abc import Sequence

import numpy as np

# Okabe and Ito (2008), "Color Universal Design": colours that colour-blind readers can distinguish.
# Yellow, which is pale on white, comes last.
OKABE_ITO = (
    "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#000000", "#F0E442",
)  # fmt: skip
BLUE, VERMILLION, GREEN = OKABE_ITO[:3]
# Colours of values: also for colour-blind readers, and of increasing lightness in grey.
VALUES = "viridis"
_MARKERS = "os^DvPXp<>h"


def axes_for(display, ax, *, size=(6, 5.2), solid=False):
    """Return the axes to draw on and their figure; new ones if none were given."""
    if ax is None:
        ax = _new_axes(type(display).__name__, size, solid)
    elif solid and not hasattr(ax, "get_zlim"):
        raise ValueError(
            "ax must be three-dimensional to hold a sphere, got a plain Axes; make it with "
            "plt.subplots(subplot_kw={'projection': '3d'})."
        )
    return ax, ax.figure


def _new_axes(name, size, solid):
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{name} draws with matplotlib, which is not installed; run "
            'pip install "sphereskl[plot]".'
        ) from error
    projection = {"projection": "3d"} if solid else None
    return plt.subplots(figsize=size, layout="constrained", subplot_kw=projection)[1]


def frame_of(display, columns):
    """Return columns as a pandas DataFrame."""
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(
            f"{type(display).__name__}.frame needs pandas, which is not installed; run "
            'pip install "sphereskl[dataframe]".'
        ) from error
    return pd.DataFrame(columns)


def group_colors(n_groups):
    """Return a colour for every group; they repeat after eight."""
    return [OKABE_ITO[i % len(OKABE_ITO)] for i in range(n_groups)]


def group_markers(n_groups, markers: Sequence[str] = _MARKERS):
    """Return a marker for every group, a new one each time that its colour repeats."""
    return [markers[(i + i // len(OKABE_ITO)) % len(markers)] for i in range(n_groups)]


def thin(n_items, most):
    """Return evenly spaced indices, at most as many as given."""
    return np.arange(0, n_items, -(-n_items // most))


def outline():
    """Return the path effect that keeps text legible on any drawing."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=2.5, foreground="white")]
