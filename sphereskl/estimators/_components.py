"""From what users pass to the parts of a model: samples and backbones."""

from collections.abc import Mapping
from contextlib import contextmanager
from copy import copy, deepcopy
from inspect import signature

import numpy as np
import torch
from torch import nn

from ..nn import MLP, BackboneConfig, ConvNet, TableInput
from ..preprocessing import ImageEncoder, TableEncoder, as_array, infer_sample_shape

BACKBONES = {"mlp": MLP, "convnet": ConvNet}


def is_own_network(backbone):
    """Tell whether the user passed a network, not the description of one."""
    return not isinstance(backbone, str) and not hasattr(backbone, "build")


def takes_gaps(estimator):
    """Tell whether missing values are accepted: in tables, by networks of this package."""
    return estimator.input_shape is None and not is_own_network(estimator.backbone)


def check_meaning(shape):
    """Refuse an array of more than two dimensions whose axes are ambiguous.

    Parameters
    ----------
    shape : tuple of int
        Of an array of samples.

    Raises
    ------
    ValueError
        Unless there are four axes and it is clear which one holds the channels.
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
        Estimator with its parameters. Your own network receives the numbers that you pass;
        samples for other networks are standardised.
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
        "dtype": estimator.dtype,
        "standardize": not is_own_network(estimator.backbone),
    }
    given = estimator.input_shape
    if given is None and X.ndim == 2:
        reader = estimator._reader
        return TableEncoder(None if reader is None else reader.is_categorical_, **options)
    encoder = ImageEncoder(infer_sample_shape(X.shape) if given is None else given, **options)
    shape, of_samples = encoder.sample_shape, X.shape[1:]
    as_it_stands = [size for size in shape if size > 1] == [size for size in of_samples if size > 1]
    if np.prod(shape) != np.prod(of_samples) or not (X.ndim == 2 or as_it_stands):
        raise ValueError(
            f"input_shape is {given}, but samples of X have shape {of_samples}; give the shape of "
            "one image in X, or flat rows of as many values."
        )
    return encoder


def build_backbone(backbone, input_shape, embedding_dim, columns=None):
    """Build the network that a `backbone` parameter describes.

    Parameters
    ----------
    backbone : str, configuration, nn.Module or callable
        See the estimators.
    input_shape : tuple of int
        Shape of one encoded sample.
    embedding_dim : int or None
        Required width; ``None`` leaves it to a network that the user passed.
    columns : Columns, default=None
        What the columns of an encoded table are; ``None`` for images.

    Returns
    -------
    backbone : nn.Module
        A module is copied, so that fitting does not change the user's own.
    """
    if isinstance(backbone, type) and issubclass(backbone, BackboneConfig):
        name = backbone.__name__
        raise ValueError(f"backbone is the class {name}, but an instance is wanted; pass {name}().")
    if is_own_network(backbone):
        if isinstance(backbone, nn.Module):
            return deepcopy(backbone)
        try:
            network = backbone(input_shape)
        except TypeError as error:
            raise TypeError(f"backbone is called with the shape {input_shape}: {error}") from error
        if not isinstance(network, nn.Module):
            raise ValueError(
                f"backbone must return a torch.nn.Module, got {type(network).__name__}; it is "
                "called with the shape of one sample."
            )
        return network
    if isinstance(backbone, str):
        name = ("mlp" if len(input_shape) == 1 else "convnet") if backbone == "auto" else backbone
        backbone = BACKBONES[name]()
        if name == "mlp":
            # A last hidden layer narrower than the embedding would confine it to a subspace.
            *others, last = backbone.hidden_layer_sizes
            backbone.set_params(hidden_layer_sizes=(*others, max(last, embedding_dim)))
    if hasattr(backbone, "get_params"):
        backbone = copy(backbone).set_params(**_of_python(backbone.get_params()))
    if columns is not None and "columns" in signature(backbone.build).parameters:
        return backbone.build(input_shape, embedding_dim, columns)
    if columns is None or not columns.cardinalities:
        return backbone.build(input_shape, embedding_dim)
    first = TableInput(columns)
    return nn.Sequential(first, backbone.build((first.width,), embedding_dim))


def sized_backbone(backbone, encoder, X, embedding_dim, default):
    """Build a network and determine its output width.

    Parameters
    ----------
    backbone : str, configuration, nn.Module or callable
        See the estimators.
    encoder : TableEncoder or ImageEncoder
        What encodes its samples, fitted.
    X : Tensor of shape (n_samples, ...)
        Encoded rows: a network that the user passed is only evaluated on these.
    embedding_dim : int or None
        Required output width; ``None`` leaves it to a network that the user passed.
    default : int
        Width of other networks if `embedding_dim` is ``None``.

    Returns
    -------
    backbone : nn.Module
        The network, in the precision of `X`.
    width : int
        Width of its output.
    n_members : int
        Number of members that it has.

    Raises
    ------
    ValueError
        If a network that the user passed has another width.
    """
    own = is_own_network(backbone)
    wanted = default if embedding_dim is None and not own else embedding_dim
    wanted = None if wanted is None else int(wanted)
    network = build_backbone(backbone, encoder.output_shape_, wanted, encoder.columns_)
    shape = _output_shape(network, X[[0, -1]], most_axes=2 if own else 3)
    if wanted not in (None, shape[-1]):
        raise ValueError(
            f"embedding_dim is {wanted}, but backbone returns rows of width {shape[-1]}; make "
            "them agree, or leave embedding_dim='auto'."
        )
    return network, shape[-1], shape[0] if len(shape) == 3 else 1


def _of_python(value):
    """Convert NumPy numbers to Python's: the widths of layers would overflow small integers."""
    if isinstance(value, dict):
        return {name: _of_python(part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(map(_of_python, value))
    return value.item() if isinstance(value, np.generic) else value


def _output_shape(backbone, sample, *, most_axes):
    """Shape of a network's output for two samples, found by evaluating it.

    Raises
    ------
    ValueError
        If it is not (2, width), or, with three axes, (n_members, 2, width).
    """
    if any(parameter.is_complex() for parameter in backbone.parameters()):
        raise ValueError("backbone has complex parameters, which cannot be cast to dtype.")
    try:
        with torch.no_grad():
            output = backbone.to("cpu", sample.dtype).eval()(sample)
    except RuntimeError as error:
        raise ValueError(
            f"backbone cannot take samples of shape {tuple(sample.shape[1:])}: {error}"
        ) from error
    is_tensor = isinstance(output, torch.Tensor)
    if not is_tensor or not 2 <= output.ndim <= most_axes or output.shape[-2] != 2:
        got = tuple(output.shape) if is_tensor else type(output).__name__
        raise ValueError(
            f"backbone must map 2 samples of shape {tuple(sample.shape[1:])} to a tensor of shape "
            f"(2, embedding_dim), got {got}; add a layer that flattens or projects."
        )
    return tuple(output.shape)


@contextmanager
def explained_size():
    """Explain that the memory of a CPU has no room for the parameters of a network."""
    try:
        yield
    except RuntimeError as error:
        if "can't allocate memory" not in str(error):
            raise
        raise ValueError(
            "backbone and embedding_dim describe a network for which there is not enough memory; "
            "choose smaller layers or a smaller embedding_dim."
        ) from error


def is_same(value, other):
    """Tell whether two values of a parameter are equal; arrays are compared by content."""
    if value is other:
        return True
    if isinstance(value, Mapping) and isinstance(other, Mapping):
        return value.keys() == other.keys() and all(is_same(value[k], other[k]) for k in value)
    if isinstance(value, nn.Module) or isinstance(other, nn.Module):
        return False
    if hasattr(value, "__len__") and not isinstance(value, str):
        return np.array_equal(_plain_array(value), _plain_array(other))
    return bool(value == other)


def _plain_array(value):
    """Return a tensor, of types that NumPy lacks as well, or anything else as an array."""
    is_tensor = isinstance(value, torch.Tensor)
    return as_array("parameter", value.detach()) if is_tensor else np.asarray(value)
