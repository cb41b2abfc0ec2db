"""Prediction intervals of `HypersphericalRegressor` compared with those of MAPIE on the same model.

Measures one row of a CSV file for every set, split and kind of interval, skips those that the file
has, and prints the tables of docs/benchmarks/intervals.md from it:

    python examples/benchmarks/intervals.py measure intervals.csv
    python examples/benchmarks/intervals.py report intervals.csv

`--data DIR` reads tables from a folder. MAPIE has to be installed. All aim at 90 %, and see
at most 4,000 training rows: those by which split methods calibrate do not train.
"""

import argparse
import csv
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from datasets import add_data_option, load_table
from mapie.regression import (
    ConformalizedQuantileRegressor,
    CrossConformalRegressor,
    SplitConformalRegressor,
)
from sklearn.datasets import load_diabetes
from threadpoolctl import threadpool_limits

from sphereskl import HypersphericalRegressor
from sphereskl.metrics import interval_report

# What the form of the intervals was chosen on, and what took no part.
CHOSEN_ON = ["diabetes", "abalone", "cpu_act", "california_housing", "bike"]
CONFIRMED_ON = ["house_8L", "elevators", "pol", "ailerons", "diamonds"]
COVERAGE = 0.9
FIELDS = "set split kind coverage low middle high width score seconds".split()


def load(name, folder):
    """Return numbers, categories as ones and zeros, and the values."""
    if name == "diabetes":
        return load_diabetes(return_X_y=True)
    X, y = load_table(name, folder)
    return pd.get_dummies(X).to_numpy(np.float64), np.asarray(y, dtype=np.float64)


def ours(X, y, X_test, seed):
    """Of the regressor itself."""
    model = HypersphericalRegressor(random_state=seed).fit(X, y)
    return model.predict_interval(X_test, COVERAGE).T


def split(X, y, X_test, seed):
    """One width for all, from a fifth of the rows."""
    n = len(y) // 5
    model = HypersphericalRegressor(random_state=seed).fit(X[n:], y[n:])
    mapie = SplitConformalRegressor(model, confidence_level=COVERAGE, prefit=True)
    return _limits(mapie.conformalize(X[:n], y[:n]).predict_interval(X_test))


def cross(X, y, X_test, seed):
    """CV+ (Barber et al. 2021): five fits."""
    model = HypersphericalRegressor(random_state=seed)
    mapie = CrossConformalRegressor(model, confidence_level=COVERAGE, cv=5, random_state=seed)
    return _limits(mapie.fit_conformalize(X, y).predict_interval(X_test))


def quantiles(X, y, X_test, seed):
    """Conformalised quantile regression (Romano et al. 2019): three fits, a fifth of the rows."""
    n = len(y) // 5
    levels = ((1 - COVERAGE) / 2, (1 + COVERAGE) / 2, 0.5)
    models = [
        HypersphericalRegressor(loss="quantile", quantile=q, random_state=seed).fit(X[n:], y[n:])
        for q in levels
    ]
    mapie = ConformalizedQuantileRegressor(models, confidence_level=COVERAGE, prefit=True)
    mapie.conformalize(X[:n], y[:n])
    low, high = _limits(mapie.predict_interval(X_test, symmetric_correction=True))
    return np.minimum(low, high), np.maximum(low, high)


def _limits(predicted):
    return predicted[1][:, :, 0].T


KINDS = {
    "predict_interval": ours,
    "MAPIE split": split,
    "MAPIE CV+": cross,
    "MAPIE quantiles": quantiles,
}


def measure(args):
    """Append what is missing to the file."""
    path, done = args.results, set()
    if path.exists():
        done = set(pd.read_csv(path)[["set", "split", "kind"]].itertuples(index=False, name=None))
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if not done:
            writer.writerow(FIELDS)
        for seed in range(args.splits):
            for name in [*CHOSEN_ON, *CONFIRMED_ON]:
                X, y = load(name, args.data)
                order = np.random.default_rng(seed).permutation(len(y))
                n_train = min(4000, int(0.7 * len(y)))
                train, test = order[:n_train], order[n_train : n_train + 4000]
                for kind, make in KINDS.items():
                    if (name, seed, kind) in done:
                        continue
                    start = time.perf_counter()
                    low, high = make(X[train], y[train], X[test], seed)
                    seconds = time.perf_counter() - start
                    found = interval_report(y[test], low, high, nominal=COVERAGE)
                    spread = y[test].std()
                    figures = [
                        found.coverage,
                        *found.coverage_by_third,
                        found.mean_width / spread,
                        found.interval_score / spread,
                    ]
                    shown = [f"{value:.4f}" for value in figures]
                    writer.writerow([name, seed, kind, *shown, f"{seconds:.1f}"])
                    file.flush()
                    print(name, seed, kind, *shown, flush=True)


def report(args):
    """Print the tables."""
    frame = pd.read_csv(args.results)
    frame["worst third"] = frame[["low", "middle", "high"]].min(axis=1)
    ours_by_row = frame[frame["kind"] == "predict_interval"].set_index(["set", "split"])
    key = pd.MultiIndex.from_frame(frame[["set", "split"]])
    frame["fit time"] = frame["seconds"] / ours_by_row["seconds"].reindex(key).to_numpy()
    columns = ["coverage", "low", "middle", "high", "worst third", "width", "score", "fit time"]
    for title, sets in {
        "All sets": [*CHOSEN_ON, *CONFIRMED_ON],
        "Sets that took no part in the choice": CONFIRMED_ON,
    }.items():
        of_sets = frame[frame["set"].isin(sets)]
        if of_sets.empty:
            continue
        print(f"\n## {title}\n")
        print(of_sets.groupby("kind", sort=False)[columns].mean().round(3).to_markdown())
        if of_sets["split"].nunique() < 2:
            continue
        per_split = of_sets.groupby(["kind", "split"])[["coverage", "width", "score"]].mean()
        print("\nStandard deviation over splits:\n")
        print(per_split.groupby("kind", sort=False).std().round(4).to_markdown())
    for figure in ("coverage", "worst third", "score"):
        by_kind = frame.pivot_table(index="set", columns="kind", values=figure, sort=False)
        print(f"\n## {figure.capitalize()} by set\n")
        print(by_kind[list(KINDS)].round(3).to_markdown())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["measure", "report"])
    parser.add_argument("results", type=Path)
    parser.add_argument("--splits", type=int, default=3)
    add_data_option(parser)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        (measure if args.action == "measure" else report)(args)


if __name__ == "__main__":
    main()
