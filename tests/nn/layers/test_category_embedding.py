"""Few levels are columns, many are vectors, and unseen ones are nothing."""

import pytest
import torch

from sphereskl.nn import CategoryEmbedding


def test_few_levels_are_one_hot_in_the_order_of_columns():
    layer = CategoryEmbedding([2, 3])
    codes = torch.tensor([[0, 2], [1, 0]])
    expected = torch.tensor([[1.0, 0, 0, 0, 1], [0, 1, 1, 0, 0]])
    assert torch.equal(layer(codes)[0], expected)
    assert layer.width == 5


@pytest.mark.parametrize("n_members", [1, 4])
def test_many_levels_are_vectors_of_every_member(n_members):
    layer = CategoryEmbedding([3, 1000, 40], n_members)
    codes = torch.tensor([[2, 999, 0], [0, 0, 39], [1, 5, 7]])
    y = layer(codes)
    assert y.shape == (n_members, 3, 3 + 8 + 8)
    vectors = layer.vectors.weight.view(-1, n_members, 8)
    for i in range(n_members):
        # One row is for unseen levels, then 1,000 levels, then 40.
        assert torch.equal(y[i, 0, 3:11], vectors[1 + 999, i])
        assert torch.equal(y[i, 1, 11:], vectors[1 + 1000 + 39, i])


@pytest.mark.parametrize("cardinalities", [[3], [1000], [3, 1000]])
def test_an_unseen_level_is_zero_and_teaches_nothing(cardinalities):
    layer = CategoryEmbedding(cardinalities, 2)
    y = layer(torch.full((4, len(cardinalities)), -1))
    assert not y.any()
    if y.requires_grad:
        y.sum().backward()
        assert not layer.vectors.weight.grad.any()


def test_dtype_follows_the_network():
    assert CategoryEmbedding([3]).double()(torch.tensor([[1]])).dtype == torch.float64


@pytest.mark.parametrize("cardinalities", [[0], [2, -1], [2.5]])
def test_wrong_cardinalities_are_refused(cardinalities):
    with pytest.raises((ValueError, TypeError), match="cardinalities"):
        CategoryEmbedding(cardinalities)
