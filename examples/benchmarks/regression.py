"""Values on an arc: the regressor compared with three of scikit-learn on the same folds.

Prints the tables of docs/benchmarks/regression.md, all of them or those that are named:

    python examples/benchmarks/regression.py [sets dimension targets intervals skewed]

`--data DIR` reads tables from a folder.

Only "dimension", which chose a default, uses rows of the development half.
"""

import argparse
import platform
import time
import warnings

import numpy as np
import sklearn
import torch
from datasets import add_data_option, halves, load_table
from sklearn.base import clone
from sklearn.compose import (
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.datasets import load_linnerud
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score, root_mean_squared_error
from sklearn.model_selection import KFold, RepeatedKFold, train_test_split
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import sphereskl
from sphereskl import HypersphericalRegressor

SETS = (
    "house_8L",
    "california_housing",
    "bike",
    "elevators",
    "pol",
    "ailerons",
    "cpu_act",
    "abalone",
    "diamonds",
)
DIMENSIONS = (2, 8, 64)
# Further columns that are predicted together with the target.
JOINT_TARGETS = {
    "bike": ["temp", "humidity", "windspeed"],
    "california_housing": ["MedInc", "HouseAge"],
}
INTERVAL_SETS = ("california_housing", "bike", "diamonds")
SKEWED_SETS = ("diamonds", "house_8L")
NOMINAL = 0.9
# Half the width, in standard deviations, of an interval that holds 90 % of a normal variable.
NORMAL_90 = 1.6449


def encode():
    return make_column_transformer(
        (
            OneHotEncoder(handle_unknown="ignore", sparse_output=False),
            make_column_selector(dtype_include="category"),
        ),
        remainder="passthrough",
    )


def sphere(**options):
    return make_pipeline(encode(), HypersphericalRegressor(random_state=0, **options))


def contenders():
    perceptron = MLPRegressor(hidden_layer_sizes=(256, 256), random_state=0)
    return {
        "HypersphericalRegressor": sphere(),
        "Ridge": make_pipeline(encode(), StandardScaler(), Ridge()),
        "MLPRegressor": make_pipeline(
            encode(),
            StandardScaler(),
            TransformedTargetRegressor(perceptron, transformer=StandardScaler()),
        ),
        "HistGradientBoostingRegressor": make_pipeline(
            encode(), HistGradientBoostingRegressor(random_state=0)
        ),
    }


def evaluation_half(name, options):
    X, y = load_table(name, options.data)
    _, rows = halves(len(X), limit=options.rows)
    return X.iloc[rows].reset_index(drop=True), y.iloc[rows].to_numpy(float)


def folds():
    return KFold(5, shuffle=True, random_state=0)


def out_of_fold(model, X, y, splits):
    """Predictions for the test rows of every split, and seconds of a fit."""
    predictions, seconds = [], []
    for train, test in splits:
        start = time.perf_counter()
        fitted = clone(model).fit(X.iloc[train], y[train])
        seconds.append(time.perf_counter() - start)
        predictions.append(fitted.predict(X.iloc[test]))
    return predictions, np.mean(seconds)


def mean_and_error(values, digits=3):
    values = np.asarray(values)
    error = values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():.{digits}f} ± {error:.{digits}f}"


def compare_on_sets(options):
    """RMSE in standard deviations of the target."""
    models = {t: m for t, m in contenders().items() if not options.models or t in options.models}
    print("| set | rows | columns | " + " | ".join(f"{m} | s" for m in models) + " |")
    print("|---" * (3 + 2 * len(models)) + "|")
    no_worse = 0
    for name in options.sets or SETS:
        X, y = evaluation_half(name, options)
        splits = list(folds().split(X))
        cells, means = [name, f"{len(X):,}", f"{X.shape[1]}"], {}
        for title, model in models.items():
            predictions, seconds = out_of_fold(model, X, y, splits)
            errors = [
                root_mean_squared_error(y[test], predicted) / y.std()
                for (_, test), predicted in zip(splits, predictions, strict=True)
            ]
            means[title] = np.mean(errors)
            cells += [mean_and_error(errors), f"{seconds:.1f}"]
        if not options.models:
            no_worse += means["HypersphericalRegressor"] <= means["MLPRegressor"]
        print("| " + " | ".join(cells) + " |", flush=True)
    if not options.models:
        print(f"\nno worse than MLPRegressor on {no_worse} of {len(options.sets or SETS)} sets\n")


def choose_dimension(options):
    """RMSE on the last fifth of the development half, by dimension of the embedding."""
    print("| set | rows | " + " | ".join(f"d = {dim}" for dim in DIMENSIONS) + " |")
    print("|---" * (2 + len(DIMENSIONS)) + "|")
    for name in SETS:
        X, y = load_table(name, options.data)
        rows, _ = halves(len(X), limit=options.rows)
        X, y, n_train = X.iloc[rows], y.iloc[rows].to_numpy(float), len(rows) * 4 // 5
        cells = [name, f"{len(X):,}"]
        for dim in DIMENSIONS:
            model = sphere(embedding_dim=dim).fit(X[:n_train], y[:n_train])
            error = root_mean_squared_error(y[n_train:], model.predict(X[n_train:]))
            cells.append(f"{error / y[:n_train].std():.3f}")
        print("| " + " | ".join(cells) + " |", flush=True)
    print()


def compare_targets(options):
    """One model of several values compared with a model for each value."""
    print("| set | targets | rows | one model, R2 | s | a model each, R2 | s | difference |")
    print("|---|---|---|---|---|---|---|---|")
    problems = {}
    for name, more in JOINT_TARGETS.items():
        X, y = evaluation_half(name, options)
        y = np.column_stack([y, X[more]])
        problems[name] = X.drop(columns=more), y, 1 + len(more), folds()
    X, y = load_linnerud(return_X_y=True, as_frame=True)
    problems["linnerud"] = X, y.to_numpy(), 3, RepeatedKFold(n_repeats=4, random_state=0)
    for name, (X, y, n_targets, scheme) in problems.items():
        splits = list(scheme.split(X))
        scores, cells = [], []
        for model in (HypersphericalRegressor(random_state=0), None):
            single = MultiOutputRegressor(HypersphericalRegressor(random_state=0))
            pipeline = make_pipeline(encode(), single if model is None else model)
            predictions, seconds = out_of_fold(pipeline, X, y, splits)
            scores.append(
                [
                    r2_score(y[test], predicted)
                    for (_, test), predicted in zip(splits, predictions, strict=True)
                ]
            )
            cells += [mean_and_error(scores[-1]), f"{seconds:.1f}"]
        cells.append(mean_and_error(np.subtract(*scores)))
        print(f"| {name} | {n_targets} | {len(X):,} | " + " | ".join(cells) + " |", flush=True)
    print()


def intervals(X, y, train, test):
    """Predicted values, and limits for 90 % of the values by each of four recipes."""
    fitting, held_out = train_test_split(train, test_size=0.2, random_state=0)
    low, middle, high = (
        sphere(**loss).fit(X.iloc[fitting], y[fitting])
        for loss in (
            {"loss": "quantile", "quantile": (1 - NOMINAL) / 2},
            {},
            {"loss": "quantile", "quantile": (1 + NOMINAL) / 2},
        )
    )
    value, below, above = (model.predict(X.iloc[test]) for model in (middle, low, high))
    residuals = y[held_out] - middle.predict(X.iloc[held_out])
    outside = np.maximum(
        low.predict(X.iloc[held_out]) - y[held_out], y[held_out] - high.predict(X.iloc[held_out])
    )
    # The rank that makes a held-out quantile cover new rows, not just the held-out ones.
    level = np.ceil((len(held_out) + 1) * NOMINAL) / len(held_out)
    spread = NORMAL_90 * residuals.std()
    width, move = np.quantile(np.abs(residuals), level), np.quantile(outside, level)
    return value, {
        "one standard deviation": (value - spread, value + spread),
        "one width": (value - width, value + width),
        "two quantiles": (below, above),
        "two quantiles, moved": (below - move, above + move),
    }


def judge_intervals(options):
    """Coverage of nominal 90 % intervals, overall and by thirds of the predicted value."""
    print("| set | interval | covered | low third | middle third | high third | width / s.d. |")
    print("|---|---|---|---|---|---|---|")
    for name in INTERVAL_SETS:
        X, y = evaluation_half(name, options)
        shares, widths = {}, {}
        for train, test in folds().split(X):
            value, limits = intervals(X, y, train, test)
            third = np.digitize(value, np.quantile(value, [1 / 3, 2 / 3]))
            for title, (below, above) in limits.items():
                inside = (below <= y[test]) & (y[test] <= above)
                parts = [inside.mean(), *(inside[third == k].mean() for k in range(3))]
                shares.setdefault(title, []).append(parts)
                widths.setdefault(title, []).append((above - below).mean() / y.std())
        for title, parts in shares.items():
            covered = " | ".join(f"{share:.3f}" for share in np.mean(parts, axis=0))
            print(f"| {name} | {title} | {covered} | {np.mean(widths[title]):.2f} |", flush=True)
    print()


def compare_skewed(options):
    """The value itself and its logarithm as the target."""
    logarithm = make_pipeline(
        encode(),
        TransformedTargetRegressor(
            HypersphericalRegressor(random_state=0), func=np.log1p, inverse_func=np.expm1
        ),
    )
    print("| set | target | RMSE / s.d. | MAE / s.d. | median relative error |")
    print("|---|---|---|---|---|")
    for name in SKEWED_SETS:
        X, y = evaluation_half(name, options)
        splits = list(folds().split(X))
        for title, model in {"value": sphere(), "log1p": logarithm}.items():
            predictions, _ = out_of_fold(model, X, y, splits)
            rows = []
            for (_, test), predicted in zip(splits, predictions, strict=True):
                error = np.abs(predicted - y[test])
                relative = np.median(error[y[test] > 0] / y[test][y[test] > 0])
                rows.append(
                    [np.sqrt(np.mean(error**2)) / y.std(), error.mean() / y.std(), relative]
                )
            cells = " | ".join(mean_and_error(column) for column in np.transpose(rows))
            print(f"| {name} | {title} | {cells} |", flush=True)
    print()


PARTS = {
    "sets": compare_on_sets,
    "dimension": choose_dimension,
    "targets": compare_targets,
    "intervals": judge_intervals,
    "skewed": compare_skewed,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--rows", type=int, default=10_000, help="rows of a set at the most")
    parser.add_argument("--sets", nargs="*", help="only these in the first table")
    parser.add_argument("--models", nargs="*", help="only these in the first table")
    add_data_option(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    # MLPRegressor may stop at its 200 epochs.
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(
        f"sphereskl {sphereskl.__version__}, torch {torch.__version__}, scikit-learn "
        f"{sklearn.__version__}, Python {platform.python_version()}, one thread; 5 folds (seed 0), "
        f"models with seed 0, at most {options.rows:,} rows\n"
    )
    for part in options.parts or PARTS:
        PARTS[part](options)


if __name__ == "__main__":
    main()
