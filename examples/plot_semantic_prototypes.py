"""
What does it cost to place similar classes close together?
==========================================================

Prototypes placed for separation alone treat all classes alike: a lion is as far from a tiger as
from a lorry. If the similarity of classes is known, from word vectors of their names or from a
table of costs, similar classes can get neighbouring prototypes. These are then less far apart. This
example measures the exchange rate.
"""

# %%
# Sixty classes in ten groups
# ---------------------------
# Vectors of classes as word vectors of their names might be: what a group has in common,
# and what is a class's own.
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sphereskl import MLP, HypersphericalPrototypeClassifier
from sphereskl.display import PrototypeDisplay
from sphereskl.geometry import (
    max_cosine,
    place_prototypes,
    place_ranked,
    place_semantic,
    similarity_from_vectors,
    triplet_accuracy,
)

plt.style.use("sphereskl.display.gallery")
torch.set_num_threads(1)

rng = np.random.default_rng(0)
groups = np.repeat(rng.normal(size=(10, 50)), 6, axis=0)
similarity = similarity_from_vectors(groups + 0.8 * rng.normal(size=(60, 50)))

# %%
# The exchange rate
# -----------------
# ``max_cosine`` limits how close the closest pair may be. Triplet accuracy is the share of all
# statements "i is more like j than like k" that the prototypes repeat; 0.5 is chance. For
# comparison, crosses are the published recipe, which adds a separation loss and a rank loss, at two
# weights.

figure, ax = plt.subplots(figsize=(8, 4.8))


def draw(placed, style, **text):
    """Draw a line of placements, and its name."""
    curve = np.array([(max_cosine(p), triplet_accuracy(p, similarity)) for p in placed])
    ax.plot(*curve.T, style, color=text["color"], markersize=8)
    at = curve[-1] if style == "o-" else curve.mean(axis=0)
    ax.annotate(xy=at, textcoords="offset points", weight="bold", **text)


for embedding_dim, color in ((30, "C0"), (15, "C1")):
    optimum = max_cosine(place_prototypes(60, embedding_dim, effort="fast", random_state=0))
    reached = [
        place_semantic(similarity, embedding_dim, max_cosine=optimum + room, random_state=0)
        for room in (0.0, 0.1, 0.3)
    ]
    name = f"place_semantic, d = {embedding_dim}"
    draw(reached, "o-", text=name, color=color, xytext=(10, -4))
    reached = [
        place_ranked(similarity, embedding_dim, rank_weight=w, n_steps=60, random_state=0)
        for w in (3.0, 30.0)
    ]
    side = {"xytext": (-8, 8), "ha": "right"} if embedding_dim == 30 else {"xytext": (8, -16)}
    draw(reached, "x:", text=f"published, d = {embedding_dim}", color=color, **side)
ax.set(
    xlabel="largest cosine of two prototypes (lower is better separated)",
    ylabel="triplet accuracy",
    title="Meaning against separation, sixty classes",
    xlim=(-0.05, 1.05),
    ylim=(0.48, 1.0),
)
ax.grid()
plt.show()

# %%
# What the prototypes look like
# -----------------------------
# The cosines of all pairs, placed for separation alone and by meaning, with cosines up to 0.4:
# blocks are groups.

figure, axes = plt.subplots(1, 2, figsize=(12, 5))
for ax, name, placed in zip(
    axes,
    ("separation alone", "by meaning"),
    (place_prototypes(60, 30), place_semantic(similarity, 30, max_cosine=0.4, random_state=0)),
    strict=True,
):
    PrototypeDisplay.from_prototypes(placed, ax=ax)
    ax.set_title(f"{name}: largest cosine {max_cosine(placed):.2f}")
    ax.set(xlabel="class", ylabel="class")
plt.show()

# %%
# Digits that look alike
# ----------------------
# Similarities need not come from outside: here they are those of the mean images of the classes.
# The nearest prototypes then belong to digits that are easily confused. That orders the sphere by
# looks; it is no promise of a better score.

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
means = np.stack([X_train[y_train == digit].mean(axis=0) for digit in range(10)])
alike = similarity_from_vectors(means - means.mean(axis=0))
placements = {
    "separated": place_prototypes(10, 3, random_state=0),
    "by looks": place_semantic(alike, 3, random_state=0),
}
figure, axes = plt.subplots(1, 2, figsize=(10, 4.8), subplot_kw={"projection": "3d"})
for ax, (name, prototypes) in zip(axes, placements.items(), strict=True):
    classifier = HypersphericalPrototypeClassifier(
        backbone=MLP(n_members=2), prototypes=prototypes.numpy(), max_epochs=20, random_state=0
    ).fit(X_train, y_train)
    score = classifier.score(X_test, y_test)
    PrototypeDisplay.from_estimator(classifier, kind="sphere", ax=ax)
    order = triplet_accuracy(prototypes, alike)
    ax.set_title(f"{name}: triplet accuracy {order:.2f},\ntest accuracy {score:.3f}", loc="center")
    print(f"{name:>10}: triplet accuracy {order:.3f}, test accuracy {score:.3f}")

plt.show()
