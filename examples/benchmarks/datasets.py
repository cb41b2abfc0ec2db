"""Real tables and images for the benchmark programs: from a folder, or from OpenML."""

import argparse
import gzip
import json
from pathlib import Path

import numpy as np
from sklearn.datasets import fetch_openml

# Tables that were chosen and measured when all defaults were fixed. OpenML knows none by the last
# two names: they are read from a folder.
FURTHER_TABLES = (
    "anneal balance-scale breast-w credit-approval mfeat-fourier mfeat-morphological mfeat-zernike "
    "tic-tac-toe MagicTelescope phoneme satimage texture marketing mammographic"
)


def add_data_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--data DIR``."""
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder with NAME.csv.gz and NAME.json (tables) or NAME.npz (images); "
        "without it, data come from OpenML",
    )


def load_table(name, folder=None):
    """Return the columns and the target of a table.

    Parameters
    ----------
    name : str
        As on OpenML.
    folder : Path or None
        Where ``name.csv.gz`` lies, with ``name.json`` that says which column is the
        target and which columns are categories.

    Returns
    -------
    X : DataFrame
        Columns that are categories have the dtype "category".
    y : Series
        The target.
    """
    if folder is None:
        X, y = fetch_openml(name, version=1, as_frame=True, return_X_y=True, parser="auto")
        return X, y
    import pandas as pd  # images can do without

    about = json.loads((folder / f"{name}.json").read_text())
    with gzip.open(folder / f"{name}.csv.gz", "rt") as file:
        frame = pd.read_csv(file, dtype={column: "category" for column in about["categorical"]})
    return frame.drop(columns=about["target"]), frame[about["target"]]


def load_images(name, folder=None):
    """Return training and test images with their labels.

    Parameters
    ----------
    name : {"mnist", "fashion_mnist", "cifar10"}
        Which set.
    folder : Path or None
        Where ``name.npz`` lies, with X_train, y_train, X_test and y_test.

    Returns
    -------
    X_train, y_train, X_test, y_test : ndarray
        Images of uint8, (n, height, width) or (n, height, width, 3), and integers.
    """
    if folder is not None:
        with np.load(folder / f"{name}.npz") as file:
            return tuple(file[key] for key in ("X_train", "y_train", "X_test", "y_test"))
    openml = {"mnist": "mnist_784", "fashion_mnist": "Fashion-MNIST", "cifar10": "CIFAR_10"}
    X, y = fetch_openml(openml[name], version=1, as_frame=False, return_X_y=True, parser="auto")
    X, y = X.astype(np.uint8), y.astype(np.int64)
    if name == "cifar10":
        X, n_train = X.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), 50_000
    else:
        X, n_train = X.reshape(-1, 28, 28), 60_000
    return X[:n_train], y[:n_train], X[n_train:], y[n_train:]


def halves(n_rows, *, limit=10_000):
    """Split rows into a half that defaults may be chosen on and one that tables show.

    Parameters
    ----------
    n_rows : int
        Rows of the set.
    limit : int
        Maximum number of rows of each half.

    Returns
    -------
    development, evaluation : ndarray of int64
        Row numbers, the same in every run.
    """
    order = np.random.default_rng(0).permutation(n_rows)
    return order[: n_rows // 2][:limit], order[n_rows // 2 :][:limit]
