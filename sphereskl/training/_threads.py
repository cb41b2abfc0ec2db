"""Arithmetic that does not depend on how many cores there are."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_LOCK = threading.Lock()
_inside = 0
_outside_threads = 1


@contextmanager
def one_thread() -> Iterator[None]:
    """Let the calling thread compute on one core for a block.

    How torch splits a product or a convolution among threads shows in the last bits. On one
    thread a fit is the same in a notebook and in the worker of a search, and small networks
    are no slower. Searches and `infer` use the other cores.
    """
    global _inside, _outside_threads
    with _LOCK:
        # Torch keeps the number both for each thread and for threads to come. Parallel
        # blocks must all restore what held before the first of them.
        if _inside == 0:
            _outside_threads = torch.get_num_threads()
        _inside += 1
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _LOCK:
            _inside -= 1
            torch.set_num_threads(_outside_threads)
