"""Models that others wrote become hyperspherical with their weights."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from sphereskl.nn import (
    AngularOperator,
    SphereConv1d,
    SphereConv2d,
    SphereLinear,
    to_spherical,
)

SPHERICAL = SphereConv1d | SphereConv2d | SphereLinear


def _x(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def _spherical(model):
    return [name for name, layer in model.named_modules() if isinstance(layer, SPHERICAL)]


def _cnn():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding="valid", groups=1, padding_mode="reflect"),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Sequential(nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=4, bias=False), nn.GELU()),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 5),
    )


def _signal_net():
    return nn.Sequential(
        nn.Conv1d(2, 4, 5, padding="same"), nn.ELU(), nn.Flatten(), nn.Linear(36, 3)
    )


def _autoencoder():
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, stride=2, padding=1),
        nn.Tanh(),
        nn.ConvTranspose2d(3, 2, 4, stride=2, padding=1),
        nn.Conv2d(2, 1, 1),
    )


class _Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Linear(3, 4)
        self.gru = nn.GRU(4, 4, batch_first=True)
        self.hidden = nn.ModuleDict({"one": nn.Linear(4, 4), "two": nn.Linear(4, 4)})
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        x = self.gru(self.embedding(x))[0].mean(dim=1)
        return self.head(torch.relu(self.hidden["one"](x)) + self.hidden["two"](x))


def _encoder_layer():
    return nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)


def _transformer():
    return nn.Transformer(8, 2, 1, 1, 16, dropout=0.0, batch_first=True)


class _Sequences(nn.Module):
    """A transformer of one input, which it translates to itself."""

    def __init__(self):
        super().__init__()
        self.transformer = _transformer()

    def forward(self, x):
        return self.transformer(x, x)


MODELS = {
    "cnn": (_cnn, (2, 3, 9, 9)),
    "signals": (_signal_net, (2, 2, 9)),
    "autoencoder": (_autoencoder, (2, 1, 6, 6)),
    "recurrent": (_Recurrent, (2, 5, 3)),
    "encoder layer": (_encoder_layer, (2, 5, 8)),
    "transformer": (_Sequences, (2, 5, 8)),
}


@pytest.fixture(params=MODELS.values(), ids=MODELS.keys())
def model_and_x(request):
    torch.manual_seed(0)
    make, shape = request.param
    return make(), _x(*shape)


@pytest.mark.parametrize("skip", ["last", ()], ids=["last", "none"])
def test_output_keeps_its_shape_and_changes(model_and_x, skip):
    model, x = model_and_x
    converted = to_spherical(model, skip=skip)
    assert converted(x).shape == model(x).shape
    assert not torch.allclose(converted(x), model(x), atol=1e-3)


def test_the_model_itself_is_left_alone(model_and_x):
    model, x = model_and_x
    model.eval()
    before, kinds = model(x), [type(module) for module in model.modules()]
    to_spherical(model)
    assert [type(module) for module in model.modules()] == kinds
    assert torch.equal(model(x), before)


def test_state_dicts_fit_both_ways(model_and_x):
    model, _ = model_and_x
    converted = to_spherical(model)
    assert converted.state_dict().keys() == model.state_dict().keys()
    torch.testing.assert_close(converted.state_dict(), model.state_dict(), rtol=0, atol=0)
    other = to_spherical(copy.deepcopy(model).apply(_reset))
    other.load_state_dict(converted.state_dict())
    torch.testing.assert_close(other.state_dict(), model.state_dict(), rtol=0, atol=0)


def _reset(module):
    if hasattr(module, "reset_parameters"):
        module.reset_parameters()


def test_a_training_step_changes_every_converted_weight(model_and_x):
    model, x = model_and_x
    converted = to_spherical(model, skip=())
    optimizer = torch.optim.SGD(converted.parameters(), 0.1)
    y = converted(x)
    (y * _x(*y.shape)).sum().backward()
    optimizer.step()
    for name in _spherical(converted):
        before = model.get_submodule(name).weight
        assert not torch.equal(converted.get_submodule(name).weight, before), name


def test_inference_agrees_with_training_mode(model_and_x):
    # Transformers have a path for inference that reads weights and calls no layer.
    model, x = model_and_x
    converted = to_spherical(model, skip=())
    for module in converted.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.0
            module.eval()
            module.train = lambda mode: None
    with torch.no_grad():
        torch.testing.assert_close(converted.eval()(x), converted.train()(x))


def test_transformers_with_padding_agree_in_both_modes():
    torch.manual_seed(0)
    model = nn.TransformerEncoder(_encoder_layer(), 2)
    converted, x = to_spherical(model), _x(2, 5, 8)
    padding = torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
    with torch.no_grad():
        seen = converted.eval()(x, src_key_padding_mask=padding)[~padding]
        expected = converted.train()(x, src_key_padding_mask=padding)[~padding]
    torch.testing.assert_close(seen, expected)


def test_layers_compute_what_spherical_ones_of_the_same_weights_do():
    torch.manual_seed(0)
    layer = nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2)
    expected = SphereConv2d(4, 6, 3, stride=2, padding=1, groups=2, operator="linear", eps=0.0)
    expected.load_state_dict(layer.state_dict())
    converted = to_spherical(layer, operator="linear", eps=0.0, skip=())
    assert torch.equal(converted(_x(2, 4, 7, 7)), expected(_x(2, 4, 7, 7)))


def test_with_linear_magnitude_and_cosine_it_is_the_layer_of_unit_filters():
    torch.manual_seed(0)
    layer = nn.Linear(7, 5)
    converted = to_spherical(layer, operator="cosine", magnitude="linear", eps=0.0, skip=())
    unit = nn.functional.normalize(layer.weight, dim=1)
    torch.testing.assert_close(converted(_x(3, 7)), _x(3, 7) @ unit.T + layer.bias)


def test_the_last_layer_is_left_by_default():
    assert _spherical(to_spherical(_cnn())) == ["0", "3.0"]
    assert _spherical(to_spherical(_Recurrent())) == ["embedding", "hidden.one", "hidden.two"]


@pytest.mark.parametrize(
    ("skip", "names"),
    [
        ((), ["embedding", "hidden.one", "hidden.two", "head"]),
        ({"hidden"}, ["embedding", "head"]),
        (["embedding", "hidden.two"], ["hidden.one", "head"]),
        ("head", ["embedding", "hidden.one", "hidden.two"]),
        (lambda name, layer: name.startswith("h"), ["embedding"]),
        (lambda name, layer: layer.in_features == 4, ["embedding"]),
    ],
)
def test_layers_are_skipped_by_name_or_function(skip, names):
    assert _spherical(to_spherical(_Recurrent(), skip=skip)) == names


def test_only_the_exact_types_are_converted():
    class Shifted(nn.Linear):
        def forward(self, x):
            return super().forward(x) + 1

    kept = [Shifted(2, 2), nn.Conv3d(1, 1, 1), nn.ConvTranspose1d(1, 1, 1), nn.Bilinear(2, 2, 1)]
    kept += [nn.LazyLinear(3), nn.MultiheadAttention(2, 1), SphereLinear(2, 2, operator="cosine")]
    converted = to_spherical(nn.ModuleList([*kept, nn.Linear(2, 2)]), skip=())
    assert [type(layer) for layer in converted] == [*map(type, kept), SphereLinear]
    assert converted[6].operator.name == "cosine"


def test_weights_shared_by_layers_stay_shared():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    model[1].weight = model[0].weight
    converted = to_spherical(model)
    assert converted[1].weight is converted[0].weight
    assert converted[0].weight is not model[0].weight


def test_weights_shared_with_an_embedding_stay_shared():
    model = nn.ModuleDict({"words": nn.Embedding(9, 4), "logits": nn.Linear(4, 9)})
    model["logits"].weight = model["words"].weight
    converted = to_spherical(model, skip=())
    assert converted["logits"].weight is converted["words"].weight


def test_a_layer_used_twice_is_converted_once():
    layer = nn.Linear(4, 4)
    converted = to_spherical(nn.Sequential(layer, nn.ReLU(), layer, nn.Linear(4, 2)))
    assert isinstance(converted[0], SphereLinear)
    assert converted[0] is converted[2]


def test_a_layer_used_twice_is_skipped_under_either_name():
    layer = nn.Linear(4, 4)
    converted = to_spherical(nn.Sequential(layer, layer, nn.Linear(4, 2)), skip=["1"])
    assert type(converted[0]) is type(converted[1]) is nn.Linear


def test_weight_normalisation_stays_and_changes_nothing():
    torch.manual_seed(0)
    plain = nn.Conv2d(2, 3, 3)
    expected = to_spherical(plain, skip=())(_x(2, 2, 5, 5))
    converted = to_spherical(parametrizations.weight_norm(plain), skip=())
    torch.testing.assert_close(converted(_x(2, 2, 5, 5)), expected)
    converted(_x(2, 2, 5, 5)).sum().backward()
    assert all(parameter.grad is not None for parameter in converted.parameters())


def test_parametrisations_can_still_be_copied_and_removed():
    torch.manual_seed(0)
    layer = parametrizations.orthogonal(nn.Linear(4, 3))
    converted = copy.deepcopy(to_spherical(layer, skip=()))
    assert parametrize.type_before_parametrizations(converted) is SphereLinear
    expected = converted(_x(2, 4))
    parametrize.remove_parametrizations(converted, "weight")
    assert type(converted) is SphereLinear
    torch.testing.assert_close(converted(_x(2, 4)), expected)


def test_hooks_modes_and_frozen_weights_stay():
    calls = []
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)).eval()
    model[0].register_forward_hook(lambda *_: calls.append(1))
    model[0].weight.requires_grad_(False)
    converted = to_spherical(model)
    converted(_x(3, 4))
    assert calls == [1]
    assert not converted[0].weight.requires_grad
    assert not any(module.training for module in converted.modules())


def test_one_operator_can_be_shared_by_all_layers():
    operator = AngularOperator("sigmoid", 0.5, learn_k=True)
    converted = to_spherical(_Recurrent(), operator=operator)
    assert converted.embedding.operator is converted.hidden["one"].operator is operator


def test_k_can_learn_for_each_filter():
    converted = to_spherical(_cnn(), learn_k="channel", k=0.4)
    torch.testing.assert_close(converted[0].operator.k, torch.full((4,), 0.4))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_precision_is_kept(dtype):
    converted = to_spherical(_cnn().to(dtype), learn_k="layer", magnitude="tanh")
    assert {p.dtype for p in converted.parameters()} == {dtype}


def test_converted_models_can_be_pickled():
    converted = to_spherical(_signal_net())
    restored = pickle.loads(pickle.dumps(converted))
    assert torch.equal(restored(_x(2, 2, 9)), converted(_x(2, 2, 9)))


def test_names_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match=r"^skip must .*, got \['tail'\]; .*'hidden.one'"):
        to_spherical(_Recurrent(), skip=["head", "tail"])


@pytest.mark.parametrize("model", [nn.Linear(3, 2), nn.ReLU(), nn.Conv3d(1, 1, 1)])
def test_nothing_to_convert_is_an_error(model):
    with pytest.raises(ValueError, match=r"^No layer to convert: .*skip='last'"):
        to_spherical(model)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("operator", "cubic", "operator must be one of"),
        ("k", 0.0, "k must be positive"),
        ("learn_k", "network", "learn_k must be"),
        ("magnitude", "cubic", "magnitude must be one of"),
        ("eps", -1.0, "eps .*must not be negative"),
    ],
)
def test_bad_values_are_named(name, value, message):
    with pytest.raises(ValueError, match=message):
        to_spherical(_cnn(), **{name: value})
