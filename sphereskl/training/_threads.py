"""Arithmetic that does not depend on how many cores there are."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_here = threading.local()
_threads_outside = torch.get_num_threads()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let the calling thread compute on one core for a block.

    How torch splits a product or a convolution among threads shows in the last bits. On one
    thread a fit is the same in a notebook and in the worker of a search, and small networks
    are no slower. Searches and `infer` use the other cores.
    """
    global _threads_outside
    if getattr(_here, "is_inside", False):
        yield
        return
    # Torch keeps the number for the calling thread and for threads to come. Asking first
    # makes a new thread take over the latter now, not in the middle of the block; and as it
    # may have begun inside a block of another thread, only the main thread's word counts.
    n_threads = torch.get_num_threads()
    if threading.current_thread() is threading.main_thread():
        _threads_outside = n_threads
    torch.set_num_threads(1)
    _here.is_inside = True
    try:
        yield
    finally:
        torch.set_num_threads(_threads_outside)
        _here.is_inside = False
