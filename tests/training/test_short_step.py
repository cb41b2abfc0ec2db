"""The short way through a step leads where the long one does."""

import copy

import pytest
import torch
from skorch.callbacks import Callback
from torch import nn

from sphereskl.geometry import simplex
from sphereskl.nn import (
    MLP,
    AngularModel,
    Columns,
    EmbeddingModel,
    cross_entropy,
    squared_cosine,
)
from sphereskl.training import Criterion, EmbeddingNet, TensorData, make_optimizer, seeded
from sphereskl.training._short_step import short_step
from sphereskl.training._short_update import short_update


def _data():
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(90, 4, generator=generator)
    return TensorData(X, (X[:, 0] > 0).long() + (X[:, 1] > 0).long())


def _model(kind=EmbeddingModel, backbone=None, config=None, **options):
    config = {
        "hidden_layer_sizes": (16,),
        "n_members": 1,
        "numeric_embedding": None,
        **(config or {}),
    }
    with seeded(0):
        backbone = MLP(**config).build((4,), 8) if backbone is None else backbone
    return kind(backbone, simplex(3, 8).float(), **options)


_LOSS = Criterion(cross_entropy, uses_scale=True, label_smoothing=0.1)


def _net(model=None, criterion=_LOSS, **options):
    model = _model(scale=4.0, learn_scale=True) if model is None else model
    options = {"lr": 0.01, "max_epochs": 4, "batch_size": 32, "seed": 1, **options}
    return EmbeddingNet(model, criterion, **options)


def _started(net):
    net.initialize()
    net.scheduler_ = None
    return net


def _state(net):
    return torch.cat([value.flatten() for value in net.module_.state_dict().values()])


@pytest.mark.parametrize("embedding", [None, "piecewise"])
@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("schedule", ["constant", "one_cycle", "cosine"])
def test_a_training_ends_where_one_by_autograd_does(monkeypatch, schedule, n_members, embedding):
    data = _data()
    if n_members > 1:
        data = data._replace(fold=torch.arange(90) % (n_members + 1) - 1)
    model = _model(
        scale=4.0,
        learn_scale=True,
        config={"n_members": n_members, "numeric_embedding": embedding},
    )
    options = {"schedule": schedule, "weight_decay": 0.1}
    short = _net(copy.deepcopy(model), **options).fit(data)
    monkeypatch.setattr("sphereskl.training._loop.short_step", lambda net: None)
    long = _net(model, **options).fit(data)
    torch.testing.assert_close(_state(short), _state(long), rtol=1e-3, atol=1e-4)
    losses = [epoch["train_loss"] for epoch in short.history]
    assert losses == pytest.approx([epoch["train_loss"] for epoch in long.history], rel=1e-4)


def _table(**config):
    """A network for a table of two numbers, a flag and a category of three levels, 40 if many."""
    columns = Columns(2, 1, (config.pop("levels", 3),))
    with seeded(0):
        return _model(
            backbone=MLP((16,), **config).build((4,), 8, columns), scale=4.0, learn_scale=True
        )


@pytest.mark.parametrize("levels", [3, 40])
@pytest.mark.parametrize("n_members", [1, 3])
def test_a_training_on_categories_ends_where_one_by_autograd_does(monkeypatch, n_members, levels):
    X, target = _data()[:2]
    category = torch.arange(len(X))[:, None] % levels - 1.0
    X = torch.cat([X[:, :2], (X[:, 2:3] > 0).float(), category], dim=1)
    fold = torch.arange(len(X)) % (n_members + 1) - 1 if n_members > 1 else None
    data = TensorData(X, target, fold=fold)
    model = _table(levels=levels, n_members=n_members)
    options = {"schedule": "constant", "weight_decay": 0.1}
    short = _net(copy.deepcopy(model), **options).fit(data)
    monkeypatch.setattr("sphereskl.training._loop.short_step", lambda net: None)
    long = _net(model, **options).fit(data)
    torch.testing.assert_close(_state(short), _state(long), rtol=1e-3, atol=1e-4)


_SHORT = [
    _net(),
    _net(_table()),
    _net(_table(levels=40, n_members=3)),
    _net(_model()),
    _net(_model(scale=2.0, n_reserved=1)),
    _net(_model(config={"n_members": 3})),
    _net(_model(config={"numeric_embedding": "piecewise"})),
    _net(_model(backbone=nn.Linear(4, 8))),
    _net(optimizer="sgd"),
]


@pytest.mark.parametrize("net", _SHORT)
def test_networks_of_ours_take_it(net):
    assert short_step(_started(net)) is not None


def _hooked(model):
    model.backbone.register_forward_hook(lambda *_: None)
    return model


_SHARED = nn.Linear(8, 8)

_LONG = {
    "activation": _net(_model(config={"activation": "tanh"})),
    "dropout": _net(_model(config={"dropout": 0.1})),
    "norm": _net(_model(config={"norm": "layer"})),
    "residual": _net(_model(config={"hidden_layer_sizes": (8, 8), "residual": True})),
    "periodic": _net(_model(config={"numeric_embedding": "periodic"})),
    "learned prototypes": _net(_model(learn_prototypes=True)),
    "norm counts": _net(_model(free_norm=True)),
    "angular": _net(_model(AngularModel)),
    "loss": _net(_model(), Criterion(squared_cosine)),
    "regularizer": _net(regularizer=lambda model: torch.zeros(())),
    "clipping": _net(max_grad_norm=1.0),
    "hook": _net(_hooked(_model())),
    "shared": _net(
        _model(backbone=nn.Sequential(nn.Linear(4, 8), nn.ReLU(), _SHARED, nn.ReLU(), _SHARED))
    ),
    "frozen": _net(
        _model(
            backbone=nn.Sequential(
                nn.Linear(4, 8).requires_grad_(False), nn.ReLU(), nn.Linear(8, 8)
            )
        )
    ),
    "no bias": _net(_model(backbone=nn.Linear(4, 8, bias=False))),
}


def test_a_table_of_many_classes_is_not_made(monkeypatch):
    net = _started(_net())
    assert short_step(net) is not None
    monkeypatch.setattr("sphereskl.training._short_step._MOST_PROTOTYPES", 2)
    assert short_step(net) is None


@pytest.mark.parametrize("why", _LONG)
def test_others_do_not(why):
    assert short_step(_started(_LONG[why])) is None


class _HookLater(Callback):
    """Begin to look at outputs in the second epoch."""

    def on_epoch_begin(self, net, **kwargs):
        self.seen_ = getattr(self, "seen_", [])
        if len(net.history) == 2:
            net.module_.backbone.register_forward_hook(lambda *_: self.seen_.append(1))


def test_hooks_that_come_later_are_called():
    hook = _HookLater()
    _net(callbacks=[hook]).fit(_data())
    assert len(hook.seen_) == 3 * 3  # batches of three epochs


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_a_short_update_is_the_step_bit_by_bit(name):
    model, twin = _model(), _model()
    gradients = [torch.randn_like(p) for p in model.parameters()]
    optimizers = [make_optimizer(name, m, lr=0.01, weight_decay=0.1) for m in (model, twin)]
    for of_model in (model, twin):
        for parameter, gradient in zip(of_model.parameters(), gradients, strict=True):
            parameter.grad = gradient.clone()
    for optimizer in optimizers:
        optimizer.step()
    update = short_update(optimizers[0])
    assert update != optimizers[0].step
    for lr in (0.02, 0.03):
        for optimizer in optimizers:
            optimizer.param_groups[0]["lr"] = lr
        update()
        optimizers[1].step()
    torch.testing.assert_close(model.state_dict(), twin.state_dict(), rtol=0, atol=0)
    states = [optimizer.state_dict()["state"] for optimizer in optimizers]
    torch.testing.assert_close(*states, rtol=0, atol=0)


@pytest.mark.parametrize(
    "make",
    [
        torch.optim.AdamW,
        lambda p, lr: torch.optim.AdamW(p, lr, amsgrad=True, fused=True),
        lambda p, lr: torch.optim.SGD(p, lr, fused=True),
        lambda p, lr: torch.optim.AdamW(p, lr, fused=True),  # no state yet
    ],
)
def test_other_optimisers_step_themselves(make):
    optimizer = make([nn.Parameter(torch.ones(2))], lr=0.1)
    assert short_update(optimizer) == optimizer.step


def test_parameters_without_a_gradient_stay_where_they_are():
    # As in torch: not even weight decay moves them. A group may have no other.
    trained, idle, alone = (nn.Parameter(torch.ones(2)) for _ in range(3))
    groups = [{"params": [trained, idle]}, {"params": [alone]}]
    optimizer = torch.optim.AdamW(groups, lr=0.1, weight_decay=0.5, fused=True)
    trained.grad = torch.ones(2)
    optimizer.step()
    update = short_update(optimizer)
    assert update != optimizer.step
    before = trained.detach().clone()
    update()
    assert (trained < before).all()
    assert idle.tolist() == alone.tolist() == [1.0, 1.0]


def test_hooks_of_an_optimiser_are_called():
    parameter = nn.Parameter(torch.ones(2))
    parameter.grad = torch.ones(2)
    optimizer = torch.optim.AdamW([parameter], lr=0.1, fused=True)
    optimizer.step()
    optimizer.register_step_post_hook(lambda *_: None)
    assert short_update(optimizer) == optimizer.step
