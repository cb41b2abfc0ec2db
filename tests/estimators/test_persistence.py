"""One file, no code: what was saved predicts the same."""

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from sklearn.base import clone
from sklearn.datasets import load_iris

from sphereskl import (
    MLP,
    ConvNet,
    HypersphericalMultiTask,
    HypersphericalOrdinalClassifier,
    HypersphericalRegressor,
    load,
    save,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "clf.safetensors"


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"dtype": "float64", "class_weight": {0: 2.0}, "max_grad_norm": np.float64(3)},
        {"backbone": MLP((8, 8), n_members=1, norm="batch", residual=True)},
        {"prototypes": "learned", "embedding_dim": 5},
        {"prototypes": {0: [1, 0, 0], 1: [0, 1, 0], 2: [-1, 0, 1]}},
        {"prototypes": np.eye(3, 4).tolist(), "device": torch.device("cpu")},
        {"backbone": ConvNet((4,)), "input_shape": (2, 2)},
        {"loss": "logits", "early_stopping": True},
    ],
    ids=str,
)
def test_predictions_survive(params, path, iris, quick):
    X, y = iris
    clf = quick(**params).fit(X, y)
    save(clf, path)
    loaded = load(path)
    np.testing.assert_array_equal(loaded.predict_proba(X), clf.predict_proba(X))
    np.testing.assert_array_equal(loaded.transform(X), clf.transform(X))
    assert loaded.loss_curve_ == clf.loss_curve_
    assert loaded.set_params(device=clf.device).get_params().keys() == clf.get_params().keys()


@pytest.mark.parametrize(
    "names", [["a", "b", "c"], [-1, 5, 9], [0.0, 2.0, 3.0], np.array(["x", "y", "z"], dtype=object)]
)
def test_labels_and_columns_survive(names, path, iris, quick):
    X = pd.DataFrame(iris[0], columns=list("abcd"))
    clf = quick(max_epochs=1).fit(X, np.array(names)[iris[1]])
    save(clf, path)
    loaded = load(path)
    np.testing.assert_array_equal(loaded.classes_, clf.classes_)
    assert loaded.classes_.dtype == clf.classes_.dtype
    assert list(loaded.feature_names_in_) == list("abcd")


OTHERS = {
    "regressor": HypersphericalRegressor(loss="huber", bounds=(0, 9), bounds_margin=0.1),
    "two values": HypersphericalRegressor(bounds=[(0, 9), (0.0, 8.0)], embedding_dim=6),
    "ordinal": HypersphericalOrdinalClassifier(categories=[0, 2, 1], cost="squared"),
    "costs": HypersphericalOrdinalClassifier(cost=1 - np.eye(3), prediction="expected_rank"),
    "both": HypersphericalMultiTask(embedding_dim=4),
}


@pytest.mark.parametrize(("name", "model"), OTHERS.items(), ids=OTHERS.keys())
def test_other_estimators_survive(name, model, path):
    frame = load_iris(as_frame=True).frame
    targets = {"regressor": "petal width (cm)", "ordinal": "target", "costs": "target"}
    two = list(frame.columns[-1:1:-1]) if name == "both" else list(frame.columns[2:4])
    X, y = frame.iloc[:, :2], frame[targets.get(name, two[:2])]
    model = clone(model).set_params(max_epochs=2, random_state=0).fit(X, y)
    save(model, path)
    loaded = load(path)
    pd.testing.assert_frame_equal(pd.DataFrame(loaded.predict(X)), pd.DataFrame(model.predict(X)))
    np.testing.assert_array_equal(loaded.transform(X), model.transform(X))
    assert type(loaded.predict(X)) is type(model.predict(X))
    assert loaded.fit(X, y).n_iter_ == 2


def test_a_loaded_model_learns_on_and_anew(path, iris, quick):
    save(quick().fit(*iris), path)
    assert load(path).partial_fit(*iris).n_iter_ == 9
    assert load(path).fit(*iris).n_iter_ == 8


def test_own_code_is_given_again(path, iris, quick):
    X, y = iris
    clf = quick(backbone=torch.nn.Linear(4, 3), loss=lambda c, t, w: (1 - c[:, 0]).mean())
    save(clf.fit(X, y), path)
    with pytest.raises(ValueError, match=r"holds no backbone, loss.*backbone=..., loss=..."):
        load(path)
    loaded = load(path, backbone=torch.nn.Linear(4, 3), loss="cosine")
    np.testing.assert_array_equal(loaded.predict_proba(X), clf.predict_proba(X))


def test_no_training_data_is_stored(path, digits, quick):
    fitted = quick(max_epochs=1).fit(*digits)
    save(fitted, path)
    held = sum(tensor.nbytes for tensor in fitted.module_.state_dict().values())
    assert path.stat().st_size < held + 10_000 < digits[0].nbytes


def test_other_files_are_refused(path):
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match="does not hold an estimator"):
        load(path)
