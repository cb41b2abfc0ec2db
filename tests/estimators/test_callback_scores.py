"""What callbacks hear and score is in the units of y; their parameters are the estimator's."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import load_diabetes
from sklearn.metrics import get_scorer, log_loss, mean_absolute_error
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    EpochTimer,
    LoadInitState,
    LRScheduler,
    PrintLog,
)

from sphereskl import (
    MLP,
    HypersphericalMultiTask,
    HypersphericalOrdinalClassifier,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
    SphereNetClassifier,
)
from sphereskl.nn import ANGULAR_LOSSES, LOSSES, SphereMLP, log_probabilities, separating_scale

X, VALUE = load_diabetes(return_X_y=True)
NUMBER = np.digitize(VALUE, [100, 200])
STAGE = np.array(["low", "middle", "high"])[NUMBER]
TWO = np.stack([VALUE, 100 * X[:, 0]], axis=1)
PAIR = (STAGE, VALUE)
QUICK = {"max_epochs": 2, "random_state": 0, "device": "cpu"}
ORDER = {"categories": ["low", "middle", "high"]}

CASES = {
    "prototype": (HypersphericalPrototypeClassifier, STAGE, {}),
    "two classes": (HypersphericalPrototypeClassifier, VALUE > 140, {}),
    "ordinal": (HypersphericalOrdinalClassifier, STAGE, ORDER),
    "median": (HypersphericalOrdinalClassifier, STAGE, {**ORDER, "prediction": "median"}),
    "spherenet": (SphereNetClassifier, STAGE, {}),
    "regressor": (HypersphericalRegressor, VALUE, {}),
    "two values": (HypersphericalRegressor, TWO, {}),
    "multi-task": (HypersphericalMultiTask, PAIR, {}),
    "numbers": (HypersphericalMultiTask, np.stack([NUMBER, VALUE], axis=1), {}),
}
CLASSIFIERS = ("prototype", "two classes", "ordinal", "spherenet")
SCORERS = {
    **dict.fromkeys(CLASSIFIERS, ("accuracy", "roc_auc_ovr", "neg_log_loss")),
    "two classes": ("accuracy", "roc_auc", "average_precision", "neg_log_loss", "f1"),
    "median": ("accuracy", "balanced_accuracy"),
    "regressor": ("r2", "neg_mean_absolute_error"),
    "two values": ("r2", "neg_mean_absolute_error"),
}
all_cases = pytest.mark.parametrize("case", CASES)


def _estimator(case, **params):
    cls, _, options = CASES[case]
    return cls(**{**QUICK, **options, **params})


def _part(y, rows):
    return tuple(column[rows] for column in y) if isinstance(y, tuple) else y[rows]


def _fit(case, *callbacks, watched=True, **params):
    """Fit on most rows while the others judge, without going back to an earlier epoch."""
    y, split = CASES[case][1], 400
    estimator = _estimator(case, callbacks=list(callbacks), early_stopping=False, **params)
    if not watched:
        return estimator.fit(X, y)
    parts = [_part(y, slice(split)), _part(y, slice(split, None))]
    return estimator.fit(X[:split], parts[0], X_val=X[split:], y_val=parts[1])


class Ear(Callback):
    """Keep the targets of batches and what is told of the data."""

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        self.y_ = y

    def on_batch_end(self, net, batch=None, training=None, **kwargs):
        self.batches_ = getattr(self, "batches_", {True: [], False: []})
        self.batches_[training].append(batch[1])

    def on_epoch_end(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        self.datasets_ = dataset_train.y, dataset_valid.y
        self.tags_ = is_classifier(net), is_regressor(net)


# Units.


def _rows(y):
    """Rows in any order, values in a precision that float32 can tell."""
    columns = [column.astype(object) for column in y] if isinstance(y, tuple) else None
    table = np.stack(columns, axis=1) if columns else np.asarray(y)
    rows = table.reshape(len(table), -1).tolist()
    return sorted(tuple(v if isinstance(v, str) else round(v, 1) for v in row) for row in rows)


@pytest.mark.parametrize("case", ["regressor", "two values", "multi-task", "numbers"])
def test_values_are_heard_as_the_user_gave_them(case):
    ear = Ear()
    _fit(case, ear)
    y = CASES[case][1]
    trained, judged = _part(y, slice(400)), _part(y, slice(400, None))
    assert _rows(ear.y_) == _rows(trained)
    assert _rows(np.concatenate(ear.batches_[True][:7])) == _rows(trained)
    assert _rows(ear.datasets_[1]) == _rows(ear.batches_[False][0]) == _rows(judged)


@pytest.mark.parametrize("case", [*CLASSIFIERS, "median"])
def test_labels_are_heard_as_the_user_gave_them(case):
    ear = Ear()
    _fit(case, ear)
    y = CASES[case][1]
    np.testing.assert_array_equal(ear.y_, y[:400])
    np.testing.assert_array_equal(np.sort(np.concatenate(ear.batches_[True][:7])), np.sort(y[:400]))
    np.testing.assert_array_equal(ear.batches_[False][0], y[400:])
    np.testing.assert_array_equal(ear.datasets_[1], y[400:])


def test_values_beyond_the_bounds_are_heard_as_they_are():
    ear = Ear()
    model = _estimator("regressor", callbacks=[ear], early_stopping=False)
    model.fit(X[:50], VALUE[:50], X_val=X[50:60], y_val=1e3 + VALUE[50:60])
    np.testing.assert_allclose(ear.datasets_[1], 1e3 + VALUE[50:60])


def test_what_is_missing_is_heard_as_missing():
    ear, label, value = Ear(), STAGE.astype(object), VALUE.copy()
    label[::3], value[1::3] = None, np.nan
    _estimator("multi-task", callbacks=[ear]).fit(X, (label, value))
    assert [found is None for found in ear.y_[:, 0]] == [given is None for given in label]
    np.testing.assert_array_equal(np.isnan(ear.y_[:, 1].astype(float)), np.isnan(value))


@all_cases
def test_the_net_is_to_scikit_learn_what_the_estimator_is(case):
    ear = Ear()
    model = _fit(case, ear)
    assert ear.tags_ == (is_classifier(model), is_regressor(model))


@all_cases
def test_a_fitted_net_answers_as_the_estimator_does(case):
    model = _fit(case)
    encoded = model.encoder_.transform(X)
    assert _rows(model.net_.predict(encoded)) == _rows(model.predict(X))
    assert model.net_.score(encoded, np.stack(PAIR, 1) if case == "multi-task" else CASES[case][1])


@pytest.mark.parametrize("case", [*CLASSIFIERS, "median", "multi-task", "numbers"])
@pytest.mark.parametrize(
    "transport", [lambda model: model, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_a_fitted_net_gives_the_probabilities_of_the_estimator(case, transport):
    model = transport(_fit(case))
    encoded = model.encoder_.transform(X)
    probabilities = model.net_.predict_proba(encoded)
    np.testing.assert_allclose(probabilities, model.predict_proba(X), rtol=1e-6)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(model.net_.classes_, model.classes_)


@pytest.mark.parametrize("case", ["regressor", "two values"])
@pytest.mark.parametrize("method", ["predict_proba", "decision_function"])
def test_values_have_no_probabilities(case, method):
    model = _fit(case)
    assert not hasattr(model.net_, "classes_")
    with pytest.raises(AttributeError, match="predicts values, which have no probabilities"):
        getattr(model.net_, method)(model.encoder_.transform(X))


# Scores.


@pytest.mark.parametrize("watched", [True, False])
@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("case", SCORERS)
def test_scores_by_name(case, cached, watched):
    names = SCORERS[case]
    options = {"use_caching": cached, "on_train": not watched, "lower_is_better": False}
    model = _fit(case, *(EpochScoring(name, **options) for name in names), watched=watched)
    assert np.isfinite([model.history_[-1, name] for name in names]).all()
    assert {f"{name}_best" for name in names} <= set(model.history_[-1])


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize(
    ("case", "name"),
    [
        ("prototype", "accuracy"),
        ("ordinal", "f1_macro"),
        ("spherenet", "balanced_accuracy"),
        ("two classes", "roc_auc"),
        ("two classes", "average_precision"),
        ("regressor", "r2"),
        ("regressor", "neg_mean_absolute_error"),
        ("two values", "r2"),
    ],
)
def test_scores_are_those_of_the_fitted_estimator(case, name, cached):
    model = _fit(case, EpochScoring(name, use_caching=cached))
    expected = get_scorer(name)(model, X[400:], CASES[case][1][400:])
    assert model.history_[-1, name] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("case", ["prototype", "spherenet", "regressor", "two values"])
@pytest.mark.parametrize("kind", [EpochScoring, BatchScoring])
def test_the_score_of_the_estimator_is_the_default(case, kind):
    model = _fit(case, kind(None), kind(None, use_caching=False, name="uncached"))
    expected = model.score(X[400:], CASES[case][1][400:])
    assert model.history_[-1, "score"] == pytest.approx(expected, rel=1e-5)
    assert model.history_[-1, "uncached"] == pytest.approx(expected, rel=1e-5)
    assert model.history_[:, "score"] == pytest.approx(model.validation_scores_, rel=1e-5)


@pytest.mark.parametrize("case", ["multi-task", "numbers"])
def test_two_tasks_are_scored_together(case):
    model = _fit(case, EpochScoring(None))
    y = _part(CASES[case][1], slice(400, None))
    assert model.history_[-1, "score"] == pytest.approx(model.score(X[400:], y), rel=1e-5)


def _error_of_values(net, X, y):
    return mean_absolute_error(y[:, 1].astype(float), net.predict(X)[:, 1].astype(float))


@pytest.mark.parametrize("case", ["multi-task", "numbers"])
def test_a_callable_scores_one_of_two_tasks(case):
    model = _fit(case, EpochScoring(_error_of_values, name="error"))
    expected = mean_absolute_error(VALUE[400:], model.predict_value(X[400:]))
    assert model.history_[-1, "error"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("case", [*CLASSIFIERS, "multi-task"])
def test_probabilities_while_training_have_the_scale_of_the_loss(case):
    def proba(net, X, y):
        logits = torch.from_numpy(net.reader.class_logits(net._logits(X)))
        expected = log_probabilities(logits, net._scale(), net.criterion_.label_smoothing).exp()
        return float(np.abs(net.predict_proba(X) - expected.numpy()).max())

    model = _fit(case, EpochScoring(proba, name="error"))
    assert model.history_[-1, "error"] < 1e-12


@pytest.mark.parametrize("kind", [EpochScoring, BatchScoring])
def test_a_scorer_may_ask_often_and_about_other_rows(kind):
    def scorer(net, X, y):
        hits = net.predict(X) == net.classes_[net.predict_proba(X).argmax(axis=1)]
        others = net.predict(net.judged_.X[:7]) == net.predict(net.judged_)[:7]
        return hits.mean() + others.mean()

    assert _fit("prototype", kind(scorer, name="both")).history_[-1, "both"] == 2


def test_the_log_loss_is_that_of_the_scale_that_is_learned():
    model = _fit("prototype", EpochScoring("neg_log_loss"))
    logits = torch.from_numpy(model.decision_function(X[400:]))
    log_p = log_probabilities(logits, model.module_.scale.item(), model.label_smoothing)
    expected = -log_loss(STAGE[400:], log_p.exp().numpy(), labels=model.classes_)
    assert model.history_[-1, "neg_log_loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("case", ["prototype", "ordinal", "regressor", "two values"])
def test_rows_are_scored_by_the_members_that_did_not_see_them(case, cached):
    model = _estimator(case, callbacks=[EpochScoring(None, use_caching=cached)])
    model.fit(X, CASES[case][1])
    assert model.n_members_ > 1
    assert model.history_[:, "score"] == pytest.approx(model.validation_scores_, rel=1e-5)


@pytest.mark.parametrize("case", ["prototype", "regressor", "spherenet"])
def test_listening_changes_nothing(case):
    np.testing.assert_array_equal(
        _fit(case, Ear(), EpochScoring(None, use_caching=False)).transform(X),
        _fit(case).transform(X),
    )


BACKBONES = {HypersphericalPrototypeClassifier: MLP, SphereNetClassifier: SphereMLP}


@pytest.mark.parametrize(
    ("cls", "loss"),
    [
        *((HypersphericalPrototypeClassifier, loss) for loss in [*LOSSES, LOSSES["cosine"]]),
        *((SphereNetClassifier, loss) for loss in ["softmax", *ANGULAR_LOSSES]),
    ],
)
def test_the_scale_before_any_row_is_that_of_the_loss(cls, loss):
    backbone = BACKBONES[cls]((8,))
    model = cls(loss=loss, backbone=backbone, **{**QUICK, "max_epochs": 1}).fit(X[:60], STAGE[:60])
    model.net_.scale = None
    if cls is HypersphericalPrototypeClassifier:
        trained = {"cross_entropy": model.module_.log_scale.exp().item(), "logits": 1.0}
        name = loss if isinstance(loss, str) else "a callable"
        expected = trained.get(name, separating_scale(3))
    else:
        angular = getattr(model.net_.criterion_, "loss", None)
        has_scale = hasattr(angular, "scale") and angular.scale != "norm"
        # At an angle of 0 every operator is 1.
        expected = angular.logits(torch.ones(1, 3)).max().item() if has_scale else 1.0
    assert model.net_._scale() == pytest.approx(expected)


# Names.


def _named(**params):
    callbacks = [("stop", EarlyStopping("train_loss", patience=2, threshold=1.0)), EpochTimer()]
    return _estimator("prototype", callbacks=callbacks, **params)


def test_parameters_of_callbacks_are_parameters():
    params = _named().get_params()
    assert params["callbacks__stop__patience"] == 2
    assert isinstance(params["callbacks__EpochTimer"], EpochTimer)
    assert not [name for name in _named().get_params(deep=False) if "__" in name]


@pytest.mark.parametrize("kind", [list, tuple])
def test_parameters_of_callbacks_are_set_and_survive_a_clone(kind):
    model = _named(max_epochs=9)
    model.callbacks = kind(model.callbacks)
    copy = clone(model.set_params(callbacks__stop__patience=4, lr=0.01))
    assert type(copy.callbacks) is kind
    assert copy.callbacks[0][1] is not model.callbacks[0][1]
    assert copy.fit(X, STAGE).n_iter_ == 5


def test_a_callback_is_replaced_or_left_out():
    given = _named(max_epochs=9).callbacks
    model = _estimator("prototype", callbacks=given, max_epochs=9)
    other = EarlyStopping("train_loss", patience=1)
    model.set_params(callbacks__stop=other, callbacks__stop__threshold=1.0)
    assert model.fit(X, STAGE).n_iter_ == 2
    assert model.set_params(callbacks__stop=None).fit(X, STAGE).n_iter_ == 9
    assert model.get_params()["callbacks__stop"] is None
    # The list that the user passed is theirs.
    assert given[0][1].patience == 2


def test_callbacks_of_one_class_are_numbered():
    model = _estimator("prototype", callbacks=[EarlyStopping(), EarlyStopping(patience=7)])
    assert model.get_params()["callbacks__EarlyStopping_2__patience"] == 7


def test_callbacks_and_their_parameters_are_set_in_one_call():
    model = _estimator("prototype")
    model.set_params(callbacks__stop__patience=3, callbacks=[("stop", EarlyStopping())])
    assert model.callbacks[0][1].patience == 3


def test_a_search_chooses_parameters_of_callbacks():
    search = GridSearchCV(_named(max_epochs=6), {"callbacks__stop__patience": [1, 3]}, cv=2)
    search.fit(X, STAGE)
    assert search.best_estimator_.n_iter_ == search.best_params_["callbacks__stop__patience"] + 1


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("callbacks__stopp__patience", r"hold no 'stopp', but \['stop', 'EpochTimer'\]"),
        ("callbacks__stop__patienc", r"whose parameters are \['monitor', "),
        ("callbacks__nobody", "hold no 'nobody'"),
    ],
)
def test_a_wrong_name_is_told_and_nothing_is_set(name, told):
    model = _named()
    with pytest.raises(ValueError, match=f"{name} cannot be set because .*{told}"):
        model.set_params(lr=0.5, callbacks__stop__patience=9, **{name: 1})
    assert (model.lr, model.callbacks[0][1].patience) == (8e-3, 2)


def test_a_callback_that_is_left_out_has_no_parameters():
    model = _named().set_params(callbacks__stop=None)
    with pytest.raises(ValueError, match="the callback 'stop' is None"):
        model.set_params(callbacks__stop__patience=3)


@pytest.mark.parametrize("callbacks", [3, "disable", {"stop": EarlyStopping()}])
def test_callbacks_are_a_list_or_a_tuple(callbacks):
    with pytest.raises(ValueError, match="The 'callbacks' parameter of"):
        _estimator("prototype", callbacks=callbacks).fit(X, STAGE)


# Failures, interruptions and what is resumed.


class Failing(Callback):
    """Raise an error at one event."""

    def __init__(self, event, error=ZeroDivisionError):
        self.event, self.error = event, error

    def _act(self, event):
        if event == self.event:
            raise self.error

    def on_train_begin(self, net, **kwargs):
        self._act("on_train_begin")

    def on_epoch_begin(self, net, **kwargs):
        self._act("on_epoch_begin")

    def on_batch_end(self, net, **kwargs):
        self._act("on_batch_end")

    def on_grad_computed(self, net, *args, **kwargs):
        self._act("on_grad_computed")

    def on_epoch_end(self, net, **kwargs):
        self._act("on_epoch_end")

    def on_train_end(self, net, **kwargs):
        self._act("on_train_end")


EVENTS = ["on_train_begin", "on_epoch_begin", "on_batch_end", "on_grad_computed", "on_epoch_end"]


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("event", [*EVENTS, "on_train_end"])
def test_a_callback_that_fails_leaves_the_estimator_as_it_was(event, method):
    model = _estimator("prototype", warm_start=True).fit(X, STAGE)
    before, n_iter, scale = model.predict_proba(X), model.n_iter_, model.net_.scale
    with pytest.raises(ZeroDivisionError):
        getattr(model.set_params(callbacks=[Failing(event)]), method)(X, STAGE)
    np.testing.assert_array_equal(model.predict_proba(X), before)
    assert (model.n_iter_, model.net_.scale, model.net_.verbose) == (n_iter, scale, 0)
    assert model.set_params(callbacks=None).fit(X, STAGE).n_iter_ == 2 * n_iter


@pytest.mark.parametrize("event", [*EVENTS, "on_train_end"])
def test_a_callback_that_fails_in_the_first_fit_leaves_nothing(event):
    model = _estimator("regressor", callbacks=[Failing(event)])
    with pytest.raises(ZeroDivisionError):
        model.fit(X, VALUE)
    assert not [name for name in vars(model) if name.endswith("_")]


@all_cases
@pytest.mark.parametrize("event", ["on_train_begin", "on_grad_computed"])
def test_a_network_that_was_stopped_before_its_first_epoch_is_complete(event, case):
    model = _estimator(case, callbacks=[Failing(event, KeyboardInterrupt)])
    model.fit(X, CASES[case][1]).predict(X)
    assert (model.n_iter_, model.loss_curve_) == (0, [])


def _nan(cosines, target, weight):
    return cosines.mean() * torch.nan


@pytest.mark.parametrize("case", ["prototype", "regressor"])
def test_a_loss_that_is_no_number_ends_the_first_fit_with_an_error(case):
    model = _estimator(case, loss=_nan)
    with pytest.raises(ValueError, match=r"train_loss is nan in epoch 1; .*the loss return finite"):
        model.fit(X, CASES[case][1])
    assert not hasattr(model, "net_")


def test_epochs_of_a_resumed_training_are_counted(tmp_path):
    def fit(*others, **params):
        checkpoint = Checkpoint(dirname=str(tmp_path), monitor=None)
        load = [LoadInitState(checkpoint)] if others else []
        return _estimator("prototype", callbacks=[checkpoint, *load], **params).fit(X, STAGE)

    first = fit(max_epochs=3)
    second = fit("resumes", max_epochs=2)
    assert second.n_iter_ == 5
    assert second.loss_curve_[:3] == first.loss_curve_
    assert second.history_[:, "epoch"] == [1, 2, 3, 4, 5]


def test_monitors_of_validation_rows_need_some():
    told = r"EarlyStopping asks for 'valid_loss', .*; pass X_val or early_stopping=True"
    with pytest.raises(ValueError, match=told):
        _fit("prototype", EarlyStopping(), watched=False)


def test_a_pickle_holds_no_optimiser_of_a_callback():
    options = {"lr_schedule": "constant", "max_epochs": 1}
    sizes = [
        len(pickle.dumps(_fit("prototype", *callbacks, **options)))
        for callbacks in ([], [LRScheduler("StepLR", step_size=2)])
    ]
    assert sizes[1] - sizes[0] < 2000


@pytest.mark.parametrize("verbose", [False, True])
def test_a_callback_that_prints_is_heard(verbose, capsys):
    _fit("regressor", PrintLog(), verbose=verbose)
    shown = capsys.readouterr()
    assert "valid_score" in shown.out
    assert bool(shown.err) == verbose
