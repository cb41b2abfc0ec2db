"""pytabkit: RealMLP compared with the classifier, in cross-validation of scikit-learn.

pytabkit's own benchmark runs over a folder of prepared data sets, of many gigabytes; its models
are estimators of scikit-learn, and so are compared as such.
"""
# /// script
# requires-python = ">=3.11"
# dependencies = ["sphereskl", "pytabkit>=1.7"]
# ///

import warnings

from pytabkit import RealMLP_TD_Classifier
from sklearn.datasets import load_wine
from sklearn.model_selection import StratifiedKFold, cross_validate

from sphereskl import HypersphericalPrototypeClassifier

# Lightning, below pytabkit, warns of workers and devices that are not there.
warnings.filterwarnings("ignore", module="(pytorch_)?lightning")

X, y = load_wine(return_X_y=True, as_frame=True)
models = {
    "HypersphericalPrototypeClassifier": HypersphericalPrototypeClassifier(
        random_state=0, device="cpu"
    ),
    "RealMLP_TD_Classifier": RealMLP_TD_Classifier(random_state=0, device="cpu", n_threads=1),
}
folds = StratifiedKFold(3, shuffle=True, random_state=0)
results = {
    name: cross_validate(model, X, y, cv=folds, scoring=["accuracy", "neg_log_loss"])
    for name, model in models.items()
}
for name, result in results.items():
    accuracy, loss = result["test_accuracy"].mean(), -result["test_neg_log_loss"].mean()
    seconds = result["fit_time"].mean()
    print(f"{name}: accuracy {accuracy:.3f}, log loss {loss:.3f}, {seconds:.1f} s a fit")
    assert accuracy > 0.93
