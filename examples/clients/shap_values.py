"""SHAP: what the columns of wine contribute to a probability, and to the angle between embeddings.

`KernelExplainer` asks for probabilities and needs no more; `GradientExplainer` goes through the
network, which reads rows that the estimator has encoded.
"""
# /// script
# requires-python = ">=3.11"
# dependencies = ["sphereskl", "shap>=0.48"]
# ///

import numpy as np
import shap
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

from sphereskl import HypersphericalPrototypeClassifier

X, y = load_wine(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
classifier = HypersphericalPrototypeClassifier(max_epochs=20, random_state=0, device="cpu")
classifier.fit(X_train, y_train)
rows = X_test.iloc[:3]

# Black box: probabilities of a few rows, against a background of others.
background = shap.sample(X_train, 20, random_state=0)
kernel = shap.KernelExplainer(classifier.predict_proba, background)
values = kernel.shap_values(rows, nsamples=200, silent=True)
total = kernel.expected_value + values.sum(axis=1)
print(f"probabilities of the first row: {classifier.predict_proba(rows)[0].round(3)}")
print(f"mean of the background and contributions together: {total[0].round(3)}")
strongest = np.abs(values).sum(axis=(0, 2)).argsort()[::-1][:3]
print(f"columns that count most: {', '.join(X.columns[strongest])}")
np.testing.assert_allclose(total, classifier.predict_proba(rows), atol=1e-6)

# White box: gradients of cosines by encoded columns, along lines from rows of the background.
encode = classifier.encoder_.transform
network = classifier.module_.eval()
x = encode(rows.to_numpy())
explainer = shap.GradientExplainer(network, encode(X_train.to_numpy()))
angles = explainer.shap_values(x, nsamples=2000, rseed=0)
cosines = classifier.decision_function(rows)
mean = classifier.decision_function(X_train).mean(axis=0)
print(f"cosines of the first row: {cosines[0].round(2)}")
print(f"mean of all rows and contributions together: {(mean + angles[0].sum(axis=0)).round(2)}")
agreement = np.corrcoef(angles.ravel(), values.ravel())[0, 1]
print(f"correlation of contributions to cosines and to probabilities: {agreement:.2f}")
# A mean over random points of the lines: the sum is that of the cosines but for their draw.
np.testing.assert_allclose(mean + angles.sum(axis=1), cosines, atol=0.1)
assert agreement > 0.9
