"""Seeding for a block leaves no trace outside of it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from sphereskl.training import seeded


def _weights(seed):
    with seeded(seed):
        return nn.Linear(100, 100).weight.detach()


def test_equal_seeds_draw_alike():
    assert torch.equal(_weights(3), _weights(3))
    assert not torch.equal(_weights(3), _weights(4))


def test_the_callers_random_state_is_untouched():
    before = torch.random.get_rng_state()
    _weights(0)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_random_state_is_put_back_after_an_error():
    before = torch.random.get_rng_state()
    with pytest.raises(RuntimeError, match="inside"), seeded(0):
        raise RuntimeError("inside")
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(_weights(3), _weights(3))


def test_threads_do_not_disturb_each_other():
    expected = [_weights(seed) for seed in range(20)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(_weights, range(20)))
    assert torch.equal(torch.stack(found), torch.stack(expected))


def test_the_seed_is_torchs():
    with torch.random.fork_rng():
        torch.manual_seed(5)
        expected = torch.rand(3)
    with seeded(5):
        assert torch.equal(torch.rand(3), expected)
