"""imbalanced-learn: SMOTE before the classifier, a balanced bag of classifiers, and class weights.

One kind of wine is made rare. What counts is the balanced accuracy: the mean over classes of the
share of their rows that are recognised.
"""
# /// script
# requires-python = ">=3.11"
# dependencies = ["sphereskl", "imbalanced-learn>=0.14"]
# ///

from imblearn.datasets import make_imbalance
from imblearn.ensemble import BalancedBaggingClassifier
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold, cross_val_score

from sphereskl import MLP, HypersphericalPrototypeClassifier

X, y = load_digits(return_X_y=True, as_frame=True)
X, y = make_imbalance(X, y, sampling_strategy={3: 20, 8: 20, 9: 20}, random_state=0)

# The network reads raw pixels; SMOTE draws lines between neighbours, also of raw pixels.
classifier = HypersphericalPrototypeClassifier(
    backbone=MLP(hidden_layer_sizes=(64,), n_members=2), max_epochs=8, random_state=0, device="cpu"
)
models = {
    "as it is": classifier,
    "class_weight='balanced'": HypersphericalPrototypeClassifier(
        **{**classifier.get_params(deep=False), "class_weight": "balanced"}
    ),
    "SMOTE": make_pipeline(SMOTE(k_neighbors=5, random_state=0), classifier),
    "balanced bagging": BalancedBaggingClassifier(classifier, n_estimators=5, random_state=0),
}
folds = StratifiedKFold(4, shuffle=True, random_state=0)
scores = {
    name: cross_val_score(model, X, y, cv=folds, scoring="balanced_accuracy").mean()
    for name, model in models.items()
}
for name, score in scores.items():
    print(f"{name:24} balanced accuracy {score:.3f}")

assert scores["SMOTE"] > 0.9
assert scores["SMOTE"] > scores["as it is"]

# Resampling happens in `fit` alone: rows to predict are not resampled, columns keep their names.
smote = models["SMOTE"].fit(X, y)
assert smote.predict(X).shape == y.shape
assert list(smote[-1].feature_names_in_) == list(X.columns)
assert sum(y == 3) == 20
