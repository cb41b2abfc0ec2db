"""Learning-rate schedules rise to their peak and end on time."""

import math

import pytest
import torch

from sphereskl.training import SCHEDULES, make_schedule


def _optimizer(lr=2.0, groups=1):
    parameters = [{"params": [torch.zeros(1, requires_grad=True)]} for _ in range(groups)]
    return torch.optim.AdamW(parameters, lr=lr)


def _learning_rates(name, n_steps, optimizer=None):
    optimizer = _optimizer() if optimizer is None else optimizer
    schedule = make_schedule(name, optimizer, 2.0, n_steps)
    rates = []
    for _ in range(n_steps):
        rates.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        if schedule is not None:
            schedule.step()
    return torch.tensor(rates, dtype=torch.float64).squeeze(1)


def test_constant_needs_no_schedule():
    assert make_schedule("constant", _optimizer(), 2.0, 100) is None
    assert (_learning_rates("constant", 10) == 2).all()


@pytest.mark.parametrize("name", ["one_cycle", "cosine"])
@pytest.mark.parametrize("n_steps", [10, 100, 1000])
def test_peak_is_the_learning_rate(n_steps, name):
    assert _learning_rates(name, n_steps).max().item() == pytest.approx(2.0)


@pytest.mark.parametrize("name", ["one_cycle", "cosine"])
@pytest.mark.parametrize("n_steps", [10, 100, 1000])
def test_rates_rise_once_and_fall_once(n_steps, name):
    rates = _learning_rates(name, n_steps)
    peak = int(rates.argmax())
    assert (rates[: peak + 1].diff() > 0).all()
    assert (rates[peak:].diff() < 0).all()


@pytest.mark.parametrize("n_steps", [10, 100, 1000])
def test_one_cycle_has_the_published_shape(n_steps):
    # Smith and Topin 2019, in torch's parameters: lr/25 up to lr at 30 %, then nearly to 0.
    rates = _learning_rates("one_cycle", n_steps)
    assert rates[0].item() == pytest.approx(2.0 / 25)
    assert int(rates.argmax()) == pytest.approx(0.3 * n_steps - 1)
    assert rates[-1].item() == pytest.approx(2.0 / 25 / 1e4)


@pytest.mark.parametrize("n_steps", [20, 100, 1000])
def test_cosine_has_the_published_shape(n_steps):
    # Loshchilov and Hutter 2017, after a linear warm-up of 5 %.
    rates = _learning_rates("cosine", n_steps)
    n_warm_up = n_steps // 20
    step = torch.arange(n_steps, dtype=torch.float64)
    warm_up = (step + 1) / (n_warm_up + 1)
    decay = (1 + torch.cos(math.pi * (step - n_warm_up) / (n_steps - n_warm_up))) / 2
    torch.testing.assert_close(rates, 2 * torch.where(step < n_warm_up, warm_up, decay))


def test_step_has_the_published_shape():
    # Liu et al. 2017: a tenth after 34,000 and 54,000 of 64,000 steps.
    rates = _learning_rates("step", 640)
    expected = torch.tensor([2.0] * 340 + [0.2] * 200 + [0.02] * 100, dtype=torch.float64)
    torch.testing.assert_close(rates, expected)


@pytest.mark.parametrize("name", ["one_cycle", "cosine", "step"])
@pytest.mark.parametrize("n_steps", [2, 3, 4, 5, 7])
def test_short_trainings_have_a_positive_rate_throughout(n_steps, name):
    rates = _learning_rates(name, n_steps)
    assert (rates > 0).all()
    assert (rates <= 2.0 + 1e-12).all()


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_single_step_is_taken_at_the_learning_rate(name):
    assert _learning_rates(name, 1).item() == 2.0


@pytest.mark.parametrize("name", ["one_cycle", "cosine", "step"])
def test_groups_move_together(name):
    rates = _learning_rates(name, 50, _optimizer(groups=2))
    assert torch.equal(rates[:, 0], rates[:, 1])


def test_momentum_is_left_alone():
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=2.0, momentum=0.9)
    make_schedule("one_cycle", optimizer, 2.0, 10)
    assert optimizer.param_groups[0]["momentum"] == 0.9


@pytest.mark.parametrize("before", SCHEDULES)
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_used_optimizer_makes_no_difference(name, before):
    # Training goes on after a schedule has ended: at the rate asked for, not at its last.
    used = _optimizer()
    _learning_rates(before, 10, used)
    torch.testing.assert_close(_learning_rates(name, 10, used), _learning_rates(name, 10))


@pytest.mark.parametrize("name", SCHEDULES)
def test_groups_with_a_peak_of_their_own_follow_at_a_distance(name):
    optimizer = _optimizer(groups=2)
    optimizer.param_groups[1]["peak_lr"] = 0.02  # of 2
    rates = _learning_rates(name, 40, optimizer)
    torch.testing.assert_close(rates[:, 1], 0.01 * rates[:, 0])


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match=r"name must be one of .*cosine.*, got 'linear'\."):
        make_schedule("linear", _optimizer(), 2.0, 10)
