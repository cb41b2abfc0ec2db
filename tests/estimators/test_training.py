"""Validation, early stopping, callbacks, progress and interruption."""

import sys

import numpy as np
import pytest
import torch
from sklearn.ensemble import AdaBoostClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    Freezer,
    GradientNormClipping,
    LRScheduler,
)

from sphereskl import HypersphericalPrototypeClassifier
from sphereskl.estimators import _learning
from sphereskl.nn import log_probabilities, squared_cosine


def spy_on_training(monkeypatch):
    """Record the rows that are trained on and those that judge."""
    seen = {}
    train = _learning.fit_net
    calibrate = HypersphericalPrototypeClassifier._calibrate

    def watch_train(net, data, valid, **options):
        seen["train"], seen["watched"] = data, valid
        return train(net, data, valid, **options)

    def watch_calibrate(self, data, n_distinct):
        seen["calibration"] = data
        calibrate(self, data, n_distinct)

    monkeypatch.setattr(_learning, "fit_net", watch_train)
    monkeypatch.setattr(HypersphericalPrototypeClassifier, "_calibrate", watch_calibrate)
    return seen


def rows_of(data):
    return {tuple(row) for row in data.X.tolist()}


@pytest.mark.parametrize("early_stopping", [False, True])
def test_held_out_rows_are_not_trained_on(early_stopping, digits, quick, monkeypatch):
    seen = spy_on_training(monkeypatch)
    quick(max_epochs=1, early_stopping=early_stopping).fit(*digits)
    trained, judged = rows_of(seen["train"]), rows_of(seen["calibration"])
    assert not trained & judged
    assert len(trained) + len(judged) == 1797
    assert (seen["watched"] is not None) == early_stopping


def test_held_out_rows_are_stratified(digits, quick, monkeypatch):
    seen = spy_on_training(monkeypatch)
    quick(validation_fraction=0.2, max_epochs=1).fit(*digits)
    counts = np.bincount(seen["calibration"].target)
    np.testing.assert_allclose(counts, 0.2 * np.bincount(digits[1]), atol=1)


def test_given_validation_rows_are_the_only_judges(digits, quick, monkeypatch):
    X, y = digits
    seen = spy_on_training(monkeypatch)
    quick(max_epochs=1).fit(X[:1000], y[:1000], X_val=X[1000:], y_val=y[1000:])
    assert len(seen["train"].X) == 1000
    assert seen["watched"] is seen["calibration"]
    assert len(seen["calibration"].X) == 797


def test_labels_of_validation_rows_do_not_reach_the_weights(digits, quick):
    X, y = digits
    true, false = (
        quick(max_epochs=2, early_stopping=False).fit(
            X[:1000], y[:1000], X_val=X[1000:], y_val=labels
        )
        for labels in (y[1000:], y[1000:][::-1])
    )
    np.testing.assert_array_equal(true.transform(X), false.transform(X))
    assert true.scale_ != false.scale_


def test_early_stopping_goes_back_to_the_best_epoch(cancer, quick):
    clf = quick(early_stopping=True, max_epochs=200, n_iter_no_change=5, lr_schedule="constant")
    clf.fit(*cancer)
    losses = [epoch["valid_loss"] for epoch in clf.history_]
    assert clf.n_iter_ < 200
    assert np.argmin(losses) < clf.n_iter_ - 1
    short = quick(
        early_stopping=True, max_epochs=int(np.argmin(losses)) + 1, lr_schedule="constant"
    )
    np.testing.assert_array_equal(clf.transform(cancer[0]), short.fit(*cancer).transform(cancer[0]))


def test_curves_tell_the_history(digits, quick):
    clf = quick(early_stopping=True).fit(*digits)
    assert len(clf.loss_curve_) == len(clf.validation_scores_) == clf.n_iter_ == 8
    assert clf.loss_curve_[-1] < clf.loss_curve_[0]
    assert clf.validation_scores_[-1] > 0.9
    assert {"epoch", "train_loss", "valid_loss", "valid_score", "dur"} <= set(clf.history_[-1])


class Listener(Callback):
    """Count events and stop after some epochs."""

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def initialize(self):
        self.n_batches_ = 0
        return self

    def on_batch_end(self, net, batch=None, training=None, **kwargs):
        self.n_batches_ += 1

    def on_epoch_end(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        if len(net.history) == self.n_epochs:
            raise KeyboardInterrupt


def test_callbacks_hear_of_batches_and_may_stop(digits, quick):
    listener = Listener(n_epochs=3)
    clf = quick(callbacks=[listener]).fit(*digits)
    assert clf.n_iter_ == 3
    assert listener.n_batches_ == 3 * -(-1617 // 64)
    assert clf.history_[0, "batches", 0, "train_loss"] > 0


@pytest.mark.parametrize(
    ("callback", "column"),
    [
        (EpochScoring("accuracy", name="accuracy"), "accuracy"),
        (EpochScoring("accuracy", name="on_train", on_train=True), "on_train"),
        (LRScheduler("StepLR", step_size=2), "event_lr"),
        (EarlyStopping("train_loss", load_best=True), "train_loss"),
        (GradientNormClipping(1.0), "train_loss"),
        (Freezer("backbone.0*"), "train_loss"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_callbacks_of_skorch_work(callback, column, digits, quick):
    options = {"early_stopping": True, "max_epochs": 2, "lr_schedule": "constant"}
    clf = quick(callbacks=[callback], **options).fit(*digits)
    assert column in clf.history_[-1]
    assert clf.history_[-1].get("accuracy", clf.validation_scores_[-1]) == pytest.approx(
        clf.validation_scores_[-1]
    )


@pytest.mark.parametrize("monitor", ["valid_loss_best", "train_loss_best", None])
def test_checkpoints_can_be_written(monitor, cancer, quick, tmp_path):
    quick(callbacks=[Checkpoint(dirname=tmp_path, monitor=monitor)], early_stopping=True).fit(
        *cancer
    )
    assert (tmp_path / "params.pt").exists()


def test_silent_by_default(iris, quick, capfd):
    quick().fit(*iris).predict(iris[0])
    assert capfd.readouterr() == ("", "")


def test_progress_is_shown_when_asked_for(iris, quick, capfd):
    quick(verbose=True).fit(*iris)
    shown = capfd.readouterr().err
    assert "8/8" in shown
    assert "loss" in shown


class InterruptedLoss:
    """The paper's loss, and Ctrl-C in a chosen step."""

    def __init__(self, step):
        self.step = step

    def __call__(self, cosines, target, weight):
        self.step -= 1
        if self.step == 0:
            raise KeyboardInterrupt
        return squared_cosine(cosines, target, weight)


def test_interrupt_at_a_prompt_keeps_the_model(iris, quick, monkeypatch):
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    clf = make_pipeline(
        StandardScaler(), quick(loss=InterruptedLoss(11), lr_schedule="constant", batch_size=128)
    )
    cell = {"__name__": "__main__", "clf": clf, "X": iris[0], "y": iris[1]}
    with pytest.warns(UserWarning, match="interrupted after 5 epochs; the best model so far"):
        exec("clf.fit(X, y)", cell)
    assert clf.score(*iris) > 0.5


def test_interrupt_keeps_the_best_epoch(cancer, quick, monkeypatch):
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    params = {"max_epochs": 100, "lr": 0.3, "lr_schedule": "constant", "early_stopping": True}
    clf = quick(loss=InterruptedLoss(60), n_iter_no_change=100, **params)
    cell = {"__name__": "__main__", "clf": clf, "X": cancer[0], "y": cancer[1]}
    with pytest.warns(UserWarning, match="interrupted"):
        exec("clf.fit(X, y)", cell)
    best = int(np.argmin([epoch["valid_loss"] for epoch in clf.history_])) + 1
    short = quick(loss=squared_cosine, **{**params, "max_epochs": best}).fit(*cancer)
    np.testing.assert_array_equal(clf.transform(cancer[0]), short.transform(cancer[0]))


@pytest.mark.parametrize("prompt", [True, False])
def test_interrupt_stops_a_search(prompt, iris, quick, monkeypatch):
    if prompt:
        monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    search = GridSearchCV(quick(loss=InterruptedLoss(3)), {"lr": [1e-3, 1e-2]}, error_score=0)
    cell = {"__name__": "__main__", "search": search, "X": iris[0], "y": iris[1]}
    with pytest.raises(KeyboardInterrupt):
        exec("search.fit(X, y)", cell)


def test_interrupt_in_a_script_leaves_a_usable_model(iris, quick):
    clf = quick(loss=InterruptedLoss(11))
    with pytest.raises(KeyboardInterrupt):
        clf.fit(*iris)
    assert clf.predict(iris[0]).shape == (150,)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_divergence_is_an_error_that_loses_nothing(method, iris, quick):
    clf = quick().fit(*iris)
    before = clf.predict_proba(iris[0])
    clf.net_.lr = 1e30
    train = getattr(clf.set_params(optimizer="sgd", lr=1e30), method)
    with pytest.raises(ValueError, match=r"Training diverged: .* lower lr, which is 1e\+30"):
        train(*iris)
    np.testing.assert_array_equal(clf.predict_proba(iris[0]), before)
    assert len(clf.loss_curve_) == 8
    assert clf.net_.callbacks_ == []


@pytest.mark.parametrize("n", [90, 100, 110])
def test_weight_is_repetition_around_the_least_hold_out(n, digits, quick):
    X, y = digits[0][:n], digits[1][:n]
    weight = np.arange(n) % 3
    params = {"dtype": "float64", "batch_size": 1000}
    weighted = quick(**params).fit(X, y, sample_weight=weight)
    repeated = quick(**params).fit(X.repeat(weight, axis=0), y.repeat(weight))
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-6)


def test_boosting_uses_the_weights(iris, quick):
    boosted = AdaBoostClassifier(quick(), n_estimators=3, random_state=0)
    assert boosted.fit(*iris).score(*iris) > 0.8


def test_scale_is_the_most_likely_on_judges(digits, quick, monkeypatch):
    seen = spy_on_training(monkeypatch)
    clf = quick().fit(*digits)
    data = seen["calibration"]
    with torch.no_grad():
        cosines = clf.module_(data.X).double()
    scales = clf.scale_ * torch.tensor([0.8, 1.0, 1.25])
    losses = [
        torch.nn.functional.nll_loss(
            log_probabilities(cosines, s, clf.label_smoothing), data.target
        )
        for s in scales
    ]
    assert losses[1] <= min(losses)


def test_cross_validation_in_a_pipeline(cancer, quick):
    scores = cross_val_score(make_pipeline(StandardScaler(), quick()), *cancer, cv=3)
    assert scores.mean() > 0.92
