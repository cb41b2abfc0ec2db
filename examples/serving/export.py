"""Fit a table with a category and gaps, and write it for a service.

    python examples/serving/export.py model.onnx

`serve.py` next to it answers requests with the file, without sphereskl, torch or scikit-learn.
"""

import argparse

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

from sphereskl import HypersphericalRegressor


def load():
    """Return the diabetes data in the units in which they were measured, with some gaps."""
    X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    X["sex"] = X["sex"].map({1.0: "a", 2.0: "b"}).astype("category")
    gaps = np.random.default_rng(0)
    for column in ("bmi", "s5", "sex"):
        X.loc[gaps.random(len(X)) < 0.1, column] = None
    return train_test_split(X, y, test_size=0.25, random_state=0)


def main(path):
    X_train, X_test, y_train, y_test = load()
    model = HypersphericalRegressor(random_state=0).fit(X_train, y_train)
    print(f"R2 on rows that were not trained on: {model.score(X_test, y_test):.2f}")
    model.to_onnx(path)
    print(f"wrote {path}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path")
    main(parser.parse_args().path)
