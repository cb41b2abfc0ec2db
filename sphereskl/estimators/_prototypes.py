"""From the `prototypes` and `embedding_dim` that users pass to the prototypes of a model."""

import textwrap
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import torch

from ..geometry import closest_pair, one_thread, place_prototypes
from ..preprocessing import as_array

# Methods of `place_prototypes` that estimators offer by name.
PLACEMENTS = (
    "antipodal",
    "polygon",
    "simplex",
    "orthoplex",
    "orthonormal",
    "separated",
    "uniform",
    "code",
    "random",
)


def default_dim(n_classes, least=64):
    """Choose the dimension of an embedding.

    Parameters
    ----------
    n_classes : int
        Number of classes.
    least : int, default=64
        Smallest dimension.

    Returns
    -------
    dim : int
        One for every class, so that all prototypes can be equally far apart, but at most 256
        unless `least` is larger: prototypes and last layers would grow with the square of the
        number of classes, and 256 dimensions still leave 512 classes 90 degrees apart.
    """
    return max(least, min(n_classes, 256))


def requested_dim(embedding_dim, prototypes, classes, *, n_other_axes=0):
    """Return the dimension of an embedding that the parameters determine.

    Parameters
    ----------
    embedding_dim : int or "auto"
        Of the estimator.
    prototypes : str, mapping or array-like
        Of the estimator.
    classes : ndarray of shape (n_classes,)
        Labels, in the order of the prototypes.
    n_other_axes : int, default=0
        Axes of the embedding that prototypes do not have.

    Returns
    -------
    dim : int or None
        ``None`` if it is left to the network or to `default_dim`.

    Raises
    ------
    ValueError
        If prototypes have another number of columns than `embedding_dim` allows.
    """
    if isinstance(prototypes, str):
        return None if embedding_dim == "auto" else embedding_dim
    n_columns = as_vectors(prototypes, classes).shape[1]
    if embedding_dim not in ("auto", n_columns + n_other_axes):
        axes = f", which makes {n_columns + n_other_axes} with the axis of the value"
        raise ValueError(
            f"embedding_dim is {embedding_dim}, but prototypes have {n_columns} columns"
            f"{axes if n_other_axes else ''}; leave embedding_dim='auto' to follow them."
        )
    return n_columns + n_other_axes


def resolve_prototypes(prototypes, classes, embedding_dim, seed, *, n_reserved=0):
    """Directions of the classes, and of reserved classes.

    Parameters
    ----------
    prototypes : str, mapping or array-like
        See `HypersphericalPrototypeClassifier`.
    classes : ndarray of shape (n_classes,)
        Class labels, sorted.
    embedding_dim : int
        Width of the embedding.
    seed : int
        Seed of the placement.
    n_reserved : int, default=0
        Number of reserved classes.

    Returns
    -------
    prototypes : Tensor of shape (n_classes + n_reserved, embedding_dim), float64
        Unit rows, all different.
    """
    if not isinstance(prototypes, str):
        if n_reserved:
            raise ValueError(
                f"n_reserved is {n_reserved}, but prototypes are given, which leaves open where "
                "reserved ones go; name a method such as prototypes='auto', or add_classes later."
            )
        return torch.from_numpy(_unit_rows(as_vectors(prototypes, classes)))
    method = "auto" if prototypes == "learned" else prototypes
    return _placed(len(classes) + n_reserved, embedding_dim, method, seed)


@lru_cache(maxsize=16)
def _placed(n_prototypes, embedding_dim, method, seed):
    """Place prototypes, once for all folds of a search; models get copies."""
    with one_thread():
        return place_prototypes(
            n_prototypes, embedding_dim, method=method, effort="fast", random_state=seed
        )


def as_vectors(prototypes, classes):
    """Rows of the user's prototypes in the order of `classes`, with shapes checked."""
    if hasattr(prototypes, "loc"):  # pandas
        prototypes = _by_label(prototypes, classes)
    if isinstance(prototypes, Mapping):
        missing = [label for label in classes.tolist() if label not in prototypes]
        if missing:
            raise ValueError(
                f"prototypes has no vector for {missing}; give one for every class in y."
            )
        prototypes = [prototypes[label] for label in classes.tolist()]
    if isinstance(prototypes, list | tuple):
        prototypes = [_vector(row) for row in prototypes]
    try:
        given = np.array(_vector(prototypes))
        if given.dtype.kind == "c":
            raise ValueError
        rows = given.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            "prototypes must hold numbers, rows of one length, got "
            f"{textwrap.shorten(repr(prototypes), 70, placeholder=' ...')}."
        ) from None
    if rows.ndim != 2 or len(rows) != len(classes) or rows.shape[1] < 2:
        raise ValueError(
            f"prototypes must have shape (n_classes, embedding_dim) with {len(classes)} rows and "
            f"at least 2 columns, got shape {rows.shape}; rows follow the sorted labels."
        )
    return rows


def _vector(values):
    """Return numbers of any library as an array; a copy, so that no autograd graph is cut."""
    return as_array("prototypes", values.detach()) if isinstance(values, torch.Tensor) else values


def _by_label(table, classes):
    """Return the rows of a pandas frame, or the vectors of a series, by their index."""
    labels = table.index.tolist()
    numbered = labels == list(range(len(labels)))
    # A default index carries no labels: rows follow the sorted labels.
    if numbered and not set(classes.tolist()) <= set(labels):
        return table.to_numpy()
    if len(set(labels)) < len(labels):
        raise ValueError("prototypes has an index in which labels repeat; give each one row.")
    return dict(zip(labels, table.to_numpy(), strict=True))


def _unit_rows(rows):
    if not np.isfinite(rows).all():
        raise ValueError("prototypes must be finite, got NaN or infinity; remove those rows.")
    # By powers of two, which is exact: squares of long or short rows are beyond the floats.
    rows = np.ldexp(rows, -np.frexp(np.abs(rows).max(axis=1, keepdims=True))[1])
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    if (norms == 0).any():
        raise ValueError(
            f"prototypes must have a direction, but row {int(np.argmin(norms))} is zero."
        )
    unit = rows / norms
    i, j = closest_pair(torch.from_numpy(unit))
    if unit[i] @ unit[j] > 1 - 1e-12:
        raise ValueError(
            f"prototypes must differ in direction, but rows {i} and {j} are the same; classes "
            "on one prototype could not be told apart."
        )
    return unit
