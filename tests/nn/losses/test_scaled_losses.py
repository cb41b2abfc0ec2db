"""What a loss with a scale compares determines it, but for what does not depend on the scale."""

from functools import partial

import pytest
import torch

from sphereskl.nn import (
    compared_labels,
    cosine_distance,
    cross_entropy,
    joint_loss,
    soft_cross_entropy,
)

LOGITS = torch.randn(12, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
TARGET = torch.arange(12) % 3
VALUES = torch.linspace(-0.9, 0.9, 12).double()
# Some rows lack their class, others their value.
CODES = torch.where(torch.arange(12) % 4 == 0, -1, TARGET).double()
JOINT = torch.stack([CODES, torch.where(torch.arange(12) == 5, torch.nan, VALUES)], dim=1)
SOFT = torch.softmax(torch.eye(3) * 2, dim=1)
CASES = {
    "plain": (cross_entropy, LOGITS, TARGET, {}, 1.0),
    "smoothed": (cross_entropy, LOGITS, TARGET, {"label_smoothing": 0.2}, 1.0),
    "ordinal": (soft_cross_entropy, LOGITS, TARGET, {"soft_labels": SOFT}, 1.0),
    "joint": (
        joint_loss,
        torch.cat([VALUES[:, None], LOGITS], 1),
        JOINT,
        {"task_weight": 0.3},
        0.3,
    ),
}


@pytest.mark.parametrize(
    "weight", [None, torch.linspace(0.1, 2.0, 12).double()], ids=["", "weight"]
)
@pytest.mark.parametrize("name", CASES)
def test_losses_at_two_scales_differ_as_the_cross_entropies_of_the_labels(name, weight):
    loss, outputs, target, options, factor = CASES[name]
    logits, expected = compared_labels(loss, outputs, target, weight, **options)
    at = partial(loss, outputs, target, weight, **options)
    losses = [
        -factor * (expected * torch.log_softmax(scale * logits, dim=1)).sum() / 12
        for scale in (1.0, 4.0)
    ]
    torch.testing.assert_close(at(scale=4.0) - at(scale=1.0), losses[1] - losses[0])


@pytest.mark.parametrize("name", CASES)
def test_labels_are_distributions_times_weights(name):
    loss, outputs, target, options, _ = CASES[name]
    _, expected = compared_labels(loss, outputs, target, torch.full((12,), 2.0), **options)
    total = expected.sum(dim=1)
    if name != "joint":
        torch.testing.assert_close(total, torch.full((12,), 2.0, dtype=torch.float64))
    else:  # a mean over those with a class: none for the others
        torch.testing.assert_close(total.mean(), torch.tensor(2.0, dtype=torch.float64))
        assert torch.equal(total == 0, CODES < 0)


@pytest.mark.parametrize(
    ("loss", "options"), [(cosine_distance, {}), (joint_loss, {"class_loss": "cosine"})]
)
def test_other_losses_compare_nothing(loss, options):
    assert compared_labels(loss, LOGITS, TARGET, **options) is None
