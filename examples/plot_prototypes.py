"""
How many dimensions do the prototypes need?
===========================================

Prototypes are placed before training, as far apart as possible. More dimensions give them more
room; fewer give smaller embeddings. This example measures the smallest angle between ten
prototypes in 2 to 64 dimensions, and what it means for the accuracy on handwritten digits.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sphereskl import MLP, HypersphericalPrototypeClassifier
from sphereskl.display import PrototypeDisplay
from sphereskl.geometry import describe_placement, min_angle, place_prototypes

plt.style.use("sphereskl.display.gallery")
torch.set_num_threads(1)

# %%
# Two placements
# --------------
# `place_prototypes` returns a closed form where the best placement is known, and searches
# otherwise. Random directions are the baseline. In three dimensions the difference is visible:
# some random directions nearly coincide.

placements = {
    "placed": place_prototypes(10, 3, random_state=0),
    "random": place_prototypes(10, 3, method="random", random_state=0),
}
figure, axes = plt.subplots(1, 2, figsize=(9, 4.6), subplot_kw={"projection": "3d"})
for ax, (name, prototypes) in zip(axes, placements.items(), strict=True):
    PrototypeDisplay.from_prototypes(prototypes, kind="sphere", ax=ax)
    closest = np.degrees(min_angle(prototypes))
    ax.set_title(f"{name}: closest pair at {closest:.0f}°", loc="center")
plt.show()

# %%
# Separation
# ----------
# `describe_placement` compares a placement with the best one known. From nine dimensions on, ten
# prototypes form a regular simplex: every pair is 96° apart, and no placement does better.

DIMENSIONS = [2, 3, 4, 5, 6, 8, 9, 16, 32, 64]
placed, random = [], []
print(f"{'dimensions':>10} {'placed':>8} {'random':>8}  compared with")
for d in DIMENSIONS:
    report = describe_placement(place_prototypes(10, d, random_state=0))
    draws = [place_prototypes(10, d, method="random", random_state=seed) for seed in range(50)]
    placed.append(np.degrees(report.min_angle))
    random.append(np.degrees([min_angle(draw) for draw in draws]))
    middle = np.median(random[-1])
    print(f"{d:10} {placed[-1]:7.1f}° {middle:7.1f}°  {report.reference_kind}: {report.gap:+.0e}")

# %%
# Accuracy
# --------
# A third of the digits is trained on, the rest is predicted. The same network is fitted three times
# for each number of dimensions and each placement.

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=600, stratify=y, random_state=0
)
FITTED, SEEDS = [2, 3, 5, 9, 64], range(3)


def accuracies(method, embedding_dim):
    """Accuracy on test digits for every seed."""
    clf = HypersphericalPrototypeClassifier(
        backbone=MLP(n_members=1), embedding_dim=embedding_dim, prototypes=method, max_epochs=20
    )
    return [
        clf.set_params(random_state=seed).fit(X_train, y_train).score(X_test, y_test)
        for seed in SEEDS
    ]


scores = {name: [accuracies(name, d) for d in FITTED] for name in ("auto", "random")}
print(f"\n{'dimensions':>10} {'placed':>8} {'random':>8}   mean accuracy of three fits")
for row in zip(FITTED, *(np.mean(found, axis=1) for found in scores.values()), strict=True):
    print("{:10} {:8.3f} {:8.3f}".format(*row))

# %%
# The band holds nine of ten random placements; on the right, small dots are single fits. Placed
# prototypes are far apart in few dimensions already. Random ones need many.

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4))
left.fill_between(DIMENSIONS, *np.percentile(random, [5, 95], axis=1), color="C1", alpha=0.2, lw=0)
left.plot(DIMENSIONS, np.median(random, axis=1), "s--", color="C1")
left.plot(DIMENSIONS, placed, "o-", color="C0")
left.text(2.2, 80, "placed", color="C0", weight="bold")
left.text(6, 14, "random", color="C1", weight="bold")
left.set(title="Smallest angle between ten prototypes", ylabel="angle, degrees", ylim=(0, 105))
for (name, found), style in zip(scores.items(), ("o-", "s--"), strict=True):
    color = "C0" if name == "auto" else "C1"
    right.plot(FITTED, np.mean(found, axis=1), style, color=color)
    right.plot(FITTED, found, style[0], color=color, alpha=0.5, markersize=4)
right.set(title="Accuracy on digits not trained on", ylabel="accuracy", ylim=(None, 1))
for ax in (left, right):
    ax.set(xscale="log", xlabel="dimensions of the embedding")
    ax.set_xticks([2, 3, 5, 9, 16, 32, 64], [2, 3, 5, 9, 16, 32, 64])
    ax.minorticks_off()
    ax.grid(axis="y")
plt.show()

# %%
# Which number to choose
# ----------------------
# The default is 64 dimensions, or one for each class if there are more than 64. Choose fewer for
# small embeddings, or three to draw the sphere as it is. With few dimensions leave the placement to
# ``prototypes="auto"``.
