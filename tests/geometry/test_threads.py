"""One core inside, what held before outside."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest
import torch

from sphereskl.geometry import one_thread, place_prototypes


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


def _threads_of_a_new_thread():
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(torch.get_num_threads).result()


def _overlapping_searches():
    """Three searches, each of which begins before any other ends, and ends at its own time."""
    begun, order = Barrier(3), [Event() for _ in range(4)]
    order[0].set()

    def search(number):
        with one_thread():
            begun.wait()
            place_prototypes(9, 3, effort="fast", random_state=number)
            order[number].wait()
        order[number + 1].set()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(search, range(3)))


def test_overlapping_searches_leak_no_thread_count():
    # Torch hands the last number that any thread set to threads that begin later.
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        _overlapping_searches()
        assert torch.get_num_threads() == 3
        assert _threads_of_a_new_thread() == 3
    finally:
        torch.set_num_threads(before)


def test_a_number_set_after_the_import_is_that_of_threads_that_search():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(place_prototypes, 9, 3, effort="fast", random_state=0).result()
        assert _threads_of_a_new_thread() == 2
    finally:
        torch.set_num_threads(before)
