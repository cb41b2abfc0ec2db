"""Circles and balls to draw on, and positions on them."""

import numpy as np
from scipy.spatial.distance import cdist


def unit_rows(name, rows):
    """Return directions as unit rows in float64."""
    rows = np.asarray(rows, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] < 2:
        raise ValueError(
            f"{name} must have shape (n_{name}, embedding_dim) with at least 2 columns, got "
            f"{rows.shape}."
        )
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    if not ((norms > 0) & (norms < np.inf)).all():
        row = int(np.argmin((norms > 0) & (norms < np.inf)))
        raise ValueError(
            f"{name} must be directions, but row {row} has length {norms[row, 0]:g}; leave it out."
        )
    return rows / norms


def angles(points, prototypes):
    """Return the angles of unit rows, (n_points, n_prototypes), in radians.

    Not by the arccosine, which loses half of the digits at both ends.
    """
    return 2 * np.arctan2(cdist(points, prototypes), cdist(points, -prototypes))


def principal_directions(points):
    """Return three rows, the directions that preserve as much as possible of points' lengths."""
    if points.shape[1] == 3:
        return np.eye(3)
    # About the centre of the ball, not about the mean of the points.
    directions = np.linalg.svd(points, full_matrices=False)[2][:3]
    return np.pad(directions, ((0, 3 - len(directions)), (0, 0)))


def view_direction(ax):
    """Return the unit vector from the centre to the viewer."""
    elev, azim = np.deg2rad([ax.elev, ax.azim])
    return np.array([np.cos(elev) * np.cos(azim), np.cos(elev) * np.sin(azim), np.sin(elev)])


def draw_circle(ax):
    """Draw the unit circle."""
    turn = np.linspace(0, 2 * np.pi, 361)
    ax.plot(np.cos(turn), np.sin(turn), color="0.75", lw=1, zorder=0)
    ax.set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3), aspect="equal")
    ax.set_axis_off()


def outward(point):
    """Return the alignment that keeps a label off the circle."""
    across = "center" if abs(point[0]) < 0.2 else ("left" if point[0] > 0 else "right")
    along = "center" if abs(point[1]) < 0.9 else ("bottom" if point[1] > 0 else "top")
    return {"ha": across, "va": along}


def draw_ball(ax, *, azimuth=-60.0):
    """Draw a shaded unit ball with equator and meridians, seen from slightly above."""
    ax.set_proj_type("ortho")
    # In the order of zorder, not by the distance of whole collections.
    ax.computed_zorder = False
    ax.view_init(elev=18, azim=azimuth)
    around, polar = np.meshgrid(np.linspace(0, 2 * np.pi, 73), np.linspace(0, np.pi, 37))
    ball = np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)
    light = np.clip(np.tensordot(view_direction(ax), np.array(ball), 1), 0, 1)
    face = np.empty((*light.shape, 4))
    face[..., :3] = (0.62 + 0.36 * light)[..., None]
    face[..., 3] = 0.22
    ax.plot_surface(*ball, facecolors=face, rstride=1, cstride=1, shade=False, linewidth=0)
    turn = np.linspace(0, 2 * np.pi, 181)
    circle = np.stack([np.cos(turn), np.sin(turn), 0 * turn])
    for axes in ((0, 1, 2), (0, 2, 1), (2, 0, 1)):
        ax.plot(*circle[list(axes)], color="0.6", lw=0.5, alpha=0.6)
    ax.set(xlim=(-0.8, 0.8), ylim=(-0.8, 0.8), zlim=(-0.8, 0.8))
    ax.set_box_aspect((1, 1, 1))
    ax.set_axis_off()
