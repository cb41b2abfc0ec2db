"""Regularisers have the values of plain loops, their floors and their invariances."""

import math
import pickle
from itertools import combinations

import pytest
import torch

from sphereskl.geometry import sample_uniform, simplex
from sphereskl.nn import (
    Regularizer,
    SphereConv1d,
    SphereConv2d,
    SphereLinear,
    filter_energy,
    orthogonality,
)

KINDS = ["half_space_mhe", "mhe", "orthogonal"]
kinds = pytest.mark.parametrize("kind", KINDS)
powers = pytest.mark.parametrize("power", [0, 1, 2])
halves = pytest.mark.parametrize("half_space", [False, True], ids=["full", "half"])


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


def _filters(n_filters=6, fan_in=9, seed=0):
    return torch.randn(n_filters, fan_in, generator=_generator(seed), dtype=torch.float64)


def _orthonormal(n_filters=6, fan_in=9):
    return torch.linalg.qr(_filters(fan_in, n_filters)).Q.T


def _rotation(dim=9):
    return torch.linalg.qr(_filters(dim, dim, seed=1)).Q


def _angular_layer(weight):
    layer = torch.nn.Module()
    layer.weight, layer.operator = torch.nn.Parameter(weight), "cosine"
    return layer


@pytest.mark.parametrize("exact", [False, True])
def test_orthogonality_agrees_with_a_double_loop(exact):
    # 2e-4 l2_loss(W'W - I) of the official program is 1e-4 of this.
    rows = _filters().tolist()
    expected = sum(
        (sum(a * b for a, b in zip(u, v, strict=True)) - (i == j)) ** 2
        for i, u in enumerate(rows)
        for j, v in enumerate(rows)
    )
    assert orthogonality(_filters(), exact=exact).item() == pytest.approx(expected)


@pytest.mark.parametrize("n_filters", [1, 4, 9])
def test_orthonormal_filters_have_no_penalty(n_filters):
    assert orthogonality(_orthonormal(n_filters)) < 1e-25


@pytest.mark.parametrize(("n_filters", "fan_in"), [(3, 2), (8, 3), (128, 27)])
def test_published_form_has_a_floor_that_tight_frames_attain(n_filters, fan_in):
    # Where n > d: n - d, e.g. 0.0101 of 1e-4 for the first layer of 27 -> 128.
    frame = _orthonormal(fan_in, n_filters).T
    assert orthogonality(frame, exact=True).item() == pytest.approx(n_filters - fan_in)
    any_filters = _filters(n_filters, fan_in) / fan_in**0.5
    assert orthogonality(any_filters, exact=True) > n_filters - fan_in


@pytest.mark.parametrize(("n_filters", "fan_in"), [(3, 2), (8, 3), (128, 27)])
def test_tight_frames_of_unit_mean_square_have_no_penalty(n_filters, fan_in):
    frame = math.sqrt(n_filters / fan_in) * _orthonormal(fan_in, n_filters).T
    assert frame.square().sum(dim=1).mean().item() == pytest.approx(1)
    assert orthogonality(frame) < 1e-22


def test_simplex_is_a_tight_frame():
    assert orthogonality(simplex(4, 3)) < 1e-25


@pytest.mark.parametrize("n_filters", [5, 7])
def test_forms_for_few_and_many_filters_differ_by_known_terms(n_filters):
    # |W'W - a I|^2 = |WW' - I|^2 - 2 (a - 1) |W|^2 + a^2 d - n with a = n / d.
    w = _filters(n_filters, 5)
    level = n_filters / 5
    expected = orthogonality(w, exact=True) - 2 * (level - 1) * w.square().sum()
    torch.testing.assert_close(orthogonality(w), expected + 5 * level**2 - n_filters)


@pytest.mark.parametrize("scale", [0.5, 2.0])
@pytest.mark.parametrize(("n_filters", "fan_in"), [(6, 9), (9, 6)])
def test_orthogonality_pulls_norms_towards_one(n_filters, fan_in, scale):
    size = min(n_filters, fan_in)
    frame = _orthonormal(size, max(n_filters, fan_in))
    frame = frame if n_filters <= fan_in else math.sqrt(n_filters / fan_in) * frame.T
    w = (scale * frame).requires_grad_()
    penalty = orthogonality(w)
    level = max(1.0, n_filters / fan_in)
    assert penalty.item() == pytest.approx(size * (level * (scale**2 - 1)) ** 2)
    growth = (torch.autograd.grad(penalty, w)[0] * w).sum()
    assert torch.sign(growth) == math.copysign(1, scale - 1)


def _chord_energy(u, v, power):
    squared = (u / u.norm() - v / v.norm()).square().sum().item()
    return -math.log(squared) / 2 if power == 0 else squared ** (-power / 2)


@halves
@powers
@pytest.mark.parametrize(("n_filters", "fan_in"), [(2, 3), (6, 9), (9, 4)])
def test_energy_agrees_with_a_double_loop(n_filters, fan_in, power, half_space):
    w = _filters(n_filters, fan_in)
    rows = torch.cat([w, -w]) if half_space else w
    energies = [_chord_energy(u, v, power) for u, v in combinations(rows, 2)]
    found = filter_energy(w, power, half_space=half_space).item()
    assert found == pytest.approx(sum(energies) / len(energies))


@halves
def test_energies_of_several_layers_at_once_are_those_of_each(half_space):
    w = _filters(24, 5).view(2, 3, 4, 5)
    found = filter_energy(w, half_space=half_space).flatten()
    expected = [filter_energy(layer, half_space=half_space) for layer in w.flatten(0, 1)]
    torch.testing.assert_close(found, torch.stack(expected))


@pytest.mark.parametrize(("n_filters", "fan_in"), [(4, 5), (5, 4)])
def test_orthogonality_of_several_layers_at_once_is_that_of_each(n_filters, fan_in):
    w = _filters(6 * n_filters, fan_in).view(2, 3, n_filters, fan_in)
    expected = [orthogonality(layer) for layer in w.flatten(0, 1)]
    torch.testing.assert_close(orthogonality(w).flatten(), torch.stack(expected))


@halves
@powers
def test_energy_knows_directions_only(power, half_space):
    w = _filters()
    lengths = torch.linspace(0.1, 10, 6, dtype=torch.float64)[:, None]
    found = filter_energy(lengths * w @ _rotation(), power, half_space=half_space)
    expected = filter_energy(w, power, half_space=half_space)
    torch.testing.assert_close(found, expected)


@powers
def test_energy_in_half_space_does_not_see_signs(power):
    w, signs = _filters(), torch.tensor([1.0, -1, 1, -1, -1, 1])[:, None]
    torch.testing.assert_close(filter_energy(signs * w, power), filter_energy(w, power))
    full = filter_energy(w, power, half_space=False)
    assert filter_energy(signs * w, power, half_space=False) != full


@powers
def test_simplex_has_the_least_energy(power):
    best = filter_energy(simplex(5, 4), power, half_space=False)
    drawn = sample_uniform(500, 4, generator=_generator()).view(100, 5, 4)
    assert filter_energy(drawn, power, half_space=False).min() > best


@powers
def test_orthonormal_filters_have_the_least_energy_in_half_space(power):
    best = filter_energy(torch.eye(4, dtype=torch.float64), power)
    drawn = sample_uniform(400, 4, generator=_generator()).view(100, 4, 4)
    assert filter_energy(drawn, power).min() > best


@halves
@powers
@pytest.mark.parametrize("other", [[1.0, 0.0], [-1.0, 0.0], [1.0, 1e-4], [0.0, 0.0]])
def test_filters_that_meet_have_finite_energy_and_gradient(other, power, half_space):
    w = torch.tensor([[1.0, 0.0], other], requires_grad=True)
    energy = filter_energy(w, power, half_space=half_space)
    energy.backward()
    assert energy.isfinite()
    assert w.grad.isfinite().all()


@powers
@pytest.mark.parametrize("distance", [0.001, 0.005, 0.009, 0.011, 0.1])
def test_filters_repel_each_other_however_close_they_are(distance, power):
    # A clamp would let go of them.
    theta = torch.tensor(distance, dtype=torch.float64, requires_grad=True)
    w = torch.stack([torch.ones_like(theta), 0 * theta, theta.cos(), theta.sin()]).view(2, 2)
    filter_energy(w, power, half_space=False).backward()
    assert theta.grad < 0


@powers
def test_energy_is_smooth_where_its_tangent_begins(power):
    # Either side of a chord of 0.01.
    theta = 2 * math.asin(0.005) + torch.tensor([-1e-9, 1e-9], dtype=torch.float64)
    rows = torch.stack([theta.cos(), theta.sin()], dim=1).requires_grad_()
    pairs = torch.stack([torch.eye(2, dtype=torch.float64)[[0, 0]], rows], dim=1)
    energy = filter_energy(pairs, power, half_space=False)
    gradient = torch.autograd.grad(energy.sum(), rows)[0]
    torch.testing.assert_close(energy[0], energy[1], rtol=1e-6, atol=0)
    torch.testing.assert_close(gradient[0], gradient[1], rtol=1e-5, atol=1e-6)


@halves
@powers
def test_energy_has_the_gradient_of_finite_differences(power, half_space):
    def energy(w):
        return filter_energy(w, power, half_space=half_space)

    assert torch.autograd.gradcheck(energy, _filters().requires_grad_())


@pytest.mark.parametrize(("n_filters", "fan_in"), [(6, 9), (9, 6)])
def test_orthogonality_has_the_gradient_of_finite_differences(n_filters, fan_in):
    w = _filters(n_filters, fan_in).requires_grad_()
    assert torch.autograd.gradcheck(orthogonality, w)


def test_a_single_filter_has_no_pair():
    assert filter_energy(_filters(1), half_space=False) == 0
    assert filter_energy(_filters(1)) == 0.25  # with its own negative, at distance 2


def test_unknown_power_is_named():
    with pytest.raises(ValueError, match="power must be 0, 1 or 2, got 3"):
        filter_energy(_filters(), 3)


@pytest.mark.parametrize(
    ("kind", "strength", "penalty"),
    [
        ("orthogonal", 1e-4, orthogonality),
        ("mhe", 1.0, lambda w: filter_energy(w, half_space=False)),
        ("half_space_mhe", 1.0, filter_energy),
    ],
)
def test_regularizer_sums_over_layers_with_the_strength_of_the_authors(kind, strength, penalty):
    model = torch.nn.Sequential(_angular_layer(_filters()), _angular_layer(_filters(4, 3)))
    expected = strength * (penalty(_filters()) + penalty(_filters(4, 3)))
    torch.testing.assert_close(Regularizer(kind)(model), expected)


def test_the_published_form_is_a_choice():
    # More filters than inputs: only there do the two forms differ.
    layer, filters = _angular_layer(_filters(6, 3)), _filters(6, 3)
    exact = Regularizer("orthogonal", 1.0, exact=True)(layer)
    torch.testing.assert_close(exact, orthogonality(filters, exact=True))
    assert exact > Regularizer("orthogonal", 1.0)(layer) + 2.9


@pytest.mark.parametrize(
    "layer",
    [
        SphereConv1d(3, 6, 3),
        SphereConv2d(2, 6, 3, operator="cosine"),
        SphereConv2d(2, 6, 3, learn_k="channel", magnitude="tanh"),
        SphereLinear(9, 6),
        SphereLinear(9, 6, lift=True),
    ],
    ids=["conv1d", "conv2d", "learned", "linear", "lifted"],
)
@kinds
def test_sphere_layers_are_found_once_with_all_their_inputs(kind, layer):
    model = torch.nn.Sequential(layer, torch.nn.Linear(6, 6))
    filters = _angular_layer(layer.weight.detach().flatten(1))
    torch.testing.assert_close(Regularizer(kind)(model), Regularizer(kind)(filters))
    found = Regularizer(kind, layers="all")(model) - Regularizer(kind, layers="all")(model[1])
    torch.testing.assert_close(found, Regularizer(kind)(filters), rtol=1e-5, atol=1e-6)


def _mixed_model():
    conv = torch.nn.Conv2d(2, 6, 3).double()
    norm = torch.nn.BatchNorm2d(6).double()
    return torch.nn.Sequential(_angular_layer(_filters()), conv, norm)


@kinds
def test_ordinary_layers_are_included_if_asked(kind):
    model = _mixed_model()
    ordinary = _angular_layer(model[1].weight.detach())
    both = Regularizer(kind)(torch.nn.Sequential(model[0], ordinary))
    torch.testing.assert_close(Regularizer(kind, layers="all")(model), both)
    torch.testing.assert_close(Regularizer(kind)(model), Regularizer(kind)(model[0]))


@kinds
def test_strength_multiplies_the_penalty(kind):
    weak, strong = Regularizer(kind, 0.5)(_mixed_model()), Regularizer(kind, 2.0)(_mixed_model())
    torch.testing.assert_close(strong, 4 * weak)


@kinds
def test_a_strength_of_zero_is_no_penalty(kind):
    assert Regularizer(kind, 0.0)(_mixed_model()) == 0


@kinds
def test_groups_of_a_convolution_are_not_compared(kind):
    grouped = torch.nn.Conv2d(4, 6, 3, groups=2).double()
    halves = [_angular_layer(part.detach()) for part in grouped.weight.chunk(2)]
    total = sum(Regularizer(kind)(half) for half in halves)
    expected = total if kind == "orthogonal" else total / 2
    torch.testing.assert_close(Regularizer(kind, layers="all")(grouped), expected)


@kinds
def test_descent_on_the_penalty_alone_spreads_the_filters(kind):
    layer = _angular_layer(_filters(4, 4))
    adam = torch.optim.Adam(layer.parameters(), lr=0.02)
    regularizer = Regularizer(kind, 1.0)
    first = regularizer(layer).item()
    for _ in range(200):
        adam.zero_grad()
        regularizer(layer).backward()
        adam.step()
    unit = torch.nn.functional.normalize(layer.weight.detach())
    assert regularizer(layer) < first
    assert (unit @ unit.T).triu(1).max() < 0.1


@kinds
def test_regularizers_can_be_pickled_and_compared(kind):
    regularizer = Regularizer(kind, 0.1)
    assert pickle.loads(pickle.dumps(regularizer)) == regularizer


def test_a_model_without_sphere_layers_is_an_error():
    with pytest.raises(ValueError, match=r"Linear has no layers.*layers='all'"):
        Regularizer("mhe")(torch.nn.Linear(3, 2))


def test_a_model_without_any_layers_is_an_error():
    with pytest.raises(ValueError, match="ReLU has no layers"):
        Regularizer("mhe", layers="all")(torch.nn.ReLU())


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (("ortho",), "kind must be one of .* got 'ortho'"),
        (("mhe", -1.0), "strength must be .* got -1.0"),
        (("mhe", math.inf), "strength must be .* got inf"),
        (("mhe", 1.0, "conv"), "layers must be .* got 'conv'"),
        (("mhe", 1.0, "all", True), "exact=True belongs to kind='orthogonal', got 'mhe'"),
    ],
)
def test_values_out_of_range_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        Regularizer(*parameters)
