"""
Can one network predict a class and a value?
============================================

Five kinds of handwritten digits are each turned by an angle between 0 and 180 degrees. One network
with a three-dimensional embedding predicts both: the height of a point on the sphere is the angle,
the direction around the axis is the digit.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.ndimage import rotate
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sphereskl import HypersphericalMultiTask

plt.style.use("sphereskl.display.gallery")
torch.set_num_threads(1)

# %%
# Turned digits
# -------------
# Digits that no rotation makes alike. Pictures are split before they are turned, so that no test
# picture was seen at any angle. Every training picture is turned ten times.

digits = load_digits()
kept = np.isin(digits.target, [2, 3, 4, 5, 7])
images_train, images_test, digit_train, digit_test = train_test_split(
    digits.images[kept], digits.target[kept], stratify=digits.target[kept], random_state=0
)
rng = np.random.default_rng(0)


def turn(images, labels, n_copies):
    """Flat pictures, each turned at random, with their digits and angles."""
    images, labels = np.repeat(images, n_copies, axis=0), np.repeat(labels, n_copies)
    angles = rng.uniform(0, 180, len(images))
    turned = [rotate(i, a, reshape=False, order=1) for i, a in zip(images, angles, strict=True)]
    return np.reshape(turned, (len(images), -1)), labels, angles


X_train, digit_train, angle_train = turn(images_train, digit_train, 10)
X_test, digit_test, angle_test = turn(images_test, digit_test, 3)

# %%
# One fit, two answers
# --------------------
# The two targets go in as a pair, the class first. The weight of the classes is small because a
# squared difference of cosines is a small number, too.

model = HypersphericalMultiTask(embedding_dim=3, bounds=(0, 180), random_state=0)
model.fit(X_train, (digit_train, angle_train))
digit, angle = model.predict(X_test)
error = np.abs(angle - angle_test)
print(f"digits: {np.mean(digit == digit_test):.1%} right")
print(f"angles: {error.mean():.1f} degrees off on average, {np.median(error):.1f} in the median")

# %%
# The sphere
# ----------
# The first axis of the embedding is drawn upwards. The lower pole stands for 0 degrees, the upper
# one for 180; diamonds on the equator are the prototypes of the digits, and each digit spreads
# along its own meridian, in the colour of its true class. Seen from the side, and unrolled: equal
# steps on the axis of the map are equal steps of the height on the sphere, and of the angle.

COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00"]
# Elevation and azimuth of the eye, in degrees.
EYE = 20, 14

z = model.transform(X_test)
height, longitude = z[:, 0], np.degrees(np.arctan2(z[:, 2], z[:, 1]))
home = np.degrees(np.arctan2(model.prototypes_[:, 1], model.prototypes_[:, 0]))


def on_sphere(longitude, height):
    """Places in space: x and y span the equator, the axis points upwards."""
    radius, turn = np.sqrt(1 - np.square(height)), np.radians(longitude)
    return np.broadcast_arrays(radius * np.cos(turn), radius * np.sin(turn), height)


def is_near(points):
    """Whether points are on the side of the sphere that faces the eye."""
    up, around = EYE
    return np.tensordot(on_sphere(around, np.sin(np.radians(up))), points, axes=1) > 0


def draw_curve(ax, longitude, height, **style):
    """A line on the sphere, behind or before its surface."""
    points = np.array(on_sphere(longitude, height))
    near = is_near(points)
    ax.plot(*np.where(near, np.nan, points), **style, zorder=1)
    ax.plot(*np.where(near, points, np.nan), **style, zorder=4)


def draw_sphere(ax):
    # In the order of zorder, not by the distance of whole collections.
    ax.computed_zorder = False
    around, heights = np.linspace(-180, 180, 181), np.sin(np.linspace(-np.pi / 2, np.pi / 2, 91))
    surface = on_sphere(around[:, None], heights)
    ax.plot_surface(*surface, color="white", alpha=0.55, shade=False, linewidth=0, zorder=3)
    turn, (up, side) = np.linspace(0, 2 * np.pi, 181), np.radians(EYE)
    limb_up = -np.sin(up) * np.cos(side), -np.sin(up) * np.sin(side), np.cos(up)
    limb_side = -np.sin(side), np.cos(side), 0
    ax.plot(*(np.outer(limb_up, np.sin(turn)) + np.outer(limb_side, np.cos(turn))), c="#aaaaaa")
    for level in np.linspace(-1, 1, 9)[1:-1]:
        draw_curve(ax, around, level, color="#cccccc", linewidth=0.7)
    points, colours = np.array(on_sphere(longitude, height)), np.take(COLOURS, code)
    near = is_near(points)
    ax.scatter(*points[:, ~near], c=colours[~near], s=16, linewidths=0, zorder=2)
    ax.scatter(*points[:, near], c=colours[near], s=16, alpha=0.7, linewidths=0, zorder=5)
    for place, label, colour in zip(home, model.classes_, COLOURS, strict=True):
        draw_curve(ax, place, heights, color=colour, linewidth=1.2)
        spot = np.array(on_sphere(place, 0.0))
        order = 6 if is_near(spot) else 1
        ax.scatter(*spot, marker="D", s=150, c="white", edgecolors=colour, zorder=order)
        ax.text(*spot, str(label), ha="center", va="center_baseline", zorder=order)
    ax.scatter([0, 0], [0, 0], [-1, 1], c="black", s=30, zorder=6)
    ax.text(0, 0, 1.1, "180°", ha="center", va="bottom")
    ax.text(0, 0, -1.1, "0°", ha="center", va="top")
    ax.view_init(*EYE)
    ax.set_proj_type("ortho")
    ax.set_box_aspect((1, 1, 1), zoom=1.45)
    ax.set_axis_off()


def draw_map(ax):
    for place, label, colour in zip(home, model.classes_, COLOURS, strict=True):
        ax.axvline(place, color=colour, linewidth=1.2, alpha=0.6)
        ax.scatter(place, 0, marker="D", s=150, c="white", edgecolors=colour, zorder=9)
        ax.text(place, 0, str(label), ha="center", va="center_baseline", zorder=10)
    ax.scatter(longitude, height, c=np.take(COLOURS, code), s=12, alpha=0.7, linewidths=0)
    wrong = digit != digit_test
    ax.scatter(longitude[wrong], height[wrong], s=40, facecolors="none", edgecolors="black")
    ax.set(xlim=(-180, 180), ylim=(-1, 1), xlabel="direction around the axis, degrees")
    ax.set_xticks(np.arange(-180, 181, 60))
    ax.set_yticks(np.linspace(-1, 1, 5), ["0", "45", "90", "135", "180"])
    ax.set_ylabel("angle, degrees (height)")
    ax.set_title("unrolled; rings mark digits taken for another", fontsize=10)


code = np.searchsorted(model.classes_, digit_test)
figure = plt.figure(figsize=(12, 5.2))
grid = figure.add_gridspec(1, 2, width_ratios=[1, 1.35])
draw_sphere(figure.add_subplot(grid[0], projection="3d"))
draw_map(figure.add_subplot(grid[1]))
figure.suptitle("Test digits on the sphere: height is the angle, direction the digit")

# %%
# Predicted against true angle
# ----------------------------
# On the left every test picture, on the right two of each digit with what the network says about
# them. The table on `rotated digits <../benchmarks/joint.html>`_ compares one network with two.

figure = plt.figure(figsize=(12, 4.8))
left, right = figure.subfigures(1, 2, width_ratios=[1, 1.2])
ax = left.add_subplot()
ax.plot([0, 180], [0, 180], color="#888888", linewidth=1)
for k, label in enumerate(model.classes_):
    rows = code == k
    ax.scatter(
        angle_test[rows], angle[rows], c=COLOURS[k], s=12, alpha=0.7, linewidths=0, label=label
    )
ticks = np.arange(0, 181, 45)
ax.set(xlim=(-3, 183), ylim=(-3, 183), xticks=ticks, yticks=ticks, aspect="equal")
ax.set(xlabel="true angle, degrees", ylabel="predicted angle, degrees")
ax.legend(title="digit", markerscale=2)
shown = np.transpose([np.flatnonzero(code == k)[[5, 50]] for k in range(len(model.classes_))])
for ax, row in zip(right.subplots(2, 5).flat, shown.flat, strict=True):
    ax.imshow(X_test[row].reshape(8, 8), cmap="gray_r", interpolation="bilinear")
    ax.set_title(
        f"{digit[row]}, {angle[row]:.0f}°\n(true: {digit_test[row]}, {angle_test[row]:.0f}°)",
        fontsize=10,
        loc="center",
    )
    ax.set_axis_off()
plt.show()
