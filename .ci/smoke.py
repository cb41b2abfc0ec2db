"""Fit what a bare installation of the wheel gives: no extra, no test package."""

from sklearn.datasets import load_iris

from sphereskl import HypersphericalPrototypeClassifier

X, y = load_iris(return_X_y=True)
score = HypersphericalPrototypeClassifier(max_epochs=20, random_state=0).fit(X, y).score(X, y)
assert score > 0.9, score
print(f"accuracy on iris: {score:.2f}")
