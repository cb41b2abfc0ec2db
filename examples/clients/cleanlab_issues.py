"""cleanlab: finds digits whose labels were swapped, and learns without them."""
# /// script
# requires-python = ">=3.11"
# dependencies = ["sphereskl", "cleanlab>=2.7"]
# ///

import numpy as np
from cleanlab.classification import CleanLearning
from cleanlab.filter import find_label_issues
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_predict, train_test_split

from sphereskl import MLP, HypersphericalPrototypeClassifier

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=0)
rng = np.random.default_rng(0)
swapped = rng.random(len(y)) < 0.08
noisy = np.where(swapped, (y + rng.integers(1, 10, len(y))) % 10, y)

classifier = HypersphericalPrototypeClassifier(
    backbone=MLP(hidden_layer_sizes=(64,), n_members=4),
    max_epochs=10,
    random_state=0,
    device="cpu",
)
probabilities = cross_val_predict(classifier, X, noisy, cv=5, method="predict_proba")
found = find_label_issues(noisy, probabilities, n_jobs=1)
precision, recall = swapped[found].mean(), found[swapped].mean()
print(
    f"{swapped.sum()} labels swapped; {found.sum()} found, {precision:.1%} of them rightly, "
    f"{recall:.1%} of all"
)

learner = CleanLearning(classifier, cv_n_folds=5, seed=0, find_label_issues_kwargs={"n_jobs": 1})
cleaned = learner.fit(X, noisy).score(X_test, y_test)
dirty = classifier.fit(X, noisy).score(X_test, y_test)
print(f"accuracy on clean test rows: {dirty:.3f} with all labels, {cleaned:.3f} without those")

assert precision > 0.8
assert recall > 0.8
assert cleaned >= dirty - 0.01
