"""Screening: which symmetries a search tries, and with how many starts."""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from .._bounds import lower_bound
from ._annealing import Pool, screen
from ._effort import Effort
from ._groups import FiniteGroup, Layout, groups_of_order, layouts_of
from ._orbits import SymmetricSets
from ._representations import Representation, random_representations

# Overhead of a call, in pairs (measured: 0.5 ms at 4 to 5 ns per pair).
_CALL = 1.1e5
# Maximum share of a round for a single layout in its first trial.
_SHARE = 1 / 8
# Share of the symmetries of a round that proceed to the next one.
_PROMISING = 1 / 4
# Maximum number of points in short orbits.
_MOST_SHORT = 8
# Short orbits need room for cosines this much above the bound, in units of 1 - bound.
_SLACK = 0.15
# Cyclic symmetries up to this order with only fixed points and whole orbits are
# tried first: the best known codes have them most often.
_USUAL_ORDER = 9
# Representations of a layout that are tried, and number of draws for each of them.
_N_REPRESENTATIONS, _N_DRAWN = 8, 6
# Maximum number of starts of one representation in a round.
_MOST_STARTS = 512
# Beyond this number of points single starts fill the time: symmetric ones are cheaper and better.
_MANY = 300


class _Trial(NamedTuple):
    """Representations of one layout, and the best value of each so far."""

    sets: SymmetricSets
    values: Tensor


class Screening:
    """Anneals starts with and without symmetry until the promising ones are known.

    A symmetry is rated by the best of its starts: every round continues with the most promising
    quarter of those tried so far, so that a few of many symmetries get most of the starts.

    Parameters
    ----------
    n_points, embedding_dim : int
        Size of the sets.
    effort : Effort
        Numbers of starts and evaluations.
    generator : torch.Generator
        Source of randomness, on the CPU.
    device : torch.device or str
        Device of the annealing.

    Attributes
    ----------
    pool : Pool
        The best sets so far.
    """

    def __init__(
        self,
        n_points: int,
        embedding_dim: int,
        effort: Effort,
        generator: torch.Generator,
        device: torch.device | str,
    ) -> None:
        self.n_points, self.embedding_dim = n_points, embedding_dim
        self.effort, self.generator, self.device = effort, generator, device
        self.pool = Pool(max(1, min(effort.n_kept, int(2 * effort.n_pairs / n_points**2))))
        bound = lower_bound(n_points, embedding_dim)
        self._unit = -math.log(1 - bound)
        self._largest = 1 - (1 - _SLACK) * (1 - bound)
        self._untried = self._list_layouts()

    def run_in_rounds(self, *, verbose: int) -> None:
        """Try symmetries one by one, the promising ones again with more starts."""
        n_rounds, n_pairs = self.effort.n_rounds, self.effort.n_pairs
        trials: list[_Trial] = []
        for round_ in range(n_rounds):
            # The first round has nothing to continue, the last none to follow.
            share = 0 if round_ == 0 else 1 if round_ == n_rounds - 1 else 1 / 2
            calls = self._go_on(trials, share * n_pairs) if trials else []
            calls += self._begin((1 - share) * n_pairs)
            progress = tqdm(calls, desc=f"screening {round_ + 1}/{n_rounds}", disable=not verbose)
            trials = [self._screen(trial, n_starts) for trial, n_starts in progress]

    def run_together(self, *, verbose: int) -> None:
        """Try all symmetries in one call, with expanded starts: best for few points."""
        trivial, *others = self._untried
        n_starts = max(1, int(self.effort.n_pairs_together / self._work(trivial)))
        # Codes with many contacts look worse at a middle sharpness than at the end: with few
        # points enough candidates can be kept until then.
        self.pool.size = max(self.pool.size, n_starts // 2)
        nothing = torch.zeros(1, 1, self.embedding_dim, dtype=torch.float64)
        none = SymmetricSets(trivial, Representation(nothing + 1, nothing))
        rows = [none.pick(torch.zeros(math.ceil(n_starts / 3)).long()).draw(self.generator)]
        n_left = n_starts - len(rows[0])
        n_each = max(2, math.ceil(n_left / max(1, len(others))))
        for layout in others:
            trial = self._open(layout, min(n_each, _N_REPRESENTATIONS))
            if trial is not None:
                sets = trial.sets.pick(torch.arange(n_each) % len(trial.values))
                rows.append(sets.expand(sets.draw(self.generator))[:n_left])
                n_left -= len(rows[-1])
            if n_left <= 0:
                break
        starts = torch.cat(rows)
        with tqdm(total=1, desc="screening", disable=not verbose) as progress:
            self._anneal(starts, none.pick(torch.zeros(len(starts)).long()))
            progress.update()

    def _begin(self, n_pairs: float) -> list[tuple[_Trial, int]]:
        # Representations of layouts that were not tried yet, and starts of each.
        calls = []
        while self._untried and n_pairs > 0:
            layout = self._untried.pop(0)
            work = self._work(layout)
            affordable = _SHARE * self.effort.n_pairs / work
            trial = self._open(layout, max(1, min(_N_REPRESENTATIONS, int(affordable))))
            if trial is None:
                continue
            n_sets = len(trial.values)
            # If the overhead of a call exceeds its pairs, it may as well have more of them.
            n_starts = min(self.effort.n_starts, int(affordable / n_sets))
            n_starts = max(1, n_starts, math.ceil(_CALL / work / n_sets))
            calls.append((trial, n_starts))
            n_pairs -= n_sets * n_starts * work + _CALL
        return calls

    def _go_on(self, trials: list[_Trial], n_pairs: float) -> list[tuple[_Trial, int]]:
        # The most promising representations, and starts of each.
        values = torch.cat([trial.values for trial in trials]).sort().values
        limit = values[math.ceil(_PROMISING * len(values)) - 1]
        chosen = [
            _Trial(trial.sets.pick(good), trial.values[good])
            for trial in trials
            if len(good := (trial.values <= limit).nonzero()[:, 0])
        ]
        calls = []
        for trial in chosen:
            work = len(trial.values) * self._work(trial.sets.layout)
            n_starts = int((n_pairs / len(chosen) - _CALL) / work)
            calls.append((trial, max(1, min(n_starts, _MOST_STARTS))))
        return calls

    def _open(self, layout: Layout, n_most: int) -> _Trial | None:
        drawn = random_representations(
            layout, _N_DRAWN * n_most, self.embedding_dim, self._largest, self.generator
        )
        if drawn is None:
            return None
        # Representations of equal characters are equal up to rotation.
        characters = drawn.diagonal.sum(dim=2).round(decimals=6).tolist()
        first: dict[tuple[float, ...], int] = {}
        for k, character in enumerate(characters):
            first.setdefault(tuple(character), k)
        chosen = torch.tensor(list(first.values())[:n_most])
        return _Trial(
            SymmetricSets(layout, drawn.pick(chosen)), torch.full((len(chosen),), math.inf)
        )

    def _screen(self, trial: _Trial, n_starts: int) -> _Trial:
        sets = trial.sets.pick(torch.arange(len(trial.values)).repeat_interleave(n_starts))
        values = self._anneal(sets.draw(self.generator), sets).cpu()
        best = values.view(-1, n_starts).amin(dim=1)
        return _Trial(trial.sets, torch.minimum(trial.values, best))

    def _anneal(self, rows: Tensor, sets: SymmetricSets) -> Tensor:
        rows, values = screen(
            rows.to(self.device), sets, self._unit, self.generator, n_iter=self.effort.n_iter
        )
        best = values.argsort(stable=True)[: self.pool.size]
        rows = rows[best].double()
        self.pool.add(sets.pick(best.cpu()).to(rows).expand(rows), values[best].double())
        return values

    def _work(self, layout: Layout) -> float:
        # Cost of an evaluation of one start, in pairs.
        n_rows = sum(kind.count for kind in layout.orbits)
        # The minimiser's own work per coordinate is that of about three pairs.
        return n_rows * (self.n_points + 3 * self.embedding_dim) + 5 * self.n_points

    def _list_layouts(self) -> list[Layout]:
        # The usual symmetries first, then the others in random order.
        smallest = 2 if self.n_points > _MANY else 1
        largest = min(self.effort.largest_order, self.n_points)
        layouts = [
            layout
            for order in range(smallest, largest + 1)
            for group in groups_of_order(order)
            for layout in layouts_of(group, self.n_points, _MOST_SHORT)
        ]
        usual = [layout for layout in layouts if _is_usual(layout)]
        others = [layout for layout in layouts if not _is_usual(layout)]
        shuffled = torch.randperm(len(others), generator=self.generator).tolist()
        return usual + [others[k] for k in shuffled]


def _is_usual(layout: Layout) -> bool:
    order = layout.group.order
    has_fixed_only = all(len(kind.cosets) == 1 for kind in layout.orbits[1:])
    return layout.group == FiniteGroup((order,)) and order <= _USUAL_ORDER and has_fixed_only
