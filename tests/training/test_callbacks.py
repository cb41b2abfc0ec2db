"""What skorch promises of its callbacks holds in our loop, or is refused in a sentence."""

import copy
import pickle
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, make_scorer
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    EpochTimer,
    Freezer,
    GradientNormClipping,
    Initializer,
    InputShapeSetter,
    LoadInitState,
    LRScheduler,
    PassthroughScoring,
    PrintLog,
    ProgressBar,
    TrainEndCheckpoint,
    Unfreezer,
    WarmRestartLR,
)
from skorch.history import History
from skorch.utils import is_skorch_dataset

from sphereskl.geometry import simplex
from sphereskl.nn import EmbeddingModel, squared_cosine
from sphereskl.training import (
    Criterion,
    EmbeddingNet,
    RowNumbers,
    Rows,
    TensorData,
    fit_net,
    seeded,
)
from sphereskl.training._callbacks import QuietStopping

HOOKS = (
    "on_train_begin",
    "on_epoch_begin",
    "on_batch_begin",
    "on_grad_computed",
    "on_batch_end",
    "on_epoch_end",
    "on_train_end",
)


def _data(n_samples=60, seed=0):
    X = torch.randn(n_samples, 4, generator=torch.Generator().manual_seed(seed))
    return TensorData(X, X[:, :3].argmax(dim=1))


def _net(loss=squared_cosine, **options):
    with seeded(0):
        layers = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 8))
    model = EmbeddingModel(layers, simplex(3, 8).float())
    return EmbeddingNet(model, Criterion(loss), **{"lr": 0.01, "batch_size": 20, **options})


def _fit(*callbacks, net=None, valid=None, **options):
    net = _net() if net is None else net
    options = {"max_epochs": 3, "schedule": "constant", **options}
    return fit_net(net, _data(), valid, callbacks=callbacks, **options)


def _weights(net):
    return torch.cat([p.detach().flatten() for p in net.module_.parameters()])


class Hook(Callback):
    """Do something at one event, from a chosen epoch on, and remember all events."""

    def __init__(self, hook, act, epoch=0):
        self.hook, self.act, self.epoch = hook, act, epoch
        self.heard_ = []

    def _at(self, hook, net, told):
        self.heard_.append(hook)
        if hook == self.hook and len(net.history) >= self.epoch:
            self.act(net, **told)


def _listener(hook):
    return lambda self, net, *args, **told: self._at(hook, net, told)


for _hook in HOOKS:
    setattr(Hook, _hook, _listener(_hook))


def _stop(net, **told):
    raise KeyboardInterrupt


def _fail(net, **told):
    raise ZeroDivisionError("of the callback")


# What is heard.


def test_the_log_is_printed_when_asked_for(capsys):
    _fit(PrintLog(), valid=_data(seed=1))
    header, rule, *rows = capsys.readouterr().out.strip().split("\n")
    assert header.split() == ["epoch", "train_loss", "valid_loss", "dur"]
    assert len(rows) == 3
    assert set(rule) <= set("- ")


@pytest.mark.parametrize("callbacks", [(), (EpochTimer(),)])
def test_who_passes_nothing_that_prints_hears_nothing(callbacks, capfd):
    _fit(*callbacks, patience=1, net=_net(lr=1.0), max_epochs=50, valid=_data(seed=1))
    assert capfd.readouterr() == ("", "")


def test_stopping_and_checkpoints_say_so(capsys, tmp_path):
    stopping = EarlyStopping(patience=1, threshold=1.0, load_best=True)
    checkpoint = Checkpoint(dirname=tmp_path, sink=print)
    _fit(checkpoint, stopping, valid=_data(seed=1))
    said = capsys.readouterr().out
    assert "A checkpoint was triggered in epoch 2." in said
    assert "Stopping since valid_loss has not improved in the last 1 epochs." in said
    assert "Restoring best model from epoch 1." in said


def test_the_epoch_that_ends_training_is_printed(capsys):
    _fit(EarlyStopping("train_loss", patience=1, threshold=1.0, sink=lambda _: None), PrintLog())
    assert len(capsys.readouterr().out.strip().split("\n")) == 2 + 2


def test_the_bar_of_skorch_counts_batches(capsys):
    _fit(ProgressBar(detect_notebook=False), valid=_data(20, seed=1))
    assert "0/4" in capsys.readouterr().err


def test_a_net_is_silent_again_after_training(capsys):
    net = _fit(PrintLog())
    capsys.readouterr()
    net.initialize()
    assert (net.verbose, capsys.readouterr().out) == (0, "")


# Order of events, and what ends them.


def test_events_come_in_the_order_of_skorch():
    hook = Hook(None, None)
    _fit(hook, max_epochs=1, valid=_data(seed=1))
    step = ["on_batch_begin", "on_grad_computed", "on_batch_end"]
    judging = ["on_batch_begin", "on_batch_end"]
    epoch = ["on_epoch_begin", *step * 3, *judging, "on_epoch_end"]
    assert hook.heard_ == ["on_train_begin", *epoch, "on_train_end"]


@pytest.mark.parametrize("patience", [None, 5])
@pytest.mark.parametrize(
    ("hook", "n_finished"),
    [
        ("on_train_begin", 0),
        ("on_epoch_begin", 1),
        ("on_batch_begin", 1),
        ("on_grad_computed", 1),
        ("on_batch_end", 1),
        ("on_epoch_end", 2),
        ("on_train_end", 3),
    ],
)
def test_a_callback_may_end_training_at_any_event(hook, n_finished, patience):
    epoch = 0 if hook == "on_train_begin" else 2
    stopping, other = Hook(hook, _stop, epoch), Hook(None, None)
    net = _fit(stopping, other, patience=patience)
    assert len(net.history) == n_finished
    assert not net.interrupted_
    assert not net.module_.training
    # Who comes later hears of the event that ended training, and all hear of its end.
    assert other.heard_ == stopping.heard_
    assert other.heard_[-1] == "on_train_end"
    assert len(fit_net(net, _data(), max_epochs=1, schedule="constant").history) == n_finished + 1


def test_a_stop_before_the_step_takes_no_step():
    stopped = _fit(Hook("on_grad_computed", _stop, 2))
    assert torch.equal(_weights(stopped), _weights(_fit(max_epochs=1)))


@pytest.mark.parametrize("hook", HOOKS)
def test_an_error_of_a_callback_is_passed_on_and_nothing_stays(hook):
    net = _net()
    with pytest.raises(ZeroDivisionError, match="of the callback"):
        _fit(Hook(hook, _fail), net=net)
    assert (net.callbacks, net.callbacks_, net.verbose, net.judged_) == (None, [], 0, None)


# What is in the history.


def test_sizes_and_counts_of_batches():
    heard = _fit(Hook(None, None), valid=_data(30, seed=1)).history
    assert heard[-1, "batches", :, "train_batch_size"] == [20, 20, 20]
    assert heard[-1, "batches", :, "valid_batch_size"] == [30]
    assert heard[:, "train_batch_count"] == [3, 3, 3]
    unheard = _fit(valid=_data(30, seed=1)).history
    assert unheard[-1, "batches"] == [{"train_batch_size": 20, "valid_batch_size": 30}]


def test_history_is_sliced_as_skorch_says():
    history = _fit(Hook(None, None), valid=_data(seed=1)).history
    pairs = history[-1, "batches", :, ("train_loss", "train_batch_size")]
    losses, sizes = zip(*pairs, strict=True)
    assert history[-1, "train_loss"] == pytest.approx(np.average(losses, weights=sizes))
    assert history[-1, "batches", -1, "valid_loss"] == history[-1, "valid_loss"]
    assert [epoch for epoch, _ in history[:, ("epoch", "valid_loss")]] == [1, 2, 3]


def test_history_goes_through_a_file(tmp_path):
    scoring = EpochScoring("accuracy", lower_is_better=False)
    history = _fit(scoring, valid=_data(seed=1)).history
    history.to_file(str(tmp_path / "history.json"))
    assert History.from_file(str(tmp_path / "history.json")) == history


def test_epochs_are_timed():
    assert all(seconds > 0 for seconds in _fit().history[:, "dur"])


# Scores.


def half(net, X, y):
    return 0.5


@pytest.mark.parametrize(
    ("scoring", "name"),
    [
        ("accuracy", "accuracy"),
        (half, "half"),
        (partial(half), "half"),
        (accuracy_score, "accuracy_score"),
        (make_scorer(accuracy_score), "accuracy_score"),
        (None, "score"),
    ],
)
@pytest.mark.parametrize("kind", [EpochScoring, BatchScoring])
def test_scores_have_the_names_of_skorch_and_tell_the_best(kind, scoring, name):
    net = _fit(kind(scoring, lower_is_better=False), valid=_data(seed=1), max_epochs=5)
    scores, best = zip(*net.history[:, (name, f"{name}_best")], strict=True)
    running = np.maximum.accumulate([-np.inf, *scores])
    assert list(best) == (np.array(scores) > running[:-1]).tolist()


@pytest.mark.parametrize("kind", [EpochScoring, BatchScoring])
def test_a_score_without_a_better_side_has_no_best(kind):
    net = _fit(kind("accuracy", lower_is_better=None), valid=_data(seed=1))
    assert "accuracy_best" not in net.history[-1]


def test_validation_scores_are_the_same_with_and_without_a_cache():
    callbacks = [
        kind("accuracy", name=f"{kind.__name__}_{cached}", use_caching=cached)
        for kind in (EpochScoring, BatchScoring)
        for cached in (True, False)
    ]
    net = _fit(*callbacks, valid=_data(seed=1))
    scores = {net.history[-1, callback.name] for callback in callbacks}
    hits = net.module_(_data(seed=1).X).argmax(dim=1) == _data(seed=1).target
    assert len(scores) == 1
    assert scores.pop() == pytest.approx(hits.float().mean().item())


def test_training_scores_without_a_cache_are_those_of_the_trained_model():
    scoring = EpochScoring("accuracy", on_train=True, use_caching=False)
    net = _fit(scoring)
    hits = net.module_(_data().X).argmax(dim=1) == _data().target
    assert net.history[-1, "accuracy"] == pytest.approx(hits.float().mean().item())


def test_scores_of_training_batches_are_averaged_by_their_sizes():
    scorings = [kind("accuracy", on_train=True) for kind in (EpochScoring, BatchScoring)]
    epoch, batch = (_fit(scoring).history[:, "accuracy"] for scoring in scorings)
    assert batch == pytest.approx(epoch)


@pytest.mark.parametrize("kind", [EpochScoring, BatchScoring])
def test_without_validation_rows_there_is_no_score_of_them(kind):
    assert "accuracy" not in _fit(kind("accuracy")).history[-1]


def test_values_of_batches_pass_through():
    def record(net, training, **told):
        net.history.record_batch("size" if training else "valid_size", net.lr)

    passing = PassthroughScoring("size", on_train=True), PassthroughScoring("valid_size")
    net = _fit(Hook("on_batch_end", record), *passing, valid=_data(seed=1))
    assert net.history[-1, "size"] == pytest.approx(net.lr)
    assert net.history[-1, "valid_size"] == pytest.approx(net.lr)


def test_looking_at_the_net_between_batches_does_not_change_training():
    def look(net, batch, **told):
        net.predict(batch[0])
        net.module_.eval()

    looked = _fit(Hook("on_batch_begin", look), Hook("on_batch_end", look))
    assert torch.equal(_weights(looked), _weights(_fit()))


def test_a_net_without_an_estimator_predicts_places_of_prototypes():
    net = _fit()
    logits = net.decision_function(_data().X)
    with torch.no_grad():
        expected = net.module_.logits(_data().X).double().numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-6)
    assert net.predict_proba(_data().X).argmax(axis=1).tolist() == logits.argmax(axis=1).tolist()
    assert net.predict(_data().X).tolist() == logits.argmax(axis=1).tolist()


def test_the_net_predicts_the_samples_that_callbacks_receive():
    found = []

    def look(net, dataset_train, dataset_valid, **told):
        found[:] = (net.decision_function(data) for data in (dataset_train, dataset_valid))

    net = _fit(Hook("on_epoch_end", look), valid=_data(7, seed=1))
    for logits, X in zip(found, (_data().X, _data(7, seed=1).X), strict=True):
        np.testing.assert_array_equal(logits, net.decision_function(X))


def test_data_are_datasets_of_skorch():
    seen = {}
    _fit(Hook("on_epoch_end", lambda net, **told: seen.update(told)), valid=_data(7, seed=1))
    train, valid = seen["dataset_train"], seen["dataset_valid"]
    assert is_skorch_dataset(train)
    assert (len(train), len(valid)) == (60, 7)
    assert torch.equal(train.y, _data().target)
    x, y = valid[3]
    assert torch.equal(x, _data(7, seed=1).X[3])
    assert y == _data(7, seed=1).target[3]


def test_data_do_not_travel():
    rows = Rows(_data(), RowNumbers())
    assert copy.deepcopy(rows) is None
    assert pickle.loads(pickle.dumps(rows)) is None


# Files.


@pytest.mark.parametrize("heard", [False, True])
def test_checkpoints_hold_weights_optimiser_loss_history_and_net(heard, tmp_path):
    files = {"f_pickle": "net.pkl", "monitor": None, "dirname": str(tmp_path)}
    others = [Hook(None, None)] if heard else []
    net = _fit(*others, Checkpoint(**files), valid=_data(seed=1))
    fresh = _net().initialize()
    fresh.load_params(checkpoint=Checkpoint(**files))
    assert torch.equal(_weights(fresh), _weights(net))
    assert fresh.history == net.history
    assert fresh.optimizer_.state_dict()["state"][0]["step"] == 9
    assert (tmp_path / "criterion.pt").exists()


def test_a_pickled_net_predicts_and_holds_no_data(tmp_path):
    net = _fit(Checkpoint(f_pickle="net.pkl", monitor=None, dirname=str(tmp_path)))
    loaded = pickle.loads((tmp_path / "net.pkl").read_bytes())
    assert loaded.judged_ is None
    np.testing.assert_array_equal(loaded.predict(_data().X), net.predict(_data().X))


def test_a_net_with_a_progress_bar_is_pickled(tmp_path, capfd):
    checkpoint = Checkpoint(f_pickle="net.pkl", monitor=None, dirname=str(tmp_path))
    _fit(checkpoint, verbose=True)
    assert (tmp_path / "net.pkl").exists()


def test_files_are_named_after_the_history(tmp_path):
    name = "{last_epoch[epoch]}-{last_batch[train_batch_size]}.pt"
    _fit(Checkpoint(f_params=name, monitor=None, dirname=str(tmp_path)), valid=_data(seed=1))
    assert {"1-20.pt", "2-20.pt", "3-20.pt"} <= {path.name for path in tmp_path.iterdir()}


def _prefers_the_second(net):
    return len(net.history) == 2


def test_the_best_checkpoint_is_loaded(tmp_path):
    checkpoint = Checkpoint(monitor=_prefers_the_second, load_best=True, dirname=str(tmp_path))
    net = _fit(checkpoint)
    assert torch.equal(_weights(net), _weights(_fit(max_epochs=2)))


def test_the_end_of_training_is_written(tmp_path):
    net = _fit(TrainEndCheckpoint(dirname=str(tmp_path)))
    saved = torch.load(tmp_path / "train_end_params.pt")
    assert torch.equal(saved["backbone.0.weight"], net.module_.state_dict()["backbone.0.weight"])


@pytest.mark.parametrize("kind", [partial(Checkpoint, monitor=None), TrainEndCheckpoint])
def test_resumed_training_is_one_training(kind, tmp_path):
    # All rows in one batch, so that their order does not matter.
    whole = _fit(net=_net(batch_size=100), max_epochs=5)
    _fit(kind(dirname=str(tmp_path)), net=_net(batch_size=100))
    checkpoint = kind(dirname=str(tmp_path))
    resumed = _fit(checkpoint, LoadInitState(checkpoint), net=_net(batch_size=100), max_epochs=2)
    assert torch.equal(_weights(resumed), _weights(whole))
    assert resumed.history[:, "epoch"] == [1, 2, 3, 4, 5]
    assert resumed.history[:, "train_loss"] == whole.history[:, "train_loss"]


def test_an_epoch_cut_short_is_not_resumed(tmp_path):
    checkpoint = TrainEndCheckpoint(dirname=str(tmp_path))
    _fit(checkpoint, Hook("on_batch_end", _stop, 2))
    resumed = _fit(LoadInitState(checkpoint.initialize()), max_epochs=2)
    assert len(resumed.history[:, "train_loss"]) == len(resumed.history) == 3


def test_without_files_training_starts_anew(tmp_path):
    fresh = _fit(LoadInitState(Checkpoint(dirname=str(tmp_path))))
    assert torch.equal(_weights(fresh), _weights(_fit()))


# Stopping.


def test_patience_and_threshold_of_early_stopping():
    net = _fit(EarlyStopping(patience=2, threshold=1.0, sink=lambda _: None), valid=_data(seed=1))
    assert len(net.history) == 3
    patient = EarlyStopping("train_loss", patience=9, sink=lambda _: None)
    assert len(_fit(patient, max_epochs=6).history) == 6


def test_early_stopping_loads_the_best():
    stopping = EarlyStopping(patience=3, load_best=True, threshold=0, sink=lambda _: None)
    net, valid = _fit(stopping, net=_net(lr=0.5), valid=_data(seed=1), max_epochs=60), _data(seed=1)
    loss = squared_cosine(net.module_(valid.X), valid.target, None).item()
    assert loss == pytest.approx(min(net.history[:, "valid_loss"]))


@pytest.mark.parametrize("least", [1.0, 0.0, -1.0])
def test_any_smaller_loss_is_better_and_no_larger_one(least):
    stopping = QuietStopping("train_loss", patience=10)
    net = SimpleNamespace(history=History(), verbose=0, module_=torch.nn.Linear(1, 1))
    stopping.on_train_begin(net)
    for epoch, loss in enumerate([least + 1e-5, least, least + 2e-5]):
        net.history.append({"epoch": epoch, "train_loss": loss})
        stopping.on_epoch_end(net)
    assert stopping.best_epoch_ == 1


# Learning rates.


def _rates(callback, n_epochs=4, **options):
    rates = []
    hook = Hook(
        "on_batch_begin", lambda net, **_: rates.append(net.optimizer_.param_groups[0]["lr"])
    )
    _fit(callback, hook, max_epochs=n_epochs, **options)
    return rates


def test_a_rate_of_epochs():
    rates = _rates(LRScheduler("ExponentialLR", gamma=0.5))
    assert rates == pytest.approx(np.repeat(0.01 * 0.5 ** np.arange(4), 3))


def test_a_rate_of_batches():
    rates = _rates(LRScheduler("ExponentialLR", gamma=0.5, step_every="batch"))
    assert rates == pytest.approx(0.01 * 0.5 ** np.arange(12))


def test_a_warm_restart_starts_where_it_says():
    rates = _rates(LRScheduler(WarmRestartLR, max_lr=0.2, min_lr=0.1, base_period=2))[::3]
    assert rates[0] == pytest.approx(0.2)
    assert rates[2] == pytest.approx(0.1)


@pytest.mark.parametrize("monitor", ["valid_loss", lambda net: 1.0])
def test_a_rate_that_waits_for_a_plateau(monitor):
    policy = torch.optim.lr_scheduler.ReduceLROnPlateau
    reducing = LRScheduler(policy, monitor=monitor, patience=0, threshold=1e9, threshold_mode="abs")
    rates = _rates(reducing, valid=_data(seed=1))[::3]
    assert rates[-1] < rates[0] == 0.01


def test_rates_are_recorded():
    net = _fit(LRScheduler("StepLR", step_size=1, gamma=0.1))
    assert net.history[:, "event_lr"] == pytest.approx([1e-2, 1e-3, 1e-4])


@pytest.mark.parametrize("keeps_momentum", [True, False])
def test_a_rate_goes_on_when_training_does(keeps_momentum):
    net = _fit(LRScheduler("LambdaLR", lr_lambda=lambda epoch: 0.5**epoch), max_epochs=2)
    scheduler = LRScheduler("LambdaLR", lr_lambda=lambda epoch: 0.5**epoch)
    net = _fit(scheduler, net=net, max_epochs=2, keeps_momentum=keeps_momentum)
    assert net.history[-1, "event_lr"] == pytest.approx(0.01 * 0.5**3)


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "step"])
def test_two_schedules_at_once_are_refused(schedule):
    with pytest.raises(ValueError, match=f"an LRScheduler, but lr_schedule is '{schedule}'"):
        _fit(LRScheduler("StepLR", step_size=2), schedule=schedule)


def test_a_scheduler_lets_go_of_the_weights():
    scheduler = LRScheduler("StepLR", step_size=2)
    _fit(scheduler)
    assert len(pickle.dumps(scheduler)) < 500


# Weights.


def _ones(parameter):
    torch.nn.init.ones_(parameter)


def test_weights_are_frozen_and_unfrozen():
    first, start = "backbone.0.weight", _net().module.state_dict()["backbone.0.weight"].clone()
    frozen = _fit(Freezer("backbone.0.*")).module_.state_dict()[first]
    assert torch.equal(frozen, start)
    free = _fit(Freezer("backbone.0.*"), Unfreezer("backbone.0.*", at=3)).module_.state_dict()
    assert not torch.equal(free[first], start)


def test_weights_are_initialised():
    net = _fit(Initializer("backbone.0.weight", fn=_ones), net=_net(lr=1e-9))
    torch.testing.assert_close(net.module_.state_dict()["backbone.0.weight"], torch.ones(6, 4))


def test_gradients_are_clipped():
    norms = []

    def measure(net, named_parameters, **told):
        norms.append(torch.cat([p.grad.flatten() for _, p in named_parameters]).norm().item())

    _fit(GradientNormClipping(0.01), Hook("on_grad_computed", measure))
    assert max(norms) <= 0.01 * (1 + 1e-4)


# What is refused.


@pytest.mark.parametrize(
    ("callback", "asked"),
    [
        (EarlyStopping(), "valid_loss"),
        (EarlyStopping("nonsense"), "nonsense"),
        (Checkpoint(f_params=None), "valid_loss_best"),
        (LRScheduler("ReduceLROnPlateau", monitor="valid_loss"), "valid_loss"),
        (Checkpoint(f_params="{last_batch[nonsense]}", monitor=None), "nonsense"),
    ],
)
def test_who_asks_for_what_is_not_recorded_is_told(callback, asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = type(callback).__name__
    with pytest.raises(ValueError, match=f"{name} asks for '{asked}', but history_ holds only dur"):
        _fit(callback)


def test_a_score_that_is_recorded_later_is_asked_for_in_vain():
    scoring = EpochScoring("accuracy", lower_is_better=False)
    stopping = EarlyStopping("accuracy", lower_is_better=False)
    assert _fit(scoring, stopping, valid=_data(seed=1)).history[:, "accuracy"]
    with pytest.raises(ValueError, match="put the callback that records it first"):
        _fit(stopping, scoring, valid=_data(seed=1))


def test_an_own_callback_that_asks_the_history_is_told():
    ask = Hook("on_epoch_end", lambda net, **told: net.history[-1, "nonsense"])
    with pytest.raises(ValueError, match=r"callback Hook asks for 'nonsense', but history_ holds"):
        _fit(ask)


def test_errors_about_other_things_stay_as_they_are():
    def look_up(net, **told):
        return {}["mine"]

    with pytest.raises(KeyError, match="mine"):
        _fit(Hook("on_epoch_end", look_up))


def test_the_shape_of_the_network_is_not_a_callbacks():
    with pytest.raises(ValueError, match="an InputShapeSetter, but the network is built for"):
        _fit(InputShapeSetter())


@pytest.mark.parametrize("item", [3, "EarlyStopping", ("name", 3), torch.nn.ReLU])
def test_what_is_no_callback_is_refused(item):
    with pytest.raises(ValueError, match=r"callbacks must be skorch callbacks or pairs"):
        _fit(item)


@pytest.mark.parametrize("item", [EpochTimer, ("timer", EpochTimer()), ["timer", EpochTimer()]])
def test_classes_and_pairs_are_callbacks(item):
    assert len(_fit(item).history) == 3


def test_names_of_the_users_are_free():
    named = [(name, EpochTimer()) for name in ("early_stopping", "progress", "train_loss")]
    assert len(_fit(*named, patience=3).history) == 3
