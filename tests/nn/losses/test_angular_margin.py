"""Angular margins obey the definitions of their papers, their limits and their gradients."""

import copy
import math
import pickle

import pytest
import torch
from torch.nn import functional as F

from sphereskl.geometry import cosines, normalize, sample_uniform
from sphereskl.nn import (
    AngularMarginLoss,
    AngularModel,
    Annealing,
    angular,
    cross_entropy,
    separating_scale,
    unrolled_angular,
)

OPERATORS = ["cosine", "linear", "sigmoid"]
STEEPEST = {"cosine": 1.0, "linear": 2 / math.pi, "sigmoid": 1 / (0.6 * math.tanh(math.pi / 1.2))}
MARGINS = {
    "none": {},
    "multiplicative": {"multiplicative_margin": 2.5},
    "divisive": {"divisive_margin": 1.4},
    "angular": {"angular_margin": 0.5},
    "cosine": {"cosine_margin": 0.35},
    "all": {
        "multiplicative_margin": 1.5,
        "divisive_margin": 1.2,
        "angular_margin": 0.3,
        "cosine_margin": 0.2,
        "annealing": Annealing(lambda_0=2.0),
    },
}
operators = pytest.mark.parametrize("operator", OPERATORS)
margins = pytest.mark.parametrize("margin", MARGINS.values(), ids=MARGINS.keys())
# Its use of numpy on tensors is deprecated.
deprecated_numpy = pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")
gradients = pytest.mark.parametrize("margin_grad", ["detach", "full"])


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


def _rows(n_samples=12, embedding_dim=5):
    return 3 * torch.randn(n_samples, embedding_dim, generator=_generator(), dtype=torch.float64)


def _prototypes(n_prototypes=4, embedding_dim=5):
    return sample_uniform(n_prototypes, embedding_dim, generator=_generator(1))


def _target(n_samples=12, n_prototypes=4):
    return torch.randint(n_prototypes, (n_samples,), generator=_generator(2))


def _batch(requires_grad=False):
    """Cosines, target and norms of a dozen rows with four prototypes."""
    c, norm = cosines(normalize(_rows()), _prototypes()), _rows().norm(dim=1)
    return c.requires_grad_(requires_grad), _target(), norm.requires_grad_(requires_grad)


def _loss_of(loss, x, prototypes, target):
    c, norm = cosines(normalize(x), normalize(prototypes)), x.norm(dim=1)
    return loss(c, target, norm=norm)


@operators
@pytest.mark.parametrize("m", [1, 1.5, 2, 3, 4])
def test_unrolled_operator_is_continuous_and_falls(m, operator):
    theta = torch.linspace(0, math.pi, 20_001, dtype=torch.float64)
    steps = unrolled_angular(m * theta, operator).diff()
    assert steps.max() <= 1e-14
    assert -steps.min() <= 1.0001 * STEEPEST[operator] * m * math.pi / 20_000


@operators
@pytest.mark.parametrize("turns", [0, 1, 2, 3, 4])
def test_unrolled_operator_falls_by_two_in_every_pi(turns, operator):
    theta = torch.linspace(0.01, math.pi - 0.01, 100, dtype=torch.float64)
    expected = angular(theta.cos(), operator) - 2 * turns
    torch.testing.assert_close(unrolled_angular(theta + turns * math.pi, operator), expected)


@pytest.mark.parametrize("m", [1, 1.5, 2, 3, 4])
def test_unrolled_cosine_is_the_published_piecewise_function(m):
    # Liu et al. 2017, SphereFace, equation 7.
    theta = torch.linspace(0, math.pi, 1000, dtype=torch.float64)
    j = (m * theta / math.pi).floor()
    expected = (-1) ** j * (m * theta).cos() - 2 * j
    torch.testing.assert_close(unrolled_angular(m * theta), expected, rtol=1e-13, atol=1e-13)


def test_unrolled_linear_operator_is_linear():
    phi = torch.linspace(0, 4 * math.pi, 1000, dtype=torch.float64)
    expected = 1 - 2 * phi / math.pi
    torch.testing.assert_close(unrolled_angular(phi, "linear"), expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("offset", [0.0, 1e-6, -1e-6, 1e-4, -1e-4])
def test_unrolled_linear_operator_keeps_its_slope_at_the_seams(offset):
    # asin(cos(phi)) has a gradient of 0 there in float32.
    phi = (torch.arange(1.0, 5.0) * math.pi + offset).requires_grad_()
    unrolled_angular(phi, "linear").sum().backward()
    torch.testing.assert_close(phi.grad, torch.full((4,), -2 / math.pi))


def test_sigmoid_does_not_saturate_under_a_margin():
    # Without the continuation, |gradient| at m theta = 6.4 is below 1e-5.
    phi = torch.linspace(0, 4 * math.pi, 1000, dtype=torch.float64).requires_grad_()
    unrolled_angular(phi, "sigmoid").sum().backward()
    assert phi.grad.max() < -0.01


@operators
@gradients
def test_loss_without_margin_is_softmax_of_the_operator_times_the_norm(margin_grad, operator):
    # W-Softmax, Liu et al. 2017, NeurIPS.
    c, target, norm = _batch()
    loss = AngularMarginLoss(operator, scale="norm", margin_grad=margin_grad)
    expected = F.cross_entropy(norm[:, None] * angular(c, operator), target)
    torch.testing.assert_close(loss(c, target, norm=norm), expected)


@operators
@margins
def test_endless_lambda_takes_the_margin_away(margin, operator):
    c, target, _ = _batch()
    annealing = Annealing(lambda_0=1e15, gamma=0.0)
    loss = AngularMarginLoss(operator, **{**margin, "annealing": annealing})
    torch.testing.assert_close(loss(c, target), AngularMarginLoss(operator)(c, target))


@pytest.mark.parametrize("m", [1.5, 4.0])
@pytest.mark.parametrize("lam", [0.0, 0.5, 5.0])
def test_lambda_averages_the_logits_with_and_without_margin(lam, m):
    # Liu et al. 2016, section 5.1: (lambda cos + psi) / (1 + lambda).
    c, target, norm = _batch()
    annealing = Annealing(lambda_0=lam, gamma=0.0, lambda_min=0.0)
    loss = AngularMarginLoss(multiplicative_margin=m, scale="norm", annealing=annealing)
    own = torch.arange(12), target
    mixed = c.clone()
    mixed[own] = (lam * c[own] + unrolled_angular(m * c[own].acos())) / (1 + lam)
    expected = F.cross_entropy(norm[:, None] * mixed, target)
    torch.testing.assert_close(loss(c, target, norm=norm), expected)


@margins
@operators
def test_detached_margin_has_the_value_of_the_full_one(operator, margin):
    c, target, norm = _batch()
    detached, full = (
        AngularMarginLoss(operator, scale="norm", margin_grad=kind, **margin)
        for kind in ("detach", "full")
    )
    assert torch.equal(detached(c, target, norm=norm), full(c, target, norm=norm))


@margins
@operators
def test_gradient_of_a_detached_margin_is_margin_free_but_for_the_probabilities(operator, margin):
    # dL/dc_j = scale (p_j - 1[j = y]) g'(c_j) / n with p = softmax of the logits with margin.
    c, target, _ = _batch(requires_grad=True)
    loss = AngularMarginLoss(operator, scale=6.0, **margin)
    found = torch.autograd.grad(loss(c, target), c)[0]
    g = angular(c, operator)
    slope = torch.autograd.grad(g.sum(), c, retain_graph=True)[0]
    share = 1 if loss.annealing is None else 1 / (1 + loss.annealing(loss.step))
    with_margin = g + share * (_margin_logits(c, target, operator, margin) - g)
    probabilities = torch.softmax(6 * with_margin, dim=1)
    expected = 6 * (probabilities - F.one_hot(target, 4)) * slope / 12
    torch.testing.assert_close(found, expected)


def _margin_logits(c, target, operator, margin):
    """Definition of all margins, one entry at a time."""
    rows = torch.empty_like(c)
    theta = c.detach().acos()
    for i, j in torch.cartesian_prod(torch.arange(len(c)), torch.arange(c.shape[1])):
        if j == target[i]:
            phi = margin.get("multiplicative_margin", 1) * theta[i, j]
            phi = phi + margin.get("angular_margin", 0)
        else:
            phi = theta[i, j] / margin.get("divisive_margin", 1)
        turns = phi // math.pi
        rows[i, j] = angular((phi - turns * math.pi).cos(), operator) - 2 * turns
        rows[i, j] -= margin.get("cosine_margin", 0) * (j == target[i])
    return rows


@operators
def test_full_gradient_scales_the_pull_on_the_target_only(operator):
    # By psi'(m theta) m / g'(theta), which the detached gradient lacks.
    c, target, _ = _batch(requires_grad=True)
    detached, full = (
        torch.autograd.grad(
            AngularMarginLoss(operator, multiplicative_margin=1.5, margin_grad=kind)(c, target), c
        )[0]
        for kind in ("detach", "full")
    )
    theta = c.detach().acos().requires_grad_()
    slope = torch.autograd.grad(unrolled_angular(theta, operator).sum(), theta)[0]
    steeper = torch.autograd.grad(unrolled_angular(1.5 * theta, operator).sum(), theta)[0]
    ratio = torch.where(F.one_hot(target, 4).bool(), steeper / slope, 1.0)
    torch.testing.assert_close(full, ratio * detached)


@margins
def test_gradient_with_respect_to_the_norm_is_exact_either_way(margin):
    c, target, norm = _batch(requires_grad=True)
    detached, full = (
        torch.autograd.grad(
            AngularMarginLoss(scale="norm", margin_grad=kind, **margin)(c, target, norm=norm),
            norm,
        )[0]
        for kind in ("detach", "full")
    )
    torch.testing.assert_close(detached, full)


@operators
@margins
def test_full_gradient_is_that_of_finite_differences(margin, operator):
    c, target, norm = _batch(requires_grad=True)
    loss = AngularMarginLoss(operator, scale="norm", margin_grad="full", **margin)
    assert torch.autograd.gradcheck(lambda c, norm: loss(c, target, norm=norm), (c, norm))


@pytest.mark.parametrize("m", [1.0, 1.5, 2.0, 4.0])
def test_full_gradient_in_float32_is_that_of_the_definition_in_float64(m):
    x, prototypes = _rows().requires_grad_(), _prototypes().requires_grad_()
    cos = F.normalize(x) @ F.normalize(prototypes).T
    phi = m * cos.acos()
    j = (phi / math.pi).floor()
    psi = torch.where(F.one_hot(_target(), 4).bool(), (-1) ** j * phi.cos() - 2 * j, cos)
    F.cross_entropy(x.norm(dim=1, keepdim=True) * psi, _target()).backward()
    loss = AngularMarginLoss(multiplicative_margin=m, scale="norm", margin_grad="full")
    found = [t.detach().float().requires_grad_() for t in (x, prototypes)]
    _loss_of(loss, *found, _target()).backward()
    torch.testing.assert_close([t.grad for t in found], [x.grad.float(), prototypes.grad.float()])


def _published(kind, **options):
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    published = getattr(losses, kind)(4, 5, **options).double()
    published.W.data = 2 * _prototypes().T
    return published


def _assert_equal_to_published(ours, published, x):
    x = x.clone().requires_grad_()
    expected = published(x, _target(len(x)))
    expected_gradient = torch.autograd.grad(expected, [x, published.W])
    prototypes = (2 * _prototypes()).requires_grad_()
    found = _loss_of(ours, x, prototypes, _target(len(x)))
    torch.testing.assert_close(found, expected)
    gradient = torch.autograd.grad(found, [x, prototypes])
    torch.testing.assert_close(gradient[0], expected_gradient[0])
    torch.testing.assert_close(gradient[1], expected_gradient[1].T)


def test_w_softmax_is_that_of_pytorch_metric_learning():
    distances = pytest.importorskip("pytorch_metric_learning.distances")
    inner = distances.DotProductSimilarity(normalize_embeddings=False)
    published = _published("NormalizedSoftmaxLoss", temperature=1, distance=inner)
    _assert_equal_to_published(AngularMarginLoss(scale="norm"), published, _rows())


@deprecated_numpy
@pytest.mark.parametrize("m", [2, 3, 4])
def test_a_softmax_is_that_of_pytorch_metric_learning(m):
    ours = AngularMarginLoss(multiplicative_margin=m, scale="norm", margin_grad="full")
    _assert_equal_to_published(ours, _published("SphereFaceLoss", margin=m), _rows())


def test_normface_is_that_of_pytorch_metric_learning():
    published = _published("NormalizedSoftmaxLoss", temperature=1 / 16)
    _assert_equal_to_published(AngularMarginLoss(scale=16.0), published, _rows())


@pytest.mark.parametrize("b", [0.2, 0.35])
@gradients
def test_cosface_is_that_of_pytorch_metric_learning(margin_grad, b):
    # A constant shift: there is nothing to detach.
    ours = AngularMarginLoss(cosine_margin=b, scale=16.0, margin_grad=margin_grad)
    _assert_equal_to_published(ours, _published("CosFaceLoss", margin=b, scale=16), _rows())


@pytest.mark.parametrize("a", [0.1, 0.5])
def test_arcface_is_that_of_pytorch_metric_learning_in_degrees_up_to_pi(a):
    ours = AngularMarginLoss(angular_margin=a, scale=16.0, margin_grad="full")
    published = _published("ArcFaceLoss", margin=math.degrees(a), scale=16)
    own = cosines(normalize(_rows()), _prototypes())[torch.arange(12), _target()]
    assert own.acos().max() + a < math.pi
    _assert_equal_to_published(ours, published, _rows())


def test_arcface_of_pytorch_metric_learning_jumps_where_ours_continues():
    # Two angles on either side of pi - a.
    theta = torch.tensor([math.pi - 0.5 - 1e-9, math.pi - 0.5 + 1e-9], dtype=torch.float64)
    published = _published("ArcFaceLoss", margin=math.degrees(0.5))
    assert published.modify_cosine_of_target_classes(theta.cos()).diff().abs() > 0.1
    assert unrolled_angular(theta + 0.5).diff().abs() < 1e-8


@deprecated_numpy
def test_fractional_margins_are_honoured_where_pytorch_metric_learning_truncates():
    published = _published("SphereFaceLoss", margin=1.5)(_rows(), _target())
    free, ours = (
        _loss_of(
            AngularMarginLoss(multiplicative_margin=m, scale="norm"),
            _rows(),
            _prototypes(),
            _target(),
        )
        for m in (1.0, 1.5)
    )
    torch.testing.assert_close(published, free)
    assert ours > free + 1


@margins
def test_margins_make_the_loss_larger(margin):
    c, target, _ = _batch()
    assert AngularMarginLoss(**margin)(c, target) >= AngularMarginLoss()(c, target)


@pytest.mark.parametrize("m", [1.2, 1.4, 2.0])
def test_divisive_margin_is_that_of_sphereface_r(m):
    # Liu et al. 2022, v2: the target keeps its angle, the others have theirs divided.
    c, target, _ = _batch()
    rows = torch.where(F.one_hot(target, 4).bool(), c, (c.acos() / m).cos())
    found = AngularMarginLoss(divisive_margin=m, scale=16.0)(c, target)
    torch.testing.assert_close(found, F.cross_entropy(16 * rows, target))


@margins
def test_predictions_know_no_margin(margin):
    c, _, norm = _batch()
    loss = AngularMarginLoss("linear", scale="norm", **margin)
    torch.testing.assert_close(loss.logits(c, norm), norm[:, None] * angular(c, "linear"))


@operators
def test_logits_keep_the_order_of_the_cosines(operator):
    c, _, norm = _batch()
    logits = AngularMarginLoss(operator, scale="norm").logits(c, norm)
    assert torch.equal(logits.argsort(dim=1), c.argsort(dim=1))


@pytest.mark.parametrize("n_prototypes", [2, 10, 1000])
def test_auto_scale_is_twice_the_separating_one_and_at_least_eight(n_prototypes):
    row = torch.eye(1, n_prototypes)
    scale = AngularMarginLoss().logits(row).max().item()
    assert scale == pytest.approx(max(8, 2 * separating_scale(n_prototypes)))


@pytest.mark.parametrize("length", [0.0, 1.0, 1e6])
@margins
@operators
@gradients
def test_limits_have_finite_loss_and_gradient(margin_grad, operator, margin, length):
    # Rows on their prototype, opposite to it, and halfway to another.
    directions = torch.tensor([[1.0, 0, 0], [-1.0, 0, 0], [0.0, 0.6, 0.8], [0.6, 0.8, 0.0]])
    x = (length * directions).requires_grad_()
    model = AngularModel(torch.nn.Identity(), torch.eye(3), free_norm=True)
    loss = AngularMarginLoss(operator, scale="norm", margin_grad=margin_grad, **margin)
    seen = model(x)
    value = loss(seen[:, :-1], torch.zeros(4, dtype=torch.int64), norm=seen[:, -1])
    value.backward()
    assert value.isfinite()
    assert x.grad.isfinite().all()
    assert model._prototypes.grad.isfinite().all()


@operators
@gradients
def test_cosines_beyond_one_by_rounding_are_harmless(margin_grad, operator):
    c = torch.tensor([[1 + 2e-7, -1 - 2e-7], [-1 - 2e-7, 1 + 2e-7]], requires_grad=True)
    loss = AngularMarginLoss(operator, multiplicative_margin=4.0, margin_grad=margin_grad)
    loss(c, torch.tensor([0, 0])).backward()
    assert c.grad.isfinite().all()


@pytest.mark.parametrize("smoothing", [0.1, 1.0])
def test_label_smoothing_spreads_the_target(smoothing):
    c, target, _ = _batch()
    rows = c - 0.35 * F.one_hot(target, 4)
    expected = F.cross_entropy(8 * rows, target, label_smoothing=smoothing)
    loss = AngularMarginLoss(cosine_margin=0.35, scale=8.0, label_smoothing=smoothing)
    torch.testing.assert_close(loss(c, target), expected)


@margins
def test_weights_of_mean_one_are_repetitions(margin):
    c, target, norm = _batch()
    weight = torch.tensor([0.0, 1.0, 2.0, 3.0] * 3, dtype=torch.float64)
    again = torch.arange(12).repeat_interleave(weight.long())
    loss = AngularMarginLoss(scale="norm", **margin)
    expected = loss(c[again], target[again], norm=norm[again])
    torch.testing.assert_close(loss(c, target, weight / weight.mean(), norm), expected)


def test_only_advance_moves_the_annealing():
    c, target, _ = _batch()
    loss = AngularMarginLoss(multiplicative_margin=4.0, annealing=Annealing(gamma=1.0))
    first = loss(c, target)
    assert torch.equal(loss(c, target), first)
    assert torch.equal(loss.eval()(c, target), first)
    loss.advance()
    assert loss.step == 1
    assert loss(c, target) > first


def test_annealing_survives_copies():
    c, target, _ = _batch()
    loss = AngularMarginLoss(multiplicative_margin=4.0, annealing=Annealing())
    for _ in range(100):
        loss.advance()
    loaded = AngularMarginLoss(multiplicative_margin=4.0, annealing=Annealing())
    loaded.load_state_dict(loss.state_dict())
    copies = [copy.deepcopy(loss), pickle.loads(pickle.dumps(loss)), loaded]
    assert [other(c, target) for other in copies] == [loss(c, target)] * 3


@pytest.mark.parametrize("scale", [0.5, 16.0])
def test_losses_without_margin_agree_with_cross_entropy(scale):
    c, target, _ = _batch()
    expected = cross_entropy(c, target, scale=scale)
    torch.testing.assert_close(AngularMarginLoss(scale=scale)(c, target), expected)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("operator", "sine"),
        ("k", 0.0),
        ("k", math.inf),
        ("multiplicative_margin", 0.5),
        ("divisive_margin", 0.5),
        ("angular_margin", -0.1),
        ("angular_margin", 28.6),
        ("cosine_margin", -0.1),
        ("cosine_margin", math.inf),
        ("scale", 0.0),
        ("scale", "large"),
        ("margin_grad", "none"),
        ("label_smoothing", 1.5),
    ],
)
def test_values_out_of_range_are_named(parameter, value):
    with pytest.raises(ValueError, match=rf"{parameter} must be .*got {value!r}"):
        AngularMarginLoss(**{parameter: value})


def test_missing_norm_is_named():
    c, target, _ = _batch()
    with pytest.raises(ValueError, match="needs the norm"):
        AngularMarginLoss(scale="norm")(c, target)


@pytest.mark.parametrize("n_columns", [1, 2])
def test_values_are_no_classes(n_columns):
    loss = AngularMarginLoss(cosine_margin=0.3)
    with pytest.raises(ValueError, match=r"separates classes, but targets are .*float32"):
        loss(torch.zeros(4, n_columns), torch.zeros(4, n_columns))
