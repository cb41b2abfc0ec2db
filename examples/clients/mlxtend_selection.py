"""mlxtend: which columns of wine suffice, and a stack of three models over one another."""
# /// script
# requires-python = ">=3.11"
# dependencies = ["sphereskl", "mlxtend>=0.23"]
# ///

from mlxtend.classifier import StackingCVClassifier
from mlxtend.feature_selection import SequentialFeatureSelector
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sphereskl import MLP, HypersphericalPrototypeClassifier

X, y = load_wine(return_X_y=True, as_frame=True)
classifier = HypersphericalPrototypeClassifier(
    backbone=MLP(hidden_layer_sizes=(16,), n_members=1),
    max_epochs=10,
    lr=0.02,
    random_state=0,
    device="cpu",
)

selector = SequentialFeatureSelector(classifier, k_features=3, cv=3).fit(X, y)
for step in selector.get_metric_dict().values():
    print(f"accuracy {step['avg_score']:.3f} with {', '.join(step['feature_names'])}")

stack = StackingCVClassifier(
    [classifier, make_pipeline(StandardScaler(), KNeighborsClassifier())],
    LogisticRegression(),
    use_probas=True,
    cv=3,
    random_state=0,
)
alone = cross_val_score(classifier, X, y).mean()
stacked = cross_val_score(stack, X.to_numpy(), y.to_numpy()).mean()
print(f"all columns: accuracy {alone:.3f} alone, {stacked:.3f} stacked")

assert selector.k_score_ > 0.9
assert classifier.fit(X[list(selector.k_feature_names_)], y).n_features_in_ == 3
assert stacked > 0.95
