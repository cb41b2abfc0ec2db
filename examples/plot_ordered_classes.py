"""
How are classes predicted that have an order?
=============================================

Grades, stages and ratings are classes, but not all mistakes are equal. An ordinal classifier places
them along an arc, so that neighbours in the order are neighbours on the sphere. This example grades
wines by their strength and counts how far wrong grades are off.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sphereskl import HypersphericalOrdinalClassifier, HypersphericalPrototypeClassifier
from sphereskl.display import ArcDisplay

plt.style.use("sphereskl.display.gallery")
torch.set_num_threads(1)

# %%
# Four grades
# -----------
# The alcohol content of 178 wines is cut into four grades at 12.3, 13 and 13.6 % by volume. The
# other twelve measurements are left to predict the grade. Note the order of the labels: sorted by
# the alphabet, "strong" would come before "weak".

wine = load_wine()
alcohol = wine.data[:, wine.feature_names.index("alcohol")]
X = np.delete(wine.data, wine.feature_names.index("alcohol"), axis=1)
GRADES = np.array(["weak", "light", "medium", "strong"])
rank = np.digitize(alcohol, [12.3, 13.0, 13.6])
y = GRADES[rank]
print("wines:", ", ".join(f"{np.sum(y == grade)} {grade}" for grade in GRADES))

# %%
# Three classifiers
# -----------------
# One knows the order, two do not. ``prediction="median"`` predicts the grade with half of the
# probability on either side, which aims at small errors rather than at few. All wines are predicted
# in five-fold cross-validation.

models = {
    "ordinal": HypersphericalOrdinalClassifier(
        categories=GRADES, cost="squared", prediction="median", random_state=0
    ),
    "without the order": HypersphericalPrototypeClassifier(random_state=0),
    "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
}
folds = StratifiedKFold(5, shuffle=True, random_state=0)
by_rank = {grade: k for k, grade in enumerate(GRADES)}
predicted = {}
print(f"{'':20} accuracy  mean error  two or more off  kappa")
for name, model in models.items():
    labels = cross_val_predict(model, X, y, cv=folds)
    predicted[name] = np.array([by_rank[label] for label in labels])
    error = np.abs(predicted[name] - rank)
    kappa = cohen_kappa_score(rank, predicted[name], weights="quadratic")
    print(
        f"{name:20} {np.mean(error == 0):8.3f} {error.mean():11.3f} {np.sum(error > 1):16} "
        f"{kappa:6.3f}"
    )

# %%
# The mean error counts grades. Kappa with quadratic weights compares squared errors with those of
# chance; 1 is perfect. How errors spread:

figure, axes = plt.subplots(1, 3, figsize=(11, 4.2), sharey=True)
for ax, (name, found) in zip(axes, predicted.items(), strict=True):
    counts = np.zeros((4, 4), dtype=int)
    np.add.at(counts, (rank, found), 1)
    ax.imshow(counts, cmap="Blues", vmax=50)
    for (i, j), count in np.ndenumerate(counts):
        if count:
            shade = "white" if count > 28 else "black"
            ax.text(j, i, count, ha="center", va="center", color=shade)
    ax.set_xticks(range(4), GRADES)
    ax.set_yticks(range(4), GRADES)
    ax.set(title=name, xlabel="predicted grade")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
axes[0].set_ylabel("true grade")
plt.show()

# %%
# The arc
# -------
# The four prototypes lie on a half circle at equal angles. Each dot is a wine that was not trained
# on, at the place where its embedding points, in the colour of its true grade. A dot that differs
# from the band above it is an error.

train, test = next(StratifiedKFold(2, shuffle=True, random_state=0).split(X, y))
clf = models["ordinal"].fit(X[train], y[train])
display = ArcDisplay.from_estimator(clf, X[test], y[test])
display.ax_.set_title("89 wines at their predicted places, in the colour of the true grade")
plt.show()

# %%
# Which estimator?
# ----------------
# Grades are cut from numbers here, so that the order is beyond doubt. If you have the numbers,
# do not cut them: `HypersphericalRegressor` predicts values. The page on
# `classes in an order <../benchmarks/ordinal.html>`_ compares the models on eight data sets.
