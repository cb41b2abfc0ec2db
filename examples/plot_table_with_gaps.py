"""
Can a table with categories and missing values go in as it is?
==============================================================

Real tables mix numbers, words and empty cells. `HypersphericalPrototypeClassifier` reads a data
frame without preprocessing, as scikit-learn's histogram-based gradient boosting does. This example
compares the two while more and more cells go missing.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from sphereskl import HypersphericalPrototypeClassifier

plt.style.use("sphereskl.display.gallery")
torch.set_num_threads(1)

# %%
# The table
# ---------
# The measurements are real, the form of the table is made. Of the breast cancer data we keep the
# ten mean values of each tumour. Four of them are replaced by words, each for a quarter of the
# rows. Cells are then removed at random, so that a gap says nothing about the tumour.

cancer = load_breast_cancer(as_frame=True)
numbers = cancer.data.filter(like="mean ").rename(columns=lambda name: name.removeprefix("mean "))
diagnosis = cancer.target_names[cancer.target]
WORDS = ["low", "moderate", "high", "very high"]
IN_WORDS = ["texture", "smoothness", "symmetry", "concavity"]
table = numbers.assign(**{name: pd.qcut(numbers[name], 4, labels=WORDS) for name in IN_WORDS})


def with_gaps(table, share):
    """A copy of the table that lacks a share of its cells."""
    return table.mask(np.random.default_rng(0).random(table.shape) < share)


shown = ["radius", "texture", "area", "smoothness", "symmetry"]
print(with_gaps(table, 0.4)[shown].head(6).to_string(na_rep="-"))
print("\ntypes:", ", ".join(f"{name} {table[name].dtype}" for name in shown[:2]))

# %%
# No preprocessing
# ----------------
# Both models are told nothing but the frame. Each row is predicted by a model that was not trained
# on it, in five-fold cross-validation.

models = {
    "HypersphericalPrototypeClassifier": HypersphericalPrototypeClassifier(random_state=0),
    "HistGradientBoostingClassifier": HistGradientBoostingClassifier(
        categorical_features="from_dtype", random_state=0
    ),
}
SHARES = [0.0, 0.2, 0.4, 0.6]
folds = StratifiedKFold(5, shuffle=True, random_state=0)
errors, loss = {}, {}
print(f"{'missing cells':>13}  {'model':34} {'errors':>8} {'log loss':>8}")
for share in SHARES:
    X = with_gaps(table, share)
    for name, model in models.items():
        proba = cross_val_predict(model, X, diagnosis, cv=folds, method="predict_proba")
        label = np.unique(diagnosis)[proba.argmax(axis=1)]
        wrong, surprise = np.mean(label != diagnosis), log_loss(diagnosis, proba)
        errors[name, share], loss[name, share] = 100 * wrong, surprise
        print(f"{share:13.0%}  {name:34} {wrong:8.1%} {surprise:8.3f}")

# %%
# What gaps cost
# --------------
# Lower is better in both pictures. The log loss also counts how sure a model was: it is large where
# a model is wrong with confidence.

figure, axes = plt.subplots(1, 2, figsize=(10, 4.4))
for ax, measured in zip(axes, (errors, loss), strict=True):
    for name, style in zip(models, ("o-", "s--"), strict=True):
        ax.plot(SHARES, [measured[name, share] for share in SHARES], style, label=name)
    ax.set(xlabel="missing cells, percent", xticks=SHARES, xlim=(-0.03, 0.63))
    ax.set_xticklabels([f"{100 * share:.0f}" for share in SHARES])
    ax.grid(axis="y")
axes[0].set(title="Wrong diagnoses", ylabel="errors, percent", ylim=(0, None))
axes[1].set(title="Log loss", ylabel="log loss, nats", ylim=(0, None))
axes[0].legend(loc="lower right")
plt.show()

# %%
# One table with values missing at random proves little about others. The page on
# `tables <../benchmarks/tables.html>`_ measures both models on real tables with their own gaps.
