"""Members live on one sphere: means, lengths, and each its own gradient."""

import pytest
import torch
from torch import nn

from sphereskl.geometry import simplex
from sphereskl.nn import (
    AngularModel,
    EmbeddingModel,
    JointModel,
    MemberLinear,
    ProductModel,
)
from sphereskl.nn.models._members import as_if_alone, ask

N_MEMBERS, N_ROWS, DIM = 4, 10, 3


class Members(nn.Module):
    """Members that see the same rows."""

    def __init__(self, width=DIM):
        super().__init__()
        torch.manual_seed(0)
        self.layer = MemberLinear(N_MEMBERS, 5, width)

    def forward(self, X):
        return self.layer(X.expand(N_MEMBERS, -1, -1))

    def alone(self, i):
        single = nn.Linear(5, self.layer.weight.shape[2])
        single.load_state_dict({"weight": self.layer.weight[i].T, "bias": self.layer.bias[i, 0]})
        return single.to(self.layer.weight.dtype)


def _x():
    return torch.randn(N_ROWS, 5, generator=torch.Generator().manual_seed(1)).double()


def _models(backbone):
    points = simplex(4, DIM).double()
    return {
        "embedding": EmbeddingModel(backbone, points, scale=3.0),
        "free norm": EmbeddingModel(backbone, points, free_norm=True),
        "angular": AngularModel(backbone, points),
        "joint": JointModel(backbone, simplex(3, DIM - 1).double()),
        "product": ProductModel(backbone, 1, DIM).double(),
    }


MODELS = sorted(_models(Members()))


@pytest.mark.parametrize("name", MODELS)
def test_logits_are_the_mean_of_those_of_each_alone(name):
    backbone = Members().double()
    model = _models(backbone)[name].eval()
    alone = [_models(backbone.alone(i))[name].eval().logits(_x()) for i in range(N_MEMBERS)]
    torch.testing.assert_close(model.logits(_x()), torch.stack(alone).mean(dim=0))


@pytest.mark.parametrize("name", MODELS)
def test_a_member_that_is_named_speaks_alone(name):
    backbone, member = Members().double(), torch.arange(N_ROWS) % N_MEMBERS
    model = _models(backbone)[name].eval()
    alone = [_models(backbone.alone(i))[name].eval().logits(_x()) for i in range(N_MEMBERS)]
    expected = torch.stack(alone)[member, torch.arange(N_ROWS)]
    torch.testing.assert_close(model.logits(_x(), member), expected)


@pytest.mark.parametrize("name", MODELS)
def test_embedding_is_unit_and_the_mean_has_its_length(name):
    model = _models(Members().double())[name].eval()
    z, r = model.embed(_x()), model.resultant_length(_x())
    assert r.shape == (N_ROWS, 1)
    assert ((r >= 0) & (r <= 1 + 1e-12)).all()
    torch.testing.assert_close(torch.linalg.vector_norm(z, dim=1), torch.ones(N_ROWS).double())


def test_logits_are_cosines_shortened_by_the_length():
    model = _models(Members().double())["embedding"].eval()
    expected = model.resultant_length(_x()) * (model.embed(_x()) @ model.prototypes.T)
    torch.testing.assert_close(model.logits(_x()), expected)


def test_one_network_agrees_with_itself():
    model = EmbeddingModel(nn.Linear(5, DIM).double(), simplex(4, DIM).double())
    torch.testing.assert_close(model.resultant_length(_x()), torch.ones(N_ROWS, 1).double())


def test_members_that_cancel_leave_an_embedding_that_is_finite():
    class Opposed(nn.Module):
        def forward(self, X):
            return torch.stack([X, -X])

    model = EmbeddingModel(Opposed(), torch.eye(2)).eval()
    x = torch.tensor([[3.0, 4.0]])
    assert model.resultant_length(x).item() == 0
    assert model.embed(x).isfinite().all()
    assert not model.logits(x).any()


@pytest.mark.parametrize("name", MODELS)
def test_training_shows_the_loss_every_member(name):
    model = _models(Members().double())[name].train()
    outputs = model(_x())
    outputs = outputs[0] if isinstance(outputs, tuple) else outputs
    assert outputs.shape[:2] == (N_MEMBERS, N_ROWS)


def test_every_member_learns_as_if_it_were_alone():
    backbone = Members().double()
    model = EmbeddingModel(backbone, simplex(4, DIM).double(), scale=2.0, learn_scale=True)
    model.train()(_x()).square().mean().backward()
    scale_slopes = []
    for i in range(N_MEMBERS):
        single = backbone.alone(i)
        alone = EmbeddingModel(single, simplex(4, DIM).double(), scale=2.0, learn_scale=True)
        (alone.train()(_x()).square().mean() * alone.scale).backward()
        scale_slopes.append(alone.log_scale.grad)
        # The factor of the scale, 2, is the loss's own.
        torch.testing.assert_close(2 * backbone.layer.weight.grad[i], single.weight.grad.T)
    backbone.zero_grad()
    model.zero_grad()
    (model(_x()).square().mean() * model.scale).backward()
    # What members share learns from their mean.
    torch.testing.assert_close(model.log_scale.grad, torch.stack(scale_slopes).mean())


@pytest.mark.parametrize("name", MODELS)
def test_gradients_by_rows_are_those_of_the_outputs_once_training_is_over(name):
    model = _models(Members().double())[name].double().eval()
    assert torch.autograd.gradcheck(model, _x().requires_grad_())


def test_ask_takes_rows_of_the_members_named():
    h = torch.arange(12).reshape(2, 3, 2)
    assert ask(h, torch.tensor([1, 0, 1])).tolist() == [[6, 7], [2, 3], [10, 11]]
    assert ask(h, None) is h


def test_one_network_keeps_its_gradient():
    h = torch.ones(3, 2, requires_grad=True)
    (as_if_alone(h * 1.0)).sum().backward()
    assert torch.equal(h.grad, torch.ones(3, 2))
