"""A criterion hands a loss what it asks for."""

import pytest
import torch

from sphereskl.geometry import simplex
from sphereskl.nn import LOSSES, AngularModel, EmbeddingModel, cosine_distance, cross_entropy
from sphereskl.nn import make_angular_loss as make_loss
from sphereskl.training import AngularCriterion, Criterion

MODEL = EmbeddingModel(torch.nn.Identity(), simplex(3, 4), scale=7.0, learn_scale=True)
TARGET = torch.tensor([0, 1, 2, 0, 1])


def _logits():
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return MODEL(x)


@pytest.mark.parametrize("weight", [None, torch.linspace(0.2, 1.8, 5)])
@pytest.mark.parametrize("name", sorted(LOSSES))
def test_criterion_is_the_loss(name, weight):
    found = Criterion(LOSSES[name])(_logits(), TARGET, weight, MODEL)
    torch.testing.assert_close(found, LOSSES[name](_logits(), TARGET, weight))


def test_scale_is_the_models_and_learns():
    found = Criterion(cross_entropy, uses_scale=True)(_logits(), TARGET, None, MODEL)
    (gradient,) = torch.autograd.grad(found, MODEL.log_scale)
    torch.testing.assert_close(found, cross_entropy(_logits(), TARGET, scale=7.0))
    assert gradient.abs() > 0


def test_options_are_handed_on():
    criterion = Criterion(cross_entropy, uses_scale=True, label_smoothing=0.3)
    expected = cross_entropy(_logits(), TARGET, scale=7.0, label_smoothing=0.3)
    torch.testing.assert_close(criterion(_logits(), TARGET, None, MODEL), expected)


def test_a_criterion_owns_no_parameters():
    # The model does: a loss that owned some would not be a pure function.
    assert not list(Criterion(cosine_distance).parameters())


@pytest.mark.parametrize("free_norm", [False, True])
def test_an_angular_criterion_hands_on_cosines_and_norms(free_norm):
    model = AngularModel(torch.nn.Identity(), simplex(3, 4), free_norm=free_norm)
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    loss = make_loss("a_softmax" if free_norm else "arcface")
    expected = loss(model.embed(x) @ model.prototypes.T, TARGET, None, x.norm(dim=1))
    torch.testing.assert_close(AngularCriterion(loss)(model(x), TARGET, None, model), expected)


def test_an_angular_criterion_counts_steps_that_are_told():
    criterion = AngularCriterion(make_loss("arcface"))
    criterion(torch.eye(3), torch.arange(3), None, AngularModel(torch.nn.Identity(), torch.eye(3)))
    assert criterion.state_dict() == {"loss.step": 0}
    criterion.advance()
    assert criterion.state_dict() == {"loss.step": 1}


@pytest.mark.parametrize("name", ["a_softmax", "arcface", "ga_softmax", "w_softmax"])
def test_a_criterion_reads_the_models_logits_off_what_the_loss_saw(name):
    loss = make_loss(name)
    model = AngularModel(
        torch.nn.Identity(), simplex(3, 4), free_norm=loss.scale == "norm", operator=loss.operator
    )
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    scale = loss.logits(torch.eye(1, 3)).max() if loss.scale != "norm" else 1.0
    torch.testing.assert_close(AngularCriterion(loss).logits(model(x)), scale * model.logits(x))


def test_a_class_of_losses_is_no_loss():
    with pytest.raises(ValueError, match=r"loss is the class MSELoss; pass an instance"):
        Criterion(torch.nn.MSELoss)


def test_a_loss_that_takes_other_arguments_is_named():
    told = r"^loss is called with \(outputs, target, weight\): .*takes 2 positional arguments"
    with pytest.raises(TypeError, match=told):
        Criterion(lambda outputs, target: outputs.sum())(_logits(), TARGET, None, MODEL)


def test_a_loss_that_fails_on_the_shapes_is_named():
    told = r"^loss cannot take outputs of shape \(5,\) and targets of shape \(5,\): .*ambiguous"
    with pytest.raises(ValueError, match=told):
        Criterion(max)(_logits()[:, 0], TARGET, torch.ones(5), MODEL)
