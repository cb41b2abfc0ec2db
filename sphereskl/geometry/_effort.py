"""How much work a search for separated points may spend."""

from typing import NamedTuple


class Effort(NamedTuple):
    """Numbers of starts, candidates and evaluations of a search.

    Attributes
    ----------
    n_pairs : float
        Pairs of points in one evaluation of a round, shared by its symmetries.
    n_pairs_together : float
        The same of the only call of a search among few points.
    n_rounds : int
        Rounds of screening, at least 2; each goes on with the most promising symmetries.
    n_starts : int
        Starts of each symmetry when it is first tried.
    largest_order : int
        Largest order of a symmetry.
    n_iter, n_slow : int
        Evaluations at each sharpness: while screening, and for the candidates that are
        annealed once more.
    n_kept, n_refined : int
        Candidates that are sharpened, and of these annealed once more.
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
    "fast": Effort(4e5, 2.5e4, 2, 4, 8, 30, 30, 16, 2, 2, 5, 8),
    "default": Effort(1.7e6, 1.6e5, 5, 8, 16, 40, 120, 96, 8, 10, 10, 24),
    "best": Effort(4e6, 2e6, 8, 16, 50, 60, 150, 512, 8, 16, 30, 96),
}
