"""Numerical search for points whose closest pair is far apart."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from ._closed_form import _pad
from ._lbfgs import minimize_batch
from ._orbits import (
    Groups,
    anneal_orbits,
    expand_orbits,
    max_cosines,
    possible_orders,
    random_groups,
    random_representatives,
)
from ._potentials import soft_max_cosine
from ._structured import cap_of_code, structured_codes


class Effort(NamedTuple):
    """How much work a search may spend.

    Attributes
    ----------
    n_starts : int
        Most starts of one order of symmetry in one round.
    n_pairs : float
        Most pairs of points in one evaluation of a round.
    n_rounds : int
        Rounds of screening, each with the most successful third of the orders before.
    largest_order : int
        Largest order of a symmetry.
    n_together : int
        Up to so many points the calls cost more than the pairs: all orders share a batch.
    n_stages, n_iter : int
        Stages of growing sharpness, and evaluations in each.
    n_refined, n_polish : int
        Starts of a batch that reach the last stage, candidates that are polished; and the
        rounds of multipliers.
    n_caps : int
        Starts from each structured code.
    """

    n_starts: int
    n_pairs: float
    n_rounds: int
    largest_order: int
    n_together: int
    n_stages: int
    n_iter: int
    n_refined: int
    n_polish: int
    n_caps: int


EFFORTS = {
    "fast": Effort(64, 1e5, 2, 8, 24, 5, 15, 2, 3, 8),
    "default": Effort(192, 3.6e5, 4, 50, 24, 6, 25, 3, 10, 24),
    "best": Effort(768, 1e6, 6, 100, 8, 7, 40, 12, 16, 96),
}
# Log of the sharpness of the first stage, drawn for each start: which basin the annealing
# ends in depends on it. And of the last stage.
_SOFTEST, _SOFT, _SHARP = math.log(2), math.log(30), math.log(4e3)
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
    orders = [1, *possible_orders(n_points, embedding_dim, effort.largest_order)]
    many, n_rounds = n_points > _MANY, effort.n_rounds
    if many:
        orders, n_rounds = orders[:n_rounds], 1
    elif n_points <= _FEWEST:
        n_rounds = max(1, n_rounds // 4)
    if n_points <= effort.n_together:
        batches = [[order for order in orders if order <= _LARGEST_TOGETHER]]
    else:
        batches = [[order] for order in orders]
    pool = _Pool(1 if many else effort.n_refined)
    for round_ in range(n_rounds):
        found = []
        for batch in tqdm(batches, desc=f"screening {round_ + 1}/{n_rounds}", disable=not verbose):
            rows, groups = _draw_starts(n_points, embedding_dim, batch, effort, generator)
            found.append((pool.add(_anneal(rows, groups, effort, generator, device)), batch))
        batches = [batch for _, batch in sorted(found)[: math.ceil(len(found) / 3)]]
    for starts in _structured_starts(n_points, embedding_dim, pool, effort, generator):
        pool.add(_anneal_structured(starts.to(device), effort))
    return _polish(pool.points, effort).cpu()


def _draw_starts(
    n_points: int,
    embedding_dim: int,
    orders: list[int],
    effort: Effort,
    generator: torch.Generator,
) -> tuple[Tensor, Groups]:
    if len(orders) == 1:
        # The minimiser's own work on a coordinate is that of about three pairs.
        work = math.ceil(n_points / orders[0]) * (n_points + 3 * embedding_dim) + 5 * n_points
        n_starts = max(1, min(effort.n_starts, int(effort.n_pairs / work)))
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


def _anneal(
    rows: Tensor,
    groups: Groups,
    effort: Effort,
    generator: torch.Generator,
    device: torch.device | str,
) -> Tensor:
    softest = torch.rand(len(rows), generator=generator, dtype=torch.float64)
    softest = _SOFTEST + (_SOFT - _SOFTEST) * softest
    progress = torch.linspace(0, 1, effort.n_stages, dtype=torch.float64)
    stages = softest + (_SHARP - softest) * progress[:, None]
    sharpness = list(stages.exp()[:, :, None, None].to(device))
    groups = groups._replace(diagonal=groups.diagonal.to(device), across=groups.across.to(device))
    return anneal_orbits(
        rows.to(device), groups, sharpness, n_iter=effort.n_iter, n_kept=effort.n_refined
    )


def _structured_starts(
    n_points: int, embedding_dim: int, pool: "_Pool", effort: Effort, generator: torch.Generator
) -> Iterator[Tensor]:
    margin = 0.0 if n_points > _MANY else _STRUCTURED_MARGIN
    n_caps = max(1, min(effort.n_caps, int(effort.n_pairs / n_points**2)))
    for code in structured_codes(n_points, embedding_dim)[:3]:
        if code.max_cosine > pool.best + margin:
            return
        points = _pad(code.build(min(code.n_points, _LARGEST_CODE * n_points)), embedding_dim)
        starts = [cap_of_code(points, n_points, generator) for _ in range(n_caps)]
        noise = torch.randn(
            n_caps, n_points, embedding_dim, generator=generator, dtype=torch.float64
        )
        share = torch.linspace(0, _MOST_NOISE, n_caps, dtype=torch.float64)
        # The first stays as it is: a code can have been the answer already.
        yield torch.stack(starts) + (share / embedding_dim**0.5)[:, None, None] * noise


def _anneal_structured(starts: Tensor, effort: Effort) -> Tensor:
    x = starts / torch.linalg.vector_norm(starts, dim=-1, keepdim=True)
    for log_sharpness in (3.4, 5.2, 7.0, _SHARP):
        objective = soft_max_cosine(math.exp(log_sharpness))
        x = minimize_batch(objective, x, max_iter=effort.n_iter)
    # The code itself stays in the race: smoothing can lose an exact contact.
    return torch.cat([x, starts[:1]])


def _polish(x: Tensor, effort: Effort) -> Tensor:
    # Multipliers log w += b (cos - max) make the active pairs equally long, which removes
    # the bias of the smoothing (an exponential method of multipliers).
    best, best_value = x, max_cosines(x)
    x = minimize_batch(soft_max_cosine(4 * math.exp(_SHARP)), x, max_iter=2 * effort.n_iter)
    log_weights = x.new_zeros(len(x), x.shape[1], x.shape[1])
    for k in range(effort.n_polish):
        base = 3e3 if 2 * k < effort.n_polish else 3e4
        sharpness = base / (1 - best_value)[:, None, None]
        x = minimize_batch(soft_max_cosine(sharpness, log_weights), x, max_iter=effort.n_iter)
        value = max_cosines(x)
        gain = float((best_value.min() - value.min()).abs())
        best = torch.where((value < best_value)[:, None, None], x, best)
        best_value = torch.minimum(value, best_value)
        # Nine digits: what is left cannot be seen in any use of the prototypes.
        if gain < 1e-9:
            break
        log_weights = log_weights + sharpness * (x @ x.mT - value[:, None, None])
    return best[best_value.argmin()]


class _Pool:
    """The best distinct candidates found so far."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.points = torch.empty(0)
        self.best = math.inf

    def add(self, candidates: Tensor) -> float:
        """Merge candidates; returns the smallest maximal cosine among them."""
        points = torch.cat([self.points, candidates]) if len(self.points) else candidates
        value = max_cosines(points)
        order, kept, last = value.argsort(stable=True), [], -2.0
        for index, cosine in zip(order.tolist(), value[order].tolist(), strict=True):
            # Candidates of equal separation are the same set turned.
            if cosine > last + 1e-6 and len(kept) < self.size:
                kept.append(index)
                last = cosine
        self.points = points[kept]
        self.best = float(value.min())
        return float(max_cosines(candidates).min())
