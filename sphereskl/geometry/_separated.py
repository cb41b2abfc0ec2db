"""Numerical search for points whose closest pair is far apart."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from ._annealing import Pool, anneal_slowly, anneal_structured, polish, screen, sharpen
from ._bounds import lower_bound
from ._closed_form import _pad
from ._orbits import (
    Groups,
    expand_orbits,
    max_cosines,
    possible_orders,
    random_groups,
    random_representatives,
)
from ._structured import cap_of_code, structured_codes


class Effort(NamedTuple):
    """How much work a search may spend.

    Attributes
    ----------
    n_starts : int
        Most starts of one order of symmetry in one round.
    n_pairs : float
        Pairs of points in one evaluation of a round, shared by its orders.
    n_rounds : int
        Rounds of screening, each with the most successful third of the orders before.
    largest_order : int
        Largest order of a symmetry.
    n_together : int
        Up to so many points the calls cost more than the pairs: all orders share a batch.
    n_iter, n_slow : int
        Evaluations at each sharpness: while screening, and for the candidates that are
        annealed once more.
    n_refined, n_polish : int
        Such candidates, and their rounds of multipliers.
    n_caps : int
        Starts from each structured code.
    """

    n_starts: int
    n_pairs: float
    n_rounds: int
    largest_order: int
    n_together: int
    n_iter: int
    n_slow: int
    n_refined: int
    n_polish: int
    n_caps: int


EFFORTS = {
    "fast": Effort(64, 1e5, 2, 4, 24, 20, 15, 2, 3, 8),
    "default": Effort(128, 6e5, 4, 16, 24, 40, 60, 2, 10, 24),
    "best": Effort(512, 2.5e6, 5, 50, 8, 60, 150, 8, 16, 96),
}
# Candidates of the screening for each one that is annealed slowly.
_HALVINGS = 12
# Most evaluations at each sharpness of the slow annealing, in units of the rounds' pairs over
# K^2, and so few that it is left out.
_SLOW_SHARE, _FEWEST_SLOW = 100, 10
# Numbers of points: up to the first, one round is enough; beyond the second, single starts
# of a few symmetries fill the time.
_FEWEST, _MANY = 24, 300
# Codes this much worse than the search have never come back in front of it.
_STRUCTURED_MARGIN = 0.1
# Largest order of symmetry in a batch of several: larger ones are rarely the best.
_LARGEST_TOGETHER = 12
# Largest noise on a part of a code, in units of the radius.
_MOST_NOISE = 0.1
# Codes of at most so many times the points wanted are worth their construction.
_LARGEST_CODE = 8


def search_separated(
    n_points: int,
    embedding_dim: int,
    effort: Effort,
    generator: torch.Generator,
    device: torch.device | str,
    verbose: int,
) -> Tensor:
    """Anneal many symmetric, random and structured starts, then polish the best.

    The smoothed maximum of the cosines is minimised at growing sharpness [1]_ from
    random starts, from random starts with a symmetry, and from parts of
    structured codes; multipliers remove the smoothing's bias from the best of them.

    References
    ----------
    .. [1] Lindström et al. (2024), "A Coding-Theoretic Analysis of Hyperspherical
       Prototypical Learning Geometry", GRaM workshop at ICML, section 3.
    """
    unit = -math.log(1 - lower_bound(n_points, embedding_dim))
    orders = [1, *possible_orders(n_points, embedding_dim, effort.largest_order)]
    many, n_rounds = n_points > _MANY, effort.n_rounds
    if many:
        orders, n_rounds = orders[1 : 1 + n_rounds // 2] or [1], 1
    elif n_points <= _FEWEST:
        n_rounds = max(1, n_rounds // 4)
    if n_points <= effort.n_together:
        batches = [[order for order in orders if order <= _LARGEST_TOGETHER]]
    else:
        batches = [[order] for order in orders]
    pool = Pool(1 if many else _HALVINGS * effort.n_refined)
    for round_ in range(n_rounds):
        found, n_pairs = [], effort.n_pairs / len(batches)
        for batch in tqdm(batches, desc=f"screening {round_ + 1}/{n_rounds}", disable=not verbose):
            starts = _draw_starts(n_points, embedding_dim, batch, n_pairs, effort, generator)
            points, value = screen(
                *_move(*starts, device), unit, generator, n_iter=effort.n_iter, n_kept=pool.size
            )
            pool.add(points, value)
            found.append((float(value.min()), batch))
        n_next = math.ceil(len(found) / 3)
        # Starts without symmetry stay in the race: they are slow to show what they can do.
        batches = [batch for k, (_, batch) in enumerate(sorted(found)) if k < n_next or 1 in batch]
    finalists = Pool(1 if many else effort.n_refined)
    x = sharpen(pool.points, unit, n_iter=effort.n_iter, n_kept=finalists.size)
    finalists.add(x, max_cosines(x))
    for starts in _structured_starts(n_points, embedding_dim, finalists, effort, generator):
        x = anneal_structured(starts.to(device), unit, n_iter=effort.n_iter)
        finalists.add(x, max_cosines(x))
    n_slow = min(effort.n_slow, int(_SLOW_SHARE * effort.n_pairs / n_points**2))
    if n_points > effort.n_together and n_slow > _FEWEST_SLOW:
        x = anneal_slowly(finalists.points, unit, n_iter=n_slow)
        finalists.add(x, max_cosines(x))
    return polish(finalists.points, n_rounds=effort.n_polish).cpu()


def _draw_starts(
    n_points: int,
    embedding_dim: int,
    orders: list[int],
    n_pairs: float,
    effort: Effort,
    generator: torch.Generator,
) -> tuple[Tensor, Groups]:
    if len(orders) == 1:
        # The minimiser's own work on a coordinate is that of about three pairs.
        work = math.ceil(n_points / orders[0]) * (n_points + 3 * embedding_dim) + 5 * n_points
        n_starts = max(1, min(effort.n_starts, int(n_pairs / work)))
        groups = random_groups(n_starts, n_points, embedding_dim, orders[0], generator)
        return random_representatives(groups, generator), groups
    # A third without symmetry, the rest shared by the orders.
    n_without = math.ceil(effort.n_starts / 3)
    n_each = math.ceil((effort.n_starts - n_without) / max(1, len(orders) - 1))
    share = [n_without] + [n_each] * (len(orders) - 1)
    drawn = []
    for n_starts, order in zip(share, orders, strict=True):
        groups = random_groups(n_starts, n_points, embedding_dim, order, generator)
        drawn.append(expand_orbits(random_representatives(groups, generator), groups))
    points = torch.cat(drawn)
    return points, random_groups(len(points), n_points, embedding_dim, 1, generator)


def _move(rows: Tensor, groups: Groups, device: torch.device | str) -> tuple[Tensor, Groups]:
    moved = groups._replace(diagonal=groups.diagonal.to(device), across=groups.across.to(device))
    return rows.to(device), moved


def _structured_starts(
    n_points: int, embedding_dim: int, pool: Pool, effort: Effort, generator: torch.Generator
) -> Iterator[Tensor]:
    margin = 0.0 if n_points > _MANY else _STRUCTURED_MARGIN
    n_caps = max(1, min(effort.n_caps, int(effort.n_pairs / n_points**2)))
    for code in structured_codes(n_points, embedding_dim)[:3]:
        if code.max_cosine > float(pool.values[0]) + margin:
            return
        points = _pad(code.build(min(code.n_points, _LARGEST_CODE * n_points)), embedding_dim)
        starts = [cap_of_code(points, n_points, generator) for _ in range(n_caps)]
        noise = torch.randn(
            n_caps, n_points, embedding_dim, generator=generator, dtype=torch.float64
        )
        share = torch.linspace(0, _MOST_NOISE, n_caps, dtype=torch.float64)
        # The first stays as it is: a code can have been the answer already.
        yield torch.stack(starts) + (share / embedding_dim**0.5)[:, None, None] * noise
