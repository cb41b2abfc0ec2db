"""MAPIE: sets of labels and intervals that hold what they promise, compared with the package's own.

Conformal prediction takes rows that the model has not seen, and reads off them how wide a set
has to be. `predict_interval` of the regressor does the same with the rows that its members did
not learn from, so that none have to be kept back.
"""
# /// script
# requires-python = ">=3.11"
# dependencies = ["sphereskl", "mapie>=1.1"]
# ///

import numpy as np
from mapie.classification import SplitConformalClassifier
from mapie.regression import CrossConformalRegressor, SplitConformalRegressor
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits
from sklearn.model_selection import train_test_split

from sphereskl import HypersphericalPrototypeClassifier, HypersphericalRegressor

quick = {"max_epochs": 10, "random_state": 0, "device": "cpu"}


def split(X, y):
    """Return rows to train on, to calibrate with, and to test."""
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, random_state=0)
    X_train, X_kept, y_train, y_kept = train_test_split(X, y, test_size=0.3, random_state=0)
    return (X_train, y_train), (X_kept, y_kept), (X_test, y_test)


train, kept, (X, y) = split(*load_digits(return_X_y=True))
classifier = HypersphericalPrototypeClassifier(**quick).fit(*train)
conformal = SplitConformalClassifier(classifier, confidence_level=0.99, prefit=True)
labels, sets = conformal.conformalize(*kept).predict_set(X)
covered = sets[np.arange(len(y)), y, 0].mean()
print(f"digits, 99 %: {covered:.1%} of true labels in sets of {sets.sum(axis=1).mean():.2f} labels")
assert (labels == classifier.predict(X)).all()
assert covered > 0.97

train, kept, (X, y) = split(*load_diabetes(return_X_y=True))
rows = np.vstack([train[0], kept[0]]), np.concatenate([train[1], kept[1]])
regressor = HypersphericalRegressor(**quick)
halves = SplitConformalRegressor(clone(regressor), confidence_level=0.9, prefit=False)
crossed = CrossConformalRegressor(clone(regressor), confidence_level=0.9, cv=5, random_state=0)
ways = {
    "split, 1 fit": halves.fit(*train).conformalize(*kept).predict_interval(X)[1][:, :, 0],
    "crossed, 6 fits": crossed.fit_conformalize(*rows).predict_interval(X)[1][:, :, 0],
    "predict_interval, 1 fit": clone(regressor).fit(*rows).predict_interval(X, coverage=0.9),
}
for name, (low, high) in {name: limits.T for name, limits in ways.items()}.items():
    covered = ((low <= y) & (y <= high)).mean()
    print(f"diabetes, 90 %: {covered:.1%} within, mean width {(high - low).mean():.0f}, {name}")
    # 133 test rows: a share of 90 % is known to some five per cent.
    assert covered > 0.82
