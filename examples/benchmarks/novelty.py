"""Novelty: rows of classes, and of data sets, that took no part in training.

Measures one row of a CSV file for every case, seed and score, skips cases that the file has, and
prints the tables of docs/benchmarks/novelty.md from it:

    python examples/benchmarks/novelty.py measure novelty.csv
    python examples/benchmarks/novelty.py report novelty.csv

`--data DIR` reads data from a folder. pytorch-ood has to be installed. "sphere" is
`HypersphericalPrototypeClassifier` at its default, "softmax" the same backbone, members, optimiser
and epochs under an ordinary softmax layer. Detectors of pytorch-ood see the features below that
layer; with members, each has a detector of its own and scores are means. "inputs" are detectors of
scikit-learn that see the rows themselves, standardised and one-hot encoded, and no labels.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from datasets import add_data_option, load_images, load_table
from pytorch_ood.detector import KNN, EnergyBased, Mahalanobis, MaxSoftmax, ViM
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import IsolationForest
from sklearn.impute import SimpleImputer
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from sphereskl import MLP, ConvNet, HypersphericalPrototypeClassifier, SphereNetClassifier
from sphereskl.metrics import novelty_report

# Number of classes that are held out, of each table. Those of the first row are the ones that the
# default score was chosen on.
CHOSEN_ON = {"vehicle": 1, "segment": 2, "letter": 5, "pendigits": 3}
CONFIRMED_ON = {
    "vowel": 3,
    "soybean": 5,
    "optdigits": 3,
    "page-blocks": 2,
    "waveform-5000": 1,
    "splice": 1,
    "kr-vs-k": 5,
}
# Data set that is learned, and the one that strangers are from.
IMAGES = [("mnist", "fashion_mnist"), ("fashion_mnist", "mnist"), ("fashion_mnist", "cifar10")]
METHODS = (
    "auto",
    "energy",
    "mahalanobis",
    "mahalanobis_neighbors",
    "cosine",
    "neighbors",
    "von_mises_fisher",
    "resultant_length",
)
NOT_FEATURES = ["Train_or_Test", "Train or Test", "Speaker_Number", "Speaker Number"]
FIELDS = "case seed score auroc fpr95 false_alarms detected".split()
IMAGE_OPTIONS = {"max_epochs": 8}


def table_case(name, n_new, seed, folder):
    """Return training rows with labels, known test rows, and rows of classes held out."""
    X, y = load_table(name, folder)
    X, y = X.drop(columns=NOT_FEATURES, errors="ignore"), np.asarray(y).astype(str)
    rng = np.random.default_rng(seed)
    labels, counts = np.unique(y, return_counts=True)
    frequent = labels[counts >= 10]
    new = rng.choice(frequent, n_new, replace=False)
    order = rng.permutation(len(y))
    known = order[np.isin(y[order], np.setdiff1d(frequent, new))]
    strange = order[np.isin(y[order], new)][:2000]
    n_train = min(4000, int(0.7 * len(known)))
    train, test = known[:n_train], known[n_train : n_train + 2000]
    return (X.iloc[train], y[train]), X.iloc[test], X.iloc[strange]


def image_case(name, stranger, seed, folder):
    """Return 3,000 training images with labels, 2,000 known and 2,000 strange ones."""
    X, y, X_test, _ = load_images(name, folder)
    strange = load_images(stranger, folder)[2]
    if strange.ndim == 4:
        # Grey by the weights of Rec. 601, and the middle of the picture.
        strange = (strange @ np.array([0.299, 0.587, 0.114]))[:, 2:30, 2:30].astype(np.uint8)
    rng = np.random.default_rng(seed)
    train, test = rng.permutation(len(X))[:3000], rng.permutation(len(X_test))[:2000]
    return (X[train], y[train]), X_test[test], strange[rng.permutation(len(strange))[:2000]]


def sphere_scores(case, seed, options):
    """Yield the name of each score of the prototype classifier, and scores of both kinds."""
    (X, y), known, new = case
    model = HypersphericalPrototypeClassifier(random_state=seed, **options).fit(X, y)
    for method in METHODS:
        yield method, model.score_samples(known, method), model.score_samples(new, method)
    yield "is_novel(0.05)", ~model.is_novel(known), ~model.is_novel(new)


def softmax_scores(case, seed, options):
    """Yield the same for detectors on the network with a softmax layer."""
    (X, y), known, new = case
    options = {"backbone": MLP(), **options}
    model = SphereNetClassifier(loss="softmax", lr=8e-3, random_state=seed, **options).fit(X, y)
    target = torch.from_numpy(np.searchsorted(model.classes_, y))
    features = [_features(model, rows) for rows in (X, known, new)]
    weights, biases = _last_layer(model)
    logits = [(h @ weights.mT + biases[:, None]).mean(dim=0) for h in features[1:]]
    yield "softmax: probability", *(-MaxSoftmax.score(part).numpy() for part in logits)
    yield "softmax: energy", *(-EnergyBased.score(part).numpy() for part in logits)
    detectors = {
        "softmax: ViM": lambda m: ViM(None, d=64, w=weights[m], b=biases[m]),
        "softmax: KNN (50)": lambda m: KNN(None, k=50),
        "softmax: KNN (1)": lambda m: KNN(None, k=1),
        "softmax: Mahalanobis": lambda m: Mahalanobis(None),
    }
    for name, make in detectors.items():
        scores = []
        for m, train in enumerate(features[0]):
            detector = make(m).fit_features(train, target)
            scores.append([-detector.predict_features(part[m]).numpy() for part in features[1:]])
        yield name, *(np.mean([score[k] for score in scores], axis=0) for k in (0, 1))


def input_scores(case, seed, options):
    """Yield the same for detectors of scikit-learn on the rows themselves."""
    (X, _), known, new = case
    if isinstance(X, pd.DataFrame):
        encoder = make_column_transformer(
            (
                OneHotEncoder(sparse_output=False, handle_unknown="ignore"),
                make_column_selector(dtype_exclude="number"),
            ),
            remainder=make_pipeline(SimpleImputer(), StandardScaler()),
        ).fit(X)
        X, known, new = (encoder.transform(part) for part in (X, known, new))
    else:
        X, known, new = (part.reshape(len(part), -1) / 255 for part in (X, known, new))
    nearest = NearestNeighbors(n_neighbors=1).fit(X)
    yield "inputs: KNN (1)", *(-nearest.kneighbors(part)[0][:, 0] for part in (known, new))
    for name, detector in {
        "local outlier factor": LocalOutlierFactor(novelty=True),
        "isolation forest": IsolationForest(random_state=seed),
    }.items():
        detector.fit(X)
        yield f"inputs: {name}", *(detector.score_samples(part) for part in (known, new))


def _features(model, X):
    """Return what the last layer of the backbone sees, (n_members, n_samples, width)."""
    seen = []
    last = model.module_.backbone[-1]
    hook = last.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0].clone()))
    model.transform(X)
    hook.remove()
    # Rows that fill up the last chunk come last.
    h = torch.cat(seen, dim=-2)[..., : len(X), :]
    return h if h.ndim == 3 else h[None]


def _last_layer(model):
    """Return weights and biases from features to logits, for every member."""
    last, directions = model.module_.backbone[-1], model.module_._prototypes.detach()
    weight, bias = last.weight.detach(), last.bias.detach()
    if weight.ndim == 2:
        weight, bias = weight.T[None], bias[None, None]
    return (weight @ directions.T).mT, (bias @ directions.T)[:, 0]


def measure(args):
    """Append what is missing to the file."""
    path = args.results
    done = set()
    if path.exists():
        done = set(pd.read_csv(path)[["case", "seed"]].itertuples(index=False, name=None))
    cases = {
        name: lambda seed, name=name, n=n: (table_case(name, n, seed, args.data), {})
        for name, n in {**CHOSEN_ON, **CONFIRMED_ON}.items()
    }
    image_options = {"backbone": ConvNet(), "input_shape": (28, 28), **IMAGE_OPTIONS}
    for name, stranger in IMAGES:
        cases[f"{name} / {stranger}"] = lambda seed, pair=(name, stranger): (
            image_case(*pair, seed, args.data),
            image_options,
        )
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if not done:
            writer.writerow(FIELDS)
        for name, make in cases.items():
            for seed in range(args.seeds):
                if (name, seed) in done or (args.cases and name not in args.cases):
                    continue
                case, options = make(seed)
                rows = []
                for scores in (sphere_scores, softmax_scores, input_scores):
                    for score, known, new in scores(case, seed, options):
                        rows.append([name, seed, score, *_figures(known, new)])
                writer.writerows(rows)
                file.flush()
                print(name, seed, flush=True)


def _figures(known, new):
    """Return AUROC and FPR at 95 % of scores, or rates of false alarms and of hits of decisions."""
    if known.dtype == bool:
        return "", "", f"{(~known).mean():.4f}", f"{(~new).mean():.4f}"
    report = novelty_report(known, new)
    return f"{report.auroc:.4f}", f"{report.fpr95:.4f}", "", ""


def report(args):
    """Print the tables."""
    frame = pd.read_csv(args.results)
    scores = frame[frame["auroc"].notna()]
    tables = [*CHOSEN_ON, *CONFIRMED_ON]
    images = [case for case in frame["case"].unique() if case not in tables]
    groups = {
        "development sets": list(CHOSEN_ON),
        "confirmation sets": list(CONFIRMED_ON),
        "images": images,
    }
    for measure in ("auroc", "fpr95"):
        by_case = scores.pivot_table(index="score", columns="case", values=measure)
        means = pd.DataFrame({name: by_case[cases].mean(axis=1) for name, cases in groups.items()})
        means["all"] = by_case.mean(axis=1)
        spread = scores.groupby(["score", "seed"])[measure].mean().groupby("score").std()
        means["spread over seeds"] = [f"± {spread[score]:.3f}" for score in means.index]
        best = means.sort_values("all", ascending=measure == "fpr95")
        print(f"\n## {'AUROC' if measure == 'auroc' else 'FPR at 95 % TPR'}, means\n")
        print(best.round(3).to_markdown())
    print("\n## AUROC, all cases\n")
    by_score = scores.pivot_table(index="case", columns="score", values="auroc")
    print(by_score.round(3).to_markdown())
    names = {"false_alarms": "false alarm rate", "detected": "detection rate"}
    decided = frame[frame["false_alarms"].notna()].rename(columns=names).groupby("case")
    print("\n## `is_novel` at a false alarm rate of 0.05\n")
    print(decided[[*names.values()]].mean().round(3).to_markdown())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["measure", "report"])
    parser.add_argument("results", type=Path)
    parser.add_argument("--cases", nargs="*", help="cases to measure; all by default")
    parser.add_argument("--seeds", type=int, default=3)
    add_data_option(parser)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        (measure if args.action == "measure" else report)(args)


if __name__ == "__main__":
    main()
