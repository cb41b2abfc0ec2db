"""Curves are linear between quantiles, straight before training, and differ by member."""

import numpy as np
import pytest
import torch

from sphereskl.nn import PiecewiseLinearEmbedding


def _x(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _trained(X, **options):
    torch.manual_seed(0)
    layer = PiecewiseLinearEmbedding(X.shape[1], **options).double().fit_edges(X)
    torch.nn.init.normal_(layer.pieces)
    return layer


def _by_definition(layer, X):
    """Gorishniy et al. (2022), eq. 1, in NumPy, one number at a time."""
    edges, X = layer.edges.numpy(), X.numpy()
    slopes, bias, pieces = (p.detach().numpy() for p in (layer.slopes, layer.bias, layer.pieces))
    rows = []
    for x in X:
        row = []
        for j, value in enumerate(x):
            place = [
                np.clip((value - low) / (high - low), 0, 1) if high > low else 0.0
                for low, high in zip(edges[j, :-1], edges[j, 1:], strict=True)
            ]
            row.append(value * slopes[j, 0] + bias[j, 0] + np.array(place) @ pieces[j])
        rows.append(row)
    curves = np.array(rows).reshape(len(X), X.shape[1], layer.n_members, layer.width)
    return torch.from_numpy(curves.transpose(2, 0, 1, 3).reshape(layer.n_members, len(X), -1))


@pytest.mark.parametrize("options", [{}, {"n_members": 3}, {"width": 1}, {"n_bins": 1}], ids=str)
def test_forward_is_the_definition(options):
    X = _x(40, 3)
    layer = _trained(X, **options)
    new = _x(20, 3, seed=1) * 2
    torch.testing.assert_close(layer(new), _by_definition(layer, new))


def test_edges_are_quantiles_from_the_least_to_the_greatest():
    X = _x(1000, 2)
    edges = PiecewiseLinearEmbedding(2, n_bins=10).double().fit_edges(X).edges
    assert torch.equal(edges[:, 0], X.min(dim=0).values)
    assert torch.equal(edges[:, -1], X.max(dim=0).values)
    expected = torch.quantile(X, torch.linspace(0, 1, 11, dtype=torch.float64), dim=0).T
    torch.testing.assert_close(edges, expected, atol=0.02, rtol=0)


def test_weight_is_repetition_to_the_edges():
    X, weight = _x(50, 2), torch.arange(50) % 4
    weighted = PiecewiseLinearEmbedding(2).double().fit_edges(X, weight.double() * 0.3)
    repeated = PiecewiseLinearEmbedding(2).double().fit_edges(X.repeat_interleave(weight, dim=0))
    assert torch.equal(weighted.edges, repeated.edges)


def test_curves_are_continuous_and_bend_at_edges_only():
    X = _x(200, 1)
    layer = _trained(X, n_bins=4)
    grid = torch.linspace(-5, 5, 20_001, dtype=torch.float64)[:, None]
    curve = layer(grid)[0, :, 0].detach()
    bends = curve.diff().diff().abs() > 1e-9
    near = (grid[1:-1][bends] - layer.edges).abs().min(dim=1).values
    assert bends.any()
    assert near.max() < 2e-3
    assert curve.diff().abs().max() < 0.1


@pytest.mark.parametrize("column", ["constant", "two values", "heavy ties"])
def test_columns_of_few_values_stay_finite(column):
    values = {
        "constant": torch.full((50, 1), 3.0),
        "two values": (torch.arange(50) % 2)[:, None].float(),
        "heavy ties": torch.cat([torch.zeros(45, 1), torch.arange(5.0)[:, None]]),
    }[column].double()
    layer = _trained(values)
    y = layer(torch.tensor([[-1e3], [0.0], [1.0], [3.0], [1e3]]).double())
    assert y.isfinite().all()
    y.sum().backward()
    assert all(p.grad.isfinite().all() for p in layer.parameters())


def test_curves_are_straight_before_training():
    layer = PiecewiseLinearEmbedding(2).double()
    x = _x(5, 2)
    before = layer(x)
    torch.testing.assert_close(before, layer.fit_edges(_x(100, 2))(x))
    middle = layer((x[:1] + x[1:2]) / 2)
    torch.testing.assert_close(middle, (before[:, :1] + before[:, 1:2]) / 2)


def test_a_row_does_not_depend_on_others():
    layer = _trained(_x(100, 3), n_members=2)
    x = _x(8, 3, seed=2)
    torch.testing.assert_close(layer(x)[:, 3:4], layer(x[3:4]))


def test_gradients_agree_with_differences():
    layer = _trained(_x(30, 2), n_bins=4, n_members=2)
    x = _x(3, 2, seed=3)
    names = [name for name, _ in layer.named_parameters()]

    def call(*values):
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (x,))

    values = [p.detach().requires_grad_() for p in layer.parameters()]
    assert torch.autograd.gradcheck(call, values)


def test_edges_are_saved_with_the_weights():
    layer = _trained(_x(50, 2))
    other = PiecewiseLinearEmbedding(2).double()
    other.load_state_dict(layer.state_dict())
    x = _x(4, 2, seed=1)
    assert torch.equal(other(x), layer(x))
