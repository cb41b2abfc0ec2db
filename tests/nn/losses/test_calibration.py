"""The fitted scale is the one that explains the labels."""

import math

import pytest
import torch

from sphereskl.geometry import simplex
from sphereskl.nn import fit_scale, log_probabilities, separating_scale
from sphereskl.nn.losses import _calibration
from sphereskl.nn.losses._calibration import _root


def _labelled(scale, n_samples, n_classes=4):
    # Labels drawn from softmax(scale * cosines), by the Gumbel-max trick.
    generator = torch.Generator().manual_seed(0)
    cosines = 2 * torch.rand(n_samples, n_classes, generator=generator, dtype=torch.float64) - 1
    uniform = torch.rand(n_samples, n_classes, generator=generator, dtype=torch.float64)
    return cosines, (scale * cosines - (-uniform.log()).log()).argmax(dim=1)


def _objective(scale, cosines, target, expected):
    nll = torch.nn.functional.cross_entropy(scale * cosines, target, reduction="sum").item()
    return nll + math.log(scale / expected) ** 2 / 2


@pytest.mark.parametrize("scale", [0.5, 4.0, 16.0])
def test_scale_behind_the_labels_is_recovered(scale):
    cosines, target = _labelled(scale, 20_000)
    assert fit_scale(cosines, target, expected=4.0) == pytest.approx(scale, rel=0.04, abs=0.05)


@pytest.mark.parametrize("n_samples", [1, 10, 300])
@pytest.mark.parametrize("expected", [1.0, 6.0])
def test_scale_minimises_the_documented_objective(expected, n_samples):
    cosines, target = _labelled(8.0, n_samples)
    found = fit_scale(cosines, target, expected=expected)
    grid = [expected * math.exp(step / 100) for step in range(-690, 691)]
    lowest = min(_objective(scale, cosines, target, expected) for scale in grid)
    assert _objective(found, cosines, target, expected) <= lowest + 1e-9


def test_without_information_the_expected_scale_is_kept():
    assert fit_scale(torch.zeros(50, 3), torch.zeros(50).long(), expected=6.0) == pytest.approx(6.0)


@pytest.mark.parametrize("factor", [1e-6, 3.0, 1e6])
def test_only_ratios_of_weights_matter(factor):
    cosines, target = _labelled(8.0, 100)
    weight = torch.rand(100, generator=torch.Generator().manual_seed(1))
    found = fit_scale(cosines, target, factor * weight, expected=4.0)
    assert found == pytest.approx(fit_scale(cosines, target, weight, expected=4.0), rel=1e-6)


def test_weights_are_repetitions_of_distinct_rows():
    cosines, target = _labelled(8.0, 60)
    weight = torch.tensor([1, 2, 3] * 20)
    rows = torch.arange(60).repeat_interleave(weight)
    weighted = fit_scale(cosines, target, weight, expected=4.0)
    repeated = fit_scale(cosines[rows], target[rows], expected=4.0, n_distinct=60)
    assert repeated == pytest.approx(weighted, rel=1e-9)


def test_rows_of_weight_zero_do_not_count():
    cosines, target = _labelled(8.0, 60)
    weight = torch.arange(60) < 40
    found = fit_scale(cosines, target, weight, expected=4.0, n_distinct=40)
    assert found == pytest.approx(fit_scale(cosines[:40], target[:40], expected=4.0), rel=1e-9)


def test_order_of_rows_does_not_matter():
    cosines, target = _labelled(8.0, 100)
    found = fit_scale(cosines.flip(0), target.flip(0), expected=4.0)
    assert found == pytest.approx(fit_scale(cosines, target, expected=4.0), rel=1e-9)


@pytest.mark.parametrize("expected", [1e-2, 1.0, 10.0])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_scale_is_finite_and_positive_under_perfect_separation(sign, expected):
    rows, target = sign * torch.eye(3).repeat(100, 1), torch.arange(3).repeat(100)
    found = fit_scale(rows, target, expected=expected)
    assert 1e-3 <= found / expected <= 1e3
    assert (found > expected) == (sign > 0)


@pytest.mark.parametrize(("sign", "expected", "factor"), [(1.0, 1e-4, 1e3), (-1.0, 1e4, 1e-3)])
def test_scale_ends_at_a_thousand_times_the_expected_one(sign, expected, factor):
    rows, target = sign * torch.eye(3).repeat(100, 1), torch.arange(3).repeat(100)
    assert fit_scale(rows, target, expected=expected) == pytest.approx(factor * expected)


# Increasing, with their root at 0. Pure false position keeps an end of the second and the third for
# ever; rounding leaves no zero in the last.
SLOPES = {
    "line": lambda x: 2 * x,
    "exponential": lambda x: math.expm1(3 * x),
    "flattening": lambda x: -0.3 * math.expm1(-x),
    "saturated": lambda x: math.tanh(5 * x),
    "jump": lambda x: math.expm1(x) + math.copysign(1e-12, x),
}


@pytest.mark.parametrize("root", [-2.5, -0.3, 0.0, 1.7])
@pytest.mark.parametrize("slope", SLOPES.values(), ids=SLOPES.keys())
def test_a_root_is_found_in_few_evaluations(slope, root):
    seen = []

    def shifted(x):
        seen.append(x)
        return slope(x - root)

    assert _root(shifted, 0.0) == pytest.approx(root, abs=1e-8)
    # Bisection needs as many.
    assert len(seen) <= math.log2(6 / 1e-9)


@pytest.mark.parametrize("distance", [-1.1, -1.0, -0.99, 0.99, 1.0, 1.1])
def test_an_end_is_returned_only_if_there_is_no_root_between(distance):
    found = _root(lambda x: x - 2.0 - distance * math.log(1e3), 2.0)
    assert found == pytest.approx(2.0 + min(max(distance, -1.0), 1.0) * math.log(1e3), abs=1e-9)


def test_a_root_close_to_the_start_is_found_in_half_as_many_evaluations():
    seen = []

    def slope(x):
        seen.append(x)
        return math.expm1(3 * (x - 0.4))

    assert _root(slope, 0.0) == pytest.approx(0.4, abs=1e-8)
    assert len(seen) <= 14  # 41 between a thousandth and a thousand times the start


def test_separation_counts_for_more_the_more_rows_show_it():
    few, many = (
        fit_scale(torch.eye(3).repeat(n, 1), torch.arange(3).repeat(n), expected=4.0)
        for n in (2, 200)
    )
    assert 4 < few < many


def test_float32_cosines_are_enough():
    cosines, target = _labelled(8.0, 100)
    found = fit_scale(cosines.float(), target, expected=4.0)
    assert found == pytest.approx(fit_scale(cosines, target, expected=4.0), rel=1e-5)


@pytest.mark.parametrize("probability", [0.6, 0.9, 0.99])
@pytest.mark.parametrize("n_prototypes", [2, 3, 10, 100])
def test_separating_scale_gives_the_probability_at_a_prototype(n_prototypes, probability):
    cosines = simplex(n_prototypes) @ simplex(n_prototypes)[0]
    scale = separating_scale(n_prototypes, probability)
    assert torch.softmax(scale * cosines, dim=0)[0].item() == pytest.approx(probability)


@pytest.mark.parametrize(("n_prototypes", "scale"), [(2, 2.3), (3, 3.5), (10, 6.1), (100, 9.1)])
def test_separating_scale_of_the_published_table(n_prototypes, scale):
    # s = ln(99 (K - 1)) (K - 1) / K.
    assert separating_scale(n_prototypes) == pytest.approx(scale, abs=0.05)


def test_without_smoothing_probabilities_are_a_softmax():
    cosines, _ = _labelled(4.0, 50)
    found = log_probabilities(cosines, 4.0)
    torch.testing.assert_close(found, torch.log_softmax(4.0 * cosines, dim=1))


@pytest.mark.parametrize("smoothing", [1e-3, 0.1, 0.9])
@pytest.mark.parametrize("scale", [1e-2, 5.0, 1e3])
def test_unsmoothed_probabilities_sum_to_one_are_finite_and_keep_their_order(scale, smoothing):
    cosines, _ = _labelled(4.0, 50)
    found = log_probabilities(cosines, scale, smoothing)
    assert found.isfinite().all()
    torch.testing.assert_close(found.exp().sum(dim=1), torch.ones(50, dtype=torch.float64))
    assert torch.equal(found.argmax(dim=1), cosines.argmax(dim=1))


@pytest.mark.parametrize("smoothing", [0.05, 0.3])
def test_what_smoothing_mixed_is_unmixed(smoothing):
    p = torch.tensor([[0.7, 0.2, 0.1], [0.4, 0.35, 0.25]], dtype=torch.float64)
    q = (1 - smoothing) * p + smoothing / 3
    # A softplus stands for the difference, and is the line itself from some shares on.
    found = log_probabilities(q.log(), 1.0, smoothing).exp()
    torch.testing.assert_close(found, p, atol=5e-3, rtol=0)


def test_the_scale_behind_smoothed_labels_is_recovered():
    cosines, _ = _labelled(4.0, 20_000)
    p = log_probabilities(cosines, 6.0, 0.1).exp()
    target = torch.multinomial(p, 1, generator=torch.Generator().manual_seed(1))[:, 0]
    found = fit_scale(cosines, target, expected=4.0, label_smoothing=0.1)
    assert found == pytest.approx(6.0, rel=0.04)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 0.5])
def test_the_scale_is_where_the_slope_of_its_objective_vanishes(label_smoothing):
    generator = torch.Generator().manual_seed(0)
    logits = torch.rand(60, 4, generator=generator).double() * 2 - 1
    target = (logits + 0.3 * torch.randn(60, 4, generator=generator)).argmax(dim=1)
    weight = torch.rand(60, generator=generator).double()
    options = {"expected": 5.0, "label_smoothing": label_smoothing}
    scale = fit_scale(logits, target, weight, **options)
    x = torch.tensor(math.log(scale), dtype=torch.float64, requires_grad=True)
    log_p = log_probabilities(logits, x.exp(), label_smoothing).gather(1, target[:, None])[:, 0]
    objective = (x - math.log(5.0)).square() / 2 - 60 * (weight / weight.sum()) @ log_p
    assert torch.autograd.grad(objective, x)[0].abs() < 1e-6


def test_a_root_that_is_not_reached_is_the_last_estimate(monkeypatch):
    seen = []

    def slope(x):
        seen.append(x)
        return math.expm1(3 * x)

    monkeypatch.setattr(_calibration, "_MOST_STEPS", 3)
    found = _root(slope, -3.0)
    assert found == seen[-1]
    assert len(seen) == 2 + 5 + 3  # ends, steps outwards to -0.75 and 3.75, and steps between
    assert abs(found) < 0.75  # closer to the root, 0, than both ends
