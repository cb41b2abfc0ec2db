"""
What does a margin in the loss do?
==================================

Angular losses such as CosFace and ArcFace ask for more than the right label: the angle to the own
class has to be smaller than all others by a margin. This example measures what that does to the
angles of handwritten digits that were not trained on, and to the accuracy.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sphereskl import SphereCNN, SphereNetClassifier
from sphereskl.display import AngleDisplay

plt.style.use("sphereskl.display.gallery")
torch.set_num_threads(1)
X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=600, stratify=y, random_state=0
)


def fitted(loss, margin):
    """A small SphereNet, trained with a margin."""
    model = SphereNetClassifier(
        backbone=SphereCNN(depth=2, widths=(16, 32)),
        loss=loss,
        margin=margin,
        input_shape=(8, 8),
        max_epochs=20,
        random_state=0,
    )
    return model.fit(X_train, y_train)


# %%
# Margins of two losses
# ---------------------
# CosFace subtracts its margin from the cosine with the own class, ArcFace adds it to the angle.
# Both do so in training only: predictions are made without a margin. Without one, the two losses
# are the same.

MARGINS = {"cosface": [0.0, 0.25, 0.5], "arcface": [0.0, 0.4, 0.8]}
models = {(loss, m): fitted(loss, m) for loss, margins in MARGINS.items() for m in margins}


def angles(model):
    """Degrees from test digits to their own class, and to the nearest other one."""
    theta = np.degrees(np.arccos((model.transform(X_test) @ model.prototypes_.T).clip(-1, 1)))
    is_own = y_test[:, None] == model.classes_
    return theta[is_own], np.where(is_own, np.inf, theta).min(axis=1)


print("loss     margin  accuracy  own class  nearest other  (median degrees)")
middle = {}
for (loss, margin), model in models.items():
    middle[loss, margin] = np.median(angles(model), axis=1)
    own, other = middle[loss, margin]
    accuracy = model.score(X_test, y_test)
    print(f"{loss:8} {margin:6.2f} {accuracy:9.3f} {own:9.0f}° {other:13.0f}°")

# %%
# Without a margin the network stops once the own class is nearest. With one it goes on pulling
# digits towards their class.

figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), sharex=True, sharey=True)
for ax, margin in zip(axes, (0.0, 0.5), strict=True):
    AngleDisplay.from_estimator(models["cosface", margin], X_test, y_test, ax=ax)
    ax.set_title(f"CosFace, margin {margin:g}\n{ax.get_title(loc='left')}")
axes[1].set_ylabel("")
plt.show()

# %%
# What grows is the gap between the two angles.

figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
UNITS = {"cosface": "margin, in cosine", "arcface": "margin, in radians"}
for ax, (loss, margins) in zip(axes, MARGINS.items(), strict=True):
    own, other = np.transpose([middle[loss, margin] for margin in margins])
    ax.fill_between(margins, own, other, color="0.93")
    ax.plot(margins, other, "s--", color="C1")
    ax.plot(margins, own, "o-", color="C0")
    ax.text(margins[1], other[1] + 4, "to the nearest other class", color="C1", weight="bold")
    ax.text(margins[1], own[1] + 4, "to the own class", color="C0", weight="bold")
    ax.set(title={"cosface": "CosFace", "arcface": "ArcFace"}[loss], xlabel=UNITS[loss])
    ax.set(xticks=margins, ylim=(0, 95))
    ax.grid(axis="y")
axes[0].set_ylabel("median angle of test digits, degrees")
plt.show()

# %%
# When is it worth it?
# --------------------
# A margin makes classes tighter, which helps where embeddings are compared with each other, as in
# verification and retrieval. It makes training harder, and it need not raise the accuracy. The page
# on `losses <../benchmarks/spherenet_losses.html>`_ has numbers on more data.
