"""Classes that come later: few-shot class-incremental learning on tables.

Networks learn base classes; then, session by session, two new classes come with 1, 5 or 20 rows
each, and after each session rows of all classes so far are to be told apart. Measures one row of a
CSV file for every set, seed, number of rows, method and session, skips what the file has, and
prints the tables of docs/benchmarks/new_classes.md from it:

    python examples/benchmarks/new_classes.py measure new_classes.csv
    python examples/benchmarks/new_classes.py report new_classes.csv

`--data DIR` reads tables from a folder.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from datasets import add_data_option, load_table
from sklearn.neighbors import NearestCentroid
from threadpoolctl import threadpool_limits

from sphereskl import MLP, HypersphericalPrototypeClassifier, SphereNetClassifier

# Number of base classes, and training rows of each of them.
SETS = {"letter": (16, 100), "pendigits": (6, 200), "optdigits": (6, 200)}
SHOTS = (1, 5, 20)
N_TEST = 100  # rows of each class
PASSES = 20  # of partial_fit over the rows of a session
FIELDS = "set seed shots method session accuracy base new".split()


class Stream:
    """Base classes and sessions of one set.

    Parameters
    ----------
    name : str
        Of the set.
    seed : int
        Which classes are base, and which rows are shown.
    folder : Path or None
        Where the set lies.
    """

    def __init__(self, name, seed, folder):
        self.X, y = load_table(name, folder)
        self.y = np.asarray(y).astype(str)
        n_base, per_class = SETS[name]
        rng = np.random.default_rng(seed)
        labels = rng.permutation(np.unique(self.y))
        self.base, new = labels[:n_base], labels[n_base:]
        self.sessions = [new[i : i + 2] for i in range(0, len(new) - len(new) % 2, 2)]
        self.rows = {c: rng.permutation(np.flatnonzero(self.y == c)) for c in labels}
        self.base_rows = self.shown(self.base, per_class)

    def shown(self, labels, n):
        """Return the first `n` rows of every label that are not for testing."""
        return np.concatenate([self.rows[c][N_TEST : N_TEST + n] for c in labels])

    def judge(self, predict, labels):
        """Return the accuracy over rows of labels, of base ones and of new ones."""
        rows = np.concatenate([self.rows[c][:N_TEST] for c in labels])
        hit = predict(self.X.iloc[rows]) == self.y[rows]
        is_base = np.isin(self.y[rows], self.base)
        return hit.mean(), hit[is_base].mean(), hit[~is_base].mean()

    def take(self, rows):
        """Return samples and labels."""
        return self.X.iloc[rows], self.y[rows]


def added(stream, seed):
    """`add_classes`: imprinted prototypes, no training."""
    model = HypersphericalPrototypeClassifier(random_state=seed)
    model.fit(*stream.take(stream.base_rows))

    def session(labels, known, shots):
        model.add_classes(*stream.take(stream.shown(labels, shots)))
        return model.predict

    return session


def claimed(stream, seed):
    """`n_reserved` and `partial_fit`, with as many remembered rows of each class as are new."""
    model = HypersphericalPrototypeClassifier(
        n_reserved=2 * len(stream.sessions), random_state=seed
    ).fit(*stream.take(stream.base_rows))
    model.set_params(lr=1e-3)

    def session(labels, known, shots):
        X, y = stream.take(stream.shown([*known, *labels], shots))
        for _ in range(PASSES):
            model.partial_fit(X, y)
        return model.predict

    return session


def centroids(stream, seed):
    """Nearest class mean of the features below a softmax layer, all members side by side."""
    model = SphereNetClassifier(backbone=MLP(), loss="softmax", lr=4e-3, random_state=seed)
    model.fit(*stream.take(stream.base_rows))
    last, seen = model.module_.backbone[-1], []
    last.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0].clone()))

    def features(X):
        seen.clear()
        model.transform(X)
        h = torch.cat(seen, dim=1)[:, : len(X)]
        return torch.nn.functional.normalize(h, dim=2).transpose(0, 1).flatten(1).numpy()

    rows = [stream.base_rows]

    def session(labels, known, shots):
        rows.append(stream.shown(labels, shots))
        X, y = stream.take(np.concatenate(rows))
        nearest = NearestCentroid().fit(features(X), y)
        return lambda X: nearest.predict(features(X))

    return session


def retrained(stream, seed):
    """Fit anew on all rows that have been shown."""
    rows = [stream.base_rows]

    def session(labels, known, shots):
        rows.append(stream.shown(labels, shots))
        model = HypersphericalPrototypeClassifier(random_state=seed)
        return model.fit(*stream.take(np.concatenate(rows))).predict

    return session


METHODS = {
    "add_classes": added,
    "n_reserved, partial_fit": claimed,
    "softmax, nearest class mean": centroids,
    "trained anew": retrained,
}


def measure(args):
    """Append what is missing to the file."""
    path, done = args.results, set()
    keys = FIELDS[:4]
    if path.exists():
        done = set(pd.read_csv(path)[keys].itertuples(index=False, name=None))
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if not done:
            writer.writerow(FIELDS)
        for seed in range(args.seeds):
            for name in SETS:
                stream = Stream(name, seed, args.data)
                for shots in SHOTS:
                    for method, start in METHODS.items():
                        if (name, seed, shots, method) in done:
                            continue
                        session, known = start(stream, seed), list(stream.base)
                        for number, labels in enumerate(stream.sessions, 1):
                            predict = session(labels, known, shots)
                            known += list(labels)
                            figures = stream.judge(predict, known)
                            shown = [f"{value:.4f}" for value in figures]
                            writer.writerow([name, seed, shots, method, number, *shown])
                        file.flush()
                        print(name, seed, shots, method, *shown, flush=True)


def report(args):
    """Print the tables."""
    frame = pd.read_csv(args.results)
    last = frame[frame["session"] == frame.groupby("set")["session"].transform("max")]
    print("## Accuracy after the last session\n\nMeans over sets and seeds:")
    names = {"base": "accuracy, base classes", "new": "accuracy, new classes"}
    figures = last.groupby(["shots", "method"])[["accuracy", *names]].mean().rename(columns=names)
    means = frame.groupby(["shots", "method"])["accuracy"].mean()
    figures.insert(0, "mean over sessions", means)
    spread = last.groupby(["shots", "method", "seed"])["accuracy"].mean()
    figures["s.d. over seeds"] = spread.groupby(["shots", "method"]).std()
    for shots, part in figures.groupby(level="shots"):
        rows = "row" if shots == 1 else "rows"
        print(f"\n### {shots} {rows} of each new class\n")
        print(part.droplevel("shots").reindex(list(METHODS)).round(3).to_markdown())
    print("\n## By set, after the last session\n")
    by_set = last.pivot_table(index=["shots", "method"], columns="set", values="accuracy")
    by_set = by_set.round(3).reset_index().rename(columns={"shots": "rows per new class"})
    print(by_set.to_markdown(index=False))
    print("\n## By session, 5 rows\n")
    curve = frame[frame["shots"] == 5]
    curve = curve.pivot_table(index=["set", "method"], columns="session", values="accuracy")
    curve = curve.round(3).astype(object).where(curve.notna(), "")
    print(curve.reset_index().to_markdown(index=False))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["measure", "report"])
    parser.add_argument("results", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    add_data_option(parser)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        (measure if args.action == "measure" else report)(args)


if __name__ == "__main__":
    main()
