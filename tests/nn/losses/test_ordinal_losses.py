"""Soft labels of ordered classes."""

import numpy as np
import pytest
import torch

from sphereskl.geometry import arc, cosines, sample_uniform
from sphereskl.nn import cross_entropy, ordinal_cost, soft_cross_entropy


def test_squared_distances_give_the_labels_of_diaz_and_marathe():
    soft = torch.softmax(-ordinal_cost(5, "squared"), dim=1)[2]
    expected = torch.tensor([0.0103, 0.2076, 0.5642, 0.2076, 0.0103], dtype=torch.float64)
    torch.testing.assert_close(soft, expected, rtol=0, atol=5e-5)


@pytest.mark.parametrize("distance", ["squared", "absolute", "log"])
def test_costs_are_distances(distance):
    cost = ordinal_cost(6, distance)
    assert torch.equal(cost, cost.T)
    assert torch.equal(cost.diagonal(), torch.zeros(6).double())
    rising = cost[0].diff()
    assert (rising > 0).all()


def test_log_costs_compare_ratios_of_ranks():
    cost = ordinal_cost(8, "log")
    assert cost[0, 1].item() == pytest.approx(cost[3, 7].item())
    assert cost[0, 1].item() == pytest.approx(np.log(2) ** 2)


def test_unknown_distance():
    with pytest.raises(ValueError, match=r"distance must be one of .*'squared'.* got 'cubic'"):
        ordinal_cost(3, "cubic")


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    z = sample_uniform(9, 4, generator=generator, dtype=torch.float64)
    target = torch.randint(5, (9,), generator=generator)
    return cosines(z, arc(5, 4)), target


def test_the_identity_is_ordinary_cross_entropy(batch):
    weight = torch.linspace(0, 2, 9, dtype=torch.float64)
    soft = soft_cross_entropy(*batch, weight, soft_labels=torch.eye(5), scale=3.0)
    torch.testing.assert_close(soft, cross_entropy(*batch, weight, scale=3.0))


def test_uniform_off_diagonal_labels_are_label_smoothing(batch):
    soft_labels = 0.9 * torch.eye(5) + 0.1 / 5
    soft = soft_cross_entropy(*batch, soft_labels=soft_labels, scale=3.0)
    torch.testing.assert_close(soft, cross_entropy(*batch, scale=3.0, label_smoothing=0.1))


def test_loss_is_least_where_probabilities_are_the_labels():
    soft_labels = torch.softmax(-ordinal_cost(4, "absolute"), dim=1)
    logits = soft_labels.log().requires_grad_()
    loss = soft_cross_entropy(logits, torch.arange(4), soft_labels=soft_labels)
    loss.backward()
    entropy = -(soft_labels * soft_labels.log()).sum(dim=1).mean()
    torch.testing.assert_close(loss.detach(), entropy)
    assert logits.grad.abs().max() < 1e-15
