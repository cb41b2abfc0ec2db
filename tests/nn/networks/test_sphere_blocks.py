"""What all hyperspherical backbones promise."""

import pickle

import pytest
import torch
from sklearn.base import clone
from torch import nn

from sphereskl.nn import (
    SphereCNN,
    SphereConv2d,
    SphereGoogLeNet,
    SphereLinear,
    SphereMLP,
    SphereNorm,
    SphereResNet,
    SphereVGG,
)

IMAGE = (2, 9, 8)
CONFIGS = {
    "cnn": SphereCNN(depth=4, widths=(4, 6)),
    "resnet": SphereResNet(depth=8, widths=(4, 6, 6), shortcut="sphere"),
    "resnet 18": SphereResNet(depth=18, widths=(4, 4, 6, 6), shortcut="sphere"),
    "vgg": SphereVGG(widths=(4, 4, 4, 6, 6), hidden_layer_sizes=8),
    "googlenet": SphereGoogLeNet(width=0.03),
    "mlp": SphereMLP(hidden_layer_sizes=(6, 5)),
}
every = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())


def _build(config, shape=IMAGE, **params):
    torch.manual_seed(0)
    return clone(config).set_params(**params).build(shape, 3)


def _x(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def _of_type(network, kind):
    return [module for module in network.modules() if isinstance(module, kind)]


def _layers(network):
    return _of_type(network, nn.Conv2d | nn.Linear)


@every
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 9), (1, 8, 8)], ids=str)
def test_output_has_the_embedding_dim(config, shape):
    assert _build(config, shape)(_x(2, *shape)).shape == (2, 3)


@every
def test_every_layer_is_spherical(config):
    layers = _layers(_build(config))
    assert {type(layer) for layer in layers} <= {SphereConv2d, SphereLinear}


@every
def test_the_ordinary_network_has_ordinary_layers_and_the_same_weights(config):
    spherical = _build(config, norm="batch", **_unlifted(config))
    ordinary = _build(config, norm="batch", spherical=False)
    assert {type(layer) for layer in _layers(ordinary)} <= {nn.Conv2d, nn.Linear}
    assert _shapes(ordinary) == _shapes(spherical)
    assert ordinary(_x(2, *IMAGE)).shape == (2, 3)


def _unlifted(config):
    return {"lift": False} if isinstance(config, SphereMLP) else {}


def _shapes(network):
    return {name: value.shape for name, value in network.state_dict().items()}


@every
@pytest.mark.parametrize(("gain", "norm"), [(0.1, None), (10.0, None), (10.0, "both")])
def test_the_scale_of_weights_means_nothing(config, norm, gain):
    # In float64: at a single pixel, batch normalisation can blow rounding up.
    network = _build(config, norm=norm).double()
    x = _x(4, *IMAGE).double()
    expected = network(x)
    with torch.no_grad():
        for layer in _layers(network):
            layer.weight *= gain
    torch.testing.assert_close(network(x), expected, rtol=1e-5, atol=1e-5)


@every
def test_predictions_do_not_depend_on_the_batch(config):
    network, x = _build(config, norm="both"), _x(6, *IMAGE)
    network(x)
    network.eval()
    torch.testing.assert_close(network(x)[2:4], network(x[2:4]))


@every
@pytest.mark.parametrize("norm", ["sphere", "both"])
def test_every_parameter_learns(config, norm):
    network = _build(config, norm=norm, activation="tanh", learn_k="layer", magnitude="tanh")
    (network(_x(6, *IMAGE)) * _x(6, 3)).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any() or _is_shift_under_batch_norm(name, network), name


def _is_shift_under_batch_norm(name, network):
    # The mean of the batch takes off what is the same in all rows: a layer's radius can be.
    return name.endswith("magnitude.log_radius") and bool(_of_type(network, nn.BatchNorm2d))


@every
@pytest.mark.parametrize("norm", [None, "sphere"])
def test_gradients_at_black_images_are_finite(config, norm):
    network, x = _build(config, norm=norm), torch.zeros(2, *IMAGE, requires_grad=True)
    network(x).sum().backward()
    assert x.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize(
    ("norm", "batch", "sphere", "affine", "bias"),
    [
        (None, 0, 0, None, True),
        ("batch", 4, 0, None, False),
        ("sphere", 0, 4, True, False),
        ("both", 4, 4, False, False),
    ],
)
def test_norms_stand_behind_every_convolution_in_place_of_its_bias(
    norm, batch, sphere, affine, bias
):
    network = _build(CONFIGS["cnn"], norm=norm)
    assert len(_of_type(network, nn.BatchNorm2d)) == batch
    assert [module.weight is not None for module in _of_type(network, SphereNorm)] == (
        [affine] * sphere
    )
    assert [layer.bias is not None for layer in _layers(network)] == [bias] * 4 + [True]


def test_sphere_norm_comes_before_batch_norm_and_the_activation_last():
    block = _build(CONFIGS["cnn"], norm="both")[0]
    assert [type(module) for module in block] == [SphereConv2d, SphereNorm, nn.BatchNorm2d, nn.ReLU]


@pytest.mark.parametrize("norm", ["sphere", "both"])
def test_cosines_start_at_unit_variance(norm):
    # Batch normalisation with an epsilon of 1e-5 then takes nothing away.
    torch.manual_seed(0)
    block = SphereCNN(depth=1, widths=(64,), operator="cosine").set_params(norm=norm)
    layer, sphere_norm, *_ = block.build((256, 6, 6), 3)[0]
    y = sphere_norm(layer(_x(8, 256, 6, 6)))[:, :, 1:-1, 1:-1]
    assert y.std().item() == pytest.approx(1, rel=0.05)


def test_an_ordinary_network_has_a_bias_in_place_of_sphere_norm():
    network = _build(CONFIGS["cnn"], norm="sphere", spherical=False)
    assert not _of_type(network, SphereNorm)
    assert all(layer.bias is not None for layer in _layers(network))


def test_ordinary_layers_start_as_he_proposed():
    network = _build(SphereCNN(depth=1, widths=(64,)), (64, 4, 4), spherical=False)
    layer = _layers(network)[0]
    assert layer.weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.03)


@every
def test_a_network_can_share_one_k(config):
    network = _build(config, learn_k="network", k=0.4)
    (k,) = [value for name, value in network.named_parameters() if name.endswith("rho")]
    assert k.numel() == 1
    assert len({id(layer.operator) for layer in _layers(network)}) == 1
    assert _layers(network)[0].operator.k.item() == pytest.approx(0.4)


@every
def test_a_shared_k_stays_shared_in_copies(config):
    network = pickle.loads(pickle.dumps(_build(config, learn_k="network")))
    assert len({id(layer.operator) for layer in _layers(network)}) == 1


def test_two_networks_of_one_configuration_share_nothing():
    config = SphereMLP(hidden_layer_sizes=4, learn_k="network")
    first, second = config.build((2,), 3), config.build((2,), 3)
    assert not {id(p) for p in first.parameters()} & {id(p) for p in second.parameters()}


@pytest.mark.parametrize(
    ("learn_k", "n_k"), [(None, 0), ("layer", 5), ("channel", 4 + 4 + 6 + 6 + 3)]
)
def test_k_learns_for_layers_or_filters(learn_k, n_k):
    network = _build(CONFIGS["cnn"], learn_k=learn_k)
    assert sum(value.numel() for name, value in network.named_parameters() if "rho" in name) == n_k


@every
def test_options_reach_every_layer(config):
    network = _build(config, operator="linear", magnitude="ball", eps=0.5)
    for layer in _layers(network):
        assert (layer.operator.name, layer.magnitude.name, layer.eps) == ("linear", "ball", 0.5)


@every
def test_activations_can_be_left_out(config):
    assert _of_type(_build(config), nn.ReLU)
    assert not _of_type(_build(config, activation=None), nn.ReLU)


@pytest.mark.parametrize(
    ("activation", "kind"),
    [("relu", nn.ReLU), ("gelu", nn.GELU), ("silu", nn.SiLU), ("tanh", nn.Tanh)],
)
def test_activations_can_be_named(activation, kind):
    assert len(_of_type(_build(CONFIGS["cnn"], activation=activation), kind)) == 4


@every
def test_clone_makes_an_equal_copy(config):
    assert clone(config) == config
    assert clone(config) is not config


@every
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("operator", "cubic"),
        ("k", 0.0),
        ("learn_k", "filter"),
        ("norm", "layer"),
        ("activation", "sigmoid"),
        ("magnitude", "cubic"),
    ],
)
def test_bad_values_are_named(config, name, value):
    with pytest.raises(ValueError, match=f"^{name} must .*got {value!r}"):
        _build(config, **{name: value})


@every
@pytest.mark.parametrize("shape", [(64,), (8, 8)])
def test_rows_are_for_the_perceptron(config, shape):
    if isinstance(config, SphereMLP):
        assert _build(config, shape)(_x(2, *shape)).shape == (2, 3)
        return
    with pytest.raises(ValueError, match=r"shape \(channels, height, width\), got .*SphereMLP"):
        _build(config, shape)
