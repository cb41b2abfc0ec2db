"""Laws of scikit-learn's perceptrons, as far as no other file holds our estimators to them.

All of them, with those that do not hold and why, stand in docs/user_guide/mlp.md.
"""

from functools import partial

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import is_classifier
from sklearn.datasets import make_multilabel_classification
from sklearn.metrics import roc_auc_score
from sklearn.multioutput import MultiOutputClassifier
from skorch.callbacks import LRScheduler

from sphereskl import MLP, HypersphericalPrototypeClassifier, HypersphericalRegressor

BOTH = pytest.mark.parametrize("cls", [HypersphericalPrototypeClassifier, HypersphericalRegressor])


@pytest.fixture
def small():
    """Make an estimator of one small network."""

    def make(cls=HypersphericalPrototypeClassifier, **params):
        options = {"backbone": MLP((16,), n_members=1), "lr": 1e-2, "max_epochs": 5}
        return cls(**{**options, "random_state": 0, **params})

    return make


def weights(estimator):
    """Return the matrices of the network below the sphere, in one row."""
    return np.concatenate(
        [p.detach().numpy().ravel() for p in estimator.module_.backbone.parameters() if p.ndim > 1]
    )


# What is learned.


def test_a_step_is_the_one_worked_out_by_hand():
    # Under 1 - cos, u = W x turns towards its prototype p: d(cos)/du = (p - (p.z) z) / |u|.
    X, W = np.array([[0.6, 0.8, 0.7], [0.1, -0.4, 0.9]]), np.array([[0.1, 0.3, 0.5], [0.2, 0.1, 0]])
    linear = torch.nn.Linear(3, 2, bias=False, dtype=torch.float64)
    linear.weight.data = torch.from_numpy(W)
    clf = HypersphericalPrototypeClassifier(
        backbone=linear,
        prototypes=np.eye(2),
        loss="cosine",
        optimizer=torch.optim.SGD,
        lr=0.1,
        lr_schedule="constant",
        weight_decay=0,
        max_epochs=1,
        validation_fraction=0,
        dtype="float64",
    ).fit(X, ["a", "b"])
    u = X @ W.T
    norm = np.linalg.norm(u, axis=1, keepdims=True)
    z = u / norm
    slopes = (np.eye(2) - (np.eye(2) * z).sum(axis=1, keepdims=True) * z) / norm
    expected = W + 0.1 * slopes.T @ X / 2
    np.testing.assert_allclose(weights(clf), expected.ravel(), rtol=1e-12)
    z = X @ expected.T / np.linalg.norm(X @ expected.T, axis=1, keepdims=True)
    np.testing.assert_allclose(clf.decision_function(X), (z[:, 1] - z[:, 0]) / 2, rtol=1e-12)


@BOTH
def test_more_weight_decay_leaves_smaller_weights(cls, iris, small):
    sums = [np.abs(weights(small(cls, weight_decay=d).fit(*iris))).sum() for d in (0.0, 1.0, 10.0)]
    assert sums == sorted(sums, reverse=True)


@pytest.mark.parametrize("activation", ["relu", "gelu", "silu", "tanh"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_digits_are_learned_with_any_activation(activation, n_classes, digits, small):
    X, y = (part[digits[1] < n_classes][:150] for part in digits)
    clf = small(backbone=MLP((50,), n_members=1, activation=activation), max_epochs=10)
    assert clf.fit(X, y).score(X, y) > 0.95


@pytest.mark.parametrize("labels", [["no", "yes"], ["a", "b", "c"]], ids=len)
def test_logarithms_are_those_of_probabilities(labels, digits, small):
    X, y = (part[digits[1] < len(labels)][:60] for part in digits)
    clf = small(max_epochs=15).fit(X, np.array(labels)[y])
    p = clf.predict_proba(X)
    np.testing.assert_allclose(clf.predict_log_proba(X), np.log(p), rtol=1e-6, atol=1e-12)
    assert roc_auc_score(y, p[:, 1] if len(labels) == 2 else p, multi_class="ovr") == 1


@BOTH
def test_weights_of_one_are_no_weights(cls, iris, small):
    params = {"early_stopping": True, "batch_size": 10}
    bare = small(cls, **params).fit(*iris)
    weighted = small(cls, **params).fit(*iris, sample_weight=np.ones(150))
    np.testing.assert_array_equal(weighted.predict(iris[0]), bare.predict(iris[0]))
    np.testing.assert_array_equal(weighted.transform(iris[0]), bare.transform(iris[0]))


@BOTH
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("given", ["float32", "float64"])
def test_the_precision_is_the_one_asked_for_whatever_is_given(cls, dtype, given, iris, small):
    X, y = iris[0].astype(given), iris[1]
    model = small(cls, dtype=dtype, max_epochs=1).fit(X, y)
    assert {p.dtype for p in model.module_.parameters()} == {getattr(torch, dtype)}
    assert model.transform(X).dtype == dtype
    assert model.predict(X).dtype == (y.dtype if is_classifier(model) else np.float64)


# What is learned in parts, and on and on.


@BOTH
@pytest.mark.parametrize("momentum", [0, 0.9])
def test_parts_at_a_constant_rate_are_a_fit(cls, momentum, iris, small):
    X, y = iris
    params = {
        "optimizer": partial(torch.optim.SGD, momentum=momentum),
        "lr_schedule": "constant",
        "validation_fraction": 0,
    }
    whole, parts = small(cls, **params).fit(X, y), small(cls, **params)
    for _ in range(5):
        parts.partial_fit(X, y, **({"classes": [0, 1, 2]} if is_classifier(parts) else {}))
    np.testing.assert_array_equal(parts.transform(X), whole.transform(X))


def test_other_classes_than_the_first_part_named_are_refused(small):
    clf = small().partial_fit([[3, 2]], [0], classes=[0, 1])
    with pytest.raises(ValueError, match=r"labels \[1, 2\], but the fitted model has \[0, 1\]"):
        clf.partial_fit([[3, 2]], [1], classes=[1, 2])


@BOTH
def test_a_stream_may_follow_a_fit_that_stops_early(cls, iris, small):
    model = small(cls, early_stopping=True).fit(*iris)
    n_scores = len(model.validation_scores_)
    assert model.partial_fit(*iris).n_iter_ == 6
    assert len(model.validation_scores_) == n_scores


def test_a_model_that_was_stored_learns_another_value(tmp_path, small):
    model = small(HypersphericalRegressor, bounds=(0.0, 5.0), lr_schedule="constant", max_epochs=50)
    joblib.dump(model.fit([[2.0]], [4.0]), tmp_path / "model.pkl")
    loaded = joblib.load(tmp_path / "model.pkl")
    for _ in range(60):
        loaded.partial_fit([[2.0]], [1.0])
    assert model.predict([[2.0]]) == pytest.approx(4, abs=0.02)
    assert loaded.predict([[2.0]]) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("names", [[0, 1], [0, 1, 3], [0, 1, 2, 3]], ids=str)
def test_a_warm_start_takes_the_same_classes_in_other_shares(names, iris, small):
    X, y = iris
    clf = small(warm_start=True, max_epochs=1).fit(X, y)
    assert clf.fit(X, np.repeat([0, 1, 2], [40, 40, 70])).n_iter_ == 2
    with pytest.raises(ValueError, match=r"but the fitted model has \[0, 1, 2\]"):
        clf.fit(X, np.resize(names, 150))


@BOTH
def test_a_warm_start_goes_on_with_the_curve_of_scores(cls, iris, small):
    model = small(cls, warm_start=True, early_stopping=True, max_epochs=3).fit(*iris)
    first = list(model.validation_scores_)
    model.set_params(max_epochs=4).fit(*iris)
    assert len(model.validation_scores_) == model.n_iter_ == 7
    assert model.validation_scores_[:3] == first


# When training ends, and what it leaves.


@pytest.mark.parametrize("patience", [2, 5, 10])
def test_training_ends_so_many_epochs_after_the_best(patience, cancer, small):
    clf = small(early_stopping=True, n_iter_no_change=patience, max_epochs=500, lr=0.03)
    clf.set_params(lr_schedule="constant").fit(*cancer)
    assert clf.n_iter_ - 1 - np.argmin(clf.history_[:, "valid_loss"]) == patience
    assert clf.n_iter_ < 500


@BOTH
def test_without_early_stopping_all_epochs_are_trained_and_none_is_scored(cls, iris):
    model = cls(backbone=MLP((8,)), early_stopping=False, max_epochs=30, lr=0.1, random_state=0)
    model.fit(*iris)
    assert len(model.loss_curve_) == model.n_iter_ == 30
    assert model.validation_scores_ == []


def test_early_stopping_scores_labels_of_any_kind(iris, small):
    labels = np.array(["class_a", "class_b", "class_c"], dtype=object)[iris[1]]
    clf = small(early_stopping=True, max_epochs=20).fit(iris[0], labels)
    assert len(clf.validation_scores_) == clf.n_iter_
    assert max(clf.validation_scores_) > 0.9


def test_a_rate_that_falls_where_the_loss_does_is_a_callback(iris, small):
    plateau = {"monitor": "train_loss", "patience": 0, "threshold": 0.5, "factor": 0.1}
    clf = small(callbacks=[LRScheduler("ReduceLROnPlateau", **plateau)], lr_schedule="constant")
    rates = clf.fit(*iris).history_[:, "event_lr"]
    assert rates[-1] < 0.1 * rates[0]


@BOTH
def test_names_of_columns_stay_where_training_stops_early_and_goes_on(cls, iris, small):
    frame, y = pd.DataFrame(iris[0], columns=["a", "b", "c", "d"]), iris[1]
    model = small(cls, early_stopping=True).fit(frame, y).partial_fit(frame, y)
    assert list(model.feature_names_in_) == ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match="feature names should match"):
        model.partial_fit(frame.rename(columns={"a": "e"}), y)


def test_a_part_shows_its_progress_too(iris, small, capfd):
    small(verbose=True).partial_fit(*iris, classes=[0, 1, 2])
    assert "1/1" in capfd.readouterr().err


# What differs.


def test_several_labels_a_row_are_refused_with_the_way_out(small):
    X, Y = make_multilabel_classification(50, n_classes=3, random_state=0)
    with pytest.raises(ValueError, match=r"\(50, 3\).*sklearn\.multioutput\.MultiOutputClassifier"):
        small().fit(X, Y)
    several = MultiOutputClassifier(small(max_epochs=20)).fit(X, Y)
    assert (several.predict(X) == Y).mean() > 0.9


def test_a_batch_larger_than_the_rows_is_all_rows(iris, small):
    huge, whole = (small(batch_size=size, validation_fraction=0) for size in (10**6, 150))
    np.testing.assert_array_equal(
        huge.fit(*iris).transform(iris[0]), whole.fit(*iris).transform(iris[0])
    )


def test_a_number_that_is_no_number_of_epochs_is_refused(iris, small):
    with pytest.raises(ValueError, match=r"'n_iter_no_change' parameter .* Got inf"):
        small(n_iter_no_change=np.inf).fit(*iris)
