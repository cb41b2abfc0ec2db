"""Compilers see a network in training as one graph; exported programs are the network."""

import pytest
import torch

from sphereskl.nn import (
    MLP,
    Columns,
    ConvNet,
    SphereCNN,
    SphereGoogLeNet,
    SphereMLP,
    SphereResNet,
    SphereVGG,
)

COLUMNS = Columns(n_numeric=4, n_flags=1, cardinalities=(3, 40))
SLOW = pytest.mark.slow
NETWORKS = [
    MLP((8,), n_members=2, dropout=0.3),
    MLP((8, 8), n_members=2, norm="layer", residual=True, numeric_embedding="periodic"),
    MLP((8,), n_members=1, norm="batch", dropout=0.3),
    SphereMLP((8,)),
    ConvNet((4, 8)),
    SphereCNN(3, (4, 4, 4)),
    pytest.param(SphereResNet(8, (4, 4, 4)), marks=SLOW),
    pytest.param(SphereVGG(11, (4, 4, 4, 4, 4), (8,)), marks=SLOW),
    pytest.param(SphereGoogLeNet(0.1), marks=SLOW),
]


def _built(config):
    """Return a network and a batch for it."""
    torch.manual_seed(0)
    if isinstance(config, MLP | SphereMLP):
        levels = torch.tensor([[0, 39], [1, 2], [-1, -1], [2, 5], [0, 0], [1, 1]])
        X = torch.cat([torch.randn(6, 5), levels], dim=1)
        return config.build((7,), 4, COLUMNS), X
    size = 32 if isinstance(config, SphereVGG) else 16
    return config.build((1, size, size), 4), torch.randn(6, 1, size, size)


# Dynamo itself instantiates autograd functions.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.parametrize("config", NETWORKS, ids=repr)
def test_compiled_networks_train_in_one_graph_with_the_same_noise(config, in_one_graph):
    network, X = _built(config)
    compiled = in_one_graph(network)
    outputs = compiled(X), network(X)
    torch.testing.assert_close(*outputs, rtol=0, atol=1e-6)
    gradients = [
        torch.autograd.grad(h.square().sum(), list(net.parameters()), allow_unused=True)
        for h, net in zip(outputs, (compiled, network), strict=True)
    ]
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("config", NETWORKS, ids=repr)
def test_exported_programs_are_the_network_for_any_batch(config):
    network, X = _built(config)
    network.eval()
    shapes = ({0: torch.export.Dim.DYNAMIC},)
    program = torch.export.export(network, (X[:3],), dynamic_shapes=shapes).module()
    torch.testing.assert_close(program(X), network(X), rtol=0, atol=1e-6)
