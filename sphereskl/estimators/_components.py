"""From what users pass to the parts of a network: samples, backbones, prototypes."""

from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from inspect import signature

import numpy as np
import torch
from torch import nn

from ..geometry import closest_pair, one_thread, place_prototypes
from ..nn import MLP, ConvNet, TableInput
from ..preprocessing import ImageEncoder, TableEncoder, infer_sample_shape

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


def takes_gaps(estimator):
    """Tell whether missing values are understood: in tables, by networks of ours."""
    return estimator.input_shape is None and not is_own_network(estimator.backbone)


def check_meaning(shape):
    """Refuse an array of more than two dimensions whose shape does not tell what they are.

    Parameters
    ----------
    shape : tuple of int
        Of an array of samples.

    Raises
    ------
    ValueError
        Unless four axes leave no doubt about which one holds channels.
    """
    if not infer_sample_shape(shape):
        raise ValueError(
            f"X has {len(shape)} dimensions, shape {shape}, and input_shape is None, which leaves "
            f"their meaning open; pass input_shape={shape[1:]} for images, or flatten each "
            "sample to a row."
        )


def make_encoder(estimator, X):
    """Choose how samples become tensors: as a table, or as images of known shape.

    Parameters
    ----------
    estimator : estimator
        Whose parameters count. A network that the user brought sees the numbers that the user
        gives; samples for others are standardised.
    X : ndarray of shape (n_samples, ...)
        Validated samples.

    Returns
    -------
    encoder : TableEncoder or ImageEncoder
        Not fitted.

    Raises
    ------
    ValueError
        If `input_shape` does not fit the samples.
    """
    options = {
        "dtype": getattr(torch, estimator.dtype),
        "standardize": not is_own_network(estimator.backbone),
    }
    given = estimator.input_shape
    if given is None and X.ndim == 2:
        reader = estimator._reader
        return TableEncoder(None if reader is None else reader.is_categorical_, **options)
    shape = tuple(infer_sample_shape(X.shape) or () if given is None else given)
    if len(shape) not in (2, 3) or np.prod(shape) != np.prod(X.shape[1:]):
        raise ValueError(
            f"input_shape must be (height, width), (channels, height, width) or (height, width, "
            f"channels) with as many values as a sample of X, got {shape} for samples of shape "
            f"{X.shape[1:]}."
        )
    return ImageEncoder(shape, **options)


def as_array(name, values):
    """Turn a torch tensor into an array.

    Parameters
    ----------
    name : str
        What the user calls it.
    values : Tensor
        On any device.

    Returns
    -------
    values : ndarray
        Sharing memory if it can.

    Raises
    ------
    ValueError
        If the tensor belongs to a graph.
    """
    if values.requires_grad:
        raise ValueError(
            f"{name} is a torch tensor that requires grad, which fitting would silently cut off; "
            f"pass {name}.detach()."
        )
    return values.cpu().numpy()


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
        unless `least` is more: prototypes and last layers would grow with the square of the
        number of classes, and 512 of them are still 90 degrees apart there.
    """
    return max(least, min(n_classes, 256))


def build_backbone(backbone, input_shape, embedding_dim, columns=None):
    """Build the network that a `backbone` parameter describes.

    Parameters
    ----------
    backbone : str, configuration, nn.Module or callable
        See the estimators.
    input_shape : tuple of int
        Shape of one encoded sample.
    embedding_dim : int or None
        Width asked for; ``None`` leaves it to a network that the user brought.
    columns : Columns, default=None
        What the columns of an encoded table are; ``None`` for images.

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
            *others, last = backbone.hidden_layer_sizes
            backbone.set_params(hidden_layer_sizes=(*others, max(last, embedding_dim)))
    if columns is not None and "columns" in signature(backbone.build).parameters:
        return backbone.build(input_shape, embedding_dim, columns)
    if columns is None or not columns.cardinalities:
        return backbone.build(input_shape, embedding_dim)
    first = TableInput(columns)
    return nn.Sequential(first, backbone.build((first.width,), embedding_dim))


def sized_backbone(backbone, encoder, embedding_dim, default):
    """Build a network and find out how wide its output is.

    Parameters
    ----------
    backbone : str, configuration, nn.Module or callable
        See the estimators.
    encoder : TableEncoder or ImageEncoder
        What encodes its samples, fitted.
    embedding_dim : int or None
        Width that the output must have; ``None`` leaves it to a network that the user brought.
    default : int
        Width of other networks if `embedding_dim` is ``None``.

    Returns
    -------
    backbone : nn.Module
        The network.
    width : int
        Width of its output.
    n_members : int
        Number of members that it has.

    Raises
    ------
    ValueError
        If a network that the user brought has another width.
    """
    own = is_own_network(backbone)
    wanted = default if embedding_dim is None and not own else embedding_dim
    network = build_backbone(backbone, encoder.output_shape_, wanted, encoder.columns_)
    shape = _output_shape(network, encoder.output_shape_, most_axes=2 if own else 3)
    if wanted not in (None, shape[-1]):
        raise ValueError(
            f"embedding_dim is {wanted}, but backbone returns rows of width {shape[-1]}; make "
            "them agree, or leave embedding_dim='auto'."
        )
    return network, shape[-1], shape[0] if len(shape) == 3 else 1


def _output_shape(backbone, input_shape, *, most_axes):
    """Shape of what a network returns for two samples, found by asking it.

    Raises
    ------
    ValueError
        If it is not (2, width), or, with three axes, (n_members, 2, width).
    """
    with torch.no_grad():
        output = backbone.eval()(torch.zeros(2, *input_shape))
    is_tensor = isinstance(output, torch.Tensor)
    if not is_tensor or not 2 <= output.ndim <= most_axes or output.shape[-2] != 2:
        got = tuple(output.shape) if is_tensor else type(output).__name__
        raise ValueError(
            f"backbone must map 2 samples of shape {tuple(input_shape)} to a tensor of shape "
            f"(2, embedding_dim), got {got}; add a layer that flattens or projects."
        )
    return tuple(output.shape)


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
    i, j = closest_pair(torch.from_numpy(unit))
    if unit[i] @ unit[j] > 1 - 1e-12:
        raise ValueError(
            f"prototypes must differ in direction, but rows {i} and {j} are the same; classes "
            "on one prototype could not be told apart."
        )
    return unit


def is_same(value, other):
    """Tell whether two values of a parameter say the same; arrays by what they hold."""
    if value is other:
        return True
    if isinstance(value, Mapping) and isinstance(other, Mapping):
        return value.keys() == other.keys() and all(is_same(value[k], other[k]) for k in value)
    if isinstance(value, nn.Module) or isinstance(other, nn.Module):
        return False
    if hasattr(value, "__len__") and not isinstance(value, str):
        return np.array_equal(np.asarray(value), np.asarray(other))
    return bool(value == other)
