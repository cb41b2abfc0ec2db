"""fairlearn: thresholds that differ by group, and training by reweighing, for equal rates.

Rows of breast_cancer get one of two groups, which differ in their share of malignant tumours.
What is evened out is the share of rows that are called malignant (demographic parity).
"""
# /// script
# requires-python = ">=3.11"
# dependencies = ["sphereskl", "fairlearn>=0.12"]
# ///

import warnings

import numpy as np
from fairlearn.metrics import demographic_parity_difference
from fairlearn.postprocessing import ThresholdOptimizer
from fairlearn.reductions import DemographicParity, ExponentiatedGradient
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split

from sphereskl import MLP, HypersphericalPrototypeClassifier

# fairlearn 0.15 sets values in ways that pandas 4 will refuse.
warnings.filterwarnings("ignore", module="fairlearn")

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
X, y = X[["mean texture", "mean smoothness", "mean symmetry"]], 1 - y
rng = np.random.default_rng(0)
group = np.where(rng.random(len(y)) < np.where(y == 1, 0.65, 0.35), "a", "b")
X_train, X_test, y_train, y_test, in_train, in_test = train_test_split(
    X, y, group, stratify=y, random_state=0
)
classifier = HypersphericalPrototypeClassifier(
    backbone=MLP(hidden_layer_sizes=(16,), n_members=2), max_epochs=5, random_state=0, device="cpu"
)


def judge(name, predicted):
    """Print, and return, how far the groups are apart."""
    apart = demographic_parity_difference(y_test, predicted, sensitive_features=in_test)
    print(f"accuracy {accuracy_score(y_test, predicted):.3f}, {apart:.3f} apart: {name}")
    return apart


plain = judge("as it is", classifier.fit(X_train, y_train).predict(X_test))

thresholds = ThresholdOptimizer(
    estimator=classifier, constraints="demographic_parity", predict_method="predict_proba"
).fit(X_train, y_train, sensitive_features=in_train)
moved = thresholds.predict(X_test, sensitive_features=in_test, random_state=0)
moved = judge("ThresholdOptimizer", moved)

# Hands weights of the rows to `fit`, and fits anew until the groups agree.
reduction = ExponentiatedGradient(classifier, DemographicParity(), eps=0.02, max_iter=8)
reduction.fit(X_train, y_train, sensitive_features=in_train)
print(f"ExponentiatedGradient took {reduction.n_oracle_calls_} fits")
reduced = judge("ExponentiatedGradient", reduction.predict(X_test, random_state=0))

assert moved < plain
assert reduced < plain
