"""Classes in an order: prototypes on an arc compared with plain ones and other ordinal models.

Prints the table of docs/benchmarks/ordinal.md. `mord`, `coral-pytorch` and `dlordinal` take part if
they are installed:

    python examples/benchmarks/ordinal.py [--data DIR] [--sets car cmc]

Only rows of the evaluation half are used; defaults were chosen on the other half.
"""

import argparse
import platform
import warnings

import numpy as np
import pandas as pd
import sklearn
import torch
from datasets import add_data_option, halves, load_table
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, cohen_kappa_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import sphereskl
from sphereskl import HypersphericalOrdinalClassifier, HypersphericalPrototypeClassifier

try:
    from mord import LogisticAT
except ImportError:
    LogisticAT = None
try:
    from coral_pytorch.layers import CoralLayer
    from coral_pytorch.losses import coral_loss
except ImportError:
    CoralLayer = None
try:
    from dlordinal.losses import TriangularLoss
    from dlordinal.output_layers import CLM
except ImportError:
    CLM = None

# Labels from the lowest to the highest, where sorting does not give the order.
ORDERS = {
    "car": ["unacc", "acc", "good", "vgood"],
    "nursery": ["not_recom", "very_recom", "priority", "spec_prior"],
}
# Two of 12,960 rows: too few for five folds.
LEFT_OUT = {"nursery": ["recommend"]}
SETS = (
    "wine-quality-red",
    "wine-quality-white",
    "kr-vs-k",
    "diamonds_cut",
    "car",
    "nursery",
    "cmc",
    "abalone",
)
PLAIN, DEFAULT = "plain", "ordinal"
WANTED_LOWER = {"MAE": True, "kappa": False, "accuracy": False}


class Thresholds(torch.nn.Module):
    """A perceptron of two layers of 256 below a layer that has thresholds for the classes."""

    def fit(self, X, y):
        torch.manual_seed(0)
        self.n_classes = int(y.max()) + 1
        self.network = torch.nn.Sequential(
            torch.nn.Linear(X.shape[1], 256),
            torch.nn.ReLU(),
            torch.nn.Dropout(0.2),
            torch.nn.Linear(256, 256),
            torch.nn.ReLU(),
            torch.nn.Dropout(0.2),
            *self.layers(),
        )
        X, y = as_tensor(X), torch.from_numpy(y)
        thresholds = self.thresholds()
        weights = [p for p in self.parameters() if all(p is not t for t in thresholds)]
        # At the rate of the weights, thresholds would not arrive in so few steps.
        groups = [{"params": weights}, {"params": thresholds, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, weight_decay=1e-2)
        n_steps = 50 * -(-len(X) // 128)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, [2e-3, 0.1], n_steps)
        for _ in range(50):
            for rows in torch.randperm(len(X)).tensor_split(n_steps // 50):
                optimizer.zero_grad()
                self.loss(self.network(X[rows]), y[rows]).backward()
                optimizer.step()
                schedule.step()
        return self

    def predict(self, X):
        with torch.no_grad():
            return self.decide(self.eval().network(as_tensor(X))).numpy()


class Coral(Thresholds):
    """Layer and loss of coral-pytorch."""

    def layers(self):
        return [CoralLayer(256, self.n_classes)]

    def thresholds(self):
        return [self.network[-1].coral_bias]

    def loss(self, outputs, target):
        levels = target[:, None] > torch.arange(self.n_classes - 1)
        return coral_loss(outputs, levels.float())

    def decide(self, outputs):
        return (outputs > 0).sum(dim=1)


class CumulativeLink(Thresholds):
    """Cumulative link layer of dlordinal, with its triangular soft labels."""

    def layers(self):
        return [torch.nn.Linear(256, 1), CLM(self.n_classes, "logit")]

    def thresholds(self):
        return [self.network[-1].thresholds_b_, self.network[-1].thresholds_a_]

    def loss(self, outputs, target):
        # The loss takes logits: the softmax of logarithms of probabilities is the probabilities.
        loss = TriangularLoss(torch.nn.CrossEntropyLoss(), self.n_classes)
        return loss(outputs.clamp_min(1e-9).log(), target)

    def decide(self, outputs):
        return outputs.argmax(dim=1)


class RoundedRidge(Ridge):
    """Least squares on ranks, rounded to the nearest."""

    def fit(self, X, y):
        self.highest_ = y.max()
        return super().fit(X, y)

    def predict(self, X):
        return super().predict(X).round().clip(0, self.highest_).astype(np.int64)


def as_tensor(X):
    return torch.from_numpy(np.asarray(X, np.float32)).clamp(-4, 4)


def load_ranks(name, options):
    """Columns and ranks of the evaluation half."""
    X, y = load_table(name, options.data)
    if name == "abalone":
        y = pd.qcut(y, 10, labels=False, duplicates="drop")
    kept = ~y.isin(LEFT_OUT.get(name, [])).to_numpy()
    X, y = X[kept], y[kept]
    _, rows = halves(len(X), limit=options.rows)
    order = ORDERS.get(name, sorted(y.unique()))
    ranks = pd.Categorical(y, categories=order, ordered=True).codes.astype(np.int64)[rows]
    # Folds need five rows of a class: rarer ones join a neighbour.
    counts = np.bincount(ranks, minlength=len(order))
    usable = np.flatnonzero(counts >= 5)
    ranks = np.searchsorted(usable, ranks.clip(usable[0], usable[-1]))
    return X.iloc[rows].reset_index(drop=True), ranks


def contenders():
    """Models by name; `None` for another reading of the default's probabilities."""
    models = {
        DEFAULT: HypersphericalOrdinalClassifier(random_state=0),
        "ordinal, median": None,
        "ordinal, squared cost": HypersphericalOrdinalClassifier(cost="squared", random_state=0),
        PLAIN: HypersphericalPrototypeClassifier(random_state=0),
        "logistic": LogisticRegression(max_iter=1000),
        "rounded ridge": RoundedRidge(),
    }
    if LogisticAT is not None:
        models["mord LogisticAT"] = LogisticAT()
    if CoralLayer is not None:
        models["CORAL"] = Coral()
    if CLM is not None:
        models["dlordinal CLM"] = CumulativeLink()
    return models


def encode():
    categories = make_column_selector(dtype_include="category")
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_pipeline(
        make_column_transformer((one_hot, categories), remainder="passthrough"), StandardScaler()
    )


def judge(y, predicted):
    return {
        "MAE": np.abs(y - predicted).mean(),
        "kappa": cohen_kappa_score(y, predicted, weights="quadratic"),
        "accuracy": accuracy_score(y, predicted),
    }


def cross_validate(X, y):
    """Scores of every model in every fold, {model: {score: list}}."""
    scores = {}
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(X, y):
        encoder = encode().fit(X.iloc[train])
        X_train, X_test = encoder.transform(X.iloc[train]), encoder.transform(X.iloc[test])
        models = contenders()
        for title, model in models.items():
            # Ours take frames as they are.
            as_it_is = model is None or hasattr(model, "backbone")
            if model is None:
                model = models[DEFAULT].set_params(prediction="median")
            else:
                model.fit(X.iloc[train] if as_it_is else X_train, y[train])
            rows = X.iloc[test] if as_it_is else X_test
            for score, value in judge(y[test], model.predict(rows)).items():
                scores.setdefault(title, {}).setdefault(score, []).append(value)
    return scores


def mean_and_error(values):
    values = np.asarray(values)
    return f"{values.mean():.3f} ± {values.std(ddof=1) / np.sqrt(len(values)):.3f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000, help="rows of a set at the most")
    parser.add_argument("--sets", nargs="*", default=SETS)
    add_data_option(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    print(
        f"sphereskl {sphereskl.__version__}, torch {torch.__version__}, scikit-learn "
        f"{sklearn.__version__}, Python {platform.python_version()}, one thread; 5 folds (seed 0), "
        f"models with seed 0, at most {options.rows:,} rows\n"
    )
    rivals = {"mord": LogisticAT, "coral-pytorch": CoralLayer, "dlordinal": CLM}
    for package, found in rivals.items():
        if found is None:
            print(f"{package} is not installed: left out")
    better = {score: {title: 0 for title in contenders()} for score in WANTED_LOWER}
    print("| set | rows | classes | model | MAE of ranks | weighted kappa | accuracy |")
    print("|---|---|---|---|---|---|---|")
    for name in options.sets:
        X, y = load_ranks(name, options)
        scores = cross_validate(X, y)
        for title, by_score in scores.items():
            cells = " | ".join(mean_and_error(by_score[score]) for score in WANTED_LOWER)
            print(f"| {name} | {len(X):,} | {y.max() + 1} | {title} | {cells} |", flush=True)
            for score, lower in WANTED_LOWER.items():
                gain = np.mean(by_score[score]) - np.mean(scores[PLAIN][score])
                better[score][title] += (gain < 0) if lower else (gain > 0)
    print(f"\n| better than {PLAIN}, of {len(options.sets)} | MAE | kappa | accuracy |")
    print("|---|---|---|---|")
    for title in contenders():
        if title != PLAIN:
            print(f"| {title} | " + " | ".join(f"{better[s][title]}" for s in WANTED_LOWER) + " |")


if __name__ == "__main__":
    main()
