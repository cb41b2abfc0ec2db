"""Does exchanging prototypes among classes help when there are more classes than dimensions?

    python examples/benchmarks/assignment.py [--data DIR] [--seeds 3] [--rows 10000]

Letter recognition (26 classes). ``--data`` names a folder with ``letter.csv.gz``; without it
the data come from OpenML. Prints the table of docs/benchmarks/assignment.md.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.datasets import fetch_openml
from sklearn.model_selection import train_test_split

from sphereskl import HypersphericalPrototypeClassifier
from sphereskl.training import ReassignPrototypes

CALLBACKS = {
    "identity": list,
    "hungarian": lambda: [ReassignPrototypes()],
    "hungarian, momentum 0": lambda: [ReassignPrototypes(momentum=0.0)],
    "hungarian, 5 epochs": lambda: [ReassignPrototypes(until_epoch=5)],
}


def load(folder):
    if folder is None:
        return fetch_openml("letter", version=1, return_X_y=True, as_frame=False)
    frame = pd.read_csv(Path(folder) / "letter.csv.gz")
    return frame.iloc[:, :-1].to_numpy(dtype=float), frame.iloc[:, -1].to_numpy(dtype=str)


def accuracy(X, y, dim, loss, callbacks, epochs, seed):
    parts = train_test_split(X, y, test_size=0.3, stratify=y, random_state=seed)
    X_train, X_test, y_train, y_test = parts
    classifier = HypersphericalPrototypeClassifier(
        embedding_dim=dim,
        loss=loss,
        max_epochs=epochs,
        callbacks=callbacks(),
        random_state=seed,
    )
    return classifier.fit(X_train, y_train).score(X_test, y_test)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default=None)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    X, y = load(options.data)
    rows = np.random.default_rng(0).permutation(len(X))[: options.rows]
    X, y = X[rows], y[rows]
    print("| loss | d | assignment | accuracy, mean | s.d. | by seed |")
    print("|---|---|---|---|---|---|")
    for loss in ("cross_entropy", "cosine", "squared_cosine"):
        for dim in (4, 8, 13):
            for name, callbacks in CALLBACKS.items():
                scores = [
                    accuracy(X, y, dim, loss, callbacks, options.epochs, seed)
                    for seed in range(options.seeds)
                ]
                by_seed = " ".join(f"{score:.4f}" for score in scores)
                cells = loss, dim, name, f"{np.mean(scores):.4f}", f"{np.std(scores):.4f}", by_seed
                print("|", *(f"{cell} |" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
