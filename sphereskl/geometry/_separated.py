"""Numerical search for points whose closest pair is far apart."""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from ._closed_form import _pad
from ._lbfgs import minimize_batch
from ._orbits import (
    Groups,
    Symmetry,
    anneal_orbits,
    expand_orbits,
    possible_symmetries,
    random_groups,
    random_representatives,
)
from ._potentials import soft_max_cosine
from ._structured import structured_codes


class Effort(NamedTuple):
    """How much work a search may spend.

    Attributes
    ----------
    n_starts : int
        Most starts of one symmetry in one round.
    n_pairs : float
        Most pairs of points in one evaluation of a round.
    n_rounds : int
        Rounds of screening; from the second on only the most successful symmetries.
    largest_order : int
        Largest order of a symmetry.
    n_stages, n_iter : int
        Stages of growing sharpness, and evaluations in each.
    n_refined, n_polish : int
        Candidates that are polished, and their rounds of multipliers.
    """

    n_starts: int
    n_pairs: float
    n_rounds: int
    largest_order: int
    n_stages: int
    n_iter: int
    n_refined: int
    n_polish: int


EFFORTS = {
    "fast": Effort(24, 6e4, 1, 4, 5, 15, 2, 3),
    "default": Effort(96, 1.8e5, 2, 10, 6, 25, 3, 10),
    "best": Effort(384, 5e5, 4, 24, 7, 40, 12, 16),
}
# Log of the sharpness of the first stage, drawn for each start: which basin the annealing
# ends in depends on it. And of the last stage.
_SOFTEST, _SOFT, _SHARP = math.log(2), math.log(30), math.log(4e3)
# Numbers of points: up to the first, half the rounds are enough; up to the second, the calls
# cost more than the pairs, so all symmetries share a batch; beyond the third, single starts
# of a few symmetries fill the time.
_FEWEST, _FEW, _MANY = 24, 64, 300
_N_PROMISING = 3
_STRUCTURED_MARGIN = 0.05


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
    symmetries = [(), *possible_symmetries(n_points, embedding_dim, effort.largest_order)]
    many, n_rounds = n_points > _MANY, effort.n_rounds
    if many:
        symmetries = symmetries[: n_rounds + 1]
    if many or n_points <= _FEWEST:
        n_rounds = max(1, n_rounds // 2)
    together = n_points <= _FEW
    batches = [symmetries] if together else [[symmetry] for symmetry in symmetries]
    pool = _Pool(1 if many else effort.n_refined)
    for round_ in range(n_rounds):
        found = []
        for batch in tqdm(batches, desc=f"screening {round_ + 1}/{n_rounds}", disable=not verbose):
            rows, groups = _draw_starts(n_points, embedding_dim, batch, effort, generator)
            found.append((pool.add(_anneal(rows, groups, effort, generator, device)), batch))
        batches = [batch for _, batch in sorted(found)[:_N_PROMISING]]
    starts = _structured_starts(n_points, embedding_dim, pool.best, generator)
    if starts is not None:
        pool.add(_anneal_structured(starts.to(device), effort))
    return _polish(pool.points, effort).cpu()


def _draw_starts(
    n_points: int,
    embedding_dim: int,
    symmetries: list[Symmetry],
    effort: Effort,
    generator: torch.Generator,
) -> tuple[Tensor, Groups]:
    if len(symmetries) == 1:
        # The minimiser's own work on a coordinate is that of about three pairs.
        work = (
            math.ceil(n_points / math.prod(symmetries[0])) * (n_points + 3 * embedding_dim)
            + 5 * n_points
        )
        n_starts = max(1, min(effort.n_starts, int(effort.n_pairs / work)))
        groups = random_groups(n_starts, n_points, embedding_dim, symmetries[0], generator)
        return random_representatives(groups, generator), groups
    # A third without symmetry, the rest shared by the symmetries.
    n_without = math.ceil(effort.n_starts / 3)
    n_each = math.ceil((effort.n_starts - n_without) / (len(symmetries) - 1))
    share = [n_without] + [n_each] * (len(symmetries) - 1)
    drawn = []
    for n_starts, symmetry in zip(share, symmetries, strict=True):
        groups = random_groups(n_starts, n_points, embedding_dim, symmetry, generator)
        drawn.append(expand_orbits(random_representatives(groups, generator), groups))
    points = torch.cat(drawn)
    return points, random_groups(len(points), n_points, embedding_dim, (), generator)


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
    groups = groups._replace(elements=groups.elements.to(device))
    return anneal_orbits(rows.to(device), groups, sharpness, n_iter=effort.n_iter)


def _structured_starts(
    n_points: int, embedding_dim: int, best: float, generator: torch.Generator
) -> Tensor | None:
    starts = []
    for code in structured_codes(n_points, embedding_dim)[:2]:
        if code.max_cosine > best + _STRUCTURED_MARGIN:
            break
        points = _pad(code.build(min(code.n_points, 4 * n_points)), embedding_dim)
        starts.append(points[:n_points])
        for noise in (0.02, 0.1):
            chosen = torch.randperm(len(points), generator=generator)[:n_points]
            jitter = torch.randn(n_points, embedding_dim, generator=generator, dtype=torch.float64)
            starts.append(points[chosen] + noise * jitter / embedding_dim**0.5)
    return torch.stack(starts) if starts else None


def _anneal_structured(starts: Tensor, effort: Effort) -> Tensor:
    x = starts / torch.linalg.vector_norm(starts, dim=-1, keepdim=True)
    for log_sharpness in (3.4, 5.2, 7.0, _SHARP):
        objective = soft_max_cosine(math.exp(log_sharpness))
        x = minimize_batch(objective, x, max_iter=effort.n_iter)
    # The codes themselves stay in the race: smoothing can lose an exact contact.
    return torch.cat([x, starts[::3]])


def _polish(x: Tensor, effort: Effort) -> Tensor:
    # Multipliers log w += b (cos - max) make the active pairs equally long, which removes
    # the bias of the smoothing (an exponential method of multipliers).
    best, best_value = x, _max_cosines(x)
    x = minimize_batch(soft_max_cosine(4 * math.exp(_SHARP)), x, max_iter=2 * effort.n_iter)
    log_weights = x.new_zeros(len(x), x.shape[1], x.shape[1])
    for k in range(effort.n_polish):
        base = 3e3 if 2 * k < effort.n_polish else 3e4
        sharpness = base / (1 - best_value)[:, None, None]
        x = minimize_batch(soft_max_cosine(sharpness, log_weights), x, max_iter=effort.n_iter)
        value = _max_cosines(x)
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
        value = _max_cosines(points)
        order, kept, last = value.argsort(stable=True), [], -2.0
        for index, cosine in zip(order.tolist(), value[order].tolist(), strict=True):
            # Candidates of equal separation are the same set turned.
            if cosine > last + 1e-6 and len(kept) < self.size:
                kept.append(index)
                last = cosine
        self.points = points[kept]
        self.best = float(value.min())
        return float(_max_cosines(candidates).min())


def _max_cosines(x: Tensor) -> Tensor:
    gram = x @ x.mT
    gram.diagonal(dim1=1, dim2=2).fill_(-2.0)
    return gram.amax(dim=(1, 2))
