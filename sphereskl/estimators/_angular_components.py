"""From constructor arguments to the parts of a spherical network and its training."""

from copy import copy, deepcopy

import torch

from ..nn import (
    AngularMarginLoss,
    Regularizer,
    SphereCNN,
    SphereGoogLeNet,
    SphereMLP,
    SphereResNet,
    SphereVGG,
    make_angular_loss,
)

SPHERICAL_BACKBONES = {
    "cnn": SphereCNN,
    "googlenet": SphereGoogLeNet,
    "mlp": SphereMLP,
    "resnet": SphereResNet,
    "vgg": SphereVGG,
}

# Losses in which Liu et al. 2017 allow any operator g; the other losses use the cosine.
_OF_ANY_OPERATOR = ("ga_softmax", "w_softmax")


def describe_backbone(backbone, input_shape, given):
    """Describe a network whose layers have the requested operator.

    Parameters
    ----------
    backbone : str, configuration, nn.Module or callable
        See `SphereNetClassifier`.
    input_shape : tuple of int
        Shape of one encoded sample.
    given : dict
        Values of "operator" and "k", those that were given.

    Returns
    -------
    backbone : configuration, nn.Module or callable
        A copy of a configuration, unless nothing was given.

    Raises
    ------
    ValueError
        If the network has no such option.
    """
    if isinstance(backbone, str):
        backbone = _named_backbone(backbone, input_shape)
    if not given:
        return backbone
    known = backbone.get_params() if hasattr(backbone, "get_params") else {}
    if not set(given) <= set(known):
        name, value = next(iter(given.items()))
        raise ValueError(
            f"{name} is {value!r}, but backbone is {backbone!r}, which has no such option; set it "
            f"in the network, and leave {name}='auto'."
        )
    return copy(backbone).set_params(**given)


def _named_backbone(name, input_shape):
    if name != "auto":
        return SPHERICAL_BACKBONES[name]()
    if len(input_shape) == 1:
        return SphereMLP()
    return SphereCNN(depth=3, widths=(32, 64, 128))


def resolve_loss(loss, margin, given):
    """Build the loss.

    Parameters
    ----------
    loss : str or AngularMarginLoss
        See `SphereNetClassifier`.
    margin : float or "auto"
        The loss's margin.
    given : dict
        Values of "operator" and "k", those that were given.

    Returns
    -------
    loss : AngularMarginLoss or None
        ``None`` for the ordinary softmax. An instance is copied, so that fitting does not
        count steps on the user's own.

    Raises
    ------
    ValueError
        If the margin is out of range, or is given to a loss that takes none.
    """
    brings_its_own = isinstance(loss, AngularMarginLoss)
    if margin != "auto" and (brings_its_own or loss == "softmax"):
        raise ValueError(
            f"margin is {margin!r}, but loss is {loss!r}, which "
            f"{'brings its own' if brings_its_own else 'has none'}; leave margin='auto'."
        )
    if brings_its_own:
        return deepcopy(loss)
    if loss == "softmax":
        return None
    settings = given if loss in _OF_ANY_OPERATOR else {}
    try:
        return make_angular_loss(loss, None if margin == "auto" else margin, **settings)
    except ValueError as error:
        raise ValueError(f"margin is {margin!r} and loss is {loss!r}: {error}") from None


def resolve_regularizer(regularizer, model):
    """Build the regulariser of a model.

    Parameters
    ----------
    regularizer : str or Regularizer
        See `SphereNetClassifier`.
    model : nn.Module
        Model whose filters are regularised.

    Returns
    -------
    regularizer : Regularizer
        One that applies to the model.

    Raises
    ------
    ValueError
        If the model has no filters of the required kind.
    """
    resolved = Regularizer(regularizer) if isinstance(regularizer, str) else regularizer
    try:
        with torch.no_grad():
            resolved(model)
    except ValueError as error:
        raise ValueError(f"regularizer is {regularizer!r}, but {error}") from None
    return resolved
