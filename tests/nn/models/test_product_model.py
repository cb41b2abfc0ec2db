"""Every target has a sphere of its own."""

import pytest
import torch

from sphereskl.nn import EmbeddingModel, ProductModel


def _rows(n_samples, width, seed=0):
    return torch.randn(n_samples, width, generator=torch.Generator().manual_seed(seed))


def test_one_target_is_an_embedding_model_with_one_prototype():
    X = _rows(7, 5)
    single = EmbeddingModel(torch.nn.Identity(), torch.eye(1, 5))
    product = ProductModel(torch.nn.Identity(), n_targets=1, block_dim=5)
    torch.testing.assert_close(product(X), single(X))
    torch.testing.assert_close(product.embed(X), single.embed(X))


def test_every_combination_of_values_can_be_said():
    # On one sphere the squared cosines of orthogonal poles sum to at most 1.
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 3)
    X = torch.zeros(8, 3, 2)
    X[..., 0] = corners
    model = ProductModel(torch.nn.Identity(), n_targets=3, block_dim=2)
    assert torch.equal(model(X.flatten(1)), corners)


def test_blocks_are_unit_and_do_not_touch_each_other():
    X = _rows(6, 12).requires_grad_()
    model = ProductModel(torch.nn.Identity(), n_targets=3, block_dim=4)
    norms = model.embed(X).unflatten(1, (3, 4)).norm(dim=2)
    torch.testing.assert_close(norms, torch.ones(6, 3))
    model(X)[:, 1].sum().backward()
    touched = X.grad.abs().sum(dim=0) > 0
    assert touched.tolist() == [False] * 4 + [True] * 4 + [False] * 4


def test_a_zero_block_is_half_way_and_has_a_finite_gradient():
    X = torch.zeros(2, 4, requires_grad=True)
    cosines = ProductModel(torch.nn.Identity(), n_targets=2, block_dim=2)(X)
    cosines.sum().backward()
    assert torch.equal(cosines, torch.zeros(2, 2))
    assert torch.isfinite(X.grad).all()


def test_a_sphere_needs_two_dimensions():
    with pytest.raises(ValueError, match="block_dim must be at least 2, got 1"):
        ProductModel(torch.nn.Identity(), n_targets=2, block_dim=1)
