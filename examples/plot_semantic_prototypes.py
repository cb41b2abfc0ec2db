"""
What does it cost to let similar classes stand close together?
==============================================================

Prototypes placed for separation alone treat all classes alike: a lion is as far from a
tiger as from a lorry. If something is known about how classes resemble each other (word
vectors of their names, a table of what mistakes cost), the prototypes can say so. They then
cannot be as far apart as possible. This example measures the exchange rate.
"""

# %%
# A hundred classes in ten groups
# -------------------------------
# Vectors of classes as word vectors of their names might be: what a group has in common,
# and what is a class's own.
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sphereskl import HypersphericalPrototypeClassifier
from sphereskl.display import PrototypeDisplay
from sphereskl.geometry import (
    max_cosine,
    place_prototypes,
    place_ranked,
    place_semantic,
    similarity_from_vectors,
    triplet_accuracy,
)

rng = np.random.default_rng(0)
groups = np.repeat(rng.normal(size=(10, 50)), 10, axis=0)
similarity = similarity_from_vectors(groups + 0.8 * rng.normal(size=(100, 50)))

# %%
# The exchange rate
# -----------------
# ``max_cosine`` is what the closest pair may cost. Triplet accuracy is the share of all
# "i is more like j than like k" that the prototypes repeat: 0.5 is chance. For comparison
# the published recipe, which adds a separation loss and a rank loss, at several weights.
fig, ax = plt.subplots(figsize=(6.5, 4.2), layout="constrained")
for embedding_dim, color in ((50, "C0"), (25, "C1")):
    optimum = max_cosine(place_prototypes(100, embedding_dim, effort="fast", random_state=0))
    reached = [
        place_semantic(similarity, embedding_dim, max_cosine=optimum + room, random_state=0)
        for room in (0.0, 0.03, 0.1, 0.3)
    ]
    curve = [(max_cosine(p), triplet_accuracy(p, similarity)) for p in reached]
    ax.plot(*zip(*curve, strict=True), "o-", color=color, label=f"semantic, d = {embedding_dim}")
    reached = [
        place_ranked(similarity, embedding_dim, rank_weight=w, n_steps=60, random_state=0)
        for w in (3.0, 30.0)
    ]
    curve = [(max_cosine(p), triplet_accuracy(p, similarity)) for p in reached]
    ax.plot(*zip(*curve, strict=True), "x:", color=color, label=f"published, d = {embedding_dim}")
ax.set(
    xlabel="max cosine of two prototypes (less is better separated)",
    ylabel="triplet accuracy",
    title="Meaning against separation, 100 classes",
)
ax.legend(fontsize=8, ncols=2, loc="lower right")
ax.grid(alpha=0.3)

# %%
# What the prototypes look like
# -----------------------------
# The same cosines before and after: blocks are groups.
fig, axes = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
PrototypeDisplay.from_prototypes(place_prototypes(100, 50), ax=axes[0])
PrototypeDisplay.from_prototypes(place_semantic(similarity, 50, random_state=0), ax=axes[1])

# %%
# Digits that look alike
# ----------------------
# Similarities need not come from outside: here, the mean images of the classes. The nearest
# prototypes then belong to digits that are easily mistaken for each other. That orders the
# sphere by looks; it is no promise of a better score.
X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
means = np.stack([X_train[y_train == digit].mean(axis=0) for digit in range(10)])
alike = similarity_from_vectors(means - means.mean(axis=0))
placements = {
    "separated": place_prototypes(10, 3, random_state=0),
    "by looks": place_semantic(alike, 3, random_state=0),
}
fig, axes = plt.subplots(
    1, 2, figsize=(10, 4.8), layout="constrained", subplot_kw={"projection": "3d"}
)
torch.set_num_threads(1)
for ax, (name, prototypes) in zip(axes, placements.items(), strict=True):
    classifier = HypersphericalPrototypeClassifier(
        prototypes=prototypes.numpy(), max_epochs=20, random_state=0
    ).fit(X_train, y_train)
    score = classifier.score(X_test, y_test)
    PrototypeDisplay.from_estimator(classifier, kind="sphere", ax=ax)
    order = triplet_accuracy(prototypes, alike)
    ax.set_title(f"{name}: triplet accuracy {order:.2f}, test accuracy {score:.3f}")
    print(f"{name:>10}: triplet accuracy {order:.3f}, test accuracy {score:.3f}")

plt.show()
