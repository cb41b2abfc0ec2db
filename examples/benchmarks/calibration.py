"""Calibration and selective prediction: prototypes compared with an ordinary softmax layer.

Every fit is kept as the logits of test rows and of validation rows (`results/` next to
`results.csv`), and gives one row of the file for every way to make probabilities of them, which
`calibration_forms.py` holds. Existing fits are not repeated:

    python examples/benchmarks/calibration.py measure results.csv --data DIR
    python examples/benchmarks/calibration.py measure results.csv --sets mnist --models softmax
    python examples/benchmarks/calibration.py report results.csv

All models have the same backbone, optimiser, epochs and rows; nothing is chosen on test rows.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from calibration_forms import CONFIDENCES, forms, scores
from datasets import FURTHER_TABLES, add_data_option, load_images, load_table
from threadpoolctl import threadpool_limits

from sphereskl import HypersphericalPrototypeClassifier, SphereNetClassifier
from sphereskl.nn import MLP, ConvNet, cross_entropy, fit_scale
from sphereskl.training import Criterion, expected_scale, infer

TABLES = (
    "vehicle credit-g vowel segment adult waveform-5000 page-blocks spambase pendigits letter "
    "optdigits"
).split()
FURTHER = FURTHER_TABLES.split()
IMAGES = ["mnist", "fashion_mnist"]
SMOOTHINGS = {"prototypes, 0": 0.0, "prototypes, 0.05": 0.05, "prototypes, 0.1": 0.1}
SOFTMAX = {"softmax": 0.0, "softmax, 0.1": 0.1}
HELD_OUT = "prototypes, 0, held out"
DEFAULT, SMOOTHED = "prototypes, 0", "prototypes, 0.1"
MAIN = [
    (DEFAULT, "scale_"),
    (DEFAULT, "vector"),
    (SMOOTHED, "scale_"),
    (SMOOTHED, "unsmoothed"),
    ("softmax", "trained scale"),
    ("softmax", "scale_"),
    ("softmax", "vector"),
]


class Judged:
    """Keeps what the scale is fitted on."""

    def _calibrate(self, data, n_distinct):
        super()._calibrate(data, n_distinct)
        asked = infer(self.module_.logits, *data.inputs, device=self.device_)
        self.judged_ = asked.double(), data.target.cpu()
        self.judged_length_ = torch.ones(len(asked))
        if data.fold is None:
            length = infer(self.module_.resultant_length, data.X, device=self.device_)
            self.judged_length_ = length[:, 0]
        # Of the softmax as it is, whatever labels were smoothed.
        expected = expected_scale(self.module_, self.net_.criterion_)
        weight = None if data.weight is None else data.weight.cpu()
        options = {"expected": expected, "n_distinct": n_distinct}
        self.plain_scale_ = fit_scale(*self.judged_, weight, **options)


class Prototypes(Judged, HypersphericalPrototypeClassifier):
    """The classifier as it is."""


class Softmax(Judged, SphereNetClassifier):
    """The ordinary softmax layer, whose rows of weights have any length."""

    smoothing = 0.0

    def _make_criterion(self):
        return Criterion(cross_entropy, uses_scale=True, label_smoothing=self.smoothing)


def make_model(name, options, seed):
    """Return an unfitted classifier; `options` are those in which tables and images differ."""
    common = {"random_state": seed, "lr": 8e-3, **options}
    if name in SOFTMAX:
        model = Softmax(loss="softmax", **common)
        model.smoothing = SOFTMAX[name]
        return model
    return Prototypes(label_smoothing=SMOOTHINGS[name.removesuffix(", held out")], **common)


def load(name, options, split):
    """Return training and test rows, and the options of models for them."""
    rng = np.random.RandomState(split)
    if name in IMAGES:
        X, y, X_test, y_test = load_images(name, options.data)
        chosen = rng.permutation(len(X))[: options.images]
        network = ConvNet(widths=(16, 32, 64), n_blocks=1)
        options = {"backbone": network, "max_epochs": 5, "input_shape": (28, 28)}
        return X[chosen], y[chosen], X_test, y_test, options
    X, y = load_table(name, options.data)
    y, order = pd.factorize(y, sort=True)[0], rng.permutation(len(X))
    n_test = min(4000, len(X) // 3)
    test, train = order[:n_test], order[n_test : n_test + options.rows]
    return X.iloc[train], y[train], X.iloc[test], y[test], {"backbone": MLP()}


def fit_views(name, rows, split):
    """Fit a model; return the logits and lengths that probabilities are made of."""
    X, y, X_test, y_test, options = rows
    model = make_model(name, options, split)
    if name == HELD_OUT:
        # A tenth of the rows, which no member sees: rows come in random order.
        n = len(X) // 10
        judges, rest = (X[:n], X[n:]) if isinstance(X, np.ndarray) else (X.iloc[:n], X.iloc[n:])
        model.fit(rest, y[n:], X_val=judges, y_val=y[:n])
    else:
        model.fit(X, y)
    logits = model._infer(X_test, "logits").astype(np.float64)
    return {
        "logits": logits,
        "length": model.resultant_length(X_test),
        "target": np.searchsorted(model.classes_, y_test),
        "judged": model.judged_[0].numpy(),
        "judged_target": model.judged_[1].numpy(),
        "judged_length": model.judged_length_.numpy(),
        "scale": model.plain_scale_,
        "trained_scale": float(model.module_.scale.detach()),
        "epochs": model.n_iter_,
    }


def measure(options):
    """Fit what is not there yet, then write the rows of all that is."""
    folder = options.results.with_suffix("")
    folder.mkdir(exist_ok=True)
    for name in options.sets:
        for split in options.splits:
            rows = None
            for model in options.models:
                path = folder / f"{name}; {split}; {model}.npz"
                if path.exists() or (name in IMAGES and model == HELD_OUT):
                    continue
                rows = load(name, options, split) if rows is None else rows
                np.savez_compressed(path, n_rows=len(rows[0]), **fit_views(model, rows, split))
                print(name, split, model, flush=True)
    table = pd.DataFrame([row for path in sorted(folder.glob("*.npz")) for row in score_file(path)])
    table.to_csv(options.results, index=False)


def score_file(path):
    """Return a row for every form of the probabilities of a fit."""
    name, split, model = path.stem.split("; ")
    with np.load(path) as file:
        views = dict(file)
    about = {"set": name, "split": int(split), "model": model, "rows": int(views["n_rows"])}
    smoothing = SMOOTHINGS.get(model.removesuffix(", held out"), 0.0)
    return [
        {**about, "form": form, **scores(views, log_p)}
        for form, log_p in forms(views, smoothing, held_out=model == HELD_OUT)
    ]


def report(options):
    """Print the tables."""
    table = pd.read_csv(options.results)
    default = table[table["model"].isin([DEFAULT, "softmax"])]
    groups = {
        "Tables": (TABLES, table),
        "Further tables": (FURTHER, default),
        "All tables": (TABLES + FURTHER, default),
        "Images": (IMAGES, table),
    }
    for title, (sets, rows) in groups.items():
        part = rows[rows["set"].isin(sets)]
        if len(part):
            print(f"\n## {title}: {part['set'].nunique()} sets\n")
            _report_part(part)


def _report_part(table):
    print_means("Compared with an ordinary softmax layer", table, MAIN)
    print_wins(table)
    pairs = [(m, f) for m in SMOOTHINGS for f in ("scale_", "unsmoothed")]
    print_means("Label smoothing", table, pairs)
    if (table["model"] == "softmax, 0.1").any():
        print_means("A smoothed softmax layer", table, [*MAIN, ("softmax, 0.1", "scale_")])
    of_default = list(dict.fromkeys(table[table["model"] == DEFAULT]["form"]))
    print_means("Forms of the scale", table, [(DEFAULT, form) for form in of_default])
    held_out = list(dict.fromkeys(table[table["model"] == HELD_OUT]["form"]))
    if held_out:
        pairs = [(DEFAULT, "scale_"), *((HELD_OUT, form) for form in held_out)]
        print_means("A tenth held out", table, pairs)
    print_confidences(table)
    print(
        "\n### By set\n\n| set | splits | model | probabilities "
        "| accuracy | ECE x100 | NLL | Brier | AURC x1000 |"
    )
    print("|---" * 9 + "|")
    for name in dict.fromkeys(table["set"]):
        for model, form in MAIN:
            rows = table[(table["set"] == name) & (table["model"] == model)]
            rows = rows[rows["form"] == form]
            if len(rows):
                cells = " | ".join(f"{m} ± {s}" for m, s in _spread(rows))
                print(f"| {name} | {len(rows)} | {model} | {form} | {cells} |")


SHOWN = {
    "accuracy": (1, 4),
    "ece": (100, 2),
    "nll": (1, 3),
    "brier": (1, 4),
    "aurc_probability": (1000, 2),
}


def _spread(rows):
    for column, (factor, digits) in SHOWN.items():
        values = factor * rows[column]
        yield f"{values.mean():.{digits}f}", f"{values.std(ddof=0):.{digits}f}"


def common_cells(table, pairs):
    """Return means over splits by set, of splits that all pairs of model and form have."""
    picked = [table[(table["model"] == m) & (table["form"] == f)] for m, f in pairs]
    picked = [rows.set_index(["set", "split"]).select_dtypes("number") for rows in picked]
    picked = [rows for rows in picked if len(rows)]
    common = picked[0].index
    for rows in picked[1:]:
        common = common.intersection(rows.index)
    return [rows.loc[common].groupby("set").mean() for rows in picked]


def print_means(title, table, pairs):
    """Print means over the sets and splits that all of them have."""
    pairs = [p for p in pairs if ((table["model"] == p[0]) & (table["form"] == p[1])).any()]
    means = common_cells(table, pairs)
    print(f"\n### {title}\n\n{len(means[0])} sets; means.\n")
    print("| model | probabilities | accuracy | ECE x100 | overconfidence x100 | NLL "
          "| Brier | AURC x1000 | excess |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|")
    for (model, form), rows in zip(pairs, means, strict=True):
        m = rows.mean()
        excess = 1000 * (m.aurc_probability - m.aurc_optimal)
        print(
            f"| {model} | {form} | {m.accuracy:.4f} | {100 * m.ece:.2f} | "
            f"{100 * m.overconfidence:+.2f} | {m.nll:.4f} | {m.brier:.4f} | "
            f"{1000 * m.aurc_probability:.2f} | {excess:.2f} |"
        )


def print_wins(table):
    """Print on how many sets prototypes beat the softmax layer with its scale fitted."""
    print("\n| better than softmax, its scale fitted, sets | accuracy | ECE | NLL | Brier | AURC |")
    print("|---|---|---|---|---|---|")
    for model, form in MAIN[:4]:
        if not (table["model"] == model).any():
            continue
        ours, theirs = common_cells(table, [(model, form), ("softmax", "scale_")])
        sign = pd.Series({name: -1 if name == "accuracy" else 1 for name in SHOWN})
        wins = (sign * (theirs[list(SHOWN)] - ours[list(SHOWN)]) > 0).sum()
        print(f"| {model}, {form}, of {len(ours)} | {' | '.join(str(n) for n in wins)} |")


def print_confidences(table):
    """Print excess areas by what rows are ranked by."""
    print("\n### Confidences\n\nExcess AURC x1000, mean over sets.\n")
    print("| model | " + " | ".join(CONFIDENCES.values()) + " |")
    print("|---" * (1 + len(CONFIDENCES)) + "|")
    pairs = [pair for pair in MAIN if pair[1] == "scale_" and (table["model"] == pair[0]).any()]
    for (model, _), rows in zip(pairs, common_cells(table, pairs), strict=True):
        excess = [(rows[f"aurc_{name}"] - rows["aurc_optimal"]).mean() for name in CONFIDENCES]
        print(f"| {model} | {' | '.join(f'{1000 * value:.2f}' for value in excess)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("measure", "report"):
        command = commands.add_parser(name)
        command.add_argument("results", type=Path)
        if name == "measure":
            models = [*SMOOTHINGS, *SOFTMAX, HELD_OUT]
            command.add_argument("--sets", nargs="+", default=TABLES + IMAGES)
            command.add_argument("--models", nargs="+", choices=models, default=models)
            command.add_argument("--splits", nargs="+", type=int, default=[0, 1, 2])
            command.add_argument("--rows", type=int, default=2000, help="of tables, to train on")
            command.add_argument("--images", type=int, default=6000, help="to train on")
            add_data_option(command)
    options = parser.parse_args()
    # Every model computes on one core.
    torch.set_num_threads(1)
    with threadpool_limits(1):
        (measure if options.command == "measure" else report)(options)


if __name__ == "__main__":
    main()
