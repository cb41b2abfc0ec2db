"""
What changes if a network computes angles?
==========================================

A layer of an ordinary network computes inner products. A layer of a SphereNet computes functions of
the angle between filter and input, and ignores how long the input is. This example trains one
architecture in both ways, turns down the contrast of the pictures, and shows a table where length
does matter.
"""

# sphinx_gallery_thumbnail_number = 2

import time

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits, make_circles
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.model_selection import train_test_split
from torch import nn

from sphereskl import SphereMLP, SphereNetClassifier
from sphereskl.nn import angular, to_spherical

plt.style.use("sphereskl.display.gallery")
torch.set_num_threads(1)

# %%
# Functions of an angle
# ---------------------
# Where an ordinary layer computes an inner product, a spherical one computes g(θ), where θ is the
# angle between filter and input. All operators fall from 1 to -1. The sigmoid has a softness k:
# small values switch between two half-spaces, large ones are nearly a straight line.

theta = torch.linspace(0, torch.pi, 200)
figure, ax = plt.subplots(figsize=(7, 4))
for operator, k in (("linear", 0.3), ("cosine", 0.3), ("sigmoid", 0.3), ("sigmoid", 0.1)):
    label = operator if operator != "sigmoid" else f"sigmoid, k = {k}"
    ax.plot(theta.rad2deg().numpy(), angular(theta.cos(), operator, k).numpy(), label=label)
ax.set(xlabel="angle between filter and input, degrees", ylabel="output of the layer, g(θ)")
ax.set_xticks(range(0, 181, 45))
ax.grid()
ax.legend()
plt.show()

# %%
# One architecture, two networks
# ------------------------------
# `to_spherical` copies a network and replaces its convolutions. Everything else is the same: the
# initial weights, the optimiser, the learning rate and the number of epochs. The ordinary network
# is trained with the ordinary softmax, the other one with its counterpart for angles.


def ordinary(input_shape):
    """A small convolutional network."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 4 * 4, 64),
    )


def spherical(input_shape):
    """The same network of angles; its last layer makes the embedding."""
    return to_spherical(ordinary(input_shape), eps=1e-6)


options = {"input_shape": (8, 8), "max_epochs": 25, "random_state": 0}
models = {
    "ordinary": SphereNetClassifier(backbone=ordinary, loss="softmax", **options),
    "SphereNet": SphereNetClassifier(backbone=spherical, loss="w_softmax", **options),
}
X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16, y, train_size=600, stratify=y, random_state=0
)
for name, model in models.items():
    start = time.perf_counter()
    accuracy = model.fit(X_train, y_train).score(X_test, y_test)
    seconds = time.perf_counter() - start
    print(f"{name:10} accuracy {accuracy:.3f} on digits not trained on, fit in {seconds:.1f} s")

# %%
# Less contrast
# -------------
# Test digits are multiplied by a factor, as if the ink ran out. Neither network has seen such
# digits.

FACTORS = [1.0, 0.7, 0.5, 0.3, 0.2, 0.1]
accuracy = {
    name: [model.score(factor * X_test, y_test) for factor in FACTORS]
    for name, model in models.items()
}
print(f"{'contrast':10}" + "".join(f"{factor:8.0%}" for factor in FACTORS))
for name, scores in accuracy.items():
    print(f"{name:10}" + "".join(f"{score:8.3f}" for score in scores))

figure, ax = plt.subplots(figsize=(8, 4.4))
for (name, scores), style in zip(accuracy.items(), ("s--", "o-"), strict=True):
    ax.plot(FACTORS, scores, style)
    ax.annotate(
        name, (FACTORS[-1], scores[-1]), xytext=(10, 0), textcoords="offset points", va="center",
        color=ax.lines[-1].get_color(), weight="bold",
    )  # fmt: skip
ax.set(title="Digits not trained on", xlabel="contrast, percent", ylabel="accuracy")
ax.set(xscale="log", xlim=(1.05, 0.065), ylim=(0, 1.02))
ax.set_xticks(FACTORS, [f"{100 * factor:.0f}" for factor in FACTORS])
ax.minorticks_off()
ax.grid(axis="y")
plt.show()

# %%
# What they see
# -------------
# The same digit at every contrast, with the label and the probability that each network gives it.

row = int(np.flatnonzero(models["ordinary"].predict(0.1 * X_test) != y_test)[0])
series = np.outer(FACTORS, X_test[row])
figure, axes = plt.subplots(1, len(FACTORS), figsize=(10.5, 2.9))
said = {
    name: (model.predict(series), model.predict_proba(series)) for name, model in models.items()
}
for k, (ax, factor) in enumerate(zip(axes, FACTORS, strict=True)):
    ax.imshow(series[k].reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
    lines = [f"{name}: {label[k]} ({p[k].max():.0%})" for name, (label, p) in said.items()]
    ax.set_title(f"contrast {factor:.0%}", fontsize=11, loc="center")
    ax.set_xlabel("\n".join(lines), fontsize=9)
    ax.set(xticks=[], yticks=[])
plt.show()

# %%
# Where length matters
# --------------------
# Two rings differ in nothing but the length of their rows, which angles do not see. `SphereMLP`
# therefore appends a constant 1 to every row, so that a long row and a short one point in different
# directions. ``lift=False`` leaves that out.

X, y = make_circles(400, noise=0.05, factor=0.6, random_state=0)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
figure, axes = plt.subplots(1, 2, figsize=(9, 4.3))
for ax, lift in zip(axes, (False, True), strict=True):
    model = SphereNetClassifier(backbone=SphereMLP((64, 64), lift=lift), random_state=0)
    accuracy = model.fit(X_train, y_train).score(X_test, y_test)
    print(f"rings, lift={lift}: accuracy {accuracy:.3f} on points not trained on")
    DecisionBoundaryDisplay.from_estimator(
        model, X, response_method="predict_proba", ax=ax, cmap="PuOr", vmin=0, vmax=1, alpha=0.8
    )
    ax.scatter(*X_test.T, c=y_test, cmap="PuOr", edgecolors="white", s=26)
    ax.set(title=f"lift={lift}: accuracy {accuracy:.2f}", aspect="equal")
    ax.set(xlabel="first column", ylabel="second column")
plt.show()

# %%
# Choose a SphereNet where the length of the input is noise, such as the contrast of a picture, and
# an ordinary network where it carries the answer. The page on
# `images <../benchmarks/spherenet_images.html>`_ compares both on larger data.
