"""What members say lines up with targets, and folds teach nothing to their member."""

import pytest
import torch

from sphereskl.training import TensorData
from sphereskl.training._by_member import by_member


def _outputs(n_members=3, n_samples=6):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n_members, n_samples, 2, generator=generator)


def _data(weight=None, fold=None, target=None):
    target = torch.arange(6) if target is None else target
    return TensorData(torch.zeros(6, 1), target, weight, fold)


def test_one_network_is_passed_on():
    outputs, weight = torch.zeros(6, 2), torch.ones(6)
    lined_up = by_member(outputs, _data(weight))
    assert lined_up[0] is outputs
    assert lined_up[2] is weight


@pytest.mark.parametrize("target", [torch.arange(6), torch.arange(12).reshape(6, 2)], ids=str)
def test_rows_of_a_member_follow_one_another(target):
    outputs = _outputs()
    rows, targets, weight = by_member(outputs, _data(target=target))
    for i in range(3):
        assert torch.equal(rows[6 * i : 6 * (i + 1)], outputs[i])
        assert torch.equal(targets[6 * i : 6 * (i + 1)], target)
    assert weight is None


@pytest.mark.parametrize("weight", [None, torch.tensor([1.0, 0.5, 2.0, 1.0, 1.0, 0.5])])
def test_a_member_learns_nothing_from_its_fold(weight):
    fold = torch.tensor([0, 1, 2, 0, 1, -1])
    share = by_member(_outputs(), _data(weight, fold))[2].view(3, 6)
    assert ((share == 0) == (fold == torch.arange(3)[:, None])).all()
    # Every row weighs among all members what it was given.
    given = torch.ones(6) if weight is None else weight
    torch.testing.assert_close(share.mean(dim=0), given)
