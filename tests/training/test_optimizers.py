"""Weight decay reaches weights and nothing else."""

from functools import partial

import pytest
import torch
from torch import nn

from sphereskl import HypersphericalPrototypeClassifier
from sphereskl.geometry import simplex
from sphereskl.nn import MLP, AngularModel, ConvNet, EmbeddingModel, SphereCNN, SphereResNet
from sphereskl.training import OPTIMIZERS, make_optimizer
from sphereskl.training._optimizers import take_step


def _model():
    backbone = ConvNet(widths=(4,), n_blocks=1).build((1, 4, 4), 3)
    return EmbeddingModel(backbone, simplex(3, 3), learn_prototypes=True, learn_scale=True)


def _names(model, group):
    members = {id(parameter) for parameter in group["params"]}
    return {name for name, parameter in model.named_parameters() if id(parameter) in members}


def test_only_weight_matrices_and_filters_decay():
    model = _model()
    decaying, free = make_optimizer("adamw", model, lr=0.1, weight_decay=0.5).param_groups
    assert (decaying["weight_decay"], free["weight_decay"]) == (0.5, 0.0)
    assert _names(model, decaying) == {"backbone.0.weight", "backbone.6.weight"}
    assert _names(model, decaying) | _names(model, free) == set(dict(model.named_parameters()))
    assert {"_prototypes", "log_scale", "backbone.1.weight"} <= _names(model, free)


@pytest.mark.parametrize("free_prototypes", [False, True])
def test_directions_do_not_decay(free_prototypes):
    config = SphereCNN(2, (4, 8), learn_k="channel", magnitude="tanh", norm="both")
    backbone = torch.nn.Sequential(config.build((1, 4, 4), 3), nn.Linear(3, 3))
    options = {"free_norm": True, "free_prototypes": free_prototypes}
    model = AngularModel(backbone, simplex(3, 3), **options)
    decaying, free = make_optimizer("adam", model, lr=0.1, weight_decay=0.5).param_groups
    assert _names(model, decaying) == {"backbone.1.weight"} | (
        {"_prototypes"} if free_prototypes else set()
    )
    assert _names(model, decaying) | _names(model, free) == set(dict(model.named_parameters()))


def test_ordinary_layers_of_spherical_networks_decay():
    model = SphereResNet(depth=8, widths=(4, 8, 8)).build((1, 8, 8), 3)
    decaying, _ = make_optimizer("adam", model, lr=0.1, weight_decay=0.5).param_groups
    shortcuts = {name for name, layer in model.named_modules() if type(layer) is nn.Conv2d}
    assert len(shortcuts) == 2
    assert _names(model, decaying) == {f"{name}.weight" for name in shortcuts}


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_without_gradient_only_decay_moves_weights(name):
    model = EmbeddingModel(
        MLP((4,), n_members=1, numeric_embedding=None).build((2,), 3),
        simplex(3, 3),
        learn_scale=True,
    )
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    make_optimizer(name, model, lr=0.1, weight_decay=0.5).step()
    moved = {name for name, value in model.named_parameters() if not value.equal(before[name])}
    assert moved == {"backbone.0.0.weight", "backbone.1.weight"}


def test_frozen_parameters_are_left_out():
    model = MLP((4,), n_members=1, numeric_embedding=None).build((2,), 3)
    model[0].requires_grad_(False)
    weight, bias = make_optimizer("sgd", model, lr=0.1, weight_decay=0.5).param_groups
    assert [*weight["params"], *bias["params"]] == list(model[1].parameters())


def test_empty_groups_are_left_out():
    optimizer = make_optimizer("sgd", nn.Linear(2, 2, bias=False), lr=0.1, weight_decay=0.5)
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize(
    ("name", "kind"),
    [("adamw", torch.optim.AdamW), ("adam", torch.optim.Adam), ("sgd", torch.optim.SGD)],
)
def test_names_stand_for_torch_optimizers(name, kind):
    optimizer = make_optimizer(name, nn.Linear(2, 2), lr=0.1, weight_decay=0.0)
    assert type(optimizer) is kind
    assert {group["lr"] for group in optimizer.param_groups} == {0.1}


def test_sgd_has_momentum():
    optimizer = make_optimizer("sgd", nn.Linear(2, 2), lr=0.1, weight_decay=0.0)
    assert optimizer.defaults["momentum"] == 0.9


@pytest.mark.parametrize("make", [torch.optim.RMSprop, partial(torch.optim.NAdam, betas=(0, 0.9))])
def test_any_optimizer_can_be_passed(make):
    optimizer = make_optimizer(make, nn.Linear(2, 2), lr=0.1, weight_decay=0.5)
    assert type(optimizer) is getattr(make, "func", make)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.5, 0.0]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format], ids=str)
def test_a_loaded_state_continues_in_any_memory_layout(optimizer, layout):
    torch.manual_seed(0)
    start, *gradients = torch.randn(4, 5, 3, 2, 2)

    def steps(layer, made, some):
        for gradient in some:
            layer.weight.grad = gradient.clone().contiguous(memory_format=layout)
            made.step()

    def make(weight):
        layer = nn.Conv2d(3, 5, 2, bias=False).to(memory_format=layout)
        with torch.no_grad():
            layer.weight.copy_(weight)
        return layer, make_optimizer(optimizer, layer, lr=0.1, weight_decay=0.0)

    layer, made = make(start)
    steps(layer, made, gradients[:2])
    state = made.state_dict()
    state["state"] = {
        key: {k: v.clone().contiguous() for k, v in values.items()}
        for key, values in state["state"].items()
    }
    resumed, other = make(layer.weight)
    other.load_state_dict(state)
    steps(layer, made, gradients[2:])
    steps(resumed, other, gradients[2:])
    torch.testing.assert_close(resumed.weight, layer.weight, rtol=0, atol=0)


def _rates(optimizer, model):
    return {
        name: group["lr"]
        for group in optimizer.param_groups
        for name, parameter in model.named_parameters()
        if any(parameter is other for other in group["params"])
    }


def test_the_backbone_below_its_last_layer_has_its_own_rate():
    model = _model()
    made = make_optimizer("adamw", model, lr=0.1, weight_decay=0.5, backbone_lr=0.01)
    rates = _rates(made, model)
    last = {"backbone.6.weight", "backbone.6.bias"}
    assert {name for name, lr in rates.items() if lr == 0.1} == {"_prototypes", "log_scale"} | last
    assert {lr for name, lr in rates.items() if name.startswith("backbone.0")} == {0.01}
    plain = make_optimizer("adamw", model, lr=0.1, weight_decay=0.5)
    decaying = [
        {
            name
            for group in optimizer.param_groups
            if group["weight_decay"]
            for name in _names(model, group)
        }
        for optimizer in (plain, made)
    ]
    assert decaying[0] == decaying[1]


def test_frozen_layers_on_top_do_not_count_as_the_last():
    model = _model()
    model.backbone[6].requires_grad_(False)
    made = make_optimizer("sgd", model, lr=0.1, weight_decay=0.0, backbone_lr=0.01)
    rates = _rates(made, model)
    assert rates["backbone.1.weight"] == 0.1
    assert rates["backbone.0.weight"] == 0.01


def test_an_own_rate_for_no_layer_is_refused():
    model = EmbeddingModel(nn.Linear(2, 3), simplex(3, 3))
    with pytest.raises(ValueError, match=r"backbone_lr is 0.01, but the backbone has one layer"):
        make_optimizer("adamw", model, lr=0.1, weight_decay=0.0, backbone_lr=0.01)


def test_a_step_that_fails_names_the_optimizer():
    model = EmbeddingModel(nn.Linear(2, 3), simplex(3, 3).float())
    made = make_optimizer(torch.optim.SparseAdam, model, lr=0.1, weight_decay=0.0)
    model(torch.ones(1, 2)).sum().backward()
    with pytest.raises(ValueError, match=r"optimizer SparseAdam cannot take a step: .*; use one"):
        take_step(made)


def test_what_is_no_optimizer_is_refused():
    with pytest.raises(TypeError, match=r"must return a torch\.optim\.Optimizer, got None"):
        make_optimizer(lambda groups, lr: None, nn.Linear(2, 2), lr=0.1, weight_decay=0.0)


def test_an_optimizer_that_takes_other_arguments_is_named():
    with pytest.raises(ValueError, match=r"optimizer is called with groups of parameters and lr: "):
        make_optimizer(lambda groups: None, nn.Linear(2, 2), lr=0.1, weight_decay=0.0)


def test_the_own_rate_stays_when_a_stream_changes_the_other():
    X, y = torch.rand(40, 2).numpy(), [0, 1] * 20
    backbone = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3))
    clf = HypersphericalPrototypeClassifier(
        backbone=backbone, lr=1e-2, backbone_lr=1e-3, device="cpu", random_state=0
    ).partial_fit(X, y, classes=[0, 1])
    clf.set_params(lr=1e-4).partial_fit(X, y)
    assert {group["lr"] for group in clf.net_.optimizer_.param_groups} == {1e-4, 1e-3}


def test_a_step_that_is_out_of_memory_says_just_that():
    class Large(torch.optim.SGD):
        def step(self, closure=None):
            raise torch.OutOfMemoryError("of the device")

    with pytest.raises(torch.OutOfMemoryError, match=r"^of the device$"):
        take_step(Large(_model().parameters(), lr=0.1))
