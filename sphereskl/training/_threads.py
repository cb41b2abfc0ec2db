"""Arithmetic that does not depend on how many cores there are."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_LOCK = threading.Lock()
_threads_inside = 0
_threads_outside = 1
_here = threading.local()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let the calling thread compute on one core for a block.

    How torch splits a product or a convolution among threads shows in the last bits. On one
    thread a fit is the same in a notebook and in the worker of a search, and small networks
    are no slower. Searches and `infer` use the other cores.
    """
    if getattr(_here, "is_inside", False):
        yield
        return
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _threads_inside, _threads_outside
    with _LOCK:
        # Torch keeps the number both for the calling thread and for threads to come: all of
        # several parallel blocks must restore what held before the first of them.
        if _threads_inside == 0:
            _threads_outside = torch.get_num_threads()
        _threads_inside += 1
        torch.set_num_threads(1)
        _here.is_inside = True


def _leave() -> None:
    global _threads_inside
    with _LOCK:
        _threads_inside -= 1
        torch.set_num_threads(_threads_outside)
        _here.is_inside = False
