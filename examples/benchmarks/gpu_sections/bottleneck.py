"""Few dimensions: prototypes, placed with and without meaning, against a softmax bottleneck."""

import statistics
import time
from functools import lru_cache

import numpy as np
from datasets import load_table
from sklearn.datasets import load_digits

from sphereskl.geometry import place_prototypes, similarity_from_vectors
from sphereskl.nn import MLP

from .images import fit
from .networks import describe, make_classifier
from .rows import Plan
from .tables import by_name, differences, spread, table

TITLE = "Few dimensions"
ABOUT = """
Test accuracy in per cent with d outputs: mean ± standard deviation (number of seeds). The softmax
bottleneck is a linear layer of d outputs and an ordinary softmax layer on them; prototypes replace
both. Word-vector prototypes are placed by the similarities of the class names. Networks and
recipes are equal; differences to the bottleneck are taken seed by seed, in points. The claim of
Mettes et al. is an advantage of prototypes, and more so of word vectors, at small d.
"""
PROTOTYPES, BOTTLENECK, WORDS = "prototypes", "softmax bottleneck", "word-vector prototypes"


def plan(settings):
    plans = []
    for kind, heads in (
        ("images", (PROTOTYPES, BOTTLENECK, WORDS)),
        ("table", (PROTOTYPES, BOTTLENECK)),
    ):
        own = settings[kind]
        plans += [
            Plan(f"{own['set']}; d = {d}; {head}", {**own, "kind": kind, "d": d, "head": head})
            for d in settings[f"{kind}_dims"]
            for head in heads
        ]
    return plans


def measure(settings, seed, place):
    if settings["kind"] == "table":
        return _fit_table(settings, seed, place)
    head, width = _head(settings, place)
    return fit(head, describe(settings["net"], False), settings, seed, place, width=width)


def _head(settings, place):
    """Return the last layer, and the outputs below it."""
    d = settings["d"]
    if settings["head"] == BOTTLENECK:
        return "softmax", d
    if settings["head"] == PROTOTYPES:
        return d, None
    similarity = similarity_from_vectors(class_vectors(settings["set"], place.data))
    placed = place_prototypes(
        len(similarity), d, method="semantic", similarity=similarity, random_state=0
    )
    return placed.tolist(), None


def class_vectors(name, folder):
    """Word vectors of the names of classes; made up where a test has no data."""
    if name.startswith("digits"):
        return np.random.default_rng(0).normal(size=(10, 20))
    if folder is None:
        raise ValueError("word vectors come from DIR/glove_class_words.npz; pass --data DIR.")
    with np.load(folder / "glove_class_words.npz") as file:
        return file[name]


@lru_cache(maxsize=1)
def _table(name, folder):
    """Columns and labels as arrays."""
    if name.startswith("digits"):
        return load_digits(return_X_y=True)
    X, y = load_table(name, folder)
    return X.to_numpy(np.float32), y.to_numpy()


def _fit_table(settings, seed, place):
    X, y = _table(settings["set"], place.data)
    order = np.random.default_rng(seed).permutation(len(X))[: settings["rows"]]
    test, train = np.split(order, [len(order) // 3])
    head, width = _head(settings, place)
    classifier = make_classifier(
        head,
        MLP(tuple(settings["hidden"]), n_members=1, numeric_embedding=None),
        len(np.unique(y)),
        orthogonal=False,
        width=width,
        channels_last=False,
        max_epochs=settings["epochs"],
        batch_size=settings["batch_size"],
        lr=settings["lr"],
        validation_fraction=0,
        device=place.device,
        random_state=seed,
    )
    start = time.perf_counter()
    classifier.fit(X[train], y[train])
    return {
        "accuracy": float(classifier.score(X[test], y[test])),
        "training_loss": classifier.loss_curve_[-1],
        "fit_seconds": time.perf_counter() - start,
        "epoch_seconds": statistics.median(epoch["dur"] for epoch in classifier.history_),
    }


def tables(rows):
    if not rows:
        return []
    results = by_name(rows)
    cases = dict.fromkeys(tuple(name.split("; ")[:2]) for name in results)
    columns = (BOTTLENECK, PROTOTYPES, WORDS)
    head = ["set", "d", *columns, "prototypes - bottleneck", "word vectors - bottleneck"]
    lines = []
    for images, d in cases:
        own = {column: results.get(f"{images}; {d}; {column}", {}) for column in columns}
        cells = [_accuracy(each) for each in own.values()]
        for column in (PROTOTYPES, WORDS):
            apart = differences(own[column], own[BOTTLENECK], "accuracy")
            cells.append(spread(apart, factor=100))
        lines.append([images, d.removeprefix("d = "), *cells])
    return [table(head, lines)]


def _accuracy(results):
    return spread([each["accuracy"] for each in results.values()], factor=100)
