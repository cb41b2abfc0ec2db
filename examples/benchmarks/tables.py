"""Tables as they come: the estimators and other networks and trees, on the same splits.

Measures one row of a CSV file for every set, split and model, skips those that the file has, and
prints the tables of docs/benchmarks/tables.md from it:

    python examples/benchmarks/tables.py measure results.csv --half confirmation
    python examples/benchmarks/tables.py measure results.csv --models RealMLP_TD_S
    python examples/benchmarks/tables.py measure results.csv --half development \\
        --models "HypersphericalPrototypeClassifier(lr=1e-3, random_state=0)"
    python examples/benchmarks/tables.py report results.csv [--plot pareto.png] [--ranks ranks.png]

`--data DIR` reads tables from a folder. Every model computes on one core and gets the frame as it
is, or what its documentation asks for. pytabkit and catboost, which no one needs for the package,
may be installed in an environment of their own: the file is shared.

Defaults were chosen on the sets of "development"; those of "confirmation" and "further" took no
part.
"""

import argparse
import csv
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from critical_difference import critical_difference, draw_ranks
from datasets import FURTHER_TABLES, add_data_option, load_table
from scipy.stats import rankdata
from sklearn.compose import (
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, root_mean_squared_error
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

SETS = {
    "development": "vowel letter credit-g segment page-blocks spambase waveform-5000 pendigits "
    "adult car hypothyroid",
    "confirmation": "optdigits vehicle bank-additional nursery mushroom sick kr-vs-kp splice cmc "
    "soybean",
    "further": FURTHER_TABLES,
    "small": "breast_cancer wine credit-g vowel",
    "regression-development": "california_housing bike pol abalone",
    "regression-confirmation": "house_8L elevators ailerons cpu_act diamonds",
    "regression-further": "bank32nh bank8FM delta_ailerons delta_elevators kin8nm puma32H "
    "puma8NH quake stock",
    "regression-small": "diabetes",
}
# Columns of vowel that say which rows belong together.
NOT_FEATURES = {"vowel": ["Train_or_Test", "Train or Test", "Speaker_Number", "Speaker Number"]}
BUNDLED = {"breast_cancer": load_breast_cancer, "wine": load_wine, "diabetes": load_diabetes}
FIELDS = "set split model rows columns score log_loss ece fit predict epochs".split()
N_BINS_OF_ECE = 15


def prepared(model, scale=True):
    """Return a model behind one-hot categories and numbers with medians in their gaps."""
    numbers = [SimpleImputer(), StandardScaler()] if scale else [SimpleImputer()]
    return make_pipeline(
        make_column_transformer(
            (
                OneHotEncoder(handle_unknown="ignore", sparse_output=False),
                make_column_selector(dtype_include="category"),
            ),
            remainder=make_pipeline(*numbers),
        ),
        model,
    )


def named_model(name, is_regression):
    """Return a model by its name, or the one that an expression builds."""
    if "(" in name:
        import sphereskl

        known = {cls: getattr(sphereskl, cls) for cls in sphereskl.__all__}
        return eval(name, {"nn": sphereskl.nn, **known})
    if name == "sphereskl":
        from sphereskl import HypersphericalPrototypeClassifier, HypersphericalRegressor

        cls = HypersphericalRegressor if is_regression else HypersphericalPrototypeClassifier
        return cls(random_state=0)
    if name.startswith(("RealMLP", "TabM")):
        import pytabkit

        cls = getattr(pytabkit, f"{name}_{'Regressor' if is_regression else 'Classifier'}")
        # It takes categories as they are, but no missing numbers.
        filled = make_column_transformer(
            (SimpleImputer(strategy="median"), make_column_selector(dtype_include="number")),
            remainder="passthrough",
            verbose_feature_names_out=False,
        ).set_output(transform="pandas")
        return make_pipeline(filled, cls(device="cpu", random_state=0, n_threads=1, verbosity=0))
    if name == "CatBoost":
        return _CatBoost(is_regression)
    return _of_sklearn(name, is_regression)


def _of_sklearn(name, is_regression):
    if name == "linear":
        linear = Ridge() if is_regression else LogisticRegression(max_iter=2000)
        return prepared(linear)
    if name == "MLP":
        if is_regression:
            perceptron = MLPRegressor(
                hidden_layer_sizes=(128, 128), early_stopping=True, random_state=0
            )
            return prepared(TransformedTargetRegressor(perceptron, transformer=StandardScaler()))
        return prepared(MLPClassifier((128, 128), early_stopping=True, random_state=0))
    if name == "RandomForest":
        forest = RandomForestRegressor if is_regression else RandomForestClassifier
        return prepared(forest(random_state=0), scale=False)
    boosting = HistGradientBoostingRegressor if is_regression else HistGradientBoostingClassifier
    if name == "HistGradientBoosting":
        # It takes gaps, but no column of nothing else.
        filled = make_column_transformer(
            ("passthrough", lambda X: list(X.columns[X.notna().any()])),
            verbose_feature_names_out=False,
        ).set_output(transform="pandas")
        return make_pipeline(filled, boosting(random_state=0))
    raise ValueError(f"no model is called {name!r}.")


class _CatBoost:
    """CatBoost with its defaults, with the categories named."""

    def __init__(self, is_regression):
        import catboost

        self.cls = catboost.CatBoostRegressor if is_regression else catboost.CatBoostClassifier

    def fit(self, X, y):
        categories = list(X.select_dtypes("category"))
        self.model = self.cls(
            random_seed=0,
            thread_count=1,
            verbose=False,
            cat_features=categories or None,
            allow_writing_files=False,
        )
        self.model.fit(self._filled(X), y)
        self.classes_ = getattr(self.model, "classes_", None)
        return self

    def _filled(self, X):
        X = X.copy()
        for column in X.select_dtypes("category"):
            X[column] = X[column].astype(object).where(X[column].notna(), "missing").astype(str)
        return X

    def predict(self, X):
        return np.ravel(self.model.predict(self._filled(X)))

    def predict_proba(self, X):
        return self.model.predict_proba(self._filled(X))


def load(name, folder):
    """Return columns and target of a set; classes as numbers."""
    if name in BUNDLED:
        X, y = BUNDLED[name](return_X_y=True, as_frame=True)
    else:
        X, y = load_table(name, folder)
        X = X.drop(columns=[c for c in NOT_FEATURES.get(name, []) if c in X])
    return X, y


def split_rows(n_rows, split, limit):
    """Return training and test rows of a split: at most `limit` of each, a third to test."""
    order = np.random.RandomState(split).permutation(n_rows)
    n_test = min(limit, n_rows // 3)
    return order[n_test : n_test + limit], order[:n_test]


def calibration_error(probability, target):
    """Return the mean distance of confidence and accuracy over bins of as many rows."""
    confidence, hit = probability.max(axis=1), probability.argmax(axis=1) == target
    bins = np.array_split(np.argsort(confidence, kind="stable"), N_BINS_OF_ECE)
    gaps = [
        abs(hit[rows].mean() - confidence[rows].mean()) * len(rows) for rows in bins if len(rows)
    ]
    return sum(gaps) / len(target)


def measure_one(model, X, y, train, test, is_regression):
    """Fit and predict; return scores and CPU seconds."""
    begin = time.process_time()
    model.fit(X.iloc[train], y[train])
    fitted = time.process_time()
    if is_regression:
        predicted = model.predict(X.iloc[test])
        score = {"score": root_mean_squared_error(y[test], predicted) / y[train].std()}
    else:
        known = model.predict_proba(X.iloc[test])
        probability = np.zeros((len(test), int(y.max()) + 1))
        probability[:, np.asarray(model.classes_, dtype=int)] = known
        given = probability[np.arange(len(test)), y[test]]
        score = {
            "score": accuracy_score(y[test], probability.argmax(axis=1)),
            "log_loss": -np.log(np.maximum(given, 1e-15)).mean(),
            "ece": calibration_error(probability, y[test]),
        }
    ended = time.process_time()
    epochs = getattr(model, "n_iter_", "")
    seconds = {"fit": fitted - begin, "predict": ended - fitted}
    return {**score, **seconds, "epochs": epochs if np.ndim(epochs) == 0 else ""}


def measure(options):
    """Append the rows that the file lacks."""
    done = set()
    if options.results.exists():
        with options.results.open() as file:
            done = {(row["set"], row["split"], row["model"]) for row in csv.DictReader(file)}
    else:
        options.results.write_text(",".join(FIELDS) + "\n")
    is_regression = options.half.startswith("regression")
    for split in options.splits:
        for name in options.sets or SETS[options.half].split():
            X, y = load(name, options.data)
            y = y.to_numpy(float) if is_regression else pd.factorize(y, sort=True)[0]
            train, test = split_rows(len(X), split, options.rows)
            for title in options.models:
                if (name, str(split), title) in done:
                    continue
                model = named_model(title, is_regression)
                row = measure_one(model, X, y, train, test, is_regression)
                about = {"set": name, "split": split, "model": title}
                about |= {"rows": len(train), "columns": X.shape[1]}
                with options.results.open("a") as file:
                    csv.DictWriter(file, FIELDS).writerow({**about, **row})
                print(name, split, title, {k: np.round(v, 4) for k, v in row.items() if v != ""})


def report(options):
    """Print means by set, then ranks, means and times of models, and draw them."""
    table = pd.concat(pd.read_csv(path) for path in options.results)
    is_regression = table["log_loss"].isna().all()
    chosen = options.models or list(dict.fromkeys(table["model"]))
    sets = options.sets or [
        name
        for name in dict.fromkeys(table["set"])
        if options.half is None or name in SETS[options.half].split()
    ]
    table = table[table["model"].isin(chosen) & table["set"].isin(sets)]
    table = table[table["split"].isin(options.splits)]
    cells = table.pivot_table(index=["set", "split"], columns="model", values="score")[chosen]
    complete = cells.dropna()
    print(f"{len(complete)} of {len(cells)} pairs of set and split are complete.\n")
    scores = cells.groupby("set", sort=False).mean().loc[[s for s in sets if s in cells.index]]
    print("| set | " + " | ".join(chosen) + " |")
    print("|---" * (1 + len(chosen)) + "|")
    for name, row in scores.iterrows():
        best = row.min() if is_regression else row.max()
        shown = (f"**{v:.4f}**" if np.isclose(v, best) else f"{v:.4f}" for v in row)
        print(f"| {name} | " + " | ".join(shown) + " |")
    print()
    sign = 1 if is_regression else -1
    ranks = rankdata(sign * complete.to_numpy().round(6), axis=1)
    by_set = pd.DataFrame(ranks, index=complete.index, columns=chosen).groupby("set").mean()
    print("| model | mean rank | mean score | log loss | ECE | fit, CPU s | predict, CPU s |")
    print("|---|---|---|---|---|---|---|")
    indexed = table.set_index(["set", "split"])
    indexed = indexed[indexed.index.isin(complete.index)]
    means = indexed.groupby("model")[["score", "log_loss", "ece", "fit", "predict"]].mean()
    for title in by_set.mean().sort_values().index:
        m = means.loc[title]
        print(
            f"| {title} | {by_set[title].mean():.2f} | {m.score:.4f} | {m.log_loss:.4f} | "
            f"{m.ece:.4f} | {m.fit:.1f} | {m.predict:.2f} |"
        )
    if len(chosen) > 1 and len(by_set) > 1:
        distance = critical_difference(len(chosen), len(by_set))
        print(f"\ncritical difference of mean ranks (Nemenyi, 5 %): {distance:.2f}")
        if options.ranks:
            draw_ranks(by_set.mean(), len(by_set), options.ranks)
    if options.plot:
        draw(means, is_regression, options.plot)


def draw(means, is_regression, path):
    """Draw mean score against mean time of a fit, and the models that no other beats in both."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    loss = means["score"] * (1 if is_regression else -1)
    ordered = means.assign(loss=loss).sort_values("fit")
    front = ordered[ordered["loss"] <= ordered["loss"].cummin()]
    axes.plot(front["fit"], front["score"], drawstyle="steps-post", color="0.7", zorder=0)
    for title, row in ordered.iterrows():
        axes.scatter(row["fit"], row["score"], color="C3" if title == "sphereskl" else "C0")
        axes.annotate(title, (row["fit"], row["score"]), (5, 3), textcoords="offset points", size=8)
    axes.set(xscale="log", xlabel="CPU seconds of a fit, mean")
    axes.set_ylabel("RMSE / standard deviation, mean" if is_regression else "accuracy, mean")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("measure", "report"):
        command = commands.add_parser(name)
        many = "+" if name == "report" else None
        command.add_argument("results", type=Path, nargs=many)
        command.add_argument("--half", choices=SETS, default="development" if not many else None)
        command.add_argument("--sets", nargs="+")
        command.add_argument("--models", nargs="+", default=None if many else ["sphereskl"])
        command.add_argument("--splits", nargs="+", type=int, default=[0, 1, 2])
        if name == "measure":
            command.add_argument("--rows", type=int, default=4000)
            add_data_option(command)
        else:
            command.add_argument("--plot", type=Path)
            command.add_argument("--ranks", type=Path)
    options = parser.parse_args()
    # Every model computes on one core.
    torch.set_num_threads(1)
    with threadpool_limits(1):
        (measure if options.command == "measure" else report)(options)


if __name__ == "__main__":
    main()
