"""Numerical search for points whose closest pair is far apart."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ._lbfgs import minimize_batch
from ._potentials import soft_max_cosine


class Schedule(NamedTuple):
    """How much work a search may spend."""

    n_starts: int
    n_iter: int
    n_polish_rounds: int


_SCHEDULES = {
    "fast": Schedule(n_starts=6, n_iter=25, n_polish_rounds=3),
    "default": Schedule(n_starts=24, n_iter=60, n_polish_rounds=8),
    "best": Schedule(n_starts=128, n_iter=100, n_polish_rounds=16),
}
_GROWTH = 3.0
_SHARPEST = 2e4


def search_separated(
    n_prototypes: int, embedding_dim: int, effort: str, generator: torch.Generator
) -> Tensor:
    schedule = _SCHEDULES[effort]
    n_starts = max(1, min(schedule.n_starts, int(schedule.n_starts * 2e4 / n_prototypes**2)))
    shape = (n_starts, n_prototypes, embedding_dim)
    x = _unit(torch.randn(shape, generator=generator, dtype=torch.float64))
    b = torch.linspace(math.log(3), math.log(15), n_starts, dtype=torch.float64).exp()
    b = b[:, None, None]
    while float(b.max()) < _SHARPEST:
        x = minimize_batch(soft_max_cosine(b), x, max_iter=schedule.n_iter)
        b = b * _GROWTH
    best = _largest_cosines(x).argsort()[:2]
    x = _polish(x[best], schedule)
    return x[_largest_cosines(x).argmin()]


def _polish(x: Tensor, schedule: Schedule) -> Tensor:
    """Remove the bias of the smoothing with multipliers ``log w += b (cos - max)``."""
    best, best_value = x, _largest_cosines(x)
    log_weights = torch.zeros(len(x), x.shape[1], x.shape[1], dtype=x.dtype, device=x.device)
    for _ in range(schedule.n_polish_rounds):
        top = best_value.max()
        b = 3e3 / (1 - float(top))
        x = minimize_batch(soft_max_cosine(b, log_weights), x, max_iter=schedule.n_iter)
        value = _largest_cosines(x)
        better = value < best_value
        best = torch.where(better[:, None, None], x, best)
        best_value = torch.minimum(value, best_value)
        gram = x @ x.mT
        log_weights = log_weights + b * (gram - value[:, None, None])
    return best


def _largest_cosines(x: Tensor) -> Tensor:
    gram = x @ x.mT
    gram.diagonal(dim1=1, dim2=2).fill_(-2.0)
    return gram.amax(dim=(1, 2))


def _unit(x: Tensor) -> Tensor:
    return x / torch.linalg.vector_norm(x, dim=-1, keepdim=True)
