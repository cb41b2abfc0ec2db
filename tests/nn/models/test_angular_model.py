"""The angular model hands losses what they need and predictions what no margin touches."""

import pytest
import torch
from torch import nn

from sphereskl.geometry import normalize, simplex
from sphereskl.nn import AngularModel, angular

OPTIONS = [{}, {"free_norm": True}, {"free_norm": True, "free_prototypes": True}]


def _model(**options):
    return AngularModel(nn.Identity(), simplex(3, 4), **options)


def _x(n_samples=20):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n_samples, 4, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("operator", ["linear", "cosine", "sigmoid"])
def test_logits_are_the_operator_of_the_angle(operator):
    model = _model(operator=operator, k=0.5)
    cosines = model.embed(_x()) @ model.prototypes.T
    torch.testing.assert_close(model.logits(_x()), angular(cosines, operator, 0.5))


@pytest.mark.parametrize("operator", ["linear", "cosine", "sigmoid"])
def test_a_free_norm_multiplies_the_logits(operator):
    model, scale = _model(free_norm=True, operator=operator), torch.rand(20, 1) + 0.5
    torch.testing.assert_close(model.logits(scale * _x()), scale * model.logits(_x()))


@pytest.mark.parametrize("operator", ["linear", "cosine", "sigmoid"])
def test_a_loss_sees_cosines_whatever_the_operator_and_norms_if_they_count(operator):
    cosines = normalize(_x()) @ simplex(3, 4).T
    torch.testing.assert_close(_model(operator=operator)(_x()), cosines)
    both = torch.cat([cosines, _x().norm(dim=1, keepdim=True)], dim=1)
    torch.testing.assert_close(_model(operator=operator, free_norm=True)(_x()), both)


def test_free_prototypes_are_an_ordinary_layer_without_bias():
    model, layer = _model(free_norm=True, free_prototypes=True), nn.Linear(4, 3, False).double()
    with torch.no_grad():
        layer.weight.copy_(2 * model._prototypes)
        model._prototypes.mul_(2)
    torch.testing.assert_close(model.logits(_x()), layer(_x()))
    torch.testing.assert_close(model.prototypes, normalize(layer.weight))


@pytest.mark.parametrize("options", OPTIONS)
def test_class_weights_learn_and_stay_directions(options):
    model = _model(**options)
    before = model.prototypes.detach().clone()
    sgd = torch.optim.SGD(model.parameters(), lr=1.0)
    model.logits(_x())[:, 0].sum().backward()
    sgd.step()
    torch.testing.assert_close(model.prototypes.norm(dim=1), torch.ones(3, dtype=torch.float64))
    assert not torch.allclose(model.prototypes[0], before[0])
    assert torch.allclose(model.prototypes[1:], before[1:])


@pytest.mark.parametrize("options", OPTIONS)
def test_an_embedding_of_length_zero_has_finite_gradients(options):
    model, x = _model(**options), torch.zeros(2, 4, dtype=torch.float64, requires_grad=True)
    logits = model.logits(x)
    logits.sum().backward()
    assert (logits == 0).all()
    assert x.grad.isfinite().all()


def test_the_loss_of_an_ordinary_layer_sees_logits():
    model = _model(free_norm=True, free_prototypes=True)
    assert torch.equal(model(_x()), model.logits(_x()))


@pytest.mark.parametrize("options", [{}, {"free_norm": True, "operator": "linear"}])
def test_an_ordinary_layer_has_norms_and_the_cosine(options):
    with pytest.raises(ValueError, match=r"free_prototypes=True.*free_norm=.*operator="):
        _model(free_prototypes=True, **options)


def test_unknown_operators_are_named():
    with pytest.raises(ValueError, match=r"operator must be one of .*'relu'"):
        _model(operator="relu")
