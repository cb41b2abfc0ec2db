"""Stages of the search: the smoothed maximum of the cosines at growing sharpness.

The sharpness b is given in units of 1 / (1 - m), m the proven bound of the maximal cosine:
b (cos - m) is then comparable for few points and many. Functions take log(1 / (1 - m))
as `unit`.
"""

import math

import torch
from torch import Tensor

from .._lbfgs import minimize_batch
from .._separation import max_cosines
from ._orbits import SymmetricSets
from ._potentials import soft_max_cosine

# Logs of sharpness. The first of an annealing is drawn for each start, since it decides in which
# basin the start ends. At `_TELLING` the values already identify the promising starts: their
# rank correlation with the final values was .92 to 1.00 at (100, 10), (60, 25),
# (100, 8), (128, 8), (200, 5) and (200, 10).
_SOFTEST, _SOFT, _TELLING, _SHARP = (math.log(b) for b in (3.0, 20.0, 60.0, 4e3))
_N_SOFT, _N_SHARP, _N_STRUCTURED = 5, 5, 4
# Growth of the sharpness from stage to stage of a slow annealing.
_SLOW_GROWTH = math.log(1.5)
# Values this close belong to rotations of the same set: screening is in single precision.
_SAME = 3e-6
# Evaluations per round of multipliers.
_POLISH_ITER = 25


def screen(
    rows: Tensor, sets: SymmetricSets, unit: float, generator: torch.Generator, *, n_iter: int
) -> tuple[Tensor, Tensor]:
    """Anneal starts with a symmetry until their values identify the promising ones.

    Parameters
    ----------
    rows : Tensor of shape (n_starts, n_representatives, embedding_dim)
        Representatives of the orbits of each start.
    sets : SymmetricSets
        The symmetry of each start, which expands it to a whole set.
    unit : float
        Logarithm that is added to that of every sharpness: ``-log(1 - bound)``, so that stages
        are in units of the distance between the bound and 1.
    generator : torch.Generator
        Random generator of each start's initial sharpness, on the CPU.
    n_iter : int
        Evaluations at each sharpness.

    Returns
    -------
    rows : Tensor of shape (n_starts, n_representatives, embedding_dim), float32
        Annealed representatives.
    values : Tensor of shape (n_starts,), float32
        Smoothed maxima of the cosines; smaller is more promising.
    """
    # Rounding of float32 is far below the smoothing at this sharpness.
    rows = rows.float()
    softest = torch.rand(len(rows), generator=generator, dtype=torch.float64)
    softest = _SOFTEST + (_SOFT - _SOFTEST) * softest
    progress = torch.linspace(0, 1, _N_SOFT, dtype=torch.float64)[:, None]
    stages = softest + (_TELLING - softest) * progress + unit
    sets = sets.to(rows)
    for sharpness in stages.exp()[:, :, None, None].to(rows):
        objective = sets.soft_max_cosine(sharpness)
        rows = minimize_batch(objective, rows, max_iter=n_iter)
    return rows, objective(rows)[0]


def sharpen(x: Tensor, unit: float, *, n_iter: int, n_kept: int) -> Tensor:
    """Proceed to the sharpest stage, halving the candidates after each, down to `n_kept`.

    Parameters
    ----------
    x : Tensor of shape (n_candidates, n_points, embedding_dim)
        Whole sets, unit rows.
    unit : float
        See `screen`.
    n_iter : int
        Evaluations at each sharpness.
    n_kept : int
        Number of candidates below which none is dropped.

    Returns
    -------
    x : Tensor of shape (at least n_kept, n_points, embedding_dim)
        The best candidates, sorted, if any were dropped.
    """
    for log_sharpness in torch.linspace(_TELLING, _SHARP, _N_SHARP).tolist()[1:]:
        objective = soft_max_cosine(math.exp(log_sharpness + unit))
        x = minimize_batch(objective, x, max_iter=n_iter)
        best = objective(x)[0].argsort(stable=True)
        x = x[best[: max(n_kept, len(x) // 2)]]
    return x


def anneal_slowly(x: Tensor, unit: float, *, n_iter: int) -> Tensor:
    """Anneal once more, in small steps, from a sharpness at which all points still move.

    Parameters
    ----------
    x : Tensor of shape (n_candidates, n_points, embedding_dim)
        Whole sets, unit rows.
    unit : float
        See `screen`.
    n_iter : int
        Evaluations at each sharpness, of which there are about twenty.

    Returns
    -------
    x : Tensor of shape (n_candidates, n_points, embedding_dim)
        Unit rows.
    """
    n_stages = math.ceil((_SHARP - _SOFT) / _SLOW_GROWTH) + 1
    for log_sharpness in torch.linspace(_SOFT, _SHARP, n_stages).tolist():
        objective = soft_max_cosine(math.exp(log_sharpness + unit))
        x = minimize_batch(objective, x, max_iter=n_iter)
    return x


def anneal_structured(starts: Tensor, unit: float, *, n_iter: int) -> Tensor:
    """Anneal parts of codes; the first of them is also kept unchanged.

    Parameters
    ----------
    starts : Tensor of shape (n_starts, n_points, embedding_dim)
        Rows of any length; the first start is a part of a code without noise.
    unit : float
        See `screen`.
    n_iter : int
        Evaluations at each sharpness.

    Returns
    -------
    x : Tensor of shape (n_starts + 1, n_points, embedding_dim)
        Annealed sets, then the first start.
    """
    x = starts / torch.linalg.vector_norm(starts, dim=-1, keepdim=True)
    for log_sharpness in torch.linspace(_SOFT, _SHARP, _N_STRUCTURED).tolist():
        objective = soft_max_cosine(math.exp(log_sharpness + unit))
        x = minimize_batch(objective, x, max_iter=n_iter)
    # Smoothing can lose an exact contact.
    return torch.cat([x, starts[:1]])


def polish(x: Tensor, *, n_rounds: int) -> Tensor:
    """Remove the bias of the smoothing by an exponential method of multipliers.

    Multipliers ``log w += b (cos - max)`` make the active pairs equally distant.

    Parameters
    ----------
    x : Tensor of shape (n_candidates, n_points, embedding_dim)
        Whole sets at the sharpest stage, unit rows.
    n_rounds : int
        Maximum number of rounds of multipliers.

    Returns
    -------
    points : Tensor of shape (n_points, embedding_dim)
        The set whose closest pair is farthest apart, never worse than that of `x`.
    """
    best, best_value = x, max_cosines(x)
    x = minimize_batch(soft_max_cosine(4 * math.exp(_SHARP)), x, max_iter=2 * _POLISH_ITER)
    log_weights = x.new_zeros(len(x), x.shape[1], x.shape[1])
    for k in range(n_rounds):
        base = 3e3 if 2 * k < n_rounds else 3e4
        sharpness = base / (1 - best_value)[:, None, None]
        x = minimize_batch(soft_max_cosine(sharpness, log_weights), x, max_iter=_POLISH_ITER)
        value = max_cosines(x)
        gain = float((best_value.min() - value.min()).abs())
        best = torch.where((value < best_value)[:, None, None], x, best)
        best_value = torch.minimum(value, best_value)
        # Nine digits: smaller differences are irrelevant for any use of the prototypes.
        if gain < 1e-9:
            break
        log_weights = log_weights + sharpness * (x @ x.mT - value[:, None, None])
    return best[best_value.argmin()]


class Pool:
    """The best distinct candidates found so far, by a value to be minimised.

    Parameters
    ----------
    size : int
        Number of candidates to keep.

    Attributes
    ----------
    points : Tensor of shape (n_candidates, n_points, embedding_dim)
        At most `size` sets, the best first.
    values : Tensor of shape (n_candidates,)
        Their values.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.points = torch.empty(0)
        self.values = torch.empty(0)

    def add(self, points: Tensor, values: Tensor) -> None:
        """Add candidates, sets and values along the first axis, and drop the excess."""
        if len(self.points):
            points = torch.cat([self.points, points])
            values = torch.cat([self.values, values])
        order, kept, last = values.argsort(stable=True), [], -math.inf
        for index, value in zip(order.tolist(), values[order].tolist(), strict=True):
            # Candidates of equal value are rotations of the same set.
            if value > last + _SAME and len(kept) < self.size:
                kept.append(index)
                last = value
        self.points, self.values = points[kept], values[kept]
