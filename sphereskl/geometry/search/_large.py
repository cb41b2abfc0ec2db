"""Separation of point sets whose matrix of cosines does not fit into memory."""

import torch
from torch import Tensor
from tqdm import tqdm

from .._bounds import lower_bound
from .._lbfgs import Objective, minimize_batch
from .._separation import max_cosine
from .._sphere import sample_uniform
from ..codes import pad, structured_codes
from ._potentials import underflow

# Largest number of points whose full matrix of cosines is stored (32 MB).
DENSE = 2000
BLOCK = 4096
# Multiply-adds that a search may take: at 10^10 per second on one core about 20 seconds,
# 2 minutes, 20 minutes.
_BUDGETS = {"fast": 2e11, "default": 1.2e12, "best": 1.2e13}
_MOST_EVALUATIONS = {"fast": 50, "default": 200, "best": 1000}
_SHARPNESS = (20.0, 60.0, 200.0, 600.0, 2000.0)
# With fewer evaluations than this a search only makes its start worse.
_FEWEST = 10
# If a code is this close to the proven bound, there is no search for a better one.
_CODE_IS_GOOD = 0.05


def separate_many(
    n_points: int,
    embedding_dim: int,
    effort: str,
    generator: torch.Generator,
    device: torch.device | str,
    verbose: int,
) -> Tensor:
    """Use a structured code, or anneal one random start within the budget.

    Parameters
    ----------
    n_points, embedding_dim : int
        Size of the set.
    effort : {"fast", "default", "best"}
        Budget of the search.
    generator : torch.Generator
        Random generator of the start, on the CPU.
    device : torch.device or str
        Device of the annealing.
    verbose : int
        Show a progress bar if positive.

    Returns
    -------
    points : Tensor of shape (n_points, embedding_dim)
        Unit rows in float64, on the CPU.
    """
    codes = structured_codes(n_points, embedding_dim)
    n_evaluations = affordable_evaluations(n_points, embedding_dim, effort)
    bound = lower_bound(n_points, embedding_dim)
    if codes and (n_evaluations == 0 or codes[0].max_cosine < bound + _CODE_IS_GOOD):
        return pad(codes[0].build(n_points), embedding_dim)
    points = sample_uniform(n_points, embedding_dim, generator=generator)
    if n_evaluations:
        points = search_large(points, n_evaluations, device, verbose)
        if codes and codes[0].max_cosine < max_cosine(points):
            points = pad(codes[0].build(n_points), embedding_dim)
    return points


def affordable_evaluations(n_points: int, embedding_dim: int, effort: str) -> int:
    """Count the evaluations within the budget, 0 if too few to be useful."""
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

    Cosines are float32, their sums float64. Each block above the diagonal is used for both
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
