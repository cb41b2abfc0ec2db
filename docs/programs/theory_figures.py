"""Draw docs/images/theory_*.svg, the figures of docs/theory.md.

Run it from the root of the repository: python docs/programs/theory_figures.py

The curves are computed by the functions of the package. The background is white, so that the
figures can be read under a dark theme, and nothing in the files depends on the day.
"""

import math
from pathlib import Path

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt
import numpy as np
import torch

from sphereskl.geometry import place_prototypes
from sphereskl.nn import angular, separating_scale, unrolled_angular

FOLDER = Path(__file__).parents[1] / "images"
BLUE, ORANGE, GREEN, PINK, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9"
GREY = "#666666"
VIEW = np.array([0.55, -0.78, 0.35])  # from where the sphere is seen
STYLE = {
    "svg.hashsalt": "sphereskl",
    "svg.fonttype": "none",  # text stays text: small files that can be searched
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
}


def save(figure, name):
    """Write a figure without a date."""
    path = FOLDER / f"theory_{name}.svg"
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)
    # The font of matplotlib may be missing where the figure is read.
    text = path.read_text().replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
    path.write_text(text)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


def project(points):
    """Return places in the picture, and depths towards the eye, of points in space."""
    eye = VIEW / np.linalg.norm(VIEW)
    right = np.cross([0, 0, 1], eye)
    right /= np.linalg.norm(right)
    points = np.asarray(points, dtype=float)
    return points @ right, points @ np.cross(eye, right), points @ eye


def great_arc(start, end, n=60):
    """Return points on the shorter arc between two unit vectors."""
    start, end = np.asarray(start), np.asarray(end)
    theta = math.acos(np.clip(start @ end, -1, 1))
    t = np.linspace(0, 1, n)[:, None]
    return (np.sin((1 - t) * theta) * start + np.sin(t * theta) * end) / math.sin(theta)


def draw_ball(ax, title):
    """Draw an empty sphere with its equator and two meridians."""
    turn = np.linspace(0, 2 * np.pi, 200)
    ax.plot(np.cos(turn), np.sin(turn), color=GREY, lw=1)
    circles = [
        np.column_stack([np.cos(turn), np.sin(turn), 0 * turn]),
        np.column_stack([np.cos(turn), 0 * turn, np.sin(turn)]),
        np.column_stack([0 * turn, np.cos(turn), np.sin(turn)]),
    ]
    for circle in circles:
        x, y, depth = project(circle)
        ax.plot(np.where(depth > 0, x, np.nan), y, color="#bbbbbb", lw=0.8)
        ax.plot(np.where(depth > 0, np.nan, x), y, color="#dddddd", lw=0.6, ls=":")
    ax.set(aspect="equal", xlim=(-1.25, 1.25), ylim=(-1.25, 1.3), title=title)
    ax.axis("off")


def mark(ax, point, label, color, offset=(8, 6), marker="o", size=7):
    """Mark a point of the sphere, paler on its far side."""
    x, y, depth = project(point)
    ax.plot(x, y, marker, color=color, ms=size, alpha=1.0 if depth > -0.05 else 0.35)
    ax.annotate(label, (x, y), xytext=offset, textcoords="offset points", color=color)


def draw_arc(ax, points, color, **style):
    """Draw a curve on the sphere, dotted on the far side."""
    x, y, depth = project(points)
    ax.plot(np.where(depth > 0, x, np.nan), y, color=color, lw=2, **style)
    ax.plot(np.where(depth > 0, np.nan, x), y, color=color, lw=1.2, ls=":")


def draw_spheres():
    """Draw classes around prototypes, values on an arc, and ordered classes on it."""
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.7))

    ax = axes[0]
    draw_ball(ax, "classes: nearest prototype")
    turned = np.array([[0.1, -0.35, 1.0], [1.0, -0.3, -0.25], [-0.45, -0.85, -0.3], [-0.4, 1, 0]])
    prototypes = turned / np.linalg.norm(turned, axis=1, keepdims=True)
    z = np.array([0.75, -0.65, 0.45])
    z /= np.linalg.norm(z)
    for k, (prototype, color) in enumerate(
        zip(prototypes, [BLUE, ORANGE, GREEN, PINK], strict=True), start=1
    ):
        mark(ax, prototype, f"p{k}", color, marker="*", size=12)
    for k, color in ((0, BLUE), (1, ORANGE), (2, GREEN)):
        draw_arc(ax, great_arc(z, prototypes[k]), color, alpha=0.8)
    middle = great_arc(z, prototypes[1])[30]
    mark(ax, middle, "θ2", ORANGE, offset=(4, 8), size=0)
    mark(ax, z, "z", "black", offset=(-14, 4))

    ax = axes[1]
    draw_ball(ax, "values: height between two poles")
    upper, lower = np.array([0, 0, 1.0]), np.array([0, 0, -1.0])
    ahead, turn = VIEW * [1, 1, 0] / np.linalg.norm(VIEW[:2]), math.radians(35)
    front = math.cos(turn) * ahead + math.sin(turn) * np.cross(upper, ahead)
    draw_arc(ax, np.vstack([great_arc(upper, front), great_arc(front, lower)]), BLUE)
    mark(ax, upper, "upper pole: greatest value", BLUE, offset=(-60, 10), marker="*", size=12)
    mark(ax, lower, "lower pole: least value", BLUE, offset=(-58, -18), marker="*", size=12)
    height = math.cos(math.radians(55))
    z = math.sin(math.radians(55)) * front + height * upper
    circle = np.linspace(0, 2 * np.pi, 100)[:, None]
    side = np.cross(upper, front)
    latitude = height * upper + math.sin(math.radians(55)) * (
        np.cos(circle) * front + np.sin(circle) * side
    )
    draw_arc(ax, latitude, ORANGE)
    mark(ax, z, "z", "black", offset=(8, -14))
    ax.text(-1.05, height * 0.9, "one value", color=ORANGE, ha="center", va="bottom", fontsize=9)

    ax = axes[2]
    draw_ball(ax, "ordered classes: equal angles")
    draw_arc(ax, np.vstack([great_arc(upper, front), great_arc(front, lower)]), BLUE)
    names = ["poor", "fair", "good", "very good", "excellent"]
    for k, name in enumerate(names):
        theta = math.pi * (1 - k / (len(names) - 1))
        point = math.sin(theta) * front + math.cos(theta) * upper
        below = k == 0
        mark(ax, point, name, BLUE, offset=(-12, -18) if below else (10, 4), marker="*", size=11)
    save(figure, "spheres")


def draw_placements():
    """Draw best placements whose size allows a picture."""
    figure, axes = plt.subplots(1, 4, figsize=(10, 3))
    cases = [(4, "simplex: 4 in 3-D"), (6, "orthoplex: 6 in 3-D"), (12, "icosahedron: 12 in 3-D")]
    turn = np.linspace(0, 2 * np.pi, 200)
    axes[0].plot(np.cos(turn), np.sin(turn), color=GREY, lw=1)
    pentagon = place_prototypes(5, 2, random_state=0).numpy()
    axes[0].plot(*pentagon.T, "*", color=BLUE, ms=11)
    for x, y in pentagon:
        axes[0].plot([0, x], [0, y], color="#bbbbbb", lw=0.8)
    title = f"polygon: 5 in 2-D\nlargest cosine {math.cos(2 * math.pi / 5):.2f}"
    axes[0].set(aspect="equal", xlim=(-1.25, 1.25), ylim=(-1.25, 1.3))
    axes[0].set_title(title, fontsize=10)
    axes[0].axis("off")
    for ax, (n_points, name) in zip(axes[1:], cases, strict=True):
        points = place_prototypes(n_points, 3, random_state=0).numpy()
        cosines = points @ points.T
        np.fill_diagonal(cosines, -1)
        largest = cosines.max()
        draw_ball(ax, "")
        shown = round(float(largest), 2) + 0.0  # no negative zero
        ax.set_title(f"{name}\nlargest cosine {shown:.2f}", fontsize=10)
        for i, j in zip(*np.where(np.triu(cosines > largest - 1e-4, 1)), strict=True):
            x, y, _ = project([points[i], points[j]])
            ax.plot(x, y, color=SKY, lw=0.8, alpha=0.7)
        for point in points:
            mark(ax, point, "", BLUE, marker="*", size=10)
    save(figure, "placements")


def draw_losses():
    """Draw the losses of classes by the angle, and how hard they pull."""
    theta = np.linspace(0, math.pi, 181)
    cosine = np.cos(theta)
    scale = separating_scale(10)
    # On a simplex of ten, with the other nine cosines alike.
    others = -cosine / 9
    entropy = np.log(1 + 9 * np.exp(scale * (others - cosine)))
    pull = scale * (1 - np.exp(-entropy)) * (1 + 1 / 9) * np.sin(theta)
    curves = {
        "cross-entropy, 10 classes": (entropy, pull, BLUE, "-"),
        "squared cosine": ((1 - cosine) ** 2, 2 * (1 - cosine) * np.sin(theta), ORANGE, "--"),
        "cosine": (1 - cosine, np.sin(theta), GREEN, "-."),
    }
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.4))
    for name, (loss, slope, color, style) in curves.items():
        axes[0].plot(np.degrees(theta), loss / loss[90], style, color=color, label=name)
        axes[1].plot(np.degrees(theta), slope / slope.max(), style, color=color)
    axes[0].set(title="loss, divided by that at 90°", ylabel="loss")
    axes[1].set(title="slope, divided by the steepest", ylabel="slope")
    for ax in axes:
        ax.set(xlabel="angle to the prototype, degrees", xlim=(0, 180), xticks=range(0, 181, 30))
    axes[0].legend(frameon=False)
    save(figure, "losses")


def draw_scale():
    """Draw the largest probability that a scale allows on a simplex."""
    scale = np.linspace(0, 16, 200)
    figure, ax = plt.subplots(figsize=(6, 3.4))
    styles = [(2, BLUE, "-"), (10, ORANGE, "--"), (100, GREEN, "-."), (1000, PINK, ":")]
    for n_classes, color, style in styles:
        others = n_classes - 1
        top = 1 / (1 + others * np.exp(-scale * n_classes / others))
        ax.plot(scale, top, style, color=color, label=f"{n_classes:,} classes")
        start = separating_scale(n_classes)
        ax.plot(start, 0.99, "o", color=color, ms=6)
    ax.axhline(0.99, color="#bbbbbb", lw=0.8)
    ax.set(xlabel="scale s", ylabel="largest probability", xlim=(0, 16), ylim=(0, 1.02))
    ax.legend(frameon=False, loc="lower right")
    save(figure, "scale")


def draw_operators():
    """Draw the operators, and the softness of the sigmoid."""
    theta = torch.linspace(0, math.pi, 181, dtype=torch.float64)
    degrees, cosine = theta.rad2deg(), theta.cos()
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.4), sharey=True)
    rows = [("linear", BLUE, "-"), ("cosine", ORANGE, "--"), ("sigmoid", GREEN, "-.")]
    for operator, color, style in rows:
        label = f"{operator}, k = 0.3" if operator == "sigmoid" else operator
        axes[0].plot(degrees, angular(cosine, operator), style, color=color, label=label)
    rows = [(0.1, PINK, ":"), (0.3, GREEN, "-."), (0.501, ORANGE, "--"), (2.0, BLUE, "-")]
    for k, color, style in rows:
        axes[1].plot(degrees, angular(cosine, "sigmoid", k), style, color=color, label=f"k = {k}")
    axes[0].set(title="the three operators", ylabel="g(θ)")
    axes[1].set(title="softness of the sigmoid")
    for ax in axes:
        ax.axhline(0, color="#bbbbbb", lw=0.8)
        ax.set(xlabel="angle θ, degrees", xlim=(0, 180), xticks=range(0, 181, 30))
        ax.legend(frameon=False)
    save(figure, "operators")


def draw_margins():
    """Draw the logit of the own class under margins, by the angle."""
    theta = torch.linspace(0, math.pi, 181, dtype=torch.float64)
    degrees = theta.rad2deg()
    curves = {
        "no margin: cos θ": (theta.cos(), "black", "-"),
        "CosFace: cos θ − 0.35": (theta.cos() - 0.35, BLUE, "--"),  # noqa: RUF001
        "ArcFace: cos(θ + 0.5)": (unrolled_angular(theta + 0.5), ORANGE, "-."),
        "SphereFace, A-Softmax: ψ(1.5 θ)": (unrolled_angular(1.5 * theta), GREEN, (0, (5, 1))),
        "GA-Softmax, linear: ψ(1.5 θ)": (unrolled_angular(1.5 * theta, "linear"), PINK, ":"),
    }
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.8))
    for name, (logit, color, style) in curves.items():
        axes[0].plot(degrees, logit, ls=style, color=color, label=name)
    axes[0].set(title="logit of the own class, scale 1", ylabel="logit")
    axes[0].legend(frameon=False, fontsize=9)
    for margin, color, style in ((1, "black", "-"), (2, GREEN, "--"), (4, ORANGE, "-.")):
        label = f"m = {margin}"
        axes[1].plot(degrees, unrolled_angular(margin * theta), ls=style, color=color, label=label)
    axes[1].set(title="ψ(m θ) of the cosine goes on falling", ylabel="ψ(m θ)")
    axes[1].legend(frameon=False)
    for ax in axes:
        ax.set(xlabel="angle θ to the class direction, degrees", xlim=(0, 180))
        ax.set_xticks(range(0, 181, 30))
    save(figure, "margins")


if __name__ == "__main__":
    with plt.rc_context(STYLE):
        for draw in (
            draw_spheres, draw_placements, draw_losses, draw_scale, draw_operators, draw_margins,
        ):  # fmt: skip
            draw()
