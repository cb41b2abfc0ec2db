"""One file, no code: what was saved predicts the same."""

import copy
import datetime
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from safetensors import safe_open
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from sphereskl import (
    MLP,
    ConvNet,
    HypersphericalMultiTask,
    HypersphericalOrdinalClassifier,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
    SphereCNN,
    SphereNetClassifier,
    load,
    save,
)
from sphereskl.estimators import _persistence

SMALL = {"backbone": MLP((4,), n_members=1), "max_epochs": 1, "random_state": 0}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "clf.safetensors"


@pytest.fixture
def travel(path):
    """Save a model and load it again."""

    def send(model, **options):
        save(model, path)
        return load(path, **options)

    return send


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"dtype": "float64", "class_weight": {0: 2.0}, "max_grad_norm": np.float64(3)},
        {"class_weight": {np.int64(0): np.float32(2), np.int64(2): 3}},
        {"backbone": MLP((8, 8), n_members=1, norm="batch", residual=True)},
        {"backbone": MLP((8), n_members=3)},
        {"prototypes": "learned", "embedding_dim": 5},
        {"device": torch.device("cpu")},
        {"backbone": ConvNet((4,)), "input_shape": (2, 2)},
        {"backbone": ConvNet((4,)), "input_shape": {"height": 2, "width": 2}},
        {"loss": "logits", "early_stopping": True},
        {"warm_start": True, "optimizer": "sgd"},
    ],
    ids=str,
)
def test_predictions_survive(params, travel, iris, quick):
    X, y = iris
    clf = quick(**params).fit(X, y)
    loaded = travel(clf)
    np.testing.assert_array_equal(loaded.predict_proba(X), clf.predict_proba(X))
    np.testing.assert_array_equal(loaded.transform(X), clf.transform(X))
    assert loaded.loss_curve_ == clf.loss_curve_
    assert loaded.set_params(device=clf.device).get_params().keys() == clf.get_params().keys()


LABELS = [
    np.array(["a", "b", "c"]),
    np.array(["x", "y", "zz"], dtype=object),
    np.array(["é", "日", "\U0001f600"]),
    np.array([-1, 5, 9]),
    np.array([0.0, 2.0, 3.0], dtype=np.float16),
    np.array([1, 2, 2**64 - 1], dtype=np.uint64),
    np.array([1, 2, 3], dtype=np.int8),
    np.array([1, 2, 3], dtype=">i2"),
    np.array([1, 2, 3], dtype=np.longdouble),
    *(np.array(["2020-01-01", "2021", "2022"], f"M8[{unit}]") for unit in ("D", "s", "us", "ns")),
    np.array([3, 1, 2], "m8[s]"),
]


@pytest.mark.parametrize("names", LABELS, ids=lambda names: str(names.dtype))
def test_labels_and_columns_survive(names, travel, iris):
    X = pd.DataFrame(iris[0], columns=list("abcd"))
    clf = HypersphericalPrototypeClassifier(**SMALL).fit(X, names[iris[1]])
    loaded = travel(clf)
    np.testing.assert_array_equal(loaded.predict(X), clf.predict(X))
    assert loaded.classes_.dtype == clf.classes_.dtype
    assert list(loaded.feature_names_in_) == list("abcd")


@pytest.mark.parametrize("labels", [[False, True], ["no", "yes"]], ids=str)
def test_two_labels_survive(labels, travel, iris):
    clf = HypersphericalPrototypeClassifier(**SMALL).fit(
        iris[0], np.array(labels)[(iris[1] > 0).astype(int)]
    )
    assert travel(clf).classes_.tolist() == labels


CONTAINERS = [list, tuple, np.array, pd.Index, pd.Series, pd.Categorical, pl.Series, pa.array]


@pytest.mark.parametrize("container", [*CONTAINERS, torch.tensor], ids=lambda c: c.__name__)
def test_categories_survive_in_any_container(container, travel, iris):
    X, y = iris
    clf = HypersphericalOrdinalClassifier(categories=container([0, 2, 1]), **SMALL).fit(X, y)
    loaded = travel(clf)
    assert np.asarray(loaded.categories).tolist() == loaded.categories_.tolist() == [0, 2, 1]
    assert loaded.fit(X, y).categories_.tolist() == [0, 2, 1]


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda c: c.__name__)
def test_names_of_categories_survive_in_any_container(container, travel, iris):
    names = ["low", "middle", "high"]
    clf = HypersphericalOrdinalClassifier(categories=container(names), **SMALL)
    loaded = travel(clf.fit(iris[0], np.array(names)[iris[1]]))
    assert list(loaded.categories) == loaded.categories_.tolist() == names


PROTOTYPES = {
    "list": np.eye(3, 4).tolist(),
    "tuples": tuple(map(tuple, np.eye(3, 4))),
    "array": np.eye(3, 4),
    "tensor": torch.eye(3, 4),
    "pandas": pd.DataFrame(np.eye(3, 4)),
    "polars": pl.DataFrame(np.eye(3, 4)),
    "mapping": {np.int64(0): [1, 0, 0], 1: np.array([0, 1, 0]), 2: [-1, 0, 1]},
}


@pytest.mark.parametrize("prototypes", PROTOTYPES.values(), ids=PROTOTYPES.keys())
def test_prototypes_survive_in_any_container(prototypes, travel, iris):
    clf = HypersphericalPrototypeClassifier(prototypes=prototypes, **SMALL).fit(*iris)
    loaded = travel(clf)
    np.testing.assert_array_equal(loaded.prototypes_, clf.prototypes_)
    np.testing.assert_array_equal(loaded.fit(*iris).prototypes_, clf.prototypes_)


@pytest.mark.parametrize(
    "features", [["b"], ("b",), "b", [1], pd.Index(["b"]), np.arange(4) == 1, None], ids=str
)
def test_columns_are_told_apart_in_any_container(features, travel, iris):
    X = pd.DataFrame(iris[0].round(), columns=list("abcd"))
    clf = HypersphericalPrototypeClassifier(categorical_features=features, **SMALL).fit(X, iris[1])
    loaded = travel(clf)
    np.testing.assert_array_equal(loaded.transform(X), clf.transform(X))
    np.testing.assert_array_equal(
        loaded.encoder_.transform(iris[0]), clf.encoder_.transform(iris[0])
    )


NAMES = [
    [("kind", 1), ("width", (2, 3))],
    [3, 4],
    ["kind", 4.5],
    [datetime.date(2020, 1, 1), datetime.date(2021, 1, 1)],
    [pd.Timestamp("2020"), pd.Timestamp("2021-01-01 12:30")],
    [pd.Timedelta("1D"), pd.Timedelta("2h")],
    [b"kind", True],
]


@pytest.mark.parametrize("names", NAMES, ids=str)
def test_names_of_targets_survive(names, travel, iris):
    X, y = iris
    frame = pd.DataFrame({0: y, 1: X[:, 3]}).set_axis(names, axis=1)
    model = HypersphericalMultiTask(**SMALL).fit(X[:, :3], frame)
    pd.testing.assert_frame_equal(travel(model).predict(X[:, :3]), model.predict(X[:, :3]))


def test_names_that_a_file_cannot_hold_are_refused(path, iris):
    X, y = iris
    frame = pd.DataFrame({pd.Period("2020"): y, pd.Period("2021"): X[:, 3]})
    model = HypersphericalMultiTask(**SMALL).fit(X[:, :3], frame)
    with pytest.raises(ValueError, match=r"form_ is .*Period.*pickle the estimator instead"):
        save(model, path)
    assert not path.exists()


OTHERS = {
    "regressor": HypersphericalRegressor(loss="huber", bounds=(0, 9), bounds_margin=0.1),
    "two values": HypersphericalRegressor(bounds=[(0, 9), (0.0, 8.0)], embedding_dim=6),
    "bounds": HypersphericalRegressor(bounds=pd.DataFrame([[0, 9], [0.0, 8.0]])),
    "ordinal": HypersphericalOrdinalClassifier(categories=[0, 2, 1], cost="squared"),
    "costs": HypersphericalOrdinalClassifier(cost=1 - np.eye(3), prediction="median"),
    "both": HypersphericalMultiTask(embedding_dim=4),
    "spheres": SphereNetClassifier(loss="a_softmax", regularizer="mhe"),
}


@pytest.mark.parametrize(("name", "model"), OTHERS.items(), ids=OTHERS.keys())
def test_other_estimators_survive(name, model, travel):
    frame = load_iris(as_frame=True).frame
    targets = {"regressor": "petal width (cm)", "ordinal": "target", "costs": "target"}
    targets["spheres"] = "target"
    two = list(frame.columns[-1:1:-1]) if name == "both" else list(frame.columns[2:4])
    X, y = frame.iloc[:, :2], frame[targets.get(name, two[:2])]
    model = clone(model).set_params(max_epochs=2, random_state=0).fit(X, y)
    loaded = travel(model)
    pd.testing.assert_frame_equal(pd.DataFrame(loaded.predict(X)), pd.DataFrame(model.predict(X)))
    np.testing.assert_array_equal(loaded.transform(X), model.transform(X))
    assert type(loaded.predict(X)) is type(model.predict(X))
    assert vars(loaded).keys() == vars(model).keys()
    assert loaded.fit(X, y).n_iter_ == 2


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize(
    ("cls", "backbone"),
    [
        (HypersphericalPrototypeClassifier, ConvNet((4,))),
        (HypersphericalOrdinalClassifier, ConvNet((4,))),
        (HypersphericalRegressor, ConvNet((4,))),
        (HypersphericalMultiTask, ConvNet((4,))),
        (SphereNetClassifier, SphereCNN(2, (4, 8))),
    ],
)
def test_images_survive(cls, backbone, dtype, travel):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, size=(30, 3, 6, 6)).astype(dtype), np.arange(30) % 3
    target = (y, y + 0.5) if cls is HypersphericalMultiTask else y
    model = cls(backbone=backbone, max_epochs=1, random_state=0).fit(X, target)
    loaded = travel(model)
    np.testing.assert_array_equal(loaded.transform(X), model.transform(X))
    assert loaded.partial_fit(X, target).n_iter_ == 2


def test_wishes_for_frames_and_metadata_survive(travel, iris):
    with config_context(enable_metadata_routing=True):
        clf = HypersphericalPrototypeClassifier(**SMALL).set_output(transform="pandas")
        clf.set_fit_request(sample_weight=True).set_score_request(sample_weight="importance")
        loaded = travel(clf.fit(*iris))
        assert str(loaded.get_metadata_routing()) == str(clf.get_metadata_routing())
        assert str(clone(loaded).get_metadata_routing()) == str(clf.get_metadata_routing())
    assert isinstance(loaded.transform(iris[0]), pd.DataFrame)


def test_a_loaded_model_learns_on_and_anew(path, iris, quick):
    save(quick().fit(*iris), path)
    assert load(path).partial_fit(*iris).n_iter_ == 9
    assert load(path).fit(*iris).n_iter_ == 8


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_momentum_travels_where_a_fit_would_go_on(optimizer, travel, iris, quick):
    # In one batch: files do not hold the state of the generator that shuffles.
    clf = quick(warm_start=True, optimizer=optimizer, batch_size=200, dtype="float64").fit(*iris)
    loaded = travel(clf)
    for model in (clf, loaded):
        model.partial_fit(*iris)
    np.testing.assert_allclose(loaded.transform(iris[0]), clf.transform(iris[0]), atol=1e-12)


def test_members_are_judged_by_the_same_rows_as_before(travel, iris):
    clf = HypersphericalPrototypeClassifier(
        backbone=MLP((4,), n_members=3), max_epochs=2, random_state=0, warm_start=True
    ).fit(*iris)
    loaded = travel(clf)
    assert loaded.net_.seed == clf.net_.seed
    assert loaded.fit(*iris).validation_scores_ == clf.fit(*iris).validation_scores_


@pytest.mark.parametrize(
    "changes", [{"embedding_dim": 7}, {"backbone": "auto"}, {"loss": "logits"}, {"lr": 1.0}]
)
def test_parameters_that_changed_since_the_fit_are_kept_beside_the_network(
    changes, travel, iris, quick
):
    clf = quick().fit(*iris).set_params(**changes)
    loaded = travel(clf)
    np.testing.assert_array_equal(loaded.predict_proba(iris[0]), clf.predict_proba(iris[0]))
    assert {name: getattr(loaded, name) for name in changes} == changes


def test_own_code_is_given_again(path, iris, quick):
    X, y = iris
    clf = quick(backbone=torch.nn.Linear(4, 3), loss=lambda c, t, w: (1 - c[:, 0]).mean())
    save(clf.fit(X, y), path)
    with pytest.raises(ValueError, match=r"holds no backbone, loss.*backbone=..., loss=..."):
        load(path)
    loaded = load(path, backbone=torch.nn.Linear(4, 3), loss="cosine")
    np.testing.assert_array_equal(loaded.predict_proba(X), clf.predict_proba(X))


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"backbone": torch.nn.Linear(4, 5)}, r"'backbone.weight' has shape \(5, 4\)"),
        ({"backbone": torch.nn.Linear(4, 3, bias=False)}, r"lacks 'backbone.bias'"),
        ({"backbone": torch.nn.Linear(4, 3), "colour": "red"}, "colour"),
    ],
)
def test_what_is_given_must_fit(params, reason, path, iris, quick):
    save(quick(backbone=torch.nn.Linear(4, 3)).fit(*iris), path)
    with pytest.raises(ValueError, match=reason):
        load(path, **params)


def test_a_network_that_was_changed_by_hand_is_refused(path, iris, quick):
    clf = quick().fit(*iris)
    clf.module_.backbone.append(torch.nn.Linear(64, 64))
    with pytest.raises(ValueError, match=r"module_ cannot be stored, since.*pickle"):
        save(clf, path)


class Mine(HypersphericalRegressor):
    """A user's own estimator."""


def test_subclasses_are_found_by_their_full_name(travel, iris):
    model = Mine(**SMALL).fit(iris[0], iris[0][:, 0])
    assert type(travel(model)) is Mine


def test_an_estimator_that_is_not_fitted_is_refused(path):
    with pytest.raises(NotFittedError):
        save(HypersphericalRegressor(), path)


def test_a_pipeline_is_refused(path, iris, quick):
    with pytest.raises(ValueError, match=r"got Pipeline; save that step alone"):
        save(make_pipeline(quick()).fit(*iris), path)


def test_no_training_data_is_stored(path, digits, quick):
    fitted = quick(max_epochs=1).fit(*digits)
    save(fitted, path)
    held = sum(tensor.nbytes for tensor in fitted.module_.state_dict().values())
    # Embeddings and moments of outputs, which do not grow with the rows beyond a thousand.
    held += sum(array.nbytes for array in fitted._reference.values())
    assert path.stat().st_size < held + 10_000 < digits[0].nbytes


def test_saving_does_not_change_a_model(path, iris, quick):
    clf = quick(warm_start=True).fit(*iris)
    before = copy.deepcopy(clf.module_.state_dict())
    save(clf, path)
    first = path.read_bytes()
    save(clf, path)
    assert path.read_bytes() == first
    assert all(torch.equal(before[name], value) for name, value in clf.module_.state_dict().items())
    assert clf.net_.optimizer_ is not None


def test_any_program_that_knows_safetensors_reads_the_weights(path, iris, quick):
    clf = quick().fit(*iris)
    save(clf, path)
    with safe_open(path, framework="pt") as file:
        stored = file.get_tensor("module._prototypes")
    assert torch.equal(stored, clf.module_.prototypes)


SCRIPT = """
import sys, numpy as np
from sphereskl import load
loaded = load(sys.argv[1], device="cpu")
print(loaded.device_, loaded.predict_proba(np.load(sys.argv[2])).tolist())
"""


def test_another_process_predicts_the_same(path, tmp_path, iris, quick):
    clf, rows = quick().fit(*iris), iris[0][::30]
    save(clf, path)
    np.save(tmp_path / "rows.npy", rows)
    command = [sys.executable, "-c", SCRIPT, path, tmp_path / "rows.npy"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.strip() == f"cpu {clf.predict_proba(rows).tolist()}"


def test_parameters_set_after_the_fit_do_not_change_what_is_loaded(path, iris):
    X, _ = iris
    model = HypersphericalRegressor(max_epochs=1, random_state=0).fit(X, X[:, 0])
    expected = model.predict(X)
    save(model.set_params(dtype="float64", backbone=MLP((8,)), embedding_dim=4), path)
    loaded = load(path)
    np.testing.assert_array_equal(loaded.predict(X), expected)
    assert loaded.dtype == "float64"


def test_categories_of_a_range_survive(travel, iris):
    clf = HypersphericalOrdinalClassifier(categories=range(3), **SMALL).fit(*iris)
    assert list(travel(clf).categories) == [0, 1, 2]


@pytest.mark.parametrize(
    "weights",
    [{pd.Timestamp(1): 2.0}, {0: np.zeros(1, "V3")}],
    ids=["nanoseconds", "bytes without a meaning"],
)
def test_parameters_that_a_file_cannot_hold_are_given_again(weights, path, iris):
    clf = HypersphericalPrototypeClassifier(**SMALL).fit(*iris).set_params(class_weight=weights)
    save(clf, path)
    with pytest.raises(ValueError, match="class_weight"):
        load(path)
    assert load(path, class_weight=weights).class_weight is weights


def test_very_large_samples_are_not_tried_out(travel, iris, monkeypatch):
    monkeypatch.setattr(_persistence, "_LARGEST_TRIAL", 3)
    clf = HypersphericalPrototypeClassifier(**SMALL).fit(*iris)
    np.testing.assert_array_equal(travel(clf).transform(iris[0]), clf.transform(iris[0]))
