"""The multilayer perceptron is built as its configuration says."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from sphereskl.nn import (
    MLP,
    Columns,
    Dropout,
    MemberLinear,
    PeriodicEmbedding,
    PiecewiseLinearEmbedding,
)


def _of_type(network, kind):
    return [module for module in network.modules() if isinstance(module, kind)]


def _x(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def _plain(**options):
    # One network on the numbers as they are.
    return MLP(**{"n_members": 1, "numeric_embedding": None, **options})


@pytest.mark.parametrize("norm", [None, "batch", "layer"])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("hidden", [(), 7, (5, 5, 3), [4], np.array([4, 4])], ids=str)
@pytest.mark.parametrize("shape", [(1,), (6,), (2, 3), (1, 4, 4)])
def test_output_has_the_embedding_dim(shape, hidden, residual, norm):
    network = _plain(hidden_layer_sizes=hidden, residual=residual, norm=norm).build(shape, 9)
    assert network(_x(5, *shape)).shape == (5, 9)


def test_widths_chain_from_input_to_embedding():
    network = _plain(hidden_layer_sizes=(5, 7)).build((2, 3), 9)
    widths = [(layer.in_features, layer.out_features) for layer in _of_type(network, nn.Linear)]
    assert widths == [(6, 5), (5, 7), (7, 9)]


@pytest.mark.parametrize("width", [np.int64(8), np.int32(8)])
def test_numpy_integers_are_widths(width):
    # A grid of np.arange hands these out.
    assert _plain(hidden_layer_sizes=width).build((3,), 2)(_x(4, 3)).shape == (4, 2)


def test_no_hidden_layer_is_a_linear_map():
    network = _plain(hidden_layer_sizes=()).build((4,), 3)
    x, y = _x(2, 5, 4)
    torch.testing.assert_close(network((x + y) / 2), (network(x) + network(y)) / 2)


@pytest.mark.parametrize(("dropout", "n_layers"), [(0.0, 0), (0.3, 2)])
def test_dropout_follows_every_hidden_layer(dropout, n_layers):
    network = _plain(hidden_layer_sizes=(5, 7), dropout=dropout).build((4,), 3)
    assert [layer.p for layer in _of_type(network, Dropout)] == [dropout] * n_layers


@pytest.mark.parametrize(
    ("activation", "kind"),
    [("relu", nn.ReLU), ("gelu", nn.GELU), ("silu", nn.SiLU), ("tanh", nn.Tanh)],
)
def test_activation_is_the_one_named(activation, kind):
    network = _plain(hidden_layer_sizes=(5, 7), activation=activation).build((4,), 3)
    assert len(_of_type(network, kind)) == 2


@pytest.mark.parametrize(("norm", "kind"), [("batch", nn.BatchNorm1d), ("layer", nn.LayerNorm)])
def test_norm_is_the_one_named(norm, kind):
    network = _plain(hidden_layer_sizes=(5, 7), norm=norm).build((4,), 3)
    assert len(_of_type(network, kind)) == 2


def test_residual_layers_with_zero_weights_pass_their_input_on():
    network = _plain(hidden_layer_sizes=(4, 4), residual=True, dropout=0.0).build((4,), 3)
    for layer in _of_type(network, nn.Linear)[:2]:
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    torch.testing.assert_close(network(_x(5, 4)), network[-1](_x(5, 4)))


def test_layers_that_change_the_width_have_no_residual():
    network = _plain(hidden_layer_sizes=(5,), residual=True, dropout=0.0).build((4,), 3)
    plain = _plain(hidden_layer_sizes=(5,), dropout=0.0).build((4,), 3)
    plain.load_state_dict(network.state_dict())
    assert torch.equal(network(_x(5, 4)), plain(_x(5, 4)))


def test_forward_agrees_with_the_formula():
    network = _plain(hidden_layer_sizes=(5,), dropout=0.0).build((4,), 3)
    first, second = _of_type(network, nn.Linear)
    hidden = (_x(6, 4) @ first.weight.T + first.bias).clamp_min(0)
    torch.testing.assert_close(network(_x(6, 4)), hidden @ second.weight.T + second.bias)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("hidden_layer_sizes", value) for value in (0, (4, -1), (4.5,), True, (4, True), 5.0)],
        *[("hidden_layer_sizes", value) for value in ("abc", None, (None,), ("a",))],
        *[("hidden_layer_sizes", value) for value in ((math.nan,), (math.inf,))],
        *[("dropout", value) for value in (1.0, -0.1, math.nan, True, "0.2", None)],
        *[("n_members", value) for value in (0, -1, 2.5, True, "2", None)],
        *[("numeric_embedding", value) for value in ("linear", 3, True)],
        *[("n_bins", value) for value in (0, 2.5, None)],
        *[("norm", value) for value in ("instance", 3, nn.BatchNorm1d)],
        *[("activation", value) for value in ("sigmoid", None, 3, nn.ReLU)],
    ],
)
def test_bad_values_are_named(name, value):
    with pytest.raises(ValueError, match=f"^{name} must .*, got ") as caught:
        MLP(**{"n_members": 1, name: value}).build((4,), 3)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("columns", [None, Columns(3, 1, (4, 40))], ids=["numbers", "mixed"])
@pytest.mark.parametrize("embedding", ["auto", "piecewise", "periodic", None])
@pytest.mark.parametrize("hidden", [(), (5, 5)])
def test_members_stand_in_front(hidden, embedding, columns):
    config = MLP(hidden_layer_sizes=hidden, n_members=3, numeric_embedding=embedding)
    network = config.build((6,), 9, columns)
    assert network(_x(5, 6).clamp(0, 1)).shape == (3, 5, 9)


def test_members_share_nothing():
    network = MLP(hidden_layer_sizes=(5,), n_members=3).build((4,), 9)
    network(_x(5, 4))[1].sum().backward()
    for name, parameter in network.named_parameters():
        gradient = parameter.grad
        if "numeric" in name:
            by_member = gradient.unflatten(-1, (3, -1)).movedim(-2, 0)
        else:
            by_member = gradient
        assert not by_member[[0, 2]].any()
        assert by_member[1].any() or "pieces" in name


def test_each_member_is_the_plain_network_with_its_weights():
    network = MLP(hidden_layer_sizes=(5,), n_members=3, numeric_embedding=None).build((4,), 3)
    plain = _plain(hidden_layer_sizes=(5,)).build((4,), 3)
    dense = _of_type(network, MemberLinear)
    for member in range(3):
        for layer, ours in zip(_of_type(plain, nn.Linear), dense, strict=True):
            layer.weight.data, layer.bias.data = ours.weight[member].T, ours.bias[member, 0]
        torch.testing.assert_close(network(_x(6, 4))[member], plain(_x(6, 4)))


@pytest.mark.parametrize(
    ("shape", "kind"),
    [((128,), PiecewiseLinearEmbedding), ((129,), None), ((3, 4), None)],
)
def test_numbers_of_small_tables_are_embedded_by_default(shape, kind):
    network = MLP(n_members=2).build(shape, 3)
    embeddings = _of_type(network, PiecewiseLinearEmbedding | PeriodicEmbedding)
    assert [type(layer) for layer in embeddings] == ([kind] if kind else [])


def test_batch_normalisation_needs_a_single_network():
    with pytest.raises(ValueError, match=r"norm is 'batch', but n_members is 8; use norm='layer'"):
        MLP(norm="batch").build((4,), 3)


def test_a_wrong_numeric_embedding_is_answered_with_all_there_are():
    with pytest.raises(
        ValueError, match=r"numeric_embedding.*'auto', 'piecewise', 'periodic', None"
    ):
        MLP(numeric_embedding="ple").build((3,), 4)
