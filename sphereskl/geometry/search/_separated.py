"""Search for point sets with a large minimal angle."""

import math
from collections.abc import Iterator
from contextlib import nullcontext

import torch
from torch import Tensor

from .._bounds import lower_bound
from .._separation import max_cosines
from .._threads import one_thread
from ..codes import (
    cap_of_code,
    pad,
    structured_codes,
)
from ._annealing import Pool, anneal_slowly, anneal_structured, polish, sharpen
from ._effort import EFFORTS, Effort
from ._large import DENSE, separate_many
from ._screening import Screening
from ._tightening import tighten

# Numbers of points: up to the first, calls cost more than pairs, and one holds all
# symmetries; beyond the second, sets occupy several threads, and codes that lead the search
# are not overtaken.
_FEW, _MANY = 24, 300
# Maximum evaluations at each sharpness of the slow annealing, in units of the rounds' pairs over
# K^2, and the number below which it is skipped.
_SLOW_SHARE, _FEWEST_SLOW = 30, 12
# Coordinates of the largest sets whose linear programs take less than a tenth of a second.
_LARGEST_PROGRAM = 500
# Structured codes this much worse than the search never overtook it.
_STRUCTURED_MARGIN = 0.1
# Maximum noise on a part of a code, in units of the radius.
_MOST_NOISE = 0.1
# Largest code that is built, as a multiple of n_points.
_LARGEST_CODE = 8


def search_separated(
    n_points: int,
    embedding_dim: int,
    effort: str,
    generator: torch.Generator,
    device: torch.device | str,
    verbose: int,
) -> Tensor:
    """Anneal many symmetric, random and structured starts, then polish the best.

    The smoothed maximum of the cosines is minimised at growing sharpness [1]_ from
    random starts, from random starts with a symmetry, and from parts of
    structured codes; multipliers, and for few points linear programs, remove the
    smoothing's bias from the best of them. Beyond 2000 points, whose cosines would not fit
    into memory, see `separate_many`.

    Parameters
    ----------
    n_points, embedding_dim : int
        Size of the set.
    effort : {"fast", "default", "best"}
        Search effort.
    generator : torch.Generator
        Source of randomness, on the CPU.
    device : torch.device or str
        Device of the annealing.
    verbose : int
        Show progress bars if positive.

    Returns
    -------
    points : Tensor of shape (n_points, embedding_dim)
        Unit rows in float64, on the CPU.

    References
    ----------
    .. [1] Lindström et al. (2024), "A Coding-Theoretic Analysis of Hyperspherical
       Prototypical Learning Geometry", GRaM workshop at ICML, section 3.
    """
    if n_points > DENSE:
        return separate_many(n_points, embedding_dim, effort, generator, device, verbose)
    # Two threads save a tenth of the time on an idle machine, and cost a multiple of it if
    # other processes need the cores, as in a parallel grid search. One also gives the same bits in
    # workers and in the main process.
    with one_thread() if n_points <= _MANY else nullcontext():
        return _search(n_points, embedding_dim, EFFORTS[effort], generator, device, verbose)


def _search(
    n_points: int,
    embedding_dim: int,
    effort: Effort,
    generator: torch.Generator,
    device: torch.device | str,
    verbose: int,
) -> Tensor:
    size = (n_points, embedding_dim)
    unit = -math.log(1 - lower_bound(*size))
    evaluations = effort.n_pairs / n_points**2
    screening = Screening(*size, effort, generator, device)
    if n_points <= _FEW:
        screening.run_together(verbose=verbose)
    else:
        screening.run_in_rounds(verbose=verbose)
    finalists = Pool(max(1, min(effort.n_refined, int(evaluations / 2))))
    x = sharpen(screening.pool.points, unit, n_iter=effort.n_iter, n_kept=finalists.size)
    finalists.add(x, max_cosines(x))
    for starts in _structured_starts(*size, finalists, effort, generator):
        x = anneal_structured(starts.to(device), unit, n_iter=effort.n_iter)
        finalists.add(x, max_cosines(x))
    n_slow = min(effort.n_slow, int(_SLOW_SHARE * evaluations))
    if n_points > _FEW and n_slow > _FEWEST_SLOW:
        x = anneal_slowly(finalists.points, unit, n_iter=n_slow)
        finalists.add(x, max_cosines(x))
    points = polish(finalists.points, n_rounds=effort.n_polish).cpu()
    if points.numel() > _LARGEST_PROGRAM:
        return points
    return tighten(points, n_programs=effort.n_programs)


def _structured_starts(
    n_points: int, embedding_dim: int, pool: Pool, effort: Effort, generator: torch.Generator
) -> Iterator[Tensor]:
    margin = 0.0 if n_points > _MANY else _STRUCTURED_MARGIN
    n_caps = max(1, min(effort.n_caps, int(effort.n_pairs / (4 * n_points**2))))
    for code in structured_codes(n_points, embedding_dim)[:3]:
        if code.max_cosine > float(pool.values[0]) + margin:
            return
        points = pad(code.build(min(code.n_points, _LARGEST_CODE * n_points)), embedding_dim)
        starts = [cap_of_code(points, n_points, generator) for _ in range(n_caps)]
        noise = torch.randn(
            n_caps, n_points, embedding_dim, generator=generator, dtype=torch.float64
        )
        share = torch.linspace(0, _MOST_NOISE, n_caps, dtype=torch.float64)
        # The first is kept unchanged: a code may already be the answer.
        yield torch.stack(starts) + (share / embedding_dim**0.5)[:, None, None] * noise
