"""Search effort for separated points."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Effort:
    """Numbers of starts, candidates and evaluations of a search.

    Attributes
    ----------
    n_pairs : float
        Pairs of points in one evaluation of a round, shared by its symmetries.
    n_pairs_together : float
        As `n_pairs`, for searches among at most 24 points.
    n_rounds : int
        Rounds of screening, at least 2; each continues with the most promising symmetries.
    n_starts : int
        Starts of each symmetry in its first round.
    largest_order : int
        Largest order of a symmetry.
    n_iter, n_slow : int
        Evaluations at each sharpness: in screening, and for the candidates that are
        annealed once more.
    n_kept, n_refined : int
        Candidates that are sharpened, and how many of these are annealed once more.
    n_polish, n_programs : int
        Rounds of multipliers, and linear programs after them.
    n_caps : int
        Starts from each structured code.
    """

    n_pairs: float
    n_pairs_together: float
    n_rounds: int
    n_starts: int
    largest_order: int
    n_iter: int
    n_slow: int
    n_kept: int
    n_refined: int
    n_polish: int
    n_programs: int
    n_caps: int


EFFORTS = {
    "fast": Effort(
        n_pairs=4e5,
        n_pairs_together=2.5e4,
        n_rounds=2,
        n_starts=4,
        largest_order=8,
        n_iter=30,
        n_slow=30,
        n_kept=16,
        n_refined=2,
        n_polish=2,
        n_programs=5,
        n_caps=8,
    ),
    "default": Effort(
        n_pairs=1.7e6,
        n_pairs_together=1.6e5,
        n_rounds=5,
        n_starts=8,
        largest_order=16,
        n_iter=40,
        n_slow=120,
        n_kept=96,
        n_refined=8,
        n_polish=10,
        n_programs=10,
        n_caps=24,
    ),
    "best": Effort(
        n_pairs=4e6,
        n_pairs_together=2e6,
        n_rounds=8,
        n_starts=16,
        largest_order=50,
        n_iter=60,
        n_slow=150,
        n_kept=512,
        n_refined=8,
        n_polish=16,
        n_programs=30,
        n_caps=96,
    ),
}
