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
    "digits": [array[::2] for array in load_digits(return_X_y=True)],
    "breast cancer": load_breast_cancer(return_X_y=True),
    "wine": load_wine(return_X_y=True),
}

# %%
# The table
# ---------
# Three folds, on one core; of the digits, every second one. The figure after each accuracy is the
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
# Time and log loss
# -----------------
# Lower is better, and further left is faster. Times depend on the machine; their ratios less so.

MARKERS = dict(zip(models, "o^sDv", strict=True))
figure, axes = plt.subplots(1, 3, figsize=(12, 4.2))
for ax, name in zip(axes, data, strict=True):
    for k, title in enumerate(models):
        _, loss, seconds = found[name, title]
        ax.scatter(seconds, loss, s=80, c=f"C{k}", marker=MARKERS[title])
        ax.annotate(
            title, (seconds, loss), xytext=(0, 9), textcoords="offset points", ha="center",
            fontsize=9.5, color=f"C{k}", weight="bold",
        )  # fmt: skip
    losses, times = np.transpose([found[name, title][1:] for title in models])
    ax.set(title=name, xscale="log", xlabel="seconds to fit", ylim=(0, 1.25 * losses.max()))
    ax.set_xlim(times.min() / 4, times.max() * 4)
    ax.grid()
axes[0].set_ylabel("log loss, nats")
plt.show()

# %%
# Three small data sets are an illustration. The page on `tables <../benchmarks/tables.html>`_ has
# ten that took no part in any choice, and stronger baselines.
