"""scikit-learn's callbacks see every epoch as if the fit had ended with it, and change nothing."""

import pickle
from collections import Counter

import numpy as np
import pytest
import torch
from joblib import parallel_backend
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback, Checkpoint

from sphereskl import (
    MLP,
    HypersphericalMultiTask,
    HypersphericalOrdinalClassifier,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
    SphereNetClassifier,
    save,
)

sklearn_callback = pytest.importorskip(
    "sklearn.callback", reason="scikit-learn has callbacks from 1.9 on"
)
ScoringMonitor = sklearn_callback.ScoringMonitor

X, VALUE = (part[:120] for part in load_diabetes(return_X_y=True))
NUMBER = np.digitize(VALUE, [100, 200])
STAGE = np.array(["low", "middle", "high"])[NUMBER]
SMALL = MLP(hidden_layer_sizes=(8,), n_members=1, dropout=0.2)
QUICK = {
    **{"backbone": SMALL, "max_epochs": 3, "lr_schedule": "constant"},
    **{"random_state": 0, "device": "cpu"},
}

CASES = {
    "prototype": (HypersphericalPrototypeClassifier, STAGE, {"loss": "cross_entropy"}),
    "members": (HypersphericalPrototypeClassifier, STAGE, {"backbone": "auto"}),
    "ordinal": (
        HypersphericalOrdinalClassifier,
        STAGE,
        {"categories": ["low", "middle", "high"]},
    ),
    "spherenet": (SphereNetClassifier, STAGE, {"backbone": "auto", "loss": "cosface"}),
    "regressor": (HypersphericalRegressor, VALUE, {"backbone": "auto"}),
    "multi-task": (HypersphericalMultiTask, (STAGE, VALUE), {}),
}
VIEWS = ("predict", "predict_proba", "transform", "score_samples", "predict_interval")


def _estimator(case, **params):
    cls, _, options = CASES[case]
    return cls(**{**QUICK, **options, **params})


class Album:
    """Keep every picture of an estimator and all that is told; stop after some epochs."""

    max_propagation_depth = None

    def __init__(self, n_epochs=None, keeps=True):
        self.n_epochs = n_epochs
        self.keeps = keeps
        self.events, self.told, self.pictures = [], [], {"begin": [], "end": []}

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(
        self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
    ):
        self._hear("begin", context, (X, y, metadata), fitted_estimator)

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
    ):
        self._hear("end", context, (X, y, metadata), fitted_estimator)
        return context.task_name == "epoch" and context.task_id + 1 == self.n_epochs

    def _hear(self, kind, context, told, picture):
        self.events.append(f"{kind} {context.task_name}")
        self.told.append(told)
        if self.keeps and context.task_name == "epoch":
            self.pictures[kind].append(picture)


class Blind:
    """Hear of tasks alone, without a look at the estimator."""

    def __init__(self):
        self.events = []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context):
        self.events.append(f"end {context.task_name}")


class Failing(Blind):
    """Raise an error at one of the events."""

    def __init__(self, event):
        super().__init__()
        self.event = event

    def on_fit_task_begin(self, estimator, context):
        super().on_fit_task_begin(estimator, context)
        self._act()

    def on_fit_task_end(self, estimator, context):
        super().on_fit_task_end(estimator, context)
        self._act()

    def _act(self):
        if self.events[-1] == self.event:
            raise ZeroDivisionError("of the callback")


def _weights(estimator):
    return torch.cat([p.detach().flatten() for p in estimator.module_.parameters()])


def _same(one, other):
    """Compare all that two fitted estimators say, to the last bit."""
    for view in VIEWS:
        if hasattr(one, view):
            said, expected = getattr(one, view)(X), getattr(other, view)(X)
            said = said if isinstance(said, tuple) else (said,)
            expected = expected if isinstance(expected, tuple) else (expected,)
            for part, wanted in zip(said, expected, strict=True):
                np.testing.assert_array_equal(part, wanted)
    assert one.n_iter_ == other.n_iter_
    assert one.loss_curve_ == other.loss_curve_


# What is told.


def test_a_fit_is_a_task_of_epochs():
    blind = Blind()
    _estimator("prototype", max_epochs=2).set_callbacks(blind).fit(X, STAGE)
    epoch = ["begin epoch", "end epoch"]
    assert blind.events == ["setup", "begin fit", *epoch, *epoch, "end fit", "teardown"]


@pytest.mark.parametrize("case", ["prototype", "multi-task"])
def test_data_are_told_as_they_were_given(case):
    album, y, weight = Album(), CASES[case][1], np.ones(len(X))
    _estimator(case, max_epochs=1).set_callbacks(album).fit(X, y, sample_weight=weight)
    assert len(album.told) == 4
    assert all(told[0] is X and told[1] is y for told in album.told)
    assert all(told[2]["sample_weight"] is weight for told in album.told)


def test_without_weights_there_is_no_metadata():
    album = Album()
    _estimator("prototype", max_epochs=1).set_callbacks(album).fit(X, STAGE)
    assert [metadata for _, _, metadata in album.told] == [None] * 4


@pytest.mark.parametrize("case", CASES)
def test_an_epoch_is_seen_as_if_the_fit_had_ended_with_it(case):
    album, y = Album(), CASES[case][1]
    _estimator(case).set_callbacks(album).fit(X, y)
    assert [seen.n_iter_ for seen in album.pictures["begin"]] == [0, 1, 2]
    for n_epochs, seen in enumerate(album.pictures["end"], 1):
        _same(seen, _estimator(case, max_epochs=n_epochs).fit(X, y))


@pytest.mark.parametrize("kept", [{"warm_start": True}, {"X": X[:, :5], "y": NUMBER % 2}])
def test_what_was_fitted_before_is_not_seen(kept):
    # A network that goes on, and one of another width and other classes that is thrown away.
    album = Album()
    model = _estimator("prototype", max_epochs=1, warm_start="warm_start" in kept)
    model.fit(kept.get("X", X), kept.get("y", STAGE))
    before = [len(model.history_)] if model.warm_start else [0]
    model.set_callbacks(album).fit(X, STAGE)
    _same(album.pictures["end"][0], model)
    assert [seen.n_iter_ for seen in album.pictures["begin"]] == before


def test_what_is_seen_may_be_kept_and_learns_by_itself():
    album = Album()
    model = _estimator("prototype", max_epochs=2).set_callbacks(album).fit(X, STAGE)
    first, weights = album.pictures["end"][0].set_callbacks(), _weights(model)
    pickle.loads(pickle.dumps(first)).partial_fit(X, STAGE)
    first.partial_fit(X, STAGE)
    assert torch.equal(_weights(model), weights)
    assert (first.n_iter_, model.n_iter_) == (2, 2)


def _score(estimator, X, y):
    return estimator.score(X, y)


@pytest.mark.parametrize(
    ("case", "scoring"),
    [
        ("members", {"log_loss": get_scorer("neg_log_loss")}),
        ("regressor", {"r2": get_scorer("r2")}),
        ("multi-task", {"score": _score}),
    ],
)
def test_a_monitor_has_a_row_for_every_epoch_and_one_for_the_fit(case, scoring):
    monitor, y = ScoringMonitor(scoring=scoring), CASES[case][1]
    model = _estimator(case).set_callbacks(monitor).fit(X, y)
    rows, ((name, scorer),) = monitor.get_logs().data, scoring.items()
    assert [row["task_name"] for row in rows] == ["fit", "epoch", "epoch", "epoch"]
    assert rows[0][name] == rows[-1][name] == scorer(model, X, y)


def test_a_monitor_counts_weights():
    monitor, weight = ScoringMonitor(scoring=["accuracy"]), 1.0 + NUMBER
    with config_context(enable_metadata_routing=False):
        model = _estimator("prototype").set_callbacks(monitor).fit(X, STAGE, sample_weight=weight)
    expected = model.score(X, STAGE, sample_weight=weight)
    assert monitor.get_logs().data[-1]["accuracy"] == pytest.approx(expected)


def test_a_part_of_a_stream_is_a_task_of_its_own():
    album, blind = Album(), Blind()
    model = _estimator("prototype").set_callbacks(album, blind)
    model.partial_fit(X[:60], STAGE[:60], classes=np.unique(STAGE)).partial_fit(X[60:], STAGE[60:])
    part = ["begin partial_fit", "begin epoch", "end epoch", "end partial_fit"]
    assert blind.events == ["setup", *part, "teardown"] * 2
    _same(album.pictures["end"][1], model)
    assert album.told[-1][0].shape == X[60:].shape


def test_a_part_without_weight_is_told_of_as_well():
    blind = Blind()
    model = _estimator("prototype").fit(X, STAGE).set_callbacks(blind)
    model.set_params(class_weight={"middle": 0.0}).partial_fit(X[:1], ["middle"])
    assert blind.events == ["setup", "begin partial_fit", "end partial_fit", "teardown"]


# Who ends a fit.


def test_a_callback_may_end_the_fit():
    album, blind = Album(n_epochs=2), Blind()
    model = _estimator("prototype", max_epochs=9).set_callbacks(album, blind).fit(X, STAGE)
    assert model.n_iter_ == 2
    assert not model.net_.interrupted_
    assert blind.events[-3:] == ["end epoch", "end fit", "teardown"]
    _same(model, _estimator("prototype", max_epochs=2).fit(X, STAGE))


def test_early_stopping_of_ours_goes_back_to_the_best_epoch():
    album = Album()
    model = _estimator("members", max_epochs=40, lr=0.1, n_iter_no_change=2)
    model.set_callbacks(album).fit(X, STAGE)
    best = int(np.argmin(model.history_[:, "valid_loss"]))
    assert len(album.pictures["end"]) == model.n_iter_ < 40
    np.testing.assert_array_equal(album.pictures["end"][best].transform(X), model.transform(X))


class StopsMidway(Callback):
    """End training in the middle of the first epoch."""

    def on_batch_end(self, net, **kwargs):
        raise KeyboardInterrupt


def test_an_epoch_that_is_cut_short_ends():
    album = Album()
    _estimator("prototype", callbacks=[StopsMidway()]).set_callbacks(album).fit(X, STAGE)
    assert album.events[1:-1] == ["begin fit", "begin epoch", "end epoch", "end fit"]
    assert album.pictures["end"] == [None]


@pytest.mark.parametrize("event", ["begin fit", "begin epoch", "end epoch", "end fit"])
def test_an_error_of_a_callback_leaves_the_estimator_as_it_was(event):
    failing = Failing(event)
    model = _estimator("prototype", warm_start=True).fit(X, STAGE)
    before = model.predict_proba(X)
    with pytest.raises(ZeroDivisionError, match="of the callback"):
        model.set_callbacks(failing).fit(X, STAGE)
    np.testing.assert_array_equal(model.predict_proba(X), before)
    assert failing.events[-1] == "teardown"
    assert model.n_iter_ == 3


def test_callbacks_are_taken_down_after_an_error_of_ours():
    blind = Blind()
    with pytest.raises(ValueError, match="NaN"):
        _estimator("prototype").set_callbacks(blind).fit(X, np.full(len(X), np.nan))
    assert blind.events == ["setup", "begin fit", "teardown"]


# What stays.


class Drawing(torch.nn.Module):
    """Network that draws from torch's global generator, in predictions as well."""

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(X.shape[1], 8)

    def forward(self, X):
        return self.linear(X) + 0.1 * torch.randn(8)


@pytest.mark.parametrize("backbone", [MLP(hidden_layer_sizes=(8,), dropout=0.5), Drawing()])
def test_looking_on_changes_no_bit(backbone):
    model = _estimator("prototype", backbone=backbone).set_callbacks(
        Album(), ScoringMonitor(scoring="accuracy")
    )
    plain = _estimator("prototype", backbone=backbone).fit(X, STAGE)
    assert torch.equal(_weights(model.fit(X, STAGE)), _weights(plain))


def test_looking_on_draws_from_no_generator_of_the_callers():
    model, state = _estimator("prototype").set_callbacks(Album()), torch.random.get_rng_state()
    pickle.loads(pickle.dumps(model.fit(X, STAGE).set_callbacks()))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_nothing_but_the_callbacks_stays():
    model = _estimator("prototype").set_callbacks(Blind()).fit(X, STAGE)
    plain = _estimator("prototype").fit(X, STAGE)
    assert vars(model).keys() - vars(plain).keys() == {"_skl_callbacks"}
    assert model.net_.callbacks_ == []
    assert len(pickle.dumps(model.set_callbacks())) == pytest.approx(len(pickle.dumps(plain)), 1e-3)


def test_a_net_that_is_pickled_midway_takes_nobody_along(tmp_path):
    album = Album()
    checkpoint = Checkpoint(f_pickle="net.pkl", monitor=None, dirname=str(tmp_path))
    model = _estimator("prototype", callbacks=[checkpoint], max_epochs=2)
    model.set_callbacks(album).fit(X, STAGE)
    net = pickle.loads((tmp_path / "net.pkl").read_bytes())
    assert len(pickle.dumps(net)) < 2 * len(pickle.dumps(model.net_))
    np.testing.assert_array_equal(
        net.predict(model.encoder_.transform(X)), album.pictures["end"][-1].predict(X)
    )


def test_a_file_holds_no_callbacks(tmp_path):
    model = _estimator("prototype").set_callbacks(Album(keeps=False)).fit(X, STAGE)
    save(model, tmp_path / "model.safetensors")
    assert b"skl_callbacks" not in (tmp_path / "model.safetensors").read_bytes()


def test_callbacks_survive_a_clone_and_are_no_parameters():
    blind = Blind()
    model = _estimator("prototype").set_callbacks(blind)
    clone(model).set_params(max_epochs=1).fit(X, STAGE)
    assert Counter(blind.events)["end epoch"] == 1
    assert clone(model).get_params().keys() == _estimator("prototype").get_params().keys()


# Inside of other estimators.


@pytest.mark.parametrize(
    "backend",
    ["sequential", "threading", pytest.param("loky", marks=pytest.mark.slow)],
)
def test_a_search_passes_callbacks_on(backend):
    monitor = ScoringMonitor(scoring="accuracy")
    model = _estimator("prototype").set_callbacks(monitor)
    with parallel_backend(backend):
        search = GridSearchCV(model, {"lr": [1e-3, 1e-2]}, cv=2, n_jobs=2).fit(X, STAGE)
    rows = Counter(row["task_name"] for row in monitor.get_logs().data)
    assert rows["epoch"] == 3 * (2 * 2 + 1)
    plain = GridSearchCV(_estimator("prototype"), {"lr": [1e-3, 1e-2]}, cv=2).fit(X, STAGE)
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"]
    )


def test_callbacks_of_a_search_reach_epochs_in_a_pipeline():
    album = Album(keeps=False)
    pipeline = make_pipeline(StandardScaler(), _estimator("prototype", max_epochs=2))
    search = GridSearchCV(pipeline, {"hypersphericalprototypeclassifier__lr": [1e-3, 1e-2]}, cv=2)
    search.set_callbacks(album).fit(X, STAGE)
    assert Counter(album.events)["end epoch"] == 2 * (2 * 2 + 1)
    assert not hasattr(search.best_estimator_[-1], "_skl_callbacks")


def test_successive_halving_passes_callbacks_on():
    album = Album(keeps=False)
    model = _estimator("prototype", max_epochs=2)
    options = {"cv": 2, "factor": 2, "min_resources": 60, "random_state": 0}
    search = HalvingGridSearchCV(model, {"lr": [1e-3, 1e-2]}, **options)
    search.set_callbacks(album).fit(X, STAGE)
    # Two candidates on half of the rows, one on all of them, and the best at last.
    assert Counter(album.events)["end epoch"] == 2 * (2 * 2 + 1 * 2 + 1)


def test_bars_are_nested(capsys):
    pytest.importorskip("rich")
    search = GridSearchCV(_estimator("prototype"), {"lr": [1e-3, 1e-2]}, cv=2)
    search.set_callbacks(sklearn_callback.ProgressBar()).fit(X, STAGE)
    shown = capsys.readouterr().out
    assert [line.split(" - ")[0].strip() for line in shown.splitlines()] == ["GridSearchCV"] * 7
