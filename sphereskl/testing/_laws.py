"""Checks of a single law, with one sentence for a violation."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def hold(is_kept: object, law: str, seen: object, advice: str) -> None:
    """Raise an AssertionError that names a violated law, what was seen, and where to look."""
    if not is_kept:
        raise AssertionError(f"{law}, but {seen}; {advice}.")


def hold_close(found: Tensor, expected: Tensor, law: str, advice: str, *, rtol: float) -> None:
    """Check that two tensors are equal up to rounding, in units of the larger one."""
    size = expected.abs().max().clamp_min(1.0).item() if expected.numel() else 1.0
    gap = (found - expected).abs().max().item() if found.shape == expected.shape else torch.inf
    hold(gap <= rtol * size, law, f"the largest difference is {gap:.3g}", advice)


@contextmanager
def undisturbed_generator(what: str) -> Iterator[None]:
    """Check that a block leaves torch's global generator unchanged."""
    before = torch.random.get_rng_state()
    yield
    hold(
        torch.equal(torch.random.get_rng_state(), before),
        f"{what} must not draw from torch's global generator",
        "its state changed",
        "draw from a generator of your own, or threads and callers disturb each other",
    )


def gradient(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Differentiate the sum of a function's output."""
    x = x.detach().clone().requires_grad_()
    return torch.autograd.grad(function(x).sum(), x)[0]
