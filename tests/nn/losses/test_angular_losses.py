"""Every loss of the table is the one it is named after, and learns."""

import pytest
import torch
from torch.nn import functional as F

from sphereskl.geometry import cosines, normalize, sample_uniform
from sphereskl.nn import (
    ANGULAR_LOSSES,
    AngularModel,
    Annealing,
    make_angular_loss,
    separating_scale,
)

names = pytest.mark.parametrize("name", sorted(ANGULAR_LOSSES))


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


def _batch():
    x = 3 * torch.randn(12, 5, generator=_generator(), dtype=torch.float64)
    prototypes = sample_uniform(4, 5, generator=_generator(1))
    target = torch.randint(4, (12,), generator=_generator(2))
    return cosines(normalize(x), prototypes), target, x.norm(dim=1)


# Target and other logits of the papers, as functions of theta; then the multiplier.
PUBLISHED = {
    "w_softmax": (torch.cos, torch.cos, "norm"),
    "a_softmax": (lambda theta: _a_softmax(1.5 * theta), torch.cos, "norm"),
    "ga_softmax": (lambda theta: 1 - 3 * theta / torch.pi, lambda t: 1 - 2 * t / torch.pi, "norm"),
    "normface": (torch.cos, torch.cos, "auto"),
    "sphereface": (lambda theta: _a_softmax(1.5 * theta), torch.cos, "auto"),
    "sphereface_r": (torch.cos, lambda theta: (theta / 1.4).cos(), "auto"),
    "cosface": (lambda theta: theta.cos() - 0.35, torch.cos, "auto"),
    "arcface": (lambda theta: _a_softmax(theta + 0.5), torch.cos, "auto"),
}


def _a_softmax(phi):
    j = (phi / torch.pi).floor()
    return (-1) ** j * phi.cos() - 2 * j


@names
def test_losses_are_those_of_their_papers(name):
    c, target, norm = _batch()
    own, others, kind = PUBLISHED[name]
    rows = torch.where(F.one_hot(target, 4).bool(), own(c.acos()), others(c.acos()))
    scale = norm[:, None] if kind == "norm" else max(8, 2 * separating_scale(4))
    found = make_angular_loss(name)(c, target, norm=norm)
    torch.testing.assert_close(found, F.cross_entropy(scale * rows, target))


@pytest.mark.parametrize("margin", [1.2, 2.0])
@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        ("a_softmax", "multiplicative_margin"),
        ("ga_softmax", "multiplicative_margin"),
        ("sphereface", "multiplicative_margin"),
        ("sphereface_r", "divisive_margin"),
        ("arcface", "angular_margin"),
        ("cosface", "cosine_margin"),
    ],
)
def test_margin_is_the_loss_s_own(name, parameter, margin):
    c, target, norm = _batch()
    by_name = make_angular_loss(name, margin)
    assert getattr(by_name, parameter) == margin
    by_parameter = make_angular_loss(name, **{parameter: margin})
    assert torch.equal(by_name(c, target, norm=norm), by_parameter(c, target, norm=norm))


@names
def test_settings_replace_those_of_the_table(name):
    loss = make_angular_loss(name, operator="sigmoid", k=0.5, scale=4.0, label_smoothing=0.1)
    assert (loss.operator, loss.k, loss.scale, loss.label_smoothing) == ("sigmoid", 0.5, 4.0, 0.1)


def _train(loss, n_steps=60, n_classes=20):
    """Train on clusters from scratch; return the mean norm and the accuracy."""
    centers = torch.randn(n_classes, 16, generator=_generator())
    target = torch.arange(n_classes).repeat(10)
    X = centers[target] + 0.3 * torch.randn(len(target), 16, generator=_generator(1))
    backbone = torch.nn.Sequential(
        torch.nn.Linear(16, 64), torch.nn.ReLU(), torch.nn.Linear(64, 16)
    )
    for parameter in backbone.parameters():
        torch.nn.init.normal_(parameter, std=0.2, generator=_generator(2))
    prototypes = sample_uniform(n_classes, 16, generator=_generator(3), dtype=torch.float32)
    model = AngularModel(backbone, prototypes, free_norm=True)
    adam = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(n_steps):
        seen = model(X)
        adam.zero_grad()
        loss(seen[:, :-1], target, norm=seen[:, -1]).backward()
        adam.step()
        loss.advance()
    seen = model(X).detach()
    logits = loss.logits(seen[:, :-1], seen[:, -1])
    return seen[:, -1].mean(), (logits.argmax(dim=1) == target).float().mean()


@names
@pytest.mark.parametrize("margin_grad", ["detach", "full"])
def test_losses_learn_from_scratch(margin_grad, name):
    _, accuracy = _train(make_angular_loss(name, margin_grad=margin_grad))
    assert accuracy > 0.95


def test_published_margin_of_four_makes_norms_vanish_unless_it_is_annealed():
    # Why the table has 1.5.
    norm, accuracy = _train(make_angular_loss("a_softmax", 4.0))
    annealed = make_angular_loss("a_softmax", 4.0, annealing=Annealing(gamma=5.0))
    annealed_norm, annealed_accuracy = _train(annealed)
    assert norm < 0.3 < 1 < annealed_norm
    assert accuracy < 0.9 < annealed_accuracy


def test_unknown_loss_is_named():
    with pytest.raises(ValueError, match=r"loss must be one of \['a_softmax', .*got 'am'"):
        make_angular_loss("am")


@pytest.mark.parametrize("name", ["normface", "w_softmax"])
def test_margin_of_a_loss_without_one_is_named(name):
    with pytest.raises(ValueError, match=f"'{name}' has no margin, got margin=0.2"):
        make_angular_loss(name, 0.2)


def test_margin_given_twice_is_named():
    with pytest.raises(ValueError, match=r"margin=0.2 and cosine_margin=0.3 are the same"):
        make_angular_loss("cosface", 0.2, cosine_margin=0.3)
