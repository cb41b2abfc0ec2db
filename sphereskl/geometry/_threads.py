"""Arithmetic that does not depend on the number of cores."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_here = threading.local()
_threads_outside = torch.get_num_threads()


def threads_outside() -> int:
    """Return torch's number of threads, outside of any `one_thread` block.

    Returns
    -------
    n_threads : int
        At least 1.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.geometry import one_thread, threads_outside
    >>> n_threads = torch.get_num_threads()
    >>> with one_thread():
    ...     threads_outside() == n_threads
    True
    """
    return _threads_outside if getattr(_here, "is_inside", False) else torch.get_num_threads()


@contextmanager
def one_thread() -> Iterator[None]:
    """Run a block on one core, in the calling thread.

    How torch splits a product or a convolution among threads affects the last bits. On one
    thread a fit or a search is the same in a notebook and in the worker of a grid search, and
    small problems are no slower. Parameter searches and `sphereskl.training.infer` use the
    other cores.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.geometry import one_thread
    >>> with one_thread():
    ...     torch.get_num_threads()
    1
    """
    global _threads_outside
    if getattr(_here, "is_inside", False):
        yield
        return
    # Torch keeps the number for the calling thread and for threads to come. Reading it first
    # makes a new thread adopt the latter now, not in the middle of the block. The value read
    # holds outside the block, unless it is a 1 that is not the main thread's: such a thread may
    # have started while another one was in its block.
    n_threads = torch.get_num_threads()
    if n_threads > 1 or threading.current_thread() is threading.main_thread():
        _threads_outside = n_threads
    torch.set_num_threads(1)
    _here.is_inside = True
    try:
        yield
    finally:
        torch.set_num_threads(_threads_outside)
        _here.is_inside = False
