"""One core inside, what held before outside."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from sphereskl.training import one_thread


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three_threads")
def test_the_outer_block_outlasts_the_inner():
    with one_thread():
        with one_thread():
            pass
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
def test_an_error_restores_the_threads():
    with pytest.raises(KeyError), one_thread():
        raise KeyError
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
def test_parallel_blocks_leave_the_main_thread_alone():
    def inside(_):
        with one_thread():
            torch.ones(100, 100) @ torch.ones(100, 100)
            return torch.get_num_threads()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(inside, range(64))) == {1}
    assert torch.get_num_threads() == 3
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3
