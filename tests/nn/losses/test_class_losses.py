"""Losses obey the identities, limits and consistency results of their papers."""

import math

import pytest
import torch

from sphereskl.geometry import alignment, cosines, normalize, orthoplex, sample_uniform, simplex
from sphereskl.nn import LOSSES, cosine_distance, cross_entropy, squared_cosine

E1 = torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64)


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


def _cosines(n_samples=12, n_prototypes=4, seed=0, dtype=torch.float64):
    z = sample_uniform(n_samples, 5, generator=_generator(seed), dtype=dtype)
    return cosines(z, simplex(n_prototypes, 5).to(dtype))


def _target(n_samples=12, n_prototypes=4):
    return torch.randint(n_prototypes, (n_samples,), generator=_generator(1))


def _gradient(loss, z, prototypes, target):
    z = z.clone().requires_grad_()
    loss(cosines(normalize(z), prototypes), target).backward()
    return z.grad


def test_gradient_of_squared_cosine_is_the_published_one():
    # Mettes et al. 2019, equation 1: dL/dz = 2 (1 - c) (c z / |z|^2 - p / |z|).
    z = torch.randn(1, 3, generator=_generator(), dtype=torch.float64) * 5
    length, c = z.norm(), (z @ E1.T) / z.norm()
    expected = 2 * (1 - c) * (c * z / length**2 - E1 / length)
    found = _gradient(squared_cosine, z, E1, torch.tensor([0]))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ["cosine", "cross_entropy", "squared_cosine"])
def test_gradient_of_a_loss_of_cosines_is_tangent(name):
    z = torch.randn(20, 5, generator=_generator(), dtype=torch.float64)
    gradient = _gradient(LOSSES[name], z, simplex(4, 5), _target(20))
    assert (z * gradient).sum(dim=1).abs().max() < 1e-15


def _squared_cosine_pull(theta, length):
    rows = [theta.cos(), theta.sin(), torch.zeros_like(theta)]
    z = length * torch.stack(rows, dim=1)
    target = torch.zeros(len(z), dtype=torch.int64)
    return len(z) * _gradient(squared_cosine, z, E1, target).norm(dim=1)


@pytest.mark.parametrize("length", [0.5, 1.0, 7.0])
def test_pull_of_squared_cosine_follows_its_angle(length):
    # |grad| = 2 (1 - cos theta) sin theta / |z|.
    theta = torch.linspace(0, math.pi, 100, dtype=torch.float64)
    expected = 2 * (1 - theta.cos()) * theta.sin() / length
    torch.testing.assert_close(
        _squared_cosine_pull(theta, length), expected, rtol=1e-12, atol=1e-14
    )


def test_pull_of_squared_cosine_is_largest_at_120_degrees():
    theta = torch.deg2rad(torch.arange(100, 140, 0.005, dtype=torch.float64))
    pull = _squared_cosine_pull(theta, 1.0)
    assert math.degrees(theta[pull.argmax()]) == pytest.approx(120, abs=0.01)
    assert pull.max().item() == pytest.approx(1.5 * math.sqrt(3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("length", [0.0, 1e-30, -1.0, 1.0], ids=["zero", "tiny", "anti", "aligned"])
@pytest.mark.parametrize("name", sorted(LOSSES))
def test_limits_have_finite_loss_and_gradient(name, length, dtype):
    # The official code has gradients of 2e9 at a zero embedding.
    z = (length * E1).to(dtype).requires_grad_()
    prototypes = torch.cat([E1, -E1]).to(dtype)
    loss = LOSSES[name](cosines(normalize(z), prototypes), torch.tensor([0]))
    loss.backward()
    assert loss.isfinite()
    assert z.grad.abs().max() <= 4


def test_squared_cosine_is_twice_the_dot_regression_loss():
    # Yang et al. 2022 with unit lengths: (w_y . h - 1)^2 / 2.
    z = sample_uniform(12, 5, generator=_generator())
    own = simplex(4, 5)[_target()]
    dot_regression = (torch.einsum("nd,nd->n", own, z) - 1).square() / 2
    expected = 2 * dot_regression.mean()
    torch.testing.assert_close(squared_cosine(_cosines(), _target()), expected)


def test_cosine_is_half_the_squared_alignment():
    # Wang and Isola 2020: |x - y|^2 = 2 (1 - c).
    z = sample_uniform(12, 5, generator=_generator())
    expected = alignment(z, simplex(4, 5)[_target()], alpha=2) / 2
    torch.testing.assert_close(cosine_distance(_cosines(), _target()), expected)


@pytest.mark.parametrize(("z_length", "prototype_length"), [(1.0, 1.0), (3.0, 3.0), (2.0, 4.0)])
def test_cross_entropy_is_proxy_nca_with_the_positive(z_length, prototype_length):
    # Movshovitz-Attias et al. 2017 on spheres of these radii: scale = 2 s_x s_p.
    z = z_length * sample_uniform(12, 5, generator=_generator())
    distances = torch.cdist(z, prototype_length * simplex(4, 5)).square()
    expected = -torch.log_softmax(-distances, dim=1)[torch.arange(12), _target()].mean()
    found = cross_entropy(_cosines(), _target(), scale=2 * z_length * prototype_length)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("scale", [0.5, 8.0, 64.0])
def test_cross_entropy_agrees_with_the_softmax_in_float64(scale):
    probabilities = torch.softmax(scale * _cosines(), dim=1)
    expected = -probabilities[torch.arange(12), _target()].log().mean()
    torch.testing.assert_close(cross_entropy(_cosines(), _target(), scale=scale), expected)


@pytest.mark.parametrize("gap", [60.0, 90.0, 500.0])
def test_cross_entropy_does_not_saturate(gap):
    # log(softmax(x) + eps) stops at 15.94 and loses its gradient of 1 there.
    row = torch.tensor([[0.0, gap]], requires_grad=True)
    wrong, right = (cross_entropy(row, torch.tensor([own])) for own in (0, 1))
    wrong.backward()
    assert wrong.item() == pytest.approx(gap)
    assert right.item() == pytest.approx(math.log1p(math.exp(-gap)), abs=1e-7)
    torch.testing.assert_close(row.grad, torch.tensor([[-1.0, 1.0]]))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_label_smoothing_spreads_the_target(smoothing):
    # Szegedy et al. 2016, section 7: q = (1 - eps) onehot + eps / K.
    rows = 8 * _cosines()
    q = (1 - smoothing) * torch.eye(4, dtype=torch.float64)[_target()] + smoothing / 4
    expected = -(q * torch.log_softmax(rows, dim=1)).sum(dim=1).mean()
    found = cross_entropy(rows, _target(), label_smoothing=smoothing)
    torch.testing.assert_close(found, expected)


def test_free_norms_are_cross_entropy_at_scale_one():
    rows = 5 * _cosines()
    expected = cross_entropy(rows, _target(), scale=1.0)
    assert torch.equal(LOSSES["logits"](rows, _target()), expected)


def test_gradient_of_a_learned_scale():
    # d/ds CE = E_softmax[c] - c_y.
    scale = torch.tensor(8.0, dtype=torch.float64, requires_grad=True)
    c = _cosines()
    cross_entropy(c, _target(), scale=scale).backward()
    mean = (torch.softmax(8 * c, dim=1) * c).sum(dim=1)
    torch.testing.assert_close(scale.grad, (mean - c[torch.arange(12), _target()]).mean())


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_weights_of_mean_one_are_repetitions(name):
    weight = torch.tensor([0.0, 1.0, 2.0, 3.0] * 3, dtype=torch.float64)
    repeated = torch.arange(12).repeat_interleave(weight.long())
    weighted = LOSSES[name](_cosines(), _target(), weight / weight.mean())
    expected = LOSSES[name](_cosines()[repeated], _target()[repeated])
    torch.testing.assert_close(weighted, expected)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_unit_weights_are_no_weights(name):
    found = LOSSES[name](_cosines(), _target(), torch.ones(12, dtype=torch.float64))
    torch.testing.assert_close(found, LOSSES[name](_cosines(), _target()))


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_losses_ignore_the_order_of_rows(name):
    order = torch.randperm(12, generator=_generator(2))
    found = LOSSES[name](_cosines()[order], _target()[order])
    torch.testing.assert_close(found, LOSSES[name](_cosines(), _target()))


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_losses_have_the_gradient_of_finite_differences(name):
    def loss(rows):
        return LOSSES[name](rows, _target())

    assert torch.autograd.gradcheck(loss, _cosines().requires_grad_())


def _train(reduction, *, lr, weight_decay, momentum):
    z = torch.randn(16, 5, generator=_generator(), dtype=torch.float64).requires_grad_()
    sgd = torch.optim.SGD([z], lr=lr, weight_decay=weight_decay, momentum=momentum)
    for _ in range(3):
        sgd.zero_grad()
        own = (normalize(z) * simplex(4, 5)[_target(16)]).sum(dim=1)
        reduction(z, own).backward()
        sgd.step()
    return z.detach()


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_published_sum_is_the_mean_with_scaled_steps(momentum):
    # Official code: sum over a batch of B with (lr, wd) = mean with (B lr, wd / B).
    published = _train(
        lambda z, own: (1 - own).square().sum(), lr=0.01, weight_decay=1e-2, momentum=momentum
    )
    ours = _train(
        lambda z, own: squared_cosine(own[:, None], torch.zeros(16, dtype=torch.int64)),
        lr=0.16,
        weight_decay=1e-2 / 16,
        momentum=momentum,
    )
    torch.testing.assert_close(ours, published, rtol=1e-12, atol=1e-14)


def _posteriors(n_prototypes, n_draws=30):
    # Ambiguous ones, but without near-ties for the first place.
    exponential = -torch.rand(n_draws, n_prototypes, generator=_generator()).double().log()
    draws = exponential / exponential.sum(dim=1, keepdim=True)
    top = draws.topk(2, dim=1).values
    return draws[top[:, 0] - top[:, 1] > 0.02]


def _expected_loss(loss, rows, posteriors):
    # Every row once for each class, weighted by the posterior.
    n, k = posteriors.shape
    target = torch.arange(k).repeat(n)
    return loss(rows.repeat_interleave(k, dim=0), target, k * posteriors.flatten())


def _minimisers(loss, prototypes, posteriors, *, free_norm=False):
    # From every prototype: a sharp cross-entropy has local minima on the circle.
    n, k = posteriors.shape
    jitter = torch.randn(k, n, prototypes.shape[1], generator=_generator(), dtype=torch.float64)
    h = (prototypes[:, None] + 0.1 * jitter).flatten(0, 1).requires_grad_()
    lbfgs = torch.optim.LBFGS([h], max_iter=500, line_search_fn="strong_wolfe", tolerance_change=0)

    def project():
        return (h if free_norm else normalize(h)) @ prototypes.T

    def closure():
        lbfgs.zero_grad()
        value = _expected_loss(loss, project(), posteriors.repeat(k, 1))
        value.backward()
        return value

    lbfgs.step(closure)
    with torch.no_grad():
        pairs = zip(project().split(1), posteriors.repeat(k, 1).split(1), strict=True)
        values = torch.stack([_expected_loss(loss, row, posterior) for row, posterior in pairs])
        best = values.view(k, n).argmin(dim=0)
        return normalize(h.view(k, n, -1)[best, torch.arange(n)])


@pytest.mark.parametrize(("n_prototypes", "dim"), [(2, 2), (3, 2), (3, 3), (5, 4), (10, 9)])
@pytest.mark.parametrize("name", sorted(LOSSES))
def test_minimiser_on_a_simplex_ranks_the_most_probable_class_first(name, n_prototypes, dim):
    # Fisher consistency, which every loss has for K <= d + 1.
    prototypes, posteriors = simplex(n_prototypes, dim), _posteriors(n_prototypes)
    options = {"scale": 10.0} if name == "cross_entropy" else {}
    z = _minimisers(
        lambda *a: LOSSES[name](*a, **options), prototypes, posteriors, free_norm=name == "logits"
    )
    assert torch.equal((z @ prototypes.T).argmax(dim=1), posteriors.argmax(dim=1))


def test_minimiser_of_squared_cosine_on_antipodes_is_the_posterior():
    # A Brier score: (1 + c) / 2 = P(class).
    posteriors, prototypes = _posteriors(2), simplex(2, 2)
    z = _minimisers(squared_cosine, prototypes, posteriors)
    torch.testing.assert_close((1 + z @ prototypes.T) / 2, posteriors, rtol=0, atol=1e-4)


def test_minimiser_of_logits_on_a_simplex_is_calibrated():
    # Kasarla et al. 2022: a reparameterised softmax, so its logits give the posterior.
    posteriors, prototypes = _posteriors(3), simplex(3)
    h = (posteriors.log() @ prototypes * 2 / 3).requires_grad_()
    gradient = torch.autograd.grad(_expected_loss(cross_entropy, h @ prototypes.T, posteriors), h)
    torch.testing.assert_close(torch.softmax(h @ prototypes.T, dim=1), posteriors)
    assert gradient[0].abs().max() < 1e-15


@pytest.mark.parametrize(
    ("name", "first"), [("squared_cosine", 1), ("cosine", 0), ("cross_entropy", 0)]
)
def test_squared_cosine_is_not_consistent_on_an_octahedron(name, first):
    # The documented counterexample: K > d + 1, a probable second class opposite to the first.
    posterior = torch.tensor([[0.55, 0.20, 0.0, 0.25, 0.0, 0.0]], dtype=torch.float64)
    z = _minimisers(LOSSES[name], orthoplex(6, 3), posterior)
    assert (z @ orthoplex(6, 3).T).argmax().item() == first
