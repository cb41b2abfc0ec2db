"""From constructor arguments to the parts of a network."""

from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache

import numpy as np
import torch
from torch import nn

from ..geometry import place_prototypes
from ..nn import MLP, ConvNet
from ..training import one_thread

BACKBONES = {"mlp": MLP, "convnet": ConvNet}

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


def is_own_network(backbone):
    """Tell whether the user brought a network, not the description of one."""
    return not isinstance(backbone, str) and not hasattr(backbone, "build")


def resolve_device(device):
    """Where to compute, given a `device` parameter.

    Raises
    ------
    ValueError
        If torch does not know the device or does not have it.
    """
    if str(device) == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError:
        raise ValueError(
            f"device must be 'auto' or one that torch knows, such as 'cpu' or 'cuda:0', got "
            f"{device!r}."
        ) from None
    n_gpus = torch.cuda.device_count()
    if resolved.type == "cuda" and (resolved.index or 0) >= n_gpus:
        raise ValueError(
            f"device is {str(resolved)!r}, but torch finds {n_gpus} GPUs here; pass device='auto' "
            "to use one if there is one."
        )
    return resolved


def build_backbone(backbone, input_shape, embedding_dim):
    """Build the network that a `backbone` parameter describes.

    Parameters
    ----------
    backbone : str, configuration, nn.Module or callable
        See the estimators.
    input_shape : tuple of int
        Shape of one encoded sample.
    embedding_dim : int or None
        Width asked for; ``None`` leaves it to a network that the user brought.

    Returns
    -------
    backbone : nn.Module
        A module is copied, so that fitting does not change the user's own.
    """
    if is_own_network(backbone):
        return deepcopy(backbone) if isinstance(backbone, nn.Module) else backbone(input_shape)
    if isinstance(backbone, str):
        name = ("mlp" if len(input_shape) == 1 else "convnet") if backbone == "auto" else backbone
        backbone = BACKBONES[name]()
        if name == "mlp":
            # A last hidden layer narrower than the embedding would confine it to a subspace.
            backbone.set_params(hidden_layer_sizes=(256, max(256, embedding_dim)))
    return backbone.build(input_shape, embedding_dim)


def sized_backbone(backbone, input_shape, embedding_dim):
    """Build a network and find out how wide its output is.

    Parameters
    ----------
    backbone : str, configuration, nn.Module or callable
        See the estimators.
    input_shape : tuple of int
        Shape of one encoded sample.
    embedding_dim : int or None
        Width that the output must have; ``None`` leaves it to the network.

    Returns
    -------
    backbone : nn.Module
        The network.
    width : int
        Width of its output.

    Raises
    ------
    ValueError
        If a network that the user brought has another width.
    """
    network = build_backbone(backbone, input_shape, embedding_dim)
    width = _output_width(network, input_shape)
    if embedding_dim not in (None, width):
        raise ValueError(
            f"embedding_dim is {embedding_dim}, but backbone returns rows of width {width}; make "
            "them agree, or leave embedding_dim='auto'."
        )
    return network, width


def _output_width(backbone, input_shape):
    """Width of what a network returns, found by asking it.

    Raises
    ------
    ValueError
        If it does not map (n, *input_shape) to (n, width).
    """
    with torch.no_grad():
        output = backbone.eval()(torch.zeros(2, *input_shape))
    if not isinstance(output, torch.Tensor) or output.ndim != 2 or len(output) != 2:
        got = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise ValueError(
            f"backbone must map 2 samples of shape {tuple(input_shape)} to a tensor of shape "
            f"(2, embedding_dim), got {got}; add a layer that flattens or projects."
        )
    return output.shape[1]


def resolve_prototypes(prototypes, classes, embedding_dim, seed):
    """Directions of the classes.

    Parameters
    ----------
    prototypes : str, mapping or array-like
        See `HypersphericalPrototypeClassifier`.
    classes : ndarray of shape (n_classes,)
        Labels in order.
    embedding_dim : int
        Width of the embedding.
    seed : int
        Of the placement.

    Returns
    -------
    prototypes : Tensor of shape (n_classes, embedding_dim), float64
        Unit rows, no two alike.
    """
    if not isinstance(prototypes, str):
        return torch.from_numpy(_unit_rows(as_vectors(prototypes, classes)))
    method = "auto" if prototypes == "learned" else prototypes
    return _placed(len(classes), embedding_dim, method, seed)


@lru_cache(maxsize=16)
def _placed(n_prototypes, embedding_dim, method, seed):
    """Place prototypes, once for all folds of a search; the model copies what it gets."""
    with one_thread():
        return place_prototypes(
            n_prototypes, embedding_dim, method=method, effort="fast", random_state=seed
        )


def as_vectors(prototypes, classes):
    """Rows of the user's prototypes in the order of `classes`, checked for shape."""
    if isinstance(prototypes, Mapping):
        missing = [label for label in classes.tolist() if label not in prototypes]
        if missing:
            raise ValueError(
                f"prototypes has no vector for {missing}; give one for every class in y."
            )
        prototypes = [np.asarray(prototypes[label]) for label in classes.tolist()]
    rows = np.array(prototypes, dtype=np.float64)
    if rows.ndim != 2 or len(rows) != len(classes) or rows.shape[1] < 2:
        raise ValueError(
            f"prototypes must have shape (n_classes, embedding_dim) with {len(classes)} rows and "
            f"at least 2 columns, got shape {rows.shape}; rows follow the sorted labels."
        )
    return rows


def _unit_rows(rows):
    if not np.isfinite(rows).all():
        raise ValueError("prototypes must be finite, got NaN or infinity; remove those rows.")
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    if (norms == 0).any():
        raise ValueError(
            f"prototypes must have a direction, but row {int(np.argmin(norms))} is zero."
        )
    unit = rows / norms
    closeness = unit @ unit.T - 2 * np.eye(len(unit))
    i, j = np.unravel_index(closeness.argmax(), closeness.shape)
    if closeness[i, j] > 1 - 1e-12:
        raise ValueError(
            f"prototypes must differ in direction, but rows {i} and {j} are the same; classes "
            "on one prototype could not be told apart."
        )
    return unit
