"""A class and a value share the sphere without getting into each other's way."""

import math

import pytest
import torch

from sphereskl.geometry import cosines, normalize, simplex
from sphereskl.nn import JointModel, cross_entropy, gaussian, joint_loss, squared_cosine


def _model(n_prototypes=3, dim=4, dtype=torch.float64):
    return JointModel(torch.nn.Identity(), simplex(n_prototypes, dim - 1).to(dtype))


def _rows(n_samples=10, width=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_samples, width, generator=generator, dtype=torch.float64)


def _target(n_samples=10, n_prototypes=3):
    generator = torch.Generator().manual_seed(1)
    code = torch.randint(n_prototypes, (n_samples,), generator=generator).double()
    value = torch.rand(n_samples, generator=generator, dtype=torch.float64) * 2 - 1
    return torch.stack([code, value], dim=1)


def test_the_first_axis_is_the_value_and_the_slice_is_the_class():
    X = _rows()
    found = _model()(X)
    torch.testing.assert_close(found[:, 0], X[:, 0] / X.norm(dim=1))
    torch.testing.assert_close(found[:, 1:], cosines(normalize(X[:, 1:]), simplex(3, 3)))


@pytest.mark.parametrize("value", [-0.99, -0.5, 0.0, 0.9, 0.999])
def test_the_class_loss_can_be_zero_whatever_the_value(value):
    # On the whole sphere its floor would be (1 - sqrt(1 - value^2))^2.
    rest = math.sqrt(1 - value**2) * simplex(3, 3)[1]
    z = torch.cat([torch.tensor([value], dtype=torch.float64), rest])[None]
    found = _model()(z)
    assert squared_cosine(found[:, 1:], torch.tensor([1])).item() < 1e-24
    assert found[0, 0].item() == pytest.approx(value)


@pytest.mark.parametrize("length", [0.0, 1e-3, 1.0, 1e6])
def test_loss_and_gradient_are_finite_at_the_poles(length):
    X = (length * torch.eye(1, 4)).requires_grad_()
    found = _model(dtype=torch.float32)(X)
    joint_loss(found, torch.tensor([[0.0, -1.0]]), scale=5.0).backward()
    assert torch.isfinite(found).all()
    assert torch.isfinite(X.grad).all()


def test_the_pull_of_the_class_is_bounded_near_the_poles():
    X = torch.tensor([[1.0, 1e-9, 0.0, 0.0]], dtype=torch.float64, requires_grad=True)
    _model()(X)[:, 1:].sum(dim=0)[0].backward()
    assert X.grad.abs().max() <= 100 + 1e-9


def test_extreme_task_weights_are_the_single_tasks():
    found, target = _model()(_rows()), _target()
    value = joint_loss(found, target, task_weight=0.0, scale=3.0)
    torch.testing.assert_close(value, gaussian(found[:, :1], target[:, 1:]))
    label = joint_loss(found, target, task_weight=1.0, scale=3.0, label_smoothing=0.1)
    expected = cross_entropy(found[:, 1:], target[:, 0].long(), scale=3.0, label_smoothing=0.1)
    torch.testing.assert_close(label, expected)


@pytest.mark.parametrize("task_weight", [0.0, 0.3, 1.0])
def test_missing_targets_leave_the_mean_of_the_others(task_weight):
    found, target = _model()(_rows()), _target()
    target[:4, 0], target[7:, 1] = -1, torch.nan
    expected = task_weight * squared_cosine(found[4:, 1:], target[4:, 0].long())
    expected = expected + (1 - task_weight) * gaussian(found[:7, :1], target[:7, 1:])
    loss = joint_loss(found, target, class_loss="squared_cosine", task_weight=task_weight)
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("column", [0, 1])
def test_a_batch_without_any_class_or_value_trains_the_other(column):
    X = _rows().requires_grad_()
    target = _target()
    target[:, column] = torch.tensor([-1.0, torch.nan], dtype=torch.float64)[column]
    loss = joint_loss(_model()(X), target, class_loss="cosine")
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(X.grad).all()
    assert X.grad.abs().max() > 0


def test_weights_count_rows():
    X, target = _rows(4), _target(4)
    target[1, 1] = torch.nan
    weight = torch.tensor([1.0, 1, 1, 2], dtype=torch.float64)
    twice = torch.cat([X, X[3:]]), torch.cat([target, target[3:]])
    for task_weight, share in ((1.0, 4 / 5), (0.0, 3 / 4)):
        options = {"class_loss": "cosine", "task_weight": task_weight}
        once = joint_loss(_model()(X), target, weight * share, **options)
        torch.testing.assert_close(once, joint_loss(_model()(twice[0]), twice[1], **options))


def test_gradients_agree_with_finite_differences():
    target = _target()
    target[2, 0], target[5, 1] = -1, torch.nan
    model = _model()
    assert torch.autograd.gradcheck(
        lambda X: joint_loss(model(X), target, scale=4.0, task_weight=0.4),
        (_rows().requires_grad_(),),
    )
