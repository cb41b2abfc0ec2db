"""Waves are those of the definition, with the number itself as the last column."""

import math

import numpy as np
import pytest
import torch

from sphereskl.nn import PeriodicEmbedding


def _x(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("n_members", [1, 3])
def test_forward_is_the_definition(n_members):
    torch.manual_seed(0)
    layer, X = PeriodicEmbedding(2, n_frequencies=5, n_members=n_members).double(), _x(7, 2)
    frequencies = layer.frequencies.detach().view(2, n_members, 5).numpy()
    phases = layer.phases.detach().view(2, n_members, 5).numpy()
    for i in range(n_members):
        for j in range(2):
            x = X[:, j].numpy()
            waves = np.cos(2 * math.pi * np.outer(x, frequencies[j, i]) + phases[j, i])
            mixed = waves @ layer.mixing[j, i].detach().numpy() + layer.bias[j, i].detach().numpy()
            columns = layer(X)[i, :, 4 * j : 4 * (j + 1)].detach().numpy()
            np.testing.assert_allclose(columns, np.column_stack([mixed, x]))


def test_members_begin_apart_and_share_no_gradient():
    layer = PeriodicEmbedding(2, n_members=3).double()
    y = layer(_x(5, 2))
    assert not torch.equal(y[0], y[1])
    y[1].sum().backward()
    by_member = layer.frequencies.grad.view(2, 3, -1)
    assert (by_member != 0).any(dim=2).all(dim=0).tolist() == [False, True, False]


def test_frequencies_have_the_deviation_asked_for():
    torch.manual_seed(0)
    layer = PeriodicEmbedding(50, n_frequencies=40, frequency_scale=0.7)
    assert layer.frequencies.std().item() == pytest.approx(0.7, rel=0.05)


@pytest.mark.parametrize(
    "options", [{"width": 1}, {"n_frequencies": 0}, {"frequency_scale": 0.0}, {"n_members": 0}]
)
def test_wrong_options_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        PeriodicEmbedding(2, **options)
