"""Fitted models travel by every pickler there is, without training rows, and by skops too."""

import copy
import io
import pickle
import subprocess
import sys
from functools import cache

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
import torch
from sklearn import config_context
from sklearn.base import clone

from sphereskl import (
    MLP,
    ConvNet,
    HypersphericalMultiTask,
    HypersphericalOrdinalClassifier,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
    SphereCNN,
    SphereMLP,
    SphereNetClassifier,
)
from sphereskl.estimators import _reference
from sphereskl.nn import Annealing, Regularizer, make_angular_loss

ESTIMATORS = [
    HypersphericalPrototypeClassifier,
    HypersphericalOrdinalClassifier,
    HypersphericalRegressor,
    HypersphericalMultiTask,
    SphereNetClassifier,
]
SAMPLES = ["table", "frame", "images"]


@cache
def _rows(samples):
    rng = np.random.default_rng(0)
    if samples == "images":
        return rng.integers(0, 256, size=(60, 1, 6, 6)).astype(np.uint8)
    X = rng.normal(size=(60, 4))
    if samples == "table":
        return X
    frame = pd.DataFrame(X, columns=list("abcd")).assign(e=[*"xyz"] * 20)
    return frame.assign(f=pd.Categorical([True, False, None] * 20))


@cache
def _fitted(cls, samples):
    spherical = cls is SphereNetClassifier
    if samples == "images":
        backbone = SphereCNN(2, (4, 8)) if spherical else ConvNet((4, 8))
    else:
        backbone = SphereMLP((8,)) if spherical else MLP((8,), n_members=2)
    y = np.arange(60) % 3
    target = pd.DataFrame({"kind": y, "size": y / 2}) if cls is HypersphericalMultiTask else y
    return cls(backbone=backbone, max_epochs=2, random_state=0).fit(_rows(samples), target)


def _through_joblib(model):
    file = io.BytesIO()
    joblib.dump(model, file, compress=3)
    file.seek(0)
    return joblib.load(file)


def _through_skops(model):
    data = skops.io.dumps(model)
    found = skops.io.get_untrusted_types(data=data)
    assert all(name.startswith("sphereskl.") for name in found)
    return skops.io.loads(data, trusted=found)


WAYS = {
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "old pickle": lambda model: pickle.loads(pickle.dumps(model, protocol=2)),
    "joblib": _through_joblib,
    "cloudpickle": lambda model: pickle.loads(cloudpickle.dumps(model)),
    "deepcopy": copy.deepcopy,
    "skops": _through_skops,
}
each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())


@each_way
@pytest.mark.parametrize("samples", SAMPLES)
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_predictions_and_history_arrive(cls, samples, way):
    X, model = _rows(samples), _fitted(cls, samples)
    arrived = way(model)
    np.testing.assert_array_equal(arrived.transform(X), model.transform(X))
    np.testing.assert_array_equal(arrived.predict(X), model.predict(X))
    assert arrived.history_ == model.history_
    assert vars(arrived).keys() == vars(model).keys()
    assert arrived.net_.scale == model.net_.scale


@each_way
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_a_model_that_arrived_learns_on(cls, way):
    X, y = _rows("table"), np.arange(60) % 3
    target = pd.DataFrame({"kind": y, "size": y / 2}) if cls is HypersphericalMultiTask else y
    arrived, again = way(_fitted(cls, "table")), way(_fitted(cls, "table"))
    for model in (arrived, again):
        model.partial_fit(X, target)
    assert arrived.n_iter_ == 3
    np.testing.assert_array_equal(arrived.transform(X), again.transform(X))


@each_way
def test_a_model_that_is_not_fitted_arrives(way):
    model = SphereNetClassifier.parity().set_output(transform="pandas")
    arrived = way(model)
    assert arrived.backbone == model.backbone
    assert arrived.loss.label_smoothing == model.loss.label_smoothing
    assert repr(clone(arrived)) == repr(model)


@each_way
def test_losses_and_regularisers_arrive(way, iris):
    loss = make_angular_loss("a_softmax", 3.0, annealing=Annealing())
    clf = SphereNetClassifier(
        backbone=SphereMLP((4,)),
        loss=loss,
        regularizer=Regularizer("orthogonal"),
        max_epochs=2,
        random_state=0,
    )
    arrived = way(clf.fit(*iris))
    assert arrived.net_.criterion_.loss.step == clf.net_.criterion_.loss.step > 0
    assert arrived.partial_fit(*iris).n_iter_ == 3


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@each_way
def test_momentum_travels_where_a_fit_would_go_on(optimizer, way, iris, quick):
    clf = quick(warm_start=True, optimizer=optimizer, batch_size=200, dtype="float64").fit(*iris)
    clf, arrived = copy.deepcopy(clf), way(clf)
    for model in (clf, arrived):
        model.partial_fit(*iris)
    np.testing.assert_allclose(arrived.transform(iris[0]), clf.transform(iris[0]), atol=1e-12)


@each_way
@pytest.mark.parametrize("changes", [{"embedding_dim": 7}, {"loss": "logits"}, {"lr": 1.0}])
def test_parameters_that_changed_since_the_fit_are_kept_beside_the_network(
    changes, way, iris, quick
):
    clf = quick().fit(*iris).set_params(**changes)
    arrived = way(clf)
    np.testing.assert_array_equal(arrived.predict_proba(iris[0]), clf.predict_proba(iris[0]))
    assert {name: getattr(arrived, name) for name in changes} == changes
    assert arrived._built_with == clf._built_with


PICKLERS = {name: way for name, way in WAYS.items() if name != "skops"}
each_pickler = pytest.mark.parametrize("way", PICKLERS.values(), ids=PICKLERS.keys())


@each_pickler
def test_networks_of_the_users_arrive(way, iris, quick):
    clf = quick(backbone=torch.nn.Linear(4, 3), warm_start=True).fit(*iris)
    arrived = way(clf)
    np.testing.assert_array_equal(arrived.predict_proba(iris[0]), clf.predict_proba(iris[0]))
    assert arrived.fit(*iris).n_iter_ == 16


@each_pickler
def test_a_network_that_was_changed_by_hand_arrives_as_it_is(way, iris, quick):
    clf = quick().fit(*iris)
    clf.module_.backbone.append(torch.nn.Linear(64, 64))
    arrived = way(clf)
    np.testing.assert_array_equal(arrived.transform(iris[0]), clf.transform(iris[0]))


def test_local_networks_and_losses_arrive_by_cloudpickle(iris, quick):
    class Local(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 3)

        def forward(self, x):
            return self.layer(x).tanh()

    def loss(cosines, target, weight):
        return (1 - cosines.gather(1, target[:, None])).mean()

    clf = quick(backbone=Local(), loss=loss).fit(*iris)
    arrived = pickle.loads(cloudpickle.dumps(clf))
    np.testing.assert_array_equal(arrived.transform(iris[0]), clf.transform(iris[0]))
    assert arrived.partial_fit(*iris).n_iter_ == 9


NOTEBOOK = """
import numpy as np, torch
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingClassifier
from sklearn.model_selection import cross_validate
from sphereskl import HypersphericalPrototypeClassifier

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 3)

    def forward(self, x):
        return self.layer(x).tanh()

X, y = load_iris(return_X_y=True)
clf = HypersphericalPrototypeClassifier(backbone=Net(), max_epochs=2, random_state=0)
one, two = (BaggingClassifier(clf, 2, n_jobs=n, random_state=0).fit(X, y) for n in (1, 2))
print(np.array_equal(one.predict_proba(X), two.predict_proba(X)))
found = cross_validate(clf, X, y, cv=2, n_jobs=2, return_estimator=True)
print([type(model.module_.backbone) is Net for model in found["estimator"]])
"""


def test_networks_of_a_notebook_travel_to_workers_and_back():
    run = subprocess.run([sys.executable, "-c", NOTEBOOK], capture_output=True, text=True)
    assert run.stdout.split("\n")[:2] == ["True", "[True, True]"], run.stderr


@pytest.mark.parametrize("samples", SAMPLES)
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_no_training_rows_are_in_a_pickle(cls, samples):
    model = _fitted(cls, samples)
    held = sum(tensor.nbytes for tensor in model.module_.state_dict().values())
    # What a classifier keeps of rows to know strange ones is of embeddings and outputs.
    held += sum(array.nbytes for array in getattr(model, "_reference", {}).values())
    errors = getattr(model, "_errors", None) or {}
    held += sum(array.nbytes for array in errors.values() if hasattr(array, "nbytes"))
    assert len(pickle.dumps(model)) < held + 8_000


def test_a_pickle_does_not_grow_with_the_rows(digits, quick, monkeypatch):
    # Outputs of up to 2,000 rows are stored, more than there are digits.
    monkeypatch.setattr(_reference, "_MOST_STORED", 1000)
    sizes = {
        len(pickle.dumps(quick(max_epochs=1).fit(*(a[:n] for a in digits)))) for n in (1200, 1700)
    }
    # 50 more rows are held out, whose two scores are kept, up to 1,000 of them.
    assert max(sizes) - min(sizes) < 50 * 16 + 200


@pytest.mark.parametrize("backbone", [MLP((4,), n_members=1), torch.nn.Linear(4, 3)], ids=str)
def test_what_is_pickled_is_plain_or_on_the_cpu(backbone, iris, quick):
    clf = quick(backbone=backbone, warm_start=True).fit(*iris)
    parts = clf.__getstate__()["net_"]
    assert {"callbacks", "module", "criterion", "dataset"} & set(parts["options"]) == {"callbacks"}
    assert parts["options"]["callbacks"] is None
    assert type(parts["progress"]["history"]) is list
    moments = parts["momentum"]["state"][0].values()
    assert all(isinstance(moment, np.ndarray) for moment in moments)


def test_arrays_that_workers_share_can_be_read(tmp_path, iris, quick):
    clf = quick(backbone=MLP((512, 512), n_members=1), max_epochs=1).fit(*iris)
    joblib.dump(clf, tmp_path / "clf")
    shared = joblib.load(tmp_path / "clf", mmap_mode="r")
    assert shared.partial_fit(*iris).n_iter_ == 2


@pytest.mark.parametrize(
    "mode", [torch.no_grad, torch.inference_mode, lambda: torch.device("meta")]
)
def test_what_is_switched_in_torch_does_not_matter_to_loading(mode, iris, quick):
    clf = quick().fit(*iris)
    stored, state = pickle.dumps(clf), torch.get_rng_state()
    with mode():
        arrived = pickle.loads(stored)
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(arrived.transform(iris[0]), clf.transform(iris[0]))
    assert arrived.partial_fit(*iris).n_iter_ == 9


@each_way
def test_requests_for_metadata_arrive(way, iris):
    with config_context(enable_metadata_routing=True):
        model = HypersphericalPrototypeClassifier(backbone=MLP((4,)), max_epochs=1, random_state=0)
        model.set_fit_request(sample_weight=True).set_score_request(sample_weight="importance")
        arrived = way(model.fit(*iris))
        assert str(arrived.get_metadata_routing()) == str(model.get_metadata_routing())


@pytest.mark.parametrize("way", [w for name, w in WAYS.items() if name != "skops"])
def test_a_network_cast_to_bfloat16_arrives_as_it_is(way, iris, quick):
    model = quick(max_epochs=1).fit(*iris)
    model.module_.backbone.bfloat16()
    arrived = way(model)
    weights = zip(model.module_.parameters(), arrived.module_.parameters(), strict=True)
    assert all(torch.equal(own, other) and own.dtype == other.dtype for own, other in weights)
