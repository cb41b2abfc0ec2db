"""Random numbers without touching the caller's random state."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Torch's global generator is one per process: threads must not seed it at the same time.
_LOCK = threading.Lock()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generators for a block, and put them back afterwards.

    For building networks: their initialisers take no generator. One thread at a time.

    Parameters
    ----------
    seed : int
        Non-negative seed.
    """
    with _LOCK, torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
