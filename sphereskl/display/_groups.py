"""Groups of embeddings for colours and markers: labels, or values."""

from typing import Any, NamedTuple

import numpy as np

from ._drawing import VALUES, group_colors, group_markers
from ._sphere import angles


class Groups(NamedTuple):
    """Rows in groups with their own colours and markers, or one group coloured by values.

    Prototypes, if there are any, belong to the first groups.
    """

    names: list[Any]
    codes: np.ndarray
    values: np.ndarray | None
    n_prototypes: int

    def colors(self):
        """Return RGBA for every row."""
        from matplotlib import colormaps
        from matplotlib.colors import to_rgba_array

        if self.values is None:
            return to_rgba_array(group_colors(len(self.names)))[self.codes]
        low, high = self.limits()
        return colormaps[VALUES]((self.values - low) / max(high - low, 1e-300))

    def limits(self):
        """Return the minimum and the maximum value."""
        assert self.values is not None
        return float(self.values.min()), float(self.values.max())

    def styles(self):
        """Return (name, colour, marker) of every group."""
        n = len(self.names)
        return list(zip(self.names, group_colors(n), group_markers(n), strict=True))

    def members(self):
        """Return (name, marker, rows) of every non-empty group."""
        if self.values is not None:
            return [("", "o", np.arange(len(self.codes)))]
        return [
            (str(name), marker, np.flatnonzero(self.codes == code))
            for code, (name, _, marker) in enumerate(self.styles())
            if (self.codes == code).any()
        ]

    def label(self, row):
        """Return label or value of a row."""
        return self.names[self.codes[row]] if self.values is None else float(self.values[row])

    def own_angles(self, points, prototypes):
        """Return degrees between rows and the prototypes of their groups; NaN without one."""
        has_own = (self.codes < self.n_prototypes) & (self.values is None)
        degrees = np.full(len(points), np.nan)
        if has_own.any():
            theta = angles(points[has_own], prototypes)
            degrees[has_own] = np.degrees(theta[np.arange(len(theta)), self.codes[has_own]])
        return degrees


def group(points, y, prototypes, labels):
    """Group rows by `y`, or by the nearest prototype if it is None.

    Numbers with a fraction that are not labels are values.
    """
    n, n_prototypes = len(points), len(prototypes)
    names = labels.tolist()
    if y is None and n_prototypes:
        return Groups(names, angles(points, prototypes).argmin(axis=1), None, n_prototypes)
    if y is None:
        return Groups(["samples"], np.zeros(n, dtype=np.int64), None, 0)
    if y.dtype.kind == "f" and not np.isin(y, labels).all():
        return Groups(names, np.zeros(n, dtype=np.int64), y.astype(np.float64), n_prototypes)
    given = y.tolist()
    names += sorted(set(given) - set(names))
    place = {name: code for code, name in enumerate(names)}
    return Groups(names, np.array([place[name] for name in given]), None, n_prototypes)
