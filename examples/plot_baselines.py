"""
How does it compare with scikit-learn's classifiers?
====================================================

Accuracy, log loss and fit time of five classifiers on three data sets, each with its defaults and
on the same folds. Two of them are networks of this package: with the default loss, and with an
ordinary softmax on the same network.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_validate
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sphereskl import HypersphericalPrototypeClassifier

plt.style.use("sphereskl.display.gallery")
torch.set_num_threads(1)

# %%
# Five classifiers
# ----------------
# ``loss="logits"`` keeps the norm of embeddings, as an ordinary network does, and trains with
# softmax cross-entropy; all else is the same. The scaler is there for the baselines: networks of
# this package standardise by themselves.

models = {
    "sphere": HypersphericalPrototypeClassifier(random_state=0),
    "sphere, softmax": HypersphericalPrototypeClassifier(loss="logits", random_state=0),
    "MLPClassifier": MLPClassifier(max_iter=500, random_state=0),
    "boosting": HistGradientBoostingClassifier(random_state=0),
    "logistic": LogisticRegression(max_iter=1000),
}
data = {
    "digits": [array[::3] for array in load_digits(return_X_y=True)],
    "breast cancer": load_breast_cancer(return_X_y=True),
    "wine": load_wine(return_X_y=True),
}

# %%
# The table
# ---------
# Three folds, on one core; of the digits, every third one. The figure after each accuracy is the
# standard deviation over the folds: smaller differences are no differences.

folds = StratifiedKFold(3, shuffle=True, random_state=0)
SCORING = ["accuracy", "neg_log_loss"]
found = {}
print(f"{'data':14} {'model':16} {'accuracy':>13} {'log loss':>9} {'fit, s':>7}")
for name, (X, y) in data.items():
    for title, model in models.items():
        result = cross_validate(
            make_pipeline(StandardScaler(), model), X, y, cv=folds, scoring=SCORING
        )
        accuracy, spread = result["test_accuracy"].mean(), result["test_accuracy"].std()
        loss, seconds = -result["test_neg_log_loss"].mean(), result["fit_time"].mean()
        found[name, title] = accuracy, loss, seconds
        print(f"{name:14} {title:16} {accuracy:.3f} ± {spread:.3f} {loss:9.3f} {seconds:7.2f}")

# %%
# Log loss and fit time
# ---------------------
# Lower is better in all pictures. Times depend on the machine; their ratios less so.

figure, axes = plt.subplots(2, 3, figsize=(11, 5.6), sharey=True)
rows, colors = np.arange(len(models)), [f"C{k}" for k in range(len(models))]
for (upper, lower), name in zip(axes.T, data, strict=True):
    _, losses, seconds = np.transpose([found[name, title] for title in models])
    for ax, values, left in ((upper, losses, 0), (lower, seconds, 0.003)):
        ax.hlines(rows, left, values, colors=colors, lw=3, alpha=0.4)
        ax.scatter(values, rows, c=colors, s=60)
        ax.grid(axis="x")
    upper.set(title=name, xlabel="log loss, nats", xlim=(0, 1.1 * losses.max()))
    upper.locator_params(axis="x", nbins=4)
    lower.set(xlabel="seconds to fit", xscale="log", xlim=(0.003, 30))
    lower.set_xticks([0.01, 0.1, 1, 10], ["0.01", "0.1", "1", "10"])
axes[0, 0].set_yticks(rows, models)
axes[0, 0].invert_yaxis()
plt.show()

# %%
# Three small data sets are an illustration. The page on `tables <../benchmarks/tables.html>`_ has
# ten that took no part in any choice, and stronger baselines.
