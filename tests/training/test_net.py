"""The net trains as a hand-written loop does, and tells what happened."""

import copy
import functools
import pickle

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, EarlyStopping, EpochScoring, EpochTimer, LRScheduler

from sphereskl.geometry import simplex
from sphereskl.nn import (
    MLP,
    AngularModel,
    ConvNet,
    EmbeddingModel,
    cross_entropy,
    make_angular_loss,
    squared_cosine,
)
from sphereskl.training import (
    AngularCriterion,
    Criterion,
    EmbeddingNet,
    ShuffledBatches,
    TensorData,
    make_optimizer,
    make_schedule,
    seeded,
)


def _data(n_samples=100, seed=0, weighted=False):
    generator = torch.Generator().manual_seed(seed)
    X = torch.randn(n_samples, 4, generator=generator)
    target = (X[:, 0] > 0).long() + (X[:, 1] > 0).long()
    weight = torch.rand(n_samples, generator=generator) if weighted else None
    return TensorData(X, target, weight)


def _model(seed=0, activation="relu", **options):
    config = {"n_members": 1, "numeric_embedding": None, "activation": activation}
    with seeded(seed):
        backbone = MLP((16,), **config).build((4,), 8)
    return EmbeddingModel(backbone, simplex(3, 8).float(), scale=4.0, learn_scale=True, **options)


def _net(model=None, criterion=None, **options):
    model = _model() if model is None else model
    criterion = Criterion(cross_entropy, uses_scale=True) if criterion is None else criterion
    options = {"lr": 0.01, "max_epochs": 4, "batch_size": 16, "verbose": 0, **options}
    return EmbeddingNet(model, criterion, **options)


def _state(module):
    return torch.cat([value.flatten() for value in module.state_dict().values()])


class _Recorder(Callback):
    """Keep the names of the events, and what a batch was."""

    def __init__(self):
        self.events, self.batches = [], []

    def on_train_begin(self, net, **kwargs):
        self.events.append("train_begin")

    def on_batch_begin(self, net, batch=None, training=None, **kwargs):
        self.events.append("batch_begin")
        self.batches.append((*batch, training))

    def on_grad_computed(self, net, named_parameters, **kwargs):
        norms = [p.grad.norm() for _, p in named_parameters if p.grad is not None]
        self.events.append(float(torch.stack(norms).norm()))

    def on_batch_end(self, net, loss=None, **kwargs):
        self.events.append("batch_end")

    def on_epoch_end(self, net, **kwargs):
        self.events.append("epoch_end")

    def on_train_end(self, net, **kwargs):
        self.events.append("train_end")


class _Stop(Callback):
    """Ask for the end of training the way skorch's callbacks do."""

    def __init__(self, event, epoch):
        self.event, self.epoch = event, epoch

    def _act(self, event, net):
        if event == self.event and len(net.history) == self.epoch:
            raise KeyboardInterrupt

    def on_train_begin(self, net, **kwargs):
        self._act("on_train_begin", net)

    def on_epoch_begin(self, net, **kwargs):
        self._act("on_epoch_begin", net)

    def on_batch_end(self, net, **kwargs):
        self._act("on_batch_end", net)

    def on_epoch_end(self, net, **kwargs):
        self._act("on_epoch_end", net)


class _CtrlC(Criterion):
    """A loss at whose n-th call somebody presses Ctrl-C."""

    def __init__(self, n):
        super().__init__(squared_cosine)
        self.n = n

    def forward(self, projections, target, weight, model):
        self.n -= 1
        if self.n == 0:
            raise KeyboardInterrupt
        return squared_cosine(projections, target, weight)


def _train_by_hand(model, data, *, optimizer, schedule, seed, n_epochs=4, max_norm=None):
    # What the net's documentation promises, written out: mean loss, one step a batch.
    model.train()
    batches = ShuffledBatches(data, 16, torch.Generator().manual_seed(seed))
    stepper = make_optimizer(optimizer, model, lr=0.01, weight_decay=0.1)
    pace = make_schedule(schedule, stepper, 0.01, n_epochs * len(batches))
    for _ in range(n_epochs):
        for batch in batches:
            stepper.zero_grad()
            cosines = model(batch.X)
            cross_entropy(cosines, batch.target, batch.weight, scale=model.scale).backward()
            if max_norm is not None:
                torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
            stepper.step()
            if pace is not None:
                pace.step()
    return model.eval()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("schedule", ["constant", "one_cycle", "cosine"])
def test_training_equals_a_hand_written_loop(schedule, optimizer, weighted):
    options = {"optimizer": optimizer, "schedule": schedule, "seed": 3}
    model, twin = (_model(activation="tanh") for _ in range(2))
    net = _net(model, weight_decay=0.1, **options).fit(_data(weighted=weighted))
    expected = _train_by_hand(twin, _data(weighted=weighted), **options)
    assert torch.equal(_state(net.module_), _state(expected))


def test_training_equals_a_hand_written_loop_to_rounding_where_gradients_are_written_out():
    options = {"optimizer": "adamw", "schedule": "one_cycle", "seed": 3}
    net = _net(weight_decay=0.1, **options).fit(_data(weighted=True))
    expected = _train_by_hand(_model(), _data(weighted=True), **options)
    torch.testing.assert_close(_state(net.module_), _state(expected), rtol=1e-4, atol=1e-5)


def test_clipped_training_equals_a_hand_written_loop():
    net = _net(weight_decay=0.1, max_grad_norm=0.1).fit(_data())
    expected = _train_by_hand(
        _model(), _data(), optimizer="adamw", schedule="constant", seed=0, max_norm=0.1
    )
    assert torch.equal(_state(net.module_), _state(expected))


def test_the_model_is_trained_in_place():
    model = _model()
    before = _state(model).clone()
    assert _net(model).fit(_data()).module_ is model
    assert not torch.equal(_state(model), before)


def test_training_learns():
    net = _net(max_epochs=40).fit(_data(300))
    hits = net.module_(_data(200, seed=1).X).argmax(dim=1) == _data(200, seed=1).target
    assert hits.float().mean() > 0.9


def test_listening_does_not_change_the_training():
    heard = _net(callbacks=[_Recorder()]).fit(_data())
    assert torch.equal(_state(heard.module_), _state(_net().fit(_data()).module_))


def test_validation_does_not_change_the_training():
    watched = _net().partial_fit(_data(), _data(seed=1))
    assert torch.equal(_state(watched.module_), _state(_net().fit(_data()).module_))


def test_callbacks_hear_of_every_batch_in_order():
    recorder = _Recorder()
    _net(max_epochs=2, batch_size=50, callbacks=[recorder]).fit(_data())
    kinds = ["grad" if isinstance(event, float) else event for event in recorder.events]
    epoch = ["batch_begin", "grad", "batch_end"] * 2 + ["epoch_end"]
    assert kinds == ["train_begin", *epoch * 2, "train_end"]


def test_callbacks_see_the_batches():
    recorder = _Recorder()
    _net(max_epochs=1, callbacks=[recorder]).fit(_data())
    rows, targets, training = zip(*recorder.batches, strict=True)
    assert torch.equal(torch.cat(rows).sort(dim=0).values, _data().X.sort(dim=0).values)
    assert torch.equal(torch.cat(targets).sort().values, _data().target.sort().values)
    assert set(training) == {True}


def test_batches_are_recorded_only_for_listeners():
    heard, unheard = _net(callbacks=[_Recorder()]).fit(_data()), _net().fit(_data())
    batches = heard.history[-1, "batches", :, ("train_loss", "train_batch_size")]
    mean = np.average([loss for loss, _ in batches], weights=[size for _, size in batches])
    assert mean == pytest.approx(heard.history[-1, "train_loss"])
    assert unheard.history[-1]["batches"] == [{"train_batch_size": 14}]  # files are named after it


def test_callbacks_hear_of_clipped_gradients():
    recorder = _Recorder()
    _net(max_grad_norm=0.01, callbacks=[recorder]).fit(_data())
    norms = [event for event in recorder.events if isinstance(event, float)]
    assert max(norms) <= 0.01 * (1 + 1e-4)


def test_history_tells_of_every_epoch():
    def score(projections, target, weight):
        return (projections.argmax(dim=1) == target).double().mean()

    net = _net(valid_score=score).partial_fit(_data(), _data(30, seed=1))
    columns = ("epoch", "train_batch_count", "train_loss", "valid_loss", "valid_score", "dur")
    table = np.array(net.history[:, columns])
    assert table.shape == (4, 6)
    assert table[:, 0].tolist() == [1, 2, 3, 4]
    assert set(table[:, 1]) == {7}
    assert np.isfinite(table).all()


def test_without_validation_rows_there_are_no_validation_columns():
    assert not {"valid_loss", "valid_score"} & set(_net().fit(_data()).history[-1])


@pytest.mark.parametrize("weighted", [False, True])
def test_validation_is_the_loss_of_the_trained_model_at_its_best_scale(weighted):
    valid = _data(37, seed=1, weighted=weighted)
    net = _net().partial_fit(_data(), valid)
    expected = net.criterion_.of_validation(net.module_(valid.X), *valid[1:3], net.module_)
    assert net.history[-1, "valid_loss"] == pytest.approx(expected.item(), rel=1e-6)


def test_training_loss_is_the_mean_over_rows():
    # Of unequal batches too: with a step size of 0 it is the loss of the whole.
    net = _net(_model().requires_grad_(False), max_epochs=1, optimizer="sgd", lr=0.0)
    net.module.log_scale.requires_grad_(True)
    net.fit(_data(101))
    expected = cross_entropy(net.module_(_data(101).X), _data(101).target, scale=4.0)
    assert net.history[-1, "train_loss"] == pytest.approx(expected.item(), rel=1e-6)


def _half_the_square(model):
    return sum(parameter.square().sum() for parameter in model.parameters()) / 2


def test_a_regularizer_is_minimised_and_told_apart_from_the_loss():
    # With a step size of 0 both are those of the model as it is.
    options = {"max_epochs": 1, "optimizer": "sgd", "lr": 0.0}
    net = _net(**options, regularizer=_half_the_square).fit(_data())
    without = _net(**options).fit(_data())
    assert net.history[-1, "train_loss"] == without.history[-1, "train_loss"]
    expected = _half_the_square(net.module_).item()
    assert net.history[-1, "train_penalty"] == pytest.approx(expected, rel=1e-6)
    assert "train_penalty" not in without.history[-1]


@pytest.mark.parametrize("callbacks", [[], [_Recorder()]])
def test_half_the_square_as_a_regularizer_is_weight_decay(callbacks):
    # Of plain gradient descent, and of all parameters, whose gradient is themselves.
    sgd = functools.partial(torch.optim.SGD)
    penalised = _net(optimizer=sgd, regularizer=_half_the_square, callbacks=callbacks).fit(_data())
    decayed = _model()
    stepper = torch.optim.SGD(decayed.parameters(), lr=0.01, weight_decay=1.0)
    decayed.train()
    batches = ShuffledBatches(_data(), 16, torch.Generator().manual_seed(0))
    for batch in (batch for _ in range(4) for batch in batches):
        stepper.zero_grad()
        loss = cross_entropy(decayed(batch.X), batch.target, scale=decayed.scale)
        loss.backward()
        stepper.step()
    torch.testing.assert_close(_state(penalised.module_), _state(decayed))


def test_a_criterion_hears_of_every_step_and_of_nothing_else():
    model = AngularModel(_model().backbone, simplex(3, 8).float())
    net = _net(model, AngularCriterion(make_angular_loss("arcface")))
    net.partial_fit(_data(), _data(seed=1))
    assert net.criterion_.loss.step == 4 * 7
    assert pickle.loads(pickle.dumps(net)).partial_fit(_data()).criterion_.loss.step == 8 * 7


def test_predictions_read_projections_as_the_model_says():
    # The norm of an embedding is larger than its cosines, and no class.
    model = AngularModel(_model().backbone, simplex(3, 8).float(), free_norm=True)
    criterion = AngularCriterion(make_angular_loss("w_softmax"))
    scoring = EpochScoring("accuracy", name="accuracy", use_caching=True)
    score = {
        "valid_score": lambda outputs, target, weight: (outputs.argmax(1) == target).double().mean()
    }
    net = _net(model, criterion, callbacks=[scoring], max_epochs=20, **score)
    net.partial_fit(_data(300), _data(100, seed=1))
    assert net.history[-1, "accuracy"] == pytest.approx(net.history[-1, "valid_score"])
    assert net.history[-1, "accuracy"] > 0.8


def test_early_stopping_restores_the_best_model():
    stopping = EarlyStopping("valid_loss", patience=3, load_best=True, sink=lambda _: None)
    net = _net(lr=0.5, max_epochs=50, callbacks=[stopping])
    valid = _data(60, seed=1)
    net.partial_fit(_data(40), valid)
    losses = net.history[:, "valid_loss"]
    restored = net.criterion_.of_validation(net.module_(valid.X), *valid[1:3], net.module_)
    assert len(losses) < 50
    assert restored.item() == pytest.approx(min(losses), rel=1e-6)
    assert not net.interrupted_


@pytest.mark.parametrize(
    ("event", "epoch", "n_finished"),
    [
        ("on_train_begin", 0, 0),
        ("on_epoch_begin", 2, 1),
        ("on_batch_end", 2, 1),
        ("on_epoch_end", 2, 2),
    ],
)
def test_a_callback_that_stops_training_is_no_interruption(event, epoch, n_finished):
    net = _net(callbacks=[_Stop(event, epoch)]).fit(_data())
    assert not net.interrupted_
    assert len(net.history) == n_finished
    assert not net.module_.training


@pytest.mark.parametrize(("call", "n_finished"), [(1, 0), (3, 0), (8, 1), (15, 2)])
def test_ctrl_c_ends_training_and_is_told(call, n_finished):
    # Seven batches an epoch; the epoch that was cut short leaves no row in the history.
    net = _net(criterion=_CtrlC(call)).fit(_data())
    assert net.interrupted_
    assert len(net.history) == n_finished
    assert not net.module_.training


def test_an_epoch_interrupted_while_validating_is_not_finished():
    net = _net(criterion=_CtrlC(8)).partial_fit(_data(), _data(seed=1))
    assert net.interrupted_
    assert len(net.history) == 0


def test_an_interruption_is_forgotten_by_the_next_training():
    net = _net(criterion=_CtrlC(3)).fit(_data())
    net.partial_fit(_data())
    assert not net.interrupted_
    assert len(net.history) == 4


def test_callbacks_hear_of_the_end_after_ctrl_c():
    recorder = _Recorder()
    _net(criterion=_CtrlC(3), callbacks=[recorder]).fit(_data())
    assert recorder.events[-1] == "train_end"


def test_errors_are_not_swallowed():
    def loss(projections, target, weight):
        raise ZeroDivisionError("inside")

    with pytest.raises(ZeroDivisionError, match="inside"):
        _net(criterion=Criterion(loss)).fit(_data())


def test_partial_fits_at_a_constant_rate_are_one_fit():
    whole = _net(max_epochs=4).fit(_data())
    parts = _net(max_epochs=2).partial_fit(_data()).partial_fit(_data())
    assert torch.equal(_state(parts.module_), _state(whole.module_))
    assert len(parts.history) == 4


def test_a_net_without_optimizer_gets_a_new_one():
    # Weights are kept, momentum is not.
    net = _net(max_epochs=2).fit(_data())
    net.optimizer_ = None
    net.partial_fit(_data())
    assert len(net.history) == 4
    assert net.optimizer_.state_dict()["state"][0]["step"] == 14


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine"])
def test_training_goes_on_after_a_schedule(schedule):
    net = _net(schedule=schedule).fit(_data())
    net.schedule = "constant"
    net.partial_fit(_data())
    assert {group["lr"] for group in net.optimizer_.param_groups} == {0.01}


@pytest.mark.parametrize("transport", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
@pytest.mark.parametrize("schedule", ["constant", "one_cycle"])
def test_a_trained_net_can_be_copied_and_pickled(schedule, transport):
    net = _net(schedule=schedule).partial_fit(_data(), _data(seed=1))
    arrived = transport(net)
    assert torch.equal(_state(arrived.module_), _state(net.module_))
    assert arrived.history == net.history
    assert not {"scheduler_", "generator_"} & set(vars(arrived))
    assert len(arrived.partial_fit(_data()).history) == 8


def test_a_pickled_net_holds_no_data():
    small, large = (_net(max_epochs=1).fit(_data(n)) for n in (100, 10_000))
    assert abs(len(pickle.dumps(small)) - len(pickle.dumps(large))) < 1000


def test_training_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    _net().partial_fit(_data(), _data(seed=1))
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine"])
def test_rates_end_low(schedule):
    net = _net(schedule=schedule, max_epochs=10).fit(_data())
    assert net.optimizer_.param_groups[0]["lr"] < 0.01 / 100


def test_skorchs_own_callbacks_work():
    net = _net(callbacks=[LRScheduler("ExponentialLR", gamma=0.5)]).fit(_data())
    assert isinstance(dict(net.callbacks_)["epoch_timer"], EpochTimer)
    assert net.optimizer_.param_groups[0]["lr"] == pytest.approx(0.01 / 2**4)


def test_training_is_silent(capsys):
    _net().partial_fit(_data(), _data(seed=1))
    assert capsys.readouterr() == ("", "")


def test_repeated_rows_are_weights_in_a_single_batch():
    # Copies share their dropout mask; in a single batch nothing else differs.
    data = _data(30)._replace(X=_data(30).X.double())
    copies = torch.arange(30).repeat_interleave(torch.tensor([1, 2, 3] * 10))
    weight = torch.tensor([1.0, 2.0, 3.0] * 10, dtype=torch.float64) / 2
    nets = [_net(_model().double(), optimizer="sgd", batch_size=1000) for _ in range(2)]
    nets[0].fit(data.select(copies))
    nets[1].fit(data._replace(weight=weight))
    torch.testing.assert_close(*(_state(net.module_) for net in nets), rtol=1e-9, atol=1e-12)


def test_images_are_trained_on():
    with seeded(0):
        backbone = ConvNet((4,), n_blocks=1).build((1, 4, 4), 8)
    model = EmbeddingModel(backbone, simplex(3, 8).float())
    data = TensorData(torch.randn(40, 1, 4, 4, generator=torch.Generator()), torch.arange(40) % 3)
    net = _net(model, Criterion(squared_cosine)).fit(data)
    assert np.isfinite(net.history[:, "train_loss"]).all()


@pytest.mark.parametrize("transport", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_net_that_is_not_trained_yet_can_be_copied_and_pickled(transport):
    arrived, here = transport(_net()), _net()
    assert not arrived.initialized_
    assert torch.equal(_state(arrived.fit(_data()).module_), _state(here.fit(_data()).module_))
