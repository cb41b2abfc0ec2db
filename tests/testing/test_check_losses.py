"""Every loss of ours keeps the laws, and every law can be broken."""

from functools import partial

import pytest
import torch

from sphereskl.geometry import angle, normalize
from sphereskl.nn import (
    ANGULAR_LOSSES,
    ARC_LOSSES,
    LOSSES,
    AngularMarginLoss,
    cross_entropy,
    joint_loss,
    make_angular_loss,
    ordinal_cost,
    soft_cross_entropy,
)
from sphereskl.testing import check_loss

SOFT = torch.softmax(-ordinal_cost(4, "absolute"), dim=1)
SMOOTH = {"is_twice_differentiable": True}
OURS = {
    **{name: (loss, SMOOTH) for name, loss in LOSSES.items()},
    "smoothed": (partial(cross_entropy, scale=8.0, label_smoothing=0.1), SMOOTH),
    "soft": (partial(soft_cross_entropy, soft_labels=SOFT, scale=4.0), {"is_symmetric": False}),
    **{
        f"value {name}": (loss, {"kind": "value", "is_mean": name != "gaussian"})
        for name, loss in ARC_LOSSES.items()
    },
    **{
        f"{name} full": (make_angular_loss(name, margin_grad="full", scale=8.0), {})
        for name in ANGULAR_LOSSES
    },
    **{
        f"{name} detached": (make_angular_loss(name, scale=8.0), {"margin_is_detached": True})
        for name in ANGULAR_LOSSES
    },
    "sigmoid": (AngularMarginLoss("sigmoid", angular_margin=0.3, margin_grad="full"), {}),
}


@pytest.mark.parametrize(("loss", "promises"), OURS.values(), ids=OURS.keys())
def test_our_losses_keep_the_laws(loss, promises):
    check_loss(loss, **promises)


def test_the_joint_loss_keeps_the_laws_of_values():
    # Its targets stand side by side: a class that is always known, and the cosine asked for.
    def loss(cosines, target, weight):
        code = torch.arange(len(cosines)).to(cosines)[:, None] * 0
        return joint_loss(cosines, torch.cat([code, target[:, :1]], dim=1), weight)

    check_loss(loss, kind="value", is_mean=False)


def _of_target(cosines, target):
    return cosines.gather(1, target[:, None])[:, 0]


def _mean(losses, weight):
    return losses.mean() if weight is None else (losses * weight).mean()


def _sum(cosines, target, weight):
    losses = 1 - _of_target(cosines, target)
    return (losses if weight is None else losses * weight).sum()


def _by_batch_weight(cosines, target, weight):
    losses = 1 - _of_target(cosines, target)
    return losses.mean() if weight is None else (losses * weight).sum() / weight.sum() ** 2


def _unweighted(cosines, target, weight):
    return (1 - _of_target(cosines, target)).mean()


def _vector(cosines, target, weight):
    return 1 - _of_target(cosines, target)


def _arc_cosine(cosines, target, weight):
    return _mean(torch.acos(_of_target(cosines, target).clamp(-1, 1)), weight)


def _in_place(cosines, target, weight):
    return _mean(1 - _of_target(cosines.data.sub_(1e-3), target), weight)


def _single(cosines, target, weight):
    return _mean(1 - _of_target(cosines, target), weight).float()


def _first_class_counts_more(cosines, target, weight):
    return _mean((1 - _of_target(cosines, target)) * (1 + (target == 0)), weight)


def _neighbours(cosines, target, weight):
    return _mean((1 - _of_target(cosines, target)) * torch.linspace(0, 1, len(target)), weight)


def _half_the_gradient(cosines, target, weight):
    return _mean(1 - (_of_target(cosines, target) + _of_target(cosines, target).detach()), weight)


def _logarithm(cosines, target, weight):
    return _mean((_of_target(cosines, target) - 2).log(), weight)


BROKEN = [
    (_sum, "A row of weight 2 must count as two copies"),
    (_by_batch_weight, "No weight must be a weight of 1"),
    (_unweighted, "A weight must change a loss"),
    (_vector, "A loss must be a scalar"),
    (_arc_cosine, "Gradients must be finite at the poles"),
    (_in_place, "A loss must leave its inputs"),
    (_single, "A loss must have the type of its logits"),
    (_first_class_counts_more, "Renumbering the classes must not matter"),
    (_neighbours, "Order of rows must not matter"),
    (_half_the_gradient, "The first derivative must be that of finite differences"),
    (_logarithm, "A loss must be finite"),
]


@pytest.mark.parametrize(("loss", "law"), BROKEN, ids=[loss.__name__ for loss, _ in BROKEN])
def test_a_broken_loss_is_told_which_law(loss, law):
    with pytest.raises(AssertionError, match=rf"{law}.*, but .*; .*\."):
        check_loss(loss)


def test_a_detached_margin_is_no_broken_derivative_if_it_is_declared():
    with pytest.raises(AssertionError, match="The first derivative"):
        check_loss(make_angular_loss("cosface", margin=0.2, angular_margin=0.4, scale=8.0))


def test_the_angle_itself_is_a_loss():
    # With the geodesic distance of our geometry, whose gradient is finite everywhere.
    def loss(cosines, target, weight):
        own = _of_target(cosines, target).clamp(-1, 1)
        point = normalize(torch.stack([own, (1 - own.square()).clamp_min(1e-12).sqrt()], dim=1))
        return _mean(angle(point, torch.eye(1, 2).to(point).expand_as(point)), weight)

    check_loss(loss)
