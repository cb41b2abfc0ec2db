"""skops: a file without pickle that holds a whole pipeline, next to the package's own `save`."""
# /// script
# requires-python = ">=3.11"
# dependencies = ["sphereskl", "skops>=0.11"]
# ///

import tempfile
from pathlib import Path

import skops.io
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer

from sphereskl import HypersphericalRegressor, save

X, y = load_diabetes(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
regressor = HypersphericalRegressor(max_epochs=10, random_state=0, device="cpu")
model = make_pipeline(QuantileTransformer(n_quantiles=50), regressor).fit(X_train, y_train)

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "diabetes.skops")
    skops.io.dump(model, path)
    unknown = skops.io.get_untrusted_types(file=path)
    loaded = skops.io.load(path, trusted=unknown)
    own = Path(folder, "diabetes.safetensors")
    save(model[-1], own)
    kilobytes = [file.stat().st_size // 1000 for file in (path, own)]

print("types that skops asks to trust:", *unknown, sep="\n  ")
print(f"R^2 of the model that was loaded: {loaded.score(X_test, y_test):.3f}")
print(f"pipeline with skops: {kilobytes[0]} kB, regressor by `save`: {kilobytes[1]} kB")

# None of torch, skorch or anything else but ours.
assert all(name.startswith("sphereskl.") for name in unknown)
assert (loaded.predict(X_test) == model.predict(X_test)).all()
