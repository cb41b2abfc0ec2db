"""skrub: dates, strings and gaps become numbers, categories and gaps that the classifier reads.

scikit-learn brings no table with dates. The columns of breast_cancer get a date, a hospital and
gaps here; the date and the hospital tell something of the diagnosis, so that they can be used.
"""
# /// script
# requires-python = ">=3.11"
# dependencies = ["sphereskl", "skrub>=0.7"]
# ///

import numpy as np
import pandas as pd
import skrub
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from sphereskl import HypersphericalPrototypeClassifier, HypersphericalRegressor

rng = np.random.default_rng(0)
frame = load_breast_cancer(as_frame=True).frame
y = frame.pop("target").map({0: "malignant", 1: "benign"})
X = frame[["mean texture", "mean smoothness", "mean symmetry"]]
X = X.mask(rng.random(X.shape) < 0.2)
later = np.where(y == "malignant", 200, 0) + rng.integers(0, 400, len(y))
X["seen"] = pd.Timestamp("2025-01-01") + pd.to_timedelta(later, unit="D")
town = np.where(rng.random(len(y)) < 0.7, y, rng.permutation(y))
X["hospital"] = pd.Series(town).map({"malignant": "University Hospital", "benign": "St. Mary's"})
X.loc[rng.random(len(y)) < 0.1, "hospital"] = None

classifier = HypersphericalPrototypeClassifier(max_epochs=10, random_state=0, device="cpu")
numbers = X[["mean texture", "mean smoothness", "mean symmetry"]]
scores = {
    "numbers alone": cross_val_score(classifier, numbers, y).mean(),
    "tabular_pipeline": cross_val_score(skrub.tabular_pipeline(classifier), X, y).mean(),
    "TableVectorizer": cross_val_score(
        make_pipeline(skrub.TableVectorizer(low_cardinality=skrub.ToCategorical()), classifier),
        X,
        y,
    ).mean(),
}
for name, score in scores.items():
    print(f"accuracy {score:.3f}, {name}")

pipeline = skrub.tabular_pipeline(classifier).fit(X, y)
print(f"steps: {', '.join(type(step).__name__ for step in pipeline)}")
# Missing values are left to the classifier: skrub reads off its tags that it takes them.
assert not any("Imputer" in type(step).__name__ for step in pipeline)
assert np.isnan(pipeline[:-1].transform(X)).any()
assert scores["tabular_pipeline"] > scores["numbers alone"] + 0.1
assert scores["TableVectorizer"] > scores["numbers alone"] + 0.1
# The regressor likewise, on rows that it was not trained on.
regressor = HypersphericalRegressor(max_epochs=10, random_state=0, device="cpu")
r2 = cross_val_score(skrub.tabular_pipeline(regressor), X, frame["mean radius"]).mean()
print(f"R2 {r2:.3f}, mean radius, tabular_pipeline")
assert r2 > 0.2
