"""Dropout keeps expectations, and its noise to itself."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from sphereskl.nn import Dropout


def _seeded(p=0.5, seed=0):
    layer = Dropout(p)
    layer.seed = seed
    return layer


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_expectation_is_the_input(p):
    # 262,144 inputs; the tolerance is five standard errors.
    y = _seeded(p)(torch.ones(64, 4096))
    assert y.mean().item() == pytest.approx(1, abs=5 * (p / (1 - p)) ** 0.5 / 512)


@pytest.mark.parametrize("p", [0.25, 0.5])
def test_survivors_are_scaled(p):
    y = _seeded(p)(torch.ones(8, 64, dtype=torch.float64))
    assert set(y.unique().tolist()) == {0.0, 1 / (1 - p)}


def test_every_step_draws_anew():
    layer, x = _seeded(), torch.ones(8, 64)
    assert not torch.equal(layer(x), layer(x))


def test_gradient_is_the_mask():
    x = torch.ones(8, 64, requires_grad=True)
    y = _seeded()(x)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


@pytest.mark.parametrize("layer", [Dropout(0.5).eval(), Dropout(0.0)], ids=["eval", "p=0"])
def test_nothing_is_dropped_when_predicting_or_at_p_0(layer):
    x = torch.rand(8, 4, generator=torch.Generator().manual_seed(0))
    assert layer(x) is x


@pytest.mark.parametrize("shape", [(6,), (6, 3), (6, 3, 4, 4), (100, 3)])
def test_shape_and_type_are_kept(shape):
    y = _seeded()(torch.ones(shape, dtype=torch.float64))
    assert (y.shape, y.dtype) == (torch.Size(shape), torch.float64)


def test_forward_leaves_the_global_generator_alone():
    layer, before = Dropout(0.5), torch.random.get_rng_state()
    layer(torch.ones(8, 64))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_noise_is_settled_by_the_global_seed_at_construction():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first = Dropout(0.5)
        torch.manual_seed(0)
        second = Dropout(0.5)
    assert torch.equal(first(torch.ones(8, 64)), second(torch.ones(8, 64)))


def _trained(seed):
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), _seeded(seed=seed), nn.Linear(32, 1))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(generator=generator)
    sgd = torch.optim.SGD(model.parameters(), lr=1e-3)
    x = torch.randn(50, 8, generator=generator)
    for _ in range(30):
        sgd.zero_grad()
        model(x).square().mean().backward()
        sgd.step()
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_models_in_threads_do_not_disturb_each_other():
    expected = [_trained(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(_trained, range(4)))
    assert torch.equal(torch.stack(found), torch.stack(expected))


@pytest.mark.parametrize("transport", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_used_layer_can_be_copied_and_pickled(transport):
    layer = _seeded(0.25)
    layer(torch.ones(2, 3))
    arrived = transport(layer)
    assert (arrived.p, arrived.seed, arrived.training) == (0.25, 0, True)
    assert arrived(torch.ones(2, 3)).shape == (2, 3)


def test_branches_draw_other_noise_and_branch_0_is_the_layer_itself():
    x, layers = torch.ones(8, 64), [_seeded() for _ in range(3)]
    layers[1].branch(0)
    layers[2].branch(1)
    first, same, other = (layer(x) for layer in layers)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_a_branch_goes_on_if_it_is_asked_for_again():
    layers = [_seeded(), _seeded()]
    for layer in layers:
        layer.branch(1)
        layer(torch.ones(2, 3))
    layers[0].branch(1)
    assert torch.equal(*(layer(torch.ones(8, 64)) for layer in layers))


def test_a_copy_is_of_no_branch():
    layer = _seeded()
    layer.branch(1)
    assert torch.equal(copy.deepcopy(layer)(torch.ones(8, 64)), _seeded()(torch.ones(8, 64)))


def test_repr_shows_p():
    assert repr(Dropout(0.25)) == "Dropout(p=0.25)"


@pytest.mark.parametrize("p", [1.0, -0.1, float("nan"), "0.2", None])
def test_p_outside_its_range_is_refused(p):
    with pytest.raises(ValueError, match=r"p must be in \[0, 1\), got .*; 0 turns dropout off"):
        Dropout(p)
