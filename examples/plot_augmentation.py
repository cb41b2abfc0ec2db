"""
When is augmentation worth it?
==============================

Augmentation changes every training picture a little in every epoch. A network then sees more
pictures than there are. This example trains on 100 to 800 handwritten digits, with and without
shifts by one pixel, and gives both the same number of steps.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sphereskl import ConvNet, HypersphericalPrototypeClassifier, ImageAugmentation

plt.style.use("sphereskl.display.gallery")
torch.set_num_threads(1)
X, y = load_digits(return_X_y=True)
X_pool, X_test, y_pool, y_test = train_test_split(X, y, train_size=800, stratify=y, random_state=0)

# %%
# What the network sees
# ---------------------
# A digit may be shifted by a pixel in either direction, which is an eighth of its width. What comes
# in at the border is a reflection. A digit must not be mirrored: a mirrored 3 is no digit.

augmentation = ImageAugmentation(mirror=None, shift=1)
generator = torch.Generator().manual_seed(0)
images = torch.from_numpy(X_pool[:4].reshape(-1, 1, 8, 8))
nobody = torch.zeros(len(images), dtype=torch.bool)
epochs = [augmentation.change(images, nobody, epoch, generator) for epoch in range(7)]
figure, axes = plt.subplots(4, 8, figsize=(9, 4.8))
for column, batch in enumerate(torch.stack([images, *epochs]).numpy()):
    axes[0, column].set_title(f"epoch {column}" if column else "original", loc="center")
    for ax, image in zip(axes[:, column], batch, strict=True):
        ax.imshow(image[0], cmap="gray_r")
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(True)
        ax.spines[:].set_color("C1" if not column else "0.8")
plt.show()

# %%
# Accuracy against the number of digits
# -------------------------------------
# The test digits are predicted twice: as they are, and shifted by one pixel to the left or to the
# right, as an imprecise scanner might.


def shifted(X):
    """Rows of digits, shifted by a pixel to the left or to the right."""
    images = X.reshape(-1, 8, 8)
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1)))
    to_left = np.random.default_rng(0).random(len(X)) < 0.5
    return np.where(to_left[:, None, None], padded[..., 2:], padded[..., :-2]).reshape(len(X), -1)


def accuracies(augmentation, n):
    """Accuracy on test digits as they are, and shifted, after training on n digits."""
    clf = HypersphericalPrototypeClassifier(
        backbone=ConvNet(widths=(16, 32), n_blocks=1, dropout=0.0),
        input_shape=(8, 8),
        augmentation=augmentation,
        max_epochs=max(40, 16_000 // n),
        random_state=0,
    )
    clf.fit(X_pool[:n], y_pool[:n])
    return clf.score(X_test, y_test), clf.score(shifted(X_test), y_test)


SIZES = [100, 200, 400, 800]
kinds = {"with shifts": augmentation, "without": None}
found = {name: np.array([accuracies(kind, n) for n in SIZES]) for name, kind in kinds.items()}
print(f"{'':12}{'test digits':14}" + "".join(f"{n:>7}" for n in SIZES))
for name, scores in found.items():
    for title, row in zip(("as they are", "shifted"), scores.T, strict=True):
        print(f"{name:12}{title:14}" + "".join(f"{score:7.3f}" for score in row))

# %%
# The same on logarithmic axes, where a distance is a factor. Digits of this data set are centred.
# If new ones are, too, shifts do not help, and cost one to two points of accuracy. If new ones are
# a pixel off, the network without shifts makes three to five times as many errors.

figure, axes = plt.subplots(1, 2, figsize=(10, 4.4), sharey=True)
for k, (ax, title) in enumerate(zip(axes, ("as they are", "shifted"), strict=True)):
    for (name, scores), style in zip(found.items(), ("o-", "s--"), strict=True):
        error = 100 * (1 - scores[:, k])
        ax.plot(SIZES, error, style)
        ax.annotate(
            name, (SIZES[-1], error[-1]), xytext=(9, 0), textcoords="offset points",
            va="center", color=ax.lines[-1].get_color(), weight="bold",
        )  # fmt: skip
    ax.set(xscale="log", yscale="log", xlim=(90, 1700), xlabel="training digits")
    ax.set_title(f"Test digits {title}")
    ax.set_xticks(SIZES, SIZES)
    ax.set_yticks([1, 2, 5, 10, 20, 50], [1, 2, 5, 10, 20, 50])
    ax.minorticks_off()
    ax.grid()
axes[0].set_ylabel("errors, percent")
plt.show()

# %%
# When not
# --------
# Augmentation says what does not matter for the label. If that is wrong, it hurts: do not mirror
# letters, and do not turn digits upside down. A network also learns more slowly from pictures that
# change. ``augmentation__shift`` is a parameter like any other: let a search decide.
