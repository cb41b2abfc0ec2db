"""A criterion hands a loss what it asks for, and validates at the scale that suits best."""

from functools import partial

import pytest
import torch

from sphereskl.geometry import simplex
from sphereskl.nn import (
    LOSSES,
    AngularModel,
    EmbeddingModel,
    cosine_distance,
    cross_entropy,
    fit_scale,
    joint_loss,
    soft_cross_entropy,
)
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


# Validation: 600 noisy rows of three classes, which no scale separates.
_NOISY = torch.randn(600, 3, generator=torch.Generator().manual_seed(1)).double()
_TARGET = torch.arange(600) % 3
_NOISY[torch.arange(600), _TARGET] += 1.0
_WEIGHT = torch.linspace(0.2, 1.8, 600).double()
_JOINT = (
    torch.cat([_NOISY[:, :1].tanh(), _NOISY], dim=1),
    torch.stack([_TARGET.double(), _NOISY[:, 1].tanh()], dim=1),
)
_SMOOTHED = Criterion(cross_entropy, uses_scale=True, label_smoothing=0.1)
_ORDINAL = Criterion(soft_cross_entropy, uses_scale=True, soft_labels=torch.eye(3) * 0.7 + 0.1)
_MULTI_TASK = Criterion(joint_loss, uses_scale=True, task_weight=0.3)
_SCALED = {
    "plain": (Criterion(cross_entropy, uses_scale=True), _NOISY, _TARGET),
    "smoothed": (_SMOOTHED, _NOISY, _TARGET),
    "ordinal": (_ORDINAL, _NOISY, _TARGET),
    "multi-task": (_MULTI_TASK, *_JOINT),
}


def _model(scale):
    return EmbeddingModel(torch.nn.Identity(), simplex(3, 2), scale=scale, learn_scale=True)


@pytest.mark.parametrize("weight", [None, _WEIGHT])
@pytest.mark.parametrize("name", _SCALED)
def test_the_validation_loss_is_the_least_over_all_scales(name, weight):
    criterion, outputs, target = _SCALED[name]
    found = criterion.of_validation(outputs, target, weight, _model(7.0))
    at = partial(criterion.loss, outputs, target, weight, **criterion.options)
    least = min(at(scale=scale) for scale in torch.logspace(-1, 2, 2001).double())
    # The prior of one sample moves the scale a little.
    assert 0 <= found - least + 1e-6 < 1e-4
    assert found < criterion(outputs, target, weight, _model(7.0)) - 0.01


def test_the_validation_loss_is_that_at_the_scale_fitted_after_training():
    criterion = Criterion(cross_entropy, uses_scale=True)
    scale = fit_scale(_NOISY, _TARGET, _WEIGHT, expected=7.0)
    found = criterion.of_validation(_NOISY, _TARGET, _WEIGHT, _model(7.0))
    expected = cross_entropy(_NOISY, _TARGET, _WEIGHT, scale=scale)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0.0)


@pytest.mark.parametrize("factor", [0.2, 5.0])
def test_confidence_alone_does_not_change_the_validation_loss(factor):
    criterion = Criterion(cross_entropy, uses_scale=True)
    found = criterion.of_validation(factor * _NOISY, _TARGET, None, _model(1.0))
    expected = criterion.of_validation(_NOISY, _TARGET, None, _model(1.0))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=0.0)


def test_a_larger_margin_of_separated_rows_has_the_smaller_validation_loss():
    criterion, target = Criterion(cross_entropy, uses_scale=True), torch.arange(30) % 3
    losses = [
        criterion.of_validation(margin * torch.eye(3)[target], target, None, _model(4.0)).item()
        for margin in (0.25, 0.5, 1.0)
    ]
    assert losses[0] > losses[1] > losses[2] > 0


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_a_loss_without_scale_is_validated_as_it_is(name):
    criterion = Criterion(LOSSES[name])
    found = criterion.of_validation(_logits(), TARGET, None, MODEL)
    torch.testing.assert_close(found, criterion(_logits(), TARGET, None, MODEL))


def test_an_angular_loss_is_validated_as_it_is():
    model, x = AngularModel(torch.nn.Identity(), simplex(3, 4)), torch.eye(4).double()
    criterion = AngularCriterion(make_loss("arcface"))
    found = criterion.of_validation(model(x), TARGET[:4], None, model)
    torch.testing.assert_close(found, criterion(model(x), TARGET[:4], None, model))


def test_many_rows_are_validated_at_the_scale_of_some():
    criterion, outputs = Criterion(cross_entropy, uses_scale=True), _NOISY.repeat(301, 1).float()
    found = criterion.of_validation(outputs, _TARGET.repeat(301), None, _model(7.0))
    expected = criterion.of_validation(_NOISY, _TARGET, None, _model(7.0))
    torch.testing.assert_close(found, expected.float(), rtol=1e-3, atol=0.0)


def test_outputs_that_are_not_finite_give_a_loss_that_is_not():
    criterion, outputs = Criterion(cross_entropy, uses_scale=True), _NOISY.clone()
    outputs[3, 1] = torch.nan
    assert not criterion.of_validation(outputs, _TARGET, None, _model(7.0)).isfinite()


def test_a_loss_that_is_no_plain_cross_entropy_is_validated_at_the_scale_of_training():
    def adjusted(logits, target, weight, *, scale):
        return cross_entropy(scale * logits + torch.arange(3), target, weight)

    criterion, model = Criterion(adjusted, uses_scale=True), _model(7.0)
    found = criterion.of_validation(_NOISY, _TARGET, _WEIGHT, model)
    torch.testing.assert_close(found, criterion(_NOISY, _TARGET, _WEIGHT, model))
