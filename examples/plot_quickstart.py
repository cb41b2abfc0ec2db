"""
First steps: what does sphereskl do?
====================================

A network maps every sample to a unit vector. Classes are directions, the prototypes, placed far
apart before training. This example fits a classifier and a regressor on data that come with
scikit-learn, reads labels, probabilities, embeddings and intervals from them, and draws the sphere.
"""

# sphinx_gallery_thumbnail_path = "images/quickstart_sphere.svg"

import math
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_validate, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sphereskl import HypersphericalPrototypeClassifier, HypersphericalRegressor

torch.set_num_threads(1)

# %%
# Fit and predict
# ---------------
# The classifier is an estimator of scikit-learn. It standardises columns, chooses a network, holds
# out what it needs for early stopping, and stops by itself.

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = X[::2], X[1::2], y[::2], y[1::2]
clf = HypersphericalPrototypeClassifier(random_state=0).fit(X_train, y_train)
print(f"accuracy {clf.score(X_test, y_test):.3f} on {len(y_test)} digits not trained on")
print("labels       ", clf.predict(X_test[:5]))
print("probabilities", clf.predict_proba(X_test[:5]).max(axis=1).round(2), "of these labels")
print("embeddings    of shape", clf.transform(X_test).shape)

# %%
# Compare
# -------
# Pipelines, searches and cross-validation take it like any other classifier. Both scores are means
# of two folds; a low log loss says that probabilities can be trusted.

models = {
    "HypersphericalPrototypeClassifier": HypersphericalPrototypeClassifier(random_state=0),
    "LogisticRegression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    "HistGradientBoostingClassifier": HistGradientBoostingClassifier(random_state=0),
}
tumours = load_breast_cancer(return_X_y=True)
folds = StratifiedKFold(2, shuffle=True, random_state=0)
print(f"\n{'breast cancer':34} accuracy  log loss")
for name, model in models.items():
    result = cross_validate(model, *tumours, cv=folds, scoring=["accuracy", "neg_log_loss"])
    accuracy, loss = result["test_accuracy"].mean(), -result["test_neg_log_loss"].mean()
    print(f"{name:34} {accuracy:8.3f} {loss:9.3f}")

# %%
# Values and intervals
# --------------------
# The regressor stretches values along an arc between two poles. Its intervals are meant to hold
# the true value in nine of ten cases.

patients, progression = load_diabetes(return_X_y=True)
known, new, y_known, y_new = train_test_split(patients, progression, random_state=0)
reg = HypersphericalRegressor(random_state=0).fit(known, y_known)
low, high = reg.predict_interval(new, coverage=0.9).T
inside = np.mean((low <= y_new) & (y_new <= high))
print(f"\ndiabetes: R2 {reg.score(new, y_new):.3f}, {inside:.0%} of new values in their intervals")

# %%
# The sphere
# ----------
# In three dimensions the embedding can be drawn as it is: ten prototypes, and every digit pulled
# towards its own. Left is the side of the sphere that faces us, right the far side as seen from
# behind. Rings mark digits that are nearest to a wrong prototype. The picture is written as SVG, so
# that this example needs no plotting package; other examples use matplotlib.

COLOURS = "#4477aa #ee6677 #228833 #ccbb44 #66ccee #aa3377 #e07b39 #777777 #5b4fa2 #8c613c".split()


class SpherePicture:
    """Both halves of a sphere as SVG, which notebooks show."""

    def __init__(self, z, digits, wrong, prototypes):
        self.shapes = []
        for side in (1, -1):
            for radius in (200, 200 * math.sin(math.pi / 3), 100):
                self._circle(450 - 230 * side, 230, f"{radius:.0f}", 'fill="none" stroke="#ccc"')
            for row, x, y in self._view(z, side):
                ring = "#000" if wrong[row] else "none"
                fill = f'fill="{COLOURS[digits[row]]}" fill-opacity="0.6" stroke="{ring}"'
                self._circle(x, y, 3, fill)
            for digit, x, y in self._view(prototypes, side):
                edge = f'fill="#fff" stroke="{COLOURS[digit]}" stroke-width="2.5"'
                self._circle(x, y, 11, edge)
                self.shapes.append(f'<text x="{x:.1f}" y="{y + 5:.1f}">{digit}</text>')

    def _view(self, points, side):
        """Rows on the near (side = 1) or far (side = -1) half, with their places."""
        rows = np.flatnonzero(side * points[:, 2] > 0)
        across = 450 - 230 * side + 200 * side * points[rows, 0]
        return zip(rows, across, 230 - 200 * points[rows, 1], strict=True)

    def _circle(self, x, y, radius, style):
        self.shapes.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" {style}/>')

    def _repr_html_(self):
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 460" '
            'font-family="sans-serif" font-size="14" text-anchor="middle">'
            '<rect width="900" height="460" fill="#fff"/>' + "\n".join(self.shapes) + "</svg>"
        )


sphere = HypersphericalPrototypeClassifier(embedding_dim=3, random_state=0).fit(X_train, y_train)
wrong = sphere.predict(X_test) != y_test
picture = SpherePicture(sphere.transform(X_test), y_test, wrong, sphere.prototypes_)
path = Path("quickstart_sphere.svg")
path.write_text(picture._repr_html_())
print(f"\nin three dimensions: accuracy {1 - wrong.mean():.3f} on digits not trained on")
print(f"wrote {path} to the current folder")
picture  # noqa: B018
