"""
Can classes be added after training?
====================================

A classifier learns seven digits. Three more come later, with 1, 5 or 20 pictures of each. They get
prototypes without training, or claim reserved prototypes and are trained for a few epochs. This
example shows where they end up on the sphere, and what that costs the others.
"""

from copy import deepcopy

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.patheffects import withStroke
from sklearn.datasets import load_digits
from sklearn.utils import shuffle

from sphereskl import HypersphericalPrototypeClassifier
from sphereskl.display import PrototypeDisplay

plt.style.use("sphereskl.display.gallery")
torch.set_num_threads(1)

# %%
# Seven digits first
# ------------------
# 2, 5 and 9 stay away for now. ``n_reserved=3`` places ten prototypes instead of seven; the loss
# keeps digits away from the three that nobody has claimed.

X, y = shuffle(*load_digits(return_X_y=True), random_state=0)
LATER = [2, 5, 9]
X_train, X_test, y_train, y_test = X[:900], X[900:], y[:900], y[900:]
is_base, is_base_test = ~np.isin(y_train, LATER), ~np.isin(y_test, LATER)

clf = HypersphericalPrototypeClassifier(n_reserved=3, random_state=0)
clf.fit(X_train[is_base], y_train[is_base])
accuracy = clf.score(X_test[is_base_test], y_test[is_base_test])
print(f"{len(clf.prototypes_)} prototypes, {len(clf.reserved_prototypes_)} reserved")
print(f"accuracy {accuracy:.3f} on the seven digits")


def few(n, draw):
    """Return the rows of a draw: n of every digit."""
    rng = np.random.default_rng(draw)
    return np.concatenate([rng.permutation(np.flatnonzero(y_train == k))[:n] for k in range(10)])


# %%
# Two ways to go on
# -----------------
# `add_classes` takes a few pictures of the new digits and nothing else. `partial_fit` trains: it
# needs as many pictures of each old digit, or the network forgets those. A low learning rate and
# twenty passes are enough.


def added(model, rows):
    """A copy that was shown the new digits among the rows, without training."""
    new = rows[~is_base[rows]]
    return deepcopy(model).add_classes(X_train[new], y_train[new])


def trained(model, rows):
    """A copy whose new digits claim reserved prototypes, and learn to go there."""
    model = deepcopy(model).set_params(lr=1e-3)
    for _ in range(20):
        model.partial_fit(X_train[rows], y_train[rows])
    return model


# %%
# Where do the new digits go?
# ---------------------------
# The embeddings of a second network, of three dimensions, can be drawn completely. The sphere is
# unrolled around the place where the new digits are, so that equal areas stay equal; the rim is the
# opposite point. Grey dots are the seven digits, stars are prototypes, and white stars are free.
#
# The network puts digits that it does not know between those it knows. `add_classes` leaves them
# there, and puts the prototype of a new digit in the middle of its pictures, where others are, too.
# With `partial_fit` each new digit claims a free prototype, and its pictures gather around it.

COLOURS = {2: "#0072b2", 5: "#d55e00", 9: "#009e73"}
MARKERS = {2: "o", 5: "^", 9: "s"}
# Offsets of labels from their stars, in points: some stars are close to each other.
NUDGES = {2: (-4, 11), 3: (-17, 4)}

small = HypersphericalPrototypeClassifier(embedding_dim=3, n_reserved=3, random_state=0)
small.fit(X_train[is_base], y_train[is_base])
centre = small.transform(X_test[~is_base_test]).mean(axis=0, keepdims=True)
# The direction of the centre, and two across.
sign, _, frame = np.linalg.svd(centre)
frame[0] *= sign[0, 0]


def unroll(points):
    """Lambert's azimuthal equal-area projection of the sphere onto the unit disc."""
    toward, *across = frame @ points.T
    return np.array(across) / np.sqrt(2 * (1 + toward).clip(1e-9))


def draw_stars(ax, points, labels, colours):
    for star, label, colour in zip(unroll(points).T, labels, colours, strict=True):
        ax.scatter(*star, marker="*", s=230, c=colour, edgecolors="black", zorder=3)
        text = ax.annotate(
            label, star, xytext=NUDGES.get(label, (6, 6)), textcoords="offset points", zorder=4
        )
        text.set(
            fontsize=14, weight="bold", path_effects=[withStroke(linewidth=3, foreground="white")]
        )


def draw_map(ax, model, title):
    for degrees in (45, 90, 135, 180):
        radius, shade = np.sin(np.radians(degrees / 2)), "0.6" if degrees == 180 else "0.9"
        ax.add_patch(plt.Circle((0, 0), radius, fill=False, color=shade))
    places = unroll(model.transform(X_test))
    ax.scatter(*places[:, is_base_test], c="0.75", s=9, linewidths=0)
    for digit in LATER:
        chosen = places[:, y_test == digit]
        ax.scatter(*chosen, c=COLOURS[digit], marker=MARKERS[digit], s=17, alpha=0.75, linewidths=0)
    n_free = len(model.reserved_prototypes_)
    draw_stars(ax, model.reserved_prototypes_, [""] * n_free, ["white"] * n_free)
    colours = [COLOURS.get(digit, "0.4") for digit in model.classes_]
    draw_stars(ax, model.prototypes_, model.classes_, colours)
    ax.set(xlim=(-1.02, 1.02), ylim=(-1.02, 1.02), aspect="equal")
    ax.set_title(title, fontsize=13)
    ax.set_axis_off()


rows = few(20, draw=0)
figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 5.6))
draw_map(left, added(small, rows), "add_classes: no picture moves")
draw_map(right, trained(small, rows), "partial_fit: three prototypes are claimed")
handles = [
    plt.Line2D([], [], color=COLOURS[digit], marker=MARKERS[digit], linestyle="", label=f"{digit}")
    for digit in LATER
]
style = {"frameon": False, "ncols": 3, "fontsize": 12, "title_fontsize": 12}
figure.legend(
    handles=handles, title="came later, with 20 pictures", loc="outside lower center", **style
)
plt.show()

# %%
# How many are found, and at what cost?
# -------------------------------------
# The first network again, of 64 dimensions; means over two draws of the few rows. Dashed is what
# a network reaches that was given all training rows of all ten digits from the start.

shots, n_draws = [1, 5, 20], 2
found = {}
for name, learn in {"add_classes": added, "partial_fit": trained}.items():
    for n in shots:
        models = [learn(clf, few(n, draw)) for draw in range(n_draws)]
        hits = np.mean([model.predict(X_test) == y_test for model in models], axis=0)
        found[name, n] = hits[is_base_test].mean(), hits[~is_base_test].mean()
        old, new = found[name, n]
        print(f"{name:12} {n:3} rows of each: old digits {old:.3f}, new digits {new:.3f}")

only_new = trained(clf, rows[~is_base[rows]])
old, new = (only_new.score(X_test[k], y_test[k]) for k in (is_base_test, ~is_base_test))
print(f"{'the same without old digits':29} old digits {old:.3f}, new digits {new:.3f}")

full = HypersphericalPrototypeClassifier(random_state=0).fit(X_train, y_train)
hit = full.predict(X_test) == y_test
ceiling = hit[is_base_test].mean(), hit[~is_base_test].mean()
print(f"{'fit on all':29} old digits {ceiling[0]:.3f}, new digits {ceiling[1]:.3f}")

figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True)
for k, (ax, title) in enumerate(zip(axes, ["the seven old digits", "2, 5 and 9"], strict=True)):
    for name, style in {"add_classes": "o-", "partial_fit": "s-"}.items():
        ax.plot(shots, [found[name, n][k] for n in shots], style, label=name)
    ax.axhline(ceiling[k], color="0.4", linestyle="--", linewidth=1, label="fit on all rows")
    ax.set(xscale="log", title=title, xlabel="rows of each new digit", ylim=(0, 1.03))
    ax.set_xticks(shots, shots)
    ax.minorticks_off()
axes[0].set_ylabel("accuracy")
axes[0].legend(frameon=False, loc="lower left")
plt.show()

# %%
# How far apart are the prototypes?
# ---------------------------------
# Added prototypes stand between others, at cosines that tell which digits the new one resembles for
# this network. Claimed prototypes are as far from all others as those are from each other: they
# were placed before training.

figure, axes = plt.subplots(1, 2, figsize=(12, 5))
for ax, learn, name in zip(axes, (added, trained), ("add_classes", "partial_fit"), strict=True):
    PrototypeDisplay.from_estimator(learn(clf, rows), ax=ax)
    ax.set_title(f"{name}: {ax.get_title(loc='left')}")
plt.show()

# %%
# When not
# --------
# - `add_classes` tells a new digit apart only as far as what tells the old ones apart will do.
#   Fewer than half are found here, and more pictures hardly help: the network does not change.
# - `partial_fit` without rows of the old digits forgets them.
# - With all rows at hand, and time, a new fit is better than either; the table on
#   `classes that come later <../benchmarks/new_classes.html>`_ says by how much.
