"""The embedding model keeps its promises about units, views and ownership."""

import pytest
import torch
from torch import nn

from sphereskl.geometry import normalize, simplex
from sphereskl.nn import MLP, EmbeddingModel, squared_cosine


def _model(**options):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return EmbeddingModel(
            MLP((8,), n_members=1, numeric_embedding=None).build((4,), 5),
            simplex(3, 5).float(),
            **options,
        ).eval()


def _x(n_samples=20):
    return torch.randn(n_samples, 4, generator=torch.Generator().manual_seed(0))


def _parameters(model):
    return {name for name, _ in model.named_parameters() if not name.startswith("backbone")}


def test_embeddings_are_unit_rows():
    torch.testing.assert_close(_model().embed(_x()).norm(dim=1), torch.ones(20))


def test_embedding_is_the_direction_of_the_backbone():
    model = _model()
    torch.testing.assert_close(model.embed(_x()), normalize(model.backbone(_x())))


@pytest.mark.parametrize("learns", [False, True])
def test_given_prototypes_are_normalised(learns):
    given = torch.tensor([[3.0, 4.0], [0.0, 0.1]])
    model = EmbeddingModel(nn.Identity(), given, learn_prototypes=learns)
    torch.testing.assert_close(model.prototypes, torch.tensor([[0.6, 0.8], [0.0, 1.0]]))


def test_learned_prototypes_stay_unit():
    model = _model(learn_prototypes=True)
    sgd = torch.optim.SGD(model.parameters(), lr=10.0)
    model(_x())[:, 0].sum().backward()
    before = model.prototypes.detach().clone()
    sgd.step()
    torch.testing.assert_close(model.prototypes.norm(dim=1), torch.ones(3))
    assert not torch.allclose(model.prototypes, before)


@pytest.mark.parametrize(
    ("options", "learned"),
    [
        ({}, set()),
        ({"learn_prototypes": True}, {"_prototypes"}),
        ({"learn_scale": True}, {"log_scale"}),
        ({"learn_prototypes": True, "learn_scale": True}, {"_prototypes", "log_scale"}),
    ],
)
def test_only_what_learns_is_a_parameter(options, learned):
    model = _model(**options)
    assert _parameters(model) == learned
    assert {"_prototypes", "log_scale"} - learned == set(dict(model.named_buffers()))


@pytest.mark.parametrize("learns", [False, True])
def test_prototypes_and_scale_are_in_the_state(learns):
    model = _model(scale=7.0, learn_scale=learns, learn_prototypes=learns)
    other = EmbeddingModel(
        MLP((8,), n_members=1, numeric_embedding=None).build((4,), 5),
        torch.eye(5)[:3],
        learn_scale=learns,
        learn_prototypes=learns,
    ).eval()
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(_x()), model(_x()))
    assert other.scale.item() == pytest.approx(7.0)


@pytest.mark.parametrize("learns", [False, True])
def test_the_users_prototypes_are_copied(learns):
    given = torch.eye(2)
    model = EmbeddingModel(nn.Identity(), given, learn_prototypes=learns)
    given.zero_()
    assert torch.equal(model.prototypes, torch.eye(2))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 16.0])
def test_scale_is_positive_after_any_step(scale):
    model = _model(scale=scale, learn_scale=True)
    assert model.scale.item() == pytest.approx(scale)
    model.scale.backward()
    torch.optim.SGD([model.log_scale], lr=1.0).step()
    assert 0 < model.scale.item() < scale


@pytest.mark.parametrize("scale", [0.0, -1.0])
def test_scale_must_be_positive(scale):
    with pytest.raises(ValueError, match=f"scale must be .*got {scale}"):
        _model(scale=scale)


@pytest.mark.parametrize("free_norm", [False, True])
def test_the_loss_sees_the_logits(free_norm):
    model = _model(free_norm=free_norm)
    assert torch.equal(model(_x()), model.logits(_x()))


@pytest.mark.parametrize("free_norm", [False, True])
def test_logits_are_inner_products_with_the_prototypes(free_norm):
    model = _model(free_norm=free_norm)
    length = model.backbone(_x()).norm(dim=1, keepdim=True) if free_norm else 1.0
    expected = length * (model.embed(_x()) @ simplex(3, 5).float().T)
    torch.testing.assert_close(model.logits(_x()), expected)


def test_width_and_place_are_the_models():
    model = _model().to("meta")
    assert (model.embedding_dim, model.device) == (5, torch.device("meta"))


def test_rotating_backbone_and_prototypes_changes_no_cosine():
    # Acceptance: prototypes P Q with the last layer rotated by Q.
    model = _model()
    q = torch.linalg.qr(torch.randn(5, 5, generator=torch.Generator().manual_seed(1)))[0]
    expected = model(_x())
    last = model.backbone[-1]
    last.weight.data, last.bias.data = q.T @ last.weight.data, last.bias.data @ q
    model._prototypes = model._prototypes @ q
    torch.testing.assert_close(model(_x()), expected)


def test_rotating_backbone_and_prototypes_keeps_loss_and_gradient_norm():
    q = torch.linalg.qr(torch.randn(5, 5, generator=torch.Generator().manual_seed(1)))[0]
    model, rotated, target = _model(), _model(), torch.arange(20) % 3
    last = rotated.backbone[-1]
    last.weight.data, last.bias.data = q.T @ last.weight.data, last.bias.data @ q
    rotated._prototypes = rotated._prototypes @ q
    losses = [squared_cosine(m(_x()), target) for m in (model, rotated)]
    norms = [
        torch.nn.utils.get_total_norm(torch.autograd.grad(loss, list(m.backbone.parameters())))
        for loss, m in zip(losses, (model, rotated), strict=True)
    ]
    torch.testing.assert_close(losses[1], losses[0])
    torch.testing.assert_close(norms[1], norms[0])


def test_lengths_of_the_backbone_output_do_not_matter():
    model = EmbeddingModel(nn.Identity(), simplex(3, 4).float())
    torch.testing.assert_close(model(1000 * _x()), model(_x()))


def test_free_norm_keeps_lengths():
    model = EmbeddingModel(nn.Identity(), simplex(3, 4).float(), free_norm=True)
    torch.testing.assert_close(model(1000 * _x()), 1000 * model(_x()))


def test_a_zero_embedding_is_equally_far_from_all():
    model = EmbeddingModel(nn.Identity(), simplex(3, 4).float())
    assert not model(torch.zeros(2, 4)).any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_moving_the_model_moves_all_of_it(dtype):
    model = _model().to(dtype)
    assert model(_x().to(dtype)).dtype == model.scale.dtype == model.prototypes.dtype == dtype
