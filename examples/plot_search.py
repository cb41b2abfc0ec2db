"""
How are pipelines and networks tuned together?
==============================================

An estimator on the sphere is a step of a pipeline, and the options of its network are parameters
of the pipeline. A grid search reaches all of them. Successive halving tries the same grid in less
time: all candidates get a few epochs, and only the better half goes on.
"""

import importlib.util
import time

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, train_test_split
from sklearn.pipeline import Pipeline

from sphereskl import MLP, HypersphericalPrototypeClassifier

plt.style.use("sphereskl.display.gallery")
torch.set_num_threads(1)
X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=600, stratify=y, random_state=0
)

# %%
# The grid
# --------
# Two underscores lead into a step, two more into its network. One member instead of eight makes
# the search faster and ranks candidates much alike.

pipeline = Pipeline(
    [
        ("project", PCA(random_state=0)),
        (
            "classify",
            HypersphericalPrototypeClassifier(
                backbone=MLP(n_members=1), max_epochs=32, random_state=0
            ),
        ),
    ]
)
grid = {
    "project__n_components": [16, 40],
    "classify__lr": [5e-4, 2e-3, 8e-3],
    "classify__backbone__hidden_layer_sizes": [(64,), (256,)],
}


def told(params):
    """Parameters in short."""
    names = {name: name.rsplit("__", 1)[1] for name in grid}
    return ", ".join(f"{names[name]}={params[name]}" for name in grid)


def run(name, search):
    """Fit a search, and say what came out."""
    start = time.perf_counter()
    search.fit(X_train, y_train)
    seconds = time.perf_counter() - start
    print(f"{name}: {seconds:.1f} s, accuracy {search.score(X_test, y_test):.3f} on test digits")
    print(f"   best: {told(search.best_params_)}")
    return search


full = run("grid search", GridSearchCV(pipeline, grid, cv=3))

# %%
# Successive halving
# ------------------
# ``resource="classify__max_epochs"``: twelve candidates train for 4 epochs, the best six for 8, the
# best three for 16, the best two for 32.

halving = run(
    "halving search",
    HalvingGridSearchCV(
        pipeline,
        grid,
        cv=3,
        factor=2,
        resource="classify__max_epochs",
        min_resources=4,
        max_resources=32,
        random_state=0,
    ),
)

# %%
# Every line is a candidate, and ends where it was left out. Circles on the right are all candidates
# of the full grid, which trains each of them for 32 epochs.


def errors(search):
    """Errors of candidates in cross-validation, in percent."""
    return 100 * (1 - search.cv_results_["mean_test_score"])


results = halving.cv_results_
paths = {}
for params, epochs, error in zip(
    results["params"], results["n_resources"], errors(halving), strict=True
):
    paths.setdefault(told(params), []).append((epochs, error))
chosen = paths.pop(told(halving.best_params_))
figure, ax = plt.subplots(figsize=(8.5, 4.8))
for path in paths.values():
    ax.plot(*np.transpose(path), "o-", color="0.7", lw=1.2)
ax.plot(*np.transpose(chosen), "o-", color="C0", lw=3)
below = {"xytext": (-2, -22), "textcoords": "offset points", "ha": "right", "weight": "bold"}
ax.annotate("chosen by halving", chosen[-1], color="C0", **below)
ax.scatter(np.full(len(errors(full)), 35), errors(full), facecolors="none", edgecolors="C1")
ax.text(37, np.median(errors(full)), "full grid", color="C1", weight="bold", va="center")
ax.set(xscale="log", yscale="log", xlim=(3.7, 48), ylim=(3, 100))
ax.set(xlabel="epochs of training", ylabel="errors in cross-validation, percent")
ax.set_title("Twelve candidates under successive halving")
ax.set_xticks([4, 8, 16, 32], [4, 8, 16, 32])
ax.set_yticks([5, 10, 20, 50, 100], [5, 10, 20, 50, 100])
ax.minorticks_off()
ax.grid(axis="y")
plt.show()

# %%
# Progress
# --------
# From scikit-learn 1.9 on, a search tells its callbacks about every fit inside it, and an estimator
# on the sphere tells them about every epoch. `ProgressBar` draws nested bars; it needs rich. The
# estimator inside needs no callback of its own.

if importlib.util.find_spec("sklearn.callback") and importlib.util.find_spec("rich"):
    from sklearn.callback import ProgressBar

    small = {"lr": [2e-3, 8e-3]}
    clf = HypersphericalPrototypeClassifier(backbone=MLP(n_members=1), max_epochs=5, random_state=0)
    watched = GridSearchCV(clf.set_callbacks(), small, cv=2)
    watched.set_callbacks(ProgressBar()).fit(X_train, y_train)
else:
    print("progress bars of searches need scikit-learn 1.9 and rich")
