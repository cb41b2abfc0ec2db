"""The margin comes in as published, and does not go away again."""

import math
import pickle

import pytest
import torch

from sphereskl.nn import Annealing

STEPS = torch.arange(30_000)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_lambda_is_the_published_function_of_the_step(power):
    # SphereFace's margin_inner_product_layer: max(lambda_min, base (1 + gamma iter)^-power).
    found = Annealing(1500, 0.1, power, 5)(torch.tensor(40))
    assert found.item() == pytest.approx(max(5, 1500 * 5.0**-power))


def test_lambda_falls_to_its_least_value():
    lam = Annealing()(STEPS)
    assert lam[0] == 1000
    assert lam.diff().max() <= 0
    assert lam[-1] == 5


def test_defaults_reach_their_least_value_at_the_documented_step():
    assert (Annealing()(STEPS) > 5).sum() == 1659


def test_zero_gamma_is_constant():
    assert (Annealing(lambda_0=7.0, gamma=0.0)(STEPS) == 7).all()


def test_annealing_can_be_pickled_and_compared():
    assert pickle.loads(pickle.dumps(Annealing(gamma=1.0))) == Annealing(gamma=1.0)


@pytest.mark.parametrize("name", ["lambda_0", "gamma", "power", "lambda_min"])
@pytest.mark.parametrize("value", [-1.0, math.inf, math.nan])
def test_values_out_of_range_are_named(value, name):
    with pytest.raises(ValueError, match=rf"{name} must be .*got {value}"):
        Annealing(**{name: value})
