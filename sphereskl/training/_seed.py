"""Random numbers without touching the caller's random state."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Torch's global generators are one per process: threads must not seed them at the same time.
_LOCK = threading.RLock()


@contextmanager
def seeded(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Seed torch's global generators for a block, and restore them afterwards.

    For code that takes no generator: the initialisers of layers, and users' networks that
    draw random numbers themselves. One thread at a time.

    Parameters
    ----------
    seed : int
        Non-negative seed.
    device : torch.device or str, default="cpu"
        Device whose generator is seeded in addition to that of the CPU.
    """
    device = torch.device(device)
    gpus = [device.index or 0] if device.type == "cuda" else []
    with _LOCK, torch.random.fork_rng(gpus):
        # Not torch.manual_seed: it would seed every GPU, and fork_rng restores
        # only those that it is given.
        torch.default_generator.manual_seed(seed)
        for gpu in gpus:
            torch.cuda.default_generators[gpu].manual_seed(seed)
        yield
