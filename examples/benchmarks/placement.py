"""How close do placed prototypes come to the best known spherical codes?

Prints one line for each (K, d) of a table of best known values: the maximal cosine above
(+) or below (-) the best known one, and CPU seconds, for each effort and for two published
recipes. The table of docs/benchmarks/placement.md was printed by this program.

    python examples/benchmarks/placement.py --efforts fast default --max-points 300
"""

import argparse
import csv
import math
import platform
import time
from importlib import resources

import torch

from sphereskl.geometry import max_cosine, place_prototypes, sample_uniform

# Steps of these recipes take seconds each beyond this size.
LARGEST_FOR_RECIPES = 1000


def main() -> None:
    options = parse_options()
    torch.set_num_threads(options.threads)
    rows = [row for row in read_rows(options.reference) if is_chosen(row, options)]
    columns = [*options.efforts, *(["sgd", "lse-sgd"] if options.recipes else [])]
    print(f"torch {torch.__version__}, Python {platform.python_version()}, ", end="")
    print(f"{options.threads} thread(s), random_state={options.random_state}\n")
    print("| K | d | best known | " + " | ".join(f"{c} | s" for c in columns) + " |")
    print("|---" * (3 + 2 * len(columns)) + "|")
    gaps: dict[str, list[float]] = {column: [] for column in columns}
    for n_points, dim, reference, _ in rows:
        cells = [f"{n_points}", f"{dim}", f"{reference:.6f}"]
        for column in columns:
            gap, seconds = measure(column, n_points, dim, reference, options.random_state)
            cells += [format_gap(gap), f"{seconds:.1f}"]
            gaps[column].append(gap)
        print("| " + " | ".join(cells) + " |", flush=True)
    print_summary(gaps)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reference", help="csv with the columns of the packaged table")
    parser.add_argument("--efforts", nargs="*", default=["fast", "default"])
    parser.add_argument("--recipes", action="store_true", help="add the published recipes")
    parser.add_argument("--rows", nargs="*", help="only these, written K,d")
    parser.add_argument("--source", help="only rows whose source contains this")
    parser.add_argument("--max-points", type=int, default=10**9)
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def read_rows(path: str | None) -> list[tuple[int, int, float, str]]:
    packaged = resources.files("sphereskl.geometry").joinpath("best_known.csv")
    with open(path, encoding="utf-8") if path else packaged.open(encoding="utf-8") as lines:
        return [
            (int(r["n_points"]), int(r["dim"]), float(r["best_known_max_cosine"]), r["source"])
            for r in csv.DictReader(lines)
        ]


def is_chosen(row: tuple[int, int, float, str], options: argparse.Namespace) -> bool:
    n_points, dim, _, source = row
    wanted = options.rows is None or f"{n_points},{dim}" in options.rows
    return wanted and n_points <= options.max_points and (options.source or "") in source


def measure(
    column: str, n_points: int, dim: int, reference: float, random_state: int
) -> tuple[float, float]:
    recipes = {"sgd": projected_subgradient, "lse-sgd": log_sum_exp_descent}
    if column in recipes and n_points > LARGEST_FOR_RECIPES:
        return math.nan, math.nan
    # On one thread and an idle machine this is the wall clock's time.
    begin = time.process_time()
    if column in recipes:
        points = recipes[column](n_points, dim, random_state)
    else:
        points = place_prototypes(n_points, dim, effort=column, random_state=random_state)
    seconds = time.process_time() - begin
    return max_cosine(points) - reference, seconds


def projected_subgradient(n_points: int, dim: int, random_state: int) -> torch.Tensor:
    """Mettes et al. 2019: mean over rows of the largest cosine, rate 0.1, 1,000 steps."""
    points = start(n_points, dim, random_state)
    for _ in range(1000):
        nearest = (points @ points.T).fill_diagonal_(-2).argmax(dim=1)
        # Each row is pulled to its nearest, and to the rows whose nearest it is.
        gradient = points[nearest].index_add(0, nearest, points) / n_points
        points = torch.nn.functional.normalize(points - 0.1 * gradient)
    return points


def log_sum_exp_descent(n_points: int, dim: int, random_state: int) -> torch.Tensor:
    """Lindström et al. 2024: log-sum-exp, T from 1 to 1 + K, rate 0.2, momentum 0.9."""
    points = start(n_points, dim, random_state)
    momentum = torch.zeros_like(points)
    for step in range(1000):
        inverse_temperature = 1 + n_points * step / 999
        exponent = (inverse_temperature * (points @ points.T)).fill_diagonal_(-math.inf)
        weights = exponent.flatten().softmax(dim=0).view_as(exponent)
        gradient = 2 * weights @ points
        momentum = 0.9 * momentum + gradient
        points = torch.nn.functional.normalize(points - 0.2 * momentum)
    return points


def start(n_points: int, dim: int, random_state: int) -> torch.Tensor:
    return sample_uniform(n_points, dim, generator=torch.Generator().manual_seed(random_state))


def format_gap(gap: float) -> str:
    if math.isnan(gap):
        return ""
    # The references are rounded to ten digits.
    return "0" if abs(gap) < 5e-9 else f"{gap:+.1e}"


def print_summary(gaps: dict[str, list[float]]) -> None:
    print("\n| | rows | within 1e-6 | within 1e-3 | within 1e-2 | worst |")
    print("|---|---|---|---|---|---|")
    for column, values in gaps.items():
        known = [v for v in values if not math.isnan(v)]
        within = [sum(v <= limit for v in known) for limit in (1e-6, 1e-3, 1e-2)]
        print(f"| {column} | {len(known)} | " + " | ".join(map(str, within)), end="")
        print(f" | {max(known, default=math.nan):+.1e} |")


if __name__ == "__main__":
    main()
