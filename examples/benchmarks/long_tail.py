"""Long tails and auxiliary losses: what helps on top of the defaults.

Three parts: classes of unequal size ("imbalance"), losses of embeddings added to that of classes
("auxiliary") and added to that of values ("values"). Rows go into a file one by one, and what the
file has is not measured again:

    python examples/benchmarks/long_tail.py measure results.csv --data DIR
    python examples/benchmarks/long_tail.py measure results.csv --parts imbalance --sets letter
    python examples/benchmarks/long_tail.py report results.csv

Losses that the package lacks stand in `long_tail_losses.py`.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from datasets import add_data_option, load_images, load_table
from long_tail_losses import (
    AUXILIARY,
    AdjustedPrototypes,
    AdjustedSoftmax,
    AuxiliaryClassifier,
    AuxiliaryRegressor,
    PrototypesOfLengths,
)
from sklearn.metrics import root_mean_squared_error
from threadpoolctl import threadpool_limits

from sphereskl import (
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
    SphereNetClassifier,
)
from sphereskl.nn import MLP

SETS = {
    "imbalance": ["pendigits", "optdigits", "letter", "fashion_mnist"],
    "auxiliary": ["vehicle", "credit-g", "waveform-5000", "segment", "letter"],
    "values": ["abalone", "cpu_act", "california_housing"],
}
MODELS = {
    "imbalance": [
        "prototypes",
        "prototypes, balanced",
        "prototypes, adjusted loss",
        "prototypes, adjusted loss, smoothed",
        "prototypes, lengths",
        "softmax",
        "softmax, balanced",
        "softmax, adjusted loss",
    ],
    "auxiliary": ["plain"]
    + [f"{loss} {weight}" for loss in ("contrastive", "uniform") for weight in (0.1, 0.5)],
    "values": ["plain", "rank-n-contrast 0.1", "rank-n-contrast 0.5"],
}
RATIOS = (10, 100)
# Rows of the largest class, and test rows of every class.
SIZES = {
    "letter": (120, 150),
    "pendigits": (250, 300),
    "optdigits": (250, 150),
    "fashion_mnist": (250, 300),
}
FIELDS = ["part", "set", "split", "model", "ratio", "rows", "score", "rare", "common"]


def load(name, folder):
    """Return rows and classes as numbers; images halved, as flat rows."""
    if name == "fashion_mnist":
        X, y, X_test, y_test = load_images(name, folder)
        X = np.concatenate([X, X_test]).reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))
        return pd.DataFrame(X.reshape(len(X), -1)), np.concatenate([y, y_test])
    X, y = load_table(name, folder)
    return X, pd.factorize(y, sort=True)[0]


def long_tailed_rows(y, ratio, sizes, rng):
    """Return training rows of exponential class sizes (Cui et al. 2019) and balanced test rows."""
    n_classes = y.max() + 1
    largest, n_test = sizes
    train, test = [], []
    for rank, label in enumerate(rng.permutation(n_classes)):
        rows = rng.permutation(np.flatnonzero(y == label))
        size = max(2, round(largest * ratio ** (-rank / (n_classes - 1))))
        test.append(rows[:n_test])
        train.append(rows[n_test : n_test + size])
    return np.concatenate(train), np.concatenate(test)


def long_tailed_model(name, counts, seed):
    """Return an unfitted classifier that knows the sizes of the classes."""
    layer, _, remedy = name.partition(", ")
    common = {"backbone": MLP(), "lr": 4e-3, "random_state": seed}
    common["class_weight"] = "balanced" if remedy == "balanced" else None
    if remedy == "lengths":
        model = PrototypesOfLengths(loss="squared_cosine", **common)
    elif layer == "prototypes" and remedy.startswith("adjusted loss"):
        # The paper smooths nothing: a smoothed target asks for more of a rare class than there is.
        smoothing = {"label_smoothing": 0.1 if remedy.endswith("smoothed") else 0.0}
        model = AdjustedPrototypes(**smoothing, **common)
    elif layer == "prototypes":
        model = HypersphericalPrototypeClassifier(**common)
    else:
        adjusted = remedy == "adjusted loss"
        model = (AdjustedSoftmax if adjusted else SphereNetClassifier)(loss="softmax", **common)
    model.counts = counts.astype(np.float64)
    return model


def recalls(logits, y, counts):
    """Return balanced accuracy, and that of the rarest and of the commonest third."""
    n_classes = len(counts)
    hit = logits.argmax(axis=1) == y
    recall = np.bincount(y, weights=hit, minlength=n_classes) / np.bincount(y, minlength=n_classes)
    by_size, third = np.argsort(counts, kind="stable"), -(-n_classes // 3)
    return {
        "score": recall.mean(),
        "rare": recall[by_size[:third]].mean(),
        "common": recall[by_size[-third:]].mean(),
    }


def measure_imbalance(name, split, options, done):
    X, y = load(name, options.data)
    for ratio in RATIOS:
        rng = np.random.RandomState(split)
        train, test = long_tailed_rows(y, ratio, SIZES[name], rng)
        train = rng.permutation(train)
        counts = np.bincount(y[train])
        for title in options.models or MODELS["imbalance"]:
            if (name, str(split), title, str(ratio)) in done:
                continue
            model = long_tailed_model(title, counts, split).fit(X.iloc[train], y[train])
            logits = model._infer(X.iloc[test], "logits").astype(np.float64)
            about = {"ratio": ratio, "rows": len(train)}
            yield {**about, "model": title, **recalls(logits, y[test], counts)}
            if "," not in title:
                log_p = model.predict_log_proba(X.iloc[test])
                shifted = log_p - np.log(counts / counts.sum())
                yield {**about, "model": f"{title}, post hoc", **recalls(shifted, y[test], counts)}


def measure_auxiliary(name, split, options, done):
    yield from _measure_table(name, split, options, done, AuxiliaryClassifier)


def measure_values(name, split, options, done):
    yield from _measure_table(name, split, options, done, AuxiliaryRegressor)


def _measure_table(name, split, options, done, cls):
    X, y = load_table(name, options.data)
    is_class = cls is AuxiliaryClassifier
    y = pd.factorize(y, sort=True)[0] if is_class else y.to_numpy(float)
    order = np.random.RandomState(split).permutation(len(X))
    n_test = min(4000, len(X) // 3)
    test, train = order[:n_test], order[n_test : n_test + options.rows]
    for title in options.models or MODELS["auxiliary" if is_class else "values"]:
        if (name, str(split), title, "1") in done:
            continue
        loss, _, weight = title.partition(" ")
        plain = HypersphericalPrototypeClassifier if is_class else HypersphericalRegressor
        model = (cls if weight else plain)(random_state=split)
        if weight:
            model.auxiliary, model.auxiliary_weight = AUXILIARY[loss], float(weight)
        model.fit(X.iloc[train], y[train])
        if is_class:
            score = model.score(X.iloc[test], y[test])
        else:
            error = root_mean_squared_error(y[test], model.predict(X.iloc[test]))
            score = error / y[train].std()
        yield {"ratio": 1, "rows": len(train), "model": title, "score": score}


MEASURES = {
    "imbalance": measure_imbalance,
    "auxiliary": measure_auxiliary,
    "values": measure_values,
}


def measure(options):
    """Append the rows that the file lacks."""
    if not options.results.exists():
        options.results.write_text(",".join(FIELDS) + "\n")
    with options.results.open() as file:
        rows = list(csv.DictReader(file))
    for part in options.parts:
        key = ("set", "split", "model", "ratio")
        done = {tuple(row[k] for k in key) for row in rows if row["part"] == part}
        for split in options.splits:
            for name in options.sets or SETS[part]:
                if name not in SETS[part]:
                    continue
                for row in MEASURES[part](name, split, options, done):
                    about = {"part": part, "set": name, "split": split}
                    with options.results.open("a") as file:
                        csv.DictWriter(file, FIELDS).writerow({**about, **row})
                    print(name, split, row["model"], round(row["score"], 4), flush=True)


def report(options):
    """Print the tables."""
    table = pd.read_csv(options.results)
    for ratio in RATIOS:
        rows = table[(table["part"] == "imbalance") & (table["ratio"] == ratio)]
        if len(rows):
            print(f"\n## Largest class {ratio} times the smallest\n")
            print_imbalance(rows)
    for part in ("auxiliary", "values"):
        rows = table[table["part"] == part]
        if len(rows):
            print(f"\n## {part.capitalize()}\n")
            print_by_set(rows, sign=1 if part == "auxiliary" else -1)


def print_imbalance(rows):
    """Print means over sets, and balanced accuracy by set."""
    models = sorted(set(rows["model"]), key=_order)
    complete = rows.pivot_table(index=["set", "split"], columns="model", values="score").dropna()
    rows = rows[pd.MultiIndex.from_frame(rows[["set", "split"]]).isin(complete.index)]
    print("| model | balanced accuracy | rarest third | commonest third |")
    print("|---|---|---|---|")
    by_set = rows.groupby(["model", "set"])[["score", "rare", "common"]].mean()
    means = by_set.groupby("model").mean()
    for model in models:
        print(f"| {model} | " + " | ".join(f"{v:.4f}" for v in means.loc[model]) + " |")
    print()
    print_by_set(rows)


def _order(model):
    layer, _, remedy = model.partition(", ")
    known = [m.partition(", ")[2] for m in MODELS["imbalance"] if m.startswith("prototypes")]
    return layer, [known[0], "post hoc", *known[1:]].index(remedy)


def print_by_set(rows, sign=1):
    """Print mean and deviation over splits, and how a model compares with the first."""
    models = list(dict.fromkeys(rows["model"]))
    wide = rows.pivot_table(index=["set", "split"], columns="model", values="score").dropna()
    sets = [s for s in dict.fromkeys(rows["set"]) if s in wide.index.get_level_values(0)]
    print(f"| model | {' | '.join(sets)} | gain over the first, x100 | better, of {len(wide)} |")
    print("|---" * (len(sets) + 3) + "|")
    groups = wide.groupby("set")
    mean, deviation = groups.mean(), groups.std(ddof=0)
    for model in models:
        cells = [f"{mean.loc[s, model]:.4f} ± {deviation.loc[s, model]:.4f}" for s in sets]
        gain = sign * (wide[model] - wide[models[0]])
        by_set = 100 * gain.groupby("set").mean()
        compared = f"{by_set.mean():+.2f} | {(gain > 0).sum()}"
        print(f"| {model} | {' | '.join(cells)} | {compared if model != models[0] else '|'} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("measure", "report"):
        command = commands.add_parser(name)
        command.add_argument("results", type=Path)
        if name == "measure":
            command.add_argument("--parts", nargs="+", choices=SETS, default=list(SETS))
            command.add_argument("--sets", nargs="+")
            command.add_argument("--models", nargs="+")
            command.add_argument("--splits", nargs="+", type=int, default=[0, 1, 2])
            command.add_argument("--rows", type=int, default=2000, help="of balanced tables")
            add_data_option(command)
    options = parser.parse_args()
    # Every model computes on one core.
    torch.set_num_threads(1)
    with threadpool_limits(1):
        (measure if options.command == "measure" else report)(options)


if __name__ == "__main__":
    main()
