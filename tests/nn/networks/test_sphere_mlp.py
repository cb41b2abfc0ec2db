"""The hyperspherical perceptron is built as its configuration says."""

import numpy as np
import pytest
import torch
from sklearn.datasets import make_circles
from torch import nn
from torch.nn import functional as F

from sphereskl.nn import Columns, SphereMLP, TableInput


def _of_type(network, kind):
    return [module for module in network.modules() if isinstance(module, kind)]


def _x(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("hidden", [(), 7, (5, 5, 3), np.array([4, 4])], ids=str)
@pytest.mark.parametrize("shape", [(1,), (6,), (2, 3), (1, 4, 4)])
def test_output_has_the_embedding_dim(shape, hidden):
    network = SphereMLP(hidden_layer_sizes=hidden).build(shape, 9)
    assert network(_x(5, *shape)).shape == (5, 9)


def test_forward_agrees_with_the_formula():
    config = SphereMLP(hidden_layer_sizes=6, operator="cosine", norm=None, eps=0.0)
    network = config.build((4,), 3).double()
    first, second = _of_type(network, nn.Linear)
    x = torch.cat([_x(5, 4), torch.ones(5, 1)], dim=1).double()
    hidden = F.cosine_similarity(x[:, None], first.weight[None], dim=-1).relu()
    expected = F.cosine_similarity(hidden[:, None], second.weight[None], dim=-1)
    torch.testing.assert_close(network(x[:, :4]), expected)


def _accuracy_on_rings(lift):
    X, y = make_circles(400, noise=0.05, factor=0.5, random_state=0)
    X, y = torch.tensor(X, dtype=torch.float32), torch.tensor(y)
    torch.manual_seed(0)
    backbone = SphereMLP(hidden_layer_sizes=(16, 16), lift=lift).build((2,), 8)
    network = nn.Sequential(backbone, nn.Linear(8, 2))
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    for _ in range(80):
        optimizer.zero_grad()
        F.cross_entropy(network(X[:200]), y[:200]).backward()
        optimizer.step()
    return (network(X[200:]).argmax(dim=1) == y[200:]).float().mean().item()


def test_concentric_rings_are_told_apart_by_the_lift():
    assert _accuracy_on_rings(lift=True) >= 0.98


def test_concentric_rings_look_alike_without_the_lift():
    assert _accuracy_on_rings(lift=False) < 0.65


@pytest.mark.parametrize("hidden", [(), (6, 5)])
def test_length_counts_with_the_lift_alone(hidden):
    def change(lift):
        torch.manual_seed(0)
        config = SphereMLP(hidden_layer_sizes=hidden, lift=lift, eps=0.0)
        network = config.build((4,), 3).double()
        return (network(2 * _x(5, 4).double()) - network(_x(5, 4).double())).abs().max()

    assert change(lift=False) < 1e-12
    assert change(lift=True) > 1e-2


@pytest.mark.parametrize("hidden", [(), (6, 5)])
def test_only_the_first_layer_is_lifted(hidden):
    layers = _of_type(SphereMLP(hidden_layer_sizes=hidden).build((4,), 3), nn.Linear)
    assert [layer.lift for layer in layers] == [True] + [False] * len(hidden)


def test_the_ordinary_network_is_that_of_torch():
    network = SphereMLP(hidden_layer_sizes=6, spherical=False).build((4,), 3)
    first, second = _of_type(network, nn.Linear)
    expected = F.linear(F.linear(_x(5, 4), first.weight, first.bias).relu(), second.weight)
    torch.testing.assert_close(network(_x(5, 4)), expected + second.bias)


@pytest.mark.parametrize("value", [0, (4, -1), (4.5,), True, 5.0, None])
def test_bad_widths_are_named(value):
    with pytest.raises(ValueError, match=r"^hidden_layer_sizes must .*, got ") as caught:
        SphereMLP(hidden_layer_sizes=value).build((4,), 3)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("kind", ["piecewise", "periodic"])
def test_numbers_may_be_embedded_before_the_first_layer(kind):
    network = SphereMLP((8,), numeric_embedding=kind).build((3,), 5)
    first = network[0]
    assert isinstance(first, TableInput)
    first.fit_edges(_x(50, 3))
    x = _x(4, 3)
    torch.testing.assert_close(network(x), network[1:](first(x)))
    assert _of_type(network, nn.Linear)[0].in_features == 12


def test_categories_become_columns():
    network = SphereMLP((8,)).build((2,), 5, Columns(n_numeric=1, cardinalities=(3,)))
    rows = torch.tensor([[0.5, 0.0], [0.5, 2.0]])
    assert network(rows).shape == (2, 5)
    assert not torch.equal(*network(rows))
