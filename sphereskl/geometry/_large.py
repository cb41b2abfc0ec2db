"""Separation of more points than a full matrix of cosines could hold."""

import torch
from torch import Tensor
from tqdm import tqdm

from ._lbfgs import Objective, minimize_batch
from ._potentials import underflow
from ._separation import max_cosine

BLOCK = 4096
# Multiply-adds that a search may spend: at 10^10 a second on one core about 20 seconds,
# 2 minutes, 20 minutes.
_BUDGETS = {"fast": 2e11, "default": 1.2e12, "best": 1.2e13}
_MOST_EVALUATIONS = {"fast": 50, "default": 200, "best": 1000}
_SHARPNESS = (20.0, 60.0, 200.0, 600.0, 2000.0)
# With fewer evaluations than this a search only disturbs its start.
_FEWEST = 10


def affordable_evaluations(n_points: int, embedding_dim: int, effort: str) -> int:
    """Count the evaluations within the budget, 0 if too few to be of use."""
    # Half a matrix of cosines, two products with it, and about 20 for the exponentials.
    cost = n_points**2 * (1.5 * embedding_dim + 20)
    affordable = int(_BUDGETS[effort] / cost)
    return min(affordable, _MOST_EVALUATIONS[effort]) if affordable >= _FEWEST else 0


def search_large(
    start: Tensor, n_evaluations: int, device: torch.device | str, verbose: int
) -> Tensor:
    """Minimise the blocked smoothed maximum at growing sharpness from one start."""
    x = start[None].to(device)
    best, best_value = start, max_cosine(start)
    for b in tqdm(_SHARPNESS, desc="annealing", disable=not verbose):
        objective = blocked_soft_max_cosine(b, BLOCK)
        x = minimize_batch(objective, x, max_iter=max(1, n_evaluations // len(_SHARPNESS) - 1))
        value = max_cosine(x[0])
        if value < best_value:
            best, best_value = x[0].cpu(), value
    return best


def blocked_soft_max_cosine(sharpness: float, block: int) -> Objective:
    """`soft_max_cosine` of a single set in memory O(n_points embedding_dim + block^2).

    Cosines are float32, their sums float64. Each block above the diagonal serves both
    its rows and its columns.
    """

    def objective(rows: Tensor) -> tuple[Tensor, Tensor]:
        norm = torch.linalg.vector_norm(rows[0], dim=-1, keepdim=True)
        points = rows[0] / norm
        single = points.float()
        pull = torch.zeros_like(points)
        total = points.new_zeros(())
        # No cosine exceeds 1, and exp(b (cos - top)) must not overflow float32: refer all
        # blocks to the largest cosine so far, and rescale when it grows.
        top = -1.0
        for i in range(0, len(points), block):
            for j in range(i, len(points), block):
                left, right = single[i : i + block], single[j : j + block]
                gram = left @ right.T
                if i == j:
                    gram.masked_fill_(torch.ones_like(gram, dtype=torch.bool).tril_(), -torch.inf)
                largest = float(gram.max())
                if largest > top:
                    shrink = torch.tensor(sharpness * (top - largest)).double().exp().item()
                    total, pull, top = total * shrink, pull * shrink, largest
                exponent = gram.sub_(top).mul_(sharpness).clamp_min_(underflow(gram.dtype))
                weights = exponent.exp_()
                total = total + weights.sum(dtype=torch.float64)
                pull[i : i + block] += weights @ right
                pull[j : j + block] += weights.T @ left
        value = top + total.log() / sharpness
        gradient = pull / total
        gradient = gradient - (gradient * points).sum(dim=-1, keepdim=True) * points
        return value[None], (gradient / norm)[None]

    return objective
