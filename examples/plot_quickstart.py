"""
What is the sphere good for?
============================

Digits, tumours and wines: a classifier that points at prototypes, tuned in a pipeline, beside three
baselines of scikit-learn on the same folds; then a look at the sphere itself.
"""

import math
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_validate
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sphereskl import MLP, HypersphericalPrototypeClassifier

# %%
# A table of accuracies
# ---------------------
# Every model runs with its defaults on the same two folds. The scaler stands in the pipeline for
# the sake of the baselines; the sphere would scale by itself.

torch.set_num_threads(1)
folds = StratifiedKFold(2, shuffle=True, random_state=0)
models = {
    "HypersphericalPrototypeClassifier": HypersphericalPrototypeClassifier(random_state=0),
    "LogisticRegression": LogisticRegression(max_iter=1000),
    "MLPClassifier": MLPClassifier(max_iter=500, random_state=0),
    "HistGradientBoostingClassifier": HistGradientBoostingClassifier(random_state=0),
}
data = {
    "digits": load_digits(return_X_y=True),
    "breast cancer": load_breast_cancer(return_X_y=True),
    "wine": load_wine(return_X_y=True),
}


def evaluate(model, X, y):
    """Mean accuracy, mean log loss and mean seconds to fit."""
    scoring = ["accuracy", "neg_log_loss"]
    pipeline = make_pipeline(StandardScaler(), model)
    result = cross_validate(pipeline, X, y, cv=folds, scoring=scoring, n_jobs=2)
    keys = ("test_accuracy", "test_neg_log_loss", "fit_time")
    return [abs(result[key].mean()) for key in keys]


print(f"{'data':14} {'model':34} {'accuracy':>8} {'log loss':>8} {'fit, s':>6}")
for name, (X, y) in data.items():
    for title, model in models.items():
        accuracy, loss, seconds = evaluate(model, X, y)
        print(f"{name:14} {title:34} {accuracy:8.3f} {loss:8.3f} {seconds:6.2f}")

# %%
# Tuning in a grid
# ----------------
# The classifier is an estimator like any other: parameters of its backbone are reached with two
# underscores.

X, y = data["digits"]
search = GridSearchCV(
    make_pipeline(
        StandardScaler(),
        HypersphericalPrototypeClassifier(
            backbone=MLP((128,), n_members=2), max_epochs=15, random_state=0
        ),
    ),
    {
        "hypersphericalprototypeclassifier__embedding_dim": [9, 64],
        "hypersphericalprototypeclassifier__backbone__numeric_embedding": ["piecewise", None],
    },
    cv=2,
    n_jobs=2,
)
start = time.perf_counter()
search.fit(X[::2], y[::2])
best = {name.split("__", 1)[1]: value for name, value in search.best_params_.items()}
print(f"\ngrid of 4 on half of the digits in {time.perf_counter() - start:.1f} s: {best}")
print(f"cross-validated accuracy {search.best_score_:.3f}")

# %%
# The sphere
# ----------
# In three dimensions the embedding can be looked at: ten prototypes, as far apart as ten points can
# be, and every digit pulled towards its own. Half of the digits are trained on, the other half is
# drawn: left the side of the sphere that faces us, right the far side as seen from behind. Rings
# mark digits that are nearest to a wrong prototype. The picture is written as SVG, so that this
# example needs no plotting package.

COLOURS = "#4477aa #ee6677 #228833 #ccbb44 #66ccee #aa3377 #e07b39 #777777 #5b4fa2 #8c613c".split()


def view(points, side):
    """Rows on the near (side = 1) or far (side = -1) half, with their places in the picture."""
    rows = np.flatnonzero(side * points[:, 2] > 0)
    across = 450 - 230 * side + 200 * side * points[rows, 0]
    return zip(rows, across, 230 - 200 * points[rows, 1], strict=True)


def draw_sphere(z, digits, wrong, prototypes):
    """Draw both halves of the sphere as SVG."""
    shapes = []
    for side in (1, -1):
        centre = 450 - 230 * side
        for radius in (200, 200 * math.sin(math.pi / 3), 100):
            ring = f'<circle cx="{centre}" cy="230" r="{radius:.0f}" fill="none" stroke="#ccc"/>'
            shapes.append(ring)
        for row, x, y in view(z, side):
            ring = "#000" if wrong[row] else "none"
            shapes.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS[digits[row]]}" '
                f'fill-opacity="0.6" stroke="{ring}"/>'
            )
        for digit, x, y in view(prototypes, side):
            shapes.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="11" fill="#fff" stroke-width="2.5" '
                f'stroke="{COLOURS[digit]}"/><text x="{x:.1f}" y="{y + 5:.1f}">{digit}</text>'
            )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 460" font-family="sans-serif" '
        'font-size="14" text-anchor="middle"><rect width="900" height="460" fill="#fff"/>'
        + "\n".join(shapes)
        + "</svg>"
    )


sphere = HypersphericalPrototypeClassifier(embedding_dim=3, random_state=0)
sphere.fit(X[::2], y[::2])
z, wrong = sphere.transform(X[1::2]), sphere.predict(X[1::2]) != y[1::2]
path = Path("quickstart_sphere.svg")
path.write_text(draw_sphere(z, y[1::2], wrong, sphere.prototypes_))
print(f"\nin three dimensions: accuracy {1 - wrong.mean():.3f} on digits not trained on")
print(f"wrote {path.resolve()}")
