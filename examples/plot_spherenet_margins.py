"""
What do angles see, and what does a margin do to them?
======================================================

Every layer of a SphereNet looks at angles alone. Three pictures: the functions of an angle that
its layers can compute, why a table needs one more coordinate, and what a margin in the loss does
to the angles between digits and the directions of their classes.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits, make_circles
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.model_selection import train_test_split

from sphereskl import SphereCNN, SphereMLP, SphereNetClassifier
from sphereskl.nn import angular

# %%
# Functions of an angle
# ---------------------
# Where an ordinary layer computes an inner product, a spherical one computes g(theta), theta being
# the angle between filter and input. All operators fall from 1 to -1; the sigmoid has a softness
# k, from a switch between two half-spaces to nearly a straight line.

theta = torch.linspace(0, torch.pi, 200)
fig, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
for operator, k in (("cosine", 0.3), ("linear", 0.3), ("sigmoid", 0.1), ("sigmoid", 0.3)):
    label = operator if operator != "sigmoid" else f"sigmoid, k = {k}"
    ax.plot(theta.rad2deg(), angular(theta.cos(), operator, k), label=label)
ax.set(xlabel="angle, degrees", ylabel="g", xticks=range(0, 181, 45))
ax.legend()

# %%
# Length matters in a table
# -------------------------
# Two rings differ in nothing but the length of their rows, which angles do not see: without help,
# whole rays from the middle look alike. `lift` appends a constant 1 to each row, so that a long
# row and a short one point in different directions. It is the default.

X, y = make_circles(400, noise=0.05, factor=0.6, random_state=0)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
fig, axes = plt.subplots(1, 2, figsize=(8, 4), layout="constrained")
for ax, lift in zip(axes, (False, True), strict=True):
    network = SphereMLP((64, 64), lift=lift)
    model = SphereNetClassifier(backbone=network, random_state=0).fit(X_train, y_train)
    accuracy = model.score(X_test, y_test)
    print(f"rings, lift={lift}: {accuracy:.1%} of new points right")
    DecisionBoundaryDisplay.from_estimator(
        model, X, response_method="predict_proba", ax=ax, cmap="PuOr", vmin=0, vmax=1, alpha=0.8
    )
    ax.scatter(*X_test.T, c=y_test, cmap="PuOr", edgecolors="black", s=20)
    ax.set_title(f"lift={lift}: {accuracy:.0%}")
    ax.set_aspect("equal")

# %%
# What a margin does
# ------------------
# CosFace asks that the cosine with the own class exceeds all others by a margin. Half of the
# digits are trained on, the other half is measured: the angle to the direction of the own class,
# and to the nearest other one. Predictions never see the margin; they are better or worse only
# by what the network learned from it.

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0, stratify=y)
fig, axes = plt.subplots(1, 2, figsize=(8, 3.5), sharex=True, sharey=True, layout="constrained")
for ax, margin in zip(axes, (0.0, 0.5), strict=True):
    model = SphereNetClassifier(
        backbone=SphereCNN(depth=2, widths=(16, 32)),
        loss="cosface",
        margin=margin,
        input_shape=(8, 8),
        max_epochs=20,
        random_state=0,
    ).fit(X_train, y_train)
    cosines = model.transform(X_test) @ model.prototypes_.T
    angles = np.degrees(np.arccos(np.clip(cosines, -1, 1)))
    rows = np.arange(len(y_test))
    own = angles[rows, y_test]
    angles[rows, y_test] = np.inf
    other = angles.min(axis=1)
    print(
        f"digits, margin {margin}: {model.score(X_test, y_test):.1%} right, "
        f"{np.median(own):.0f} degrees to the own class, {np.median(other):.0f} to the next"
    )
    bins = np.arange(0, 121, 4)
    ax.hist(own, bins, alpha=0.7, label="own class")
    ax.hist(other, bins, alpha=0.7, label="nearest other")
    ax.set(title=f"margin {margin}", xlabel="angle, degrees")
axes[0].set_ylabel("digits")
axes[0].legend()
plt.show()
