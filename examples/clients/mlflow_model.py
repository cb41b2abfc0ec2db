"""MLflow: log a fit and its model in a folder, and load the model again.

Losses of epochs come from `loss_curve_`. MLflow writes scikit-learn's models with skops, which
opens only what it trusts: its error, and `get_untrusted_types`, name the types of `sphereskl`.
"""
# /// script
# requires-python = ">=3.11"
# dependencies = ["sphereskl", "mlflow>=3.10", "skops>=0.11"]
# ///

import tempfile
from pathlib import Path

import mlflow
import skops.io
from mlflow.models import infer_signature
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

from sphereskl import HypersphericalPrototypeClassifier

X, y = load_wine(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
classifier = HypersphericalPrototypeClassifier(max_epochs=10, random_state=0, device="cpu")

with tempfile.TemporaryDirectory() as folder:
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    experiment = mlflow.create_experiment("wine", artifact_location=Path(folder).as_uri())
    with mlflow.start_run(experiment_id=experiment) as run:
        classifier.fit(X_train, y_train)
        mlflow.log_params(classifier.get_params())
        for epoch, loss in enumerate(classifier.loss_curve_):
            mlflow.log_metric("train_loss", loss, step=epoch)
        trusted = skops.io.get_untrusted_types(data=skops.io.dumps(classifier))
        logged = mlflow.sklearn.log_model(
            classifier,
            name="model",
            signature=infer_signature(X_test, classifier.predict(X_test)),
            skops_trusted_types=trusted,
        )
    loaded = mlflow.sklearn.load_model(logged.model_uri)
    served = mlflow.pyfunc.load_model(logged.model_uri)
    losses = mlflow.MlflowClient().get_metric_history(run.info.run_id, "train_loss")

print(f"{len(losses)} losses logged, the last {losses[-1].value:.3f}; types trusted:")
print("\n".join(f"  {name}" for name in trusted))
print(f"accuracy of the model that was loaded: {loaded.score(X_test, y_test):.3f}")

assert all(name.startswith("sphereskl.") for name in trusted)
assert (loaded.predict_proba(X_test) == classifier.predict_proba(X_test)).all()
assert (served.predict(X_test) == classifier.predict(X_test)).all()
assert loaded.get_params() == classifier.get_params()
