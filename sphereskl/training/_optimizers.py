"""Optimisers by name, with weight decay for weight matrices only."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ..nn import AngularOperator
from ._layout import laid_out_as

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adamw": partial(torch.optim.AdamW, fused=True),
    "adam": partial(torch.optim.Adam, fused=True),
    "sgd": partial(torch.optim.SGD, momentum=0.9, fused=True),
}


def make_optimizer(
    optimizer: str | Callable[..., torch.optim.Optimizer],
    module: nn.Module,
    *,
    lr: float,
    weight_decay: float,
    backbone_lr: float | None = None,
) -> torch.optim.Optimizer:
    """Build an optimiser for the trainable parameters of a module.

    Parameters
    ----------
    optimizer : {"adamw", "adam", "sgd"} or callable
        "sgd" uses momentum 0.9. A callable, such as an optimiser class or a
        ``functools.partial`` of one, is called with parameter groups and ``lr``.
    module : nn.Module
        Module to train.
    lr : float
        Learning rate.
    weight_decay : float
        Weight decay of weight matrices and filters. Biases, normalisation weights, the scale,
        prototypes and weights of spherical layers do not decay: shrinking them does not
        regularise, it changes the model, or, if only their direction matters, increases the
        effective learning rate. Prototypes whose norm matters (`AngularModel` with
        ``free_prototypes``) are treated as a weight matrix.
    backbone_lr : float, default=None
        Learning rate of the layers of ``module.backbone`` below the last one that learns;
        ``None`` is `lr`.

    Returns
    -------
    optimizer : torch.optim.Optimizer
        With two parameter groups, with and without decay; with `backbone_lr`, with two more
        for the layers that have it, as their ``peak_lr``.

    Raises
    ------
    ValueError
        If a name is unknown, or if `backbone_lr` applies to no layer.
    """
    below = set() if backbone_lr is None else _below_last(module.backbone, backbone_lr)
    spherical = {
        id(parameter)
        for layer in module.modules()
        # Only the directions of weights matter in layers with an angular operator.
        if isinstance(getattr(layer, "operator", None), AngularOperator)
        for parameter in layer.parameters(recurse=False)
    }
    free_prototypes = getattr(module, "free_prototypes", False)
    # By whether they have the backbone's rate, and whether they decay.
    kinds = [(False, True), (False, False), (True, True), (True, False)]
    parameters: dict[tuple[bool, bool], list[nn.Parameter]] = {kind: [] for kind in kinds}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            is_direction = id(parameter) in spherical or (
                name.endswith("_prototypes") and not free_prototypes
            )
            # Biases of members have an axis for them.
            is_bias = parameter.ndim < 2 or name.endswith("bias")
            decays = not (is_bias or is_direction)
            parameters[id(parameter) in below, decays].append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": found, "weight_decay": weight_decay if decays else 0.0}
        | ({"lr": backbone_lr, "peak_lr": backbone_lr} if is_below else {})
        for (is_below, decays), found in parameters.items()
        if found
    ]
    if isinstance(optimizer, str) and optimizer not in OPTIMIZERS:
        raise ValueError(f"optimizer must be one of {', '.join(OPTIMIZERS)}, got {optimizer!r}.")
    make = OPTIMIZERS[optimizer] if isinstance(optimizer, str) else optimizer
    try:
        made = make(groups, lr=lr)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"optimizer is called with groups of parameters and lr: {error}"
        ) from error
    if not isinstance(made, torch.optim.Optimizer):
        raise TypeError(f"optimizer must return a torch.optim.Optimizer, got {made!r}.")
    made.register_load_state_dict_post_hook(_lay_out)
    return made


def take_step(optimizer: torch.optim.Optimizer) -> None:
    """Update parameters, and explain an optimiser of users that cannot.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        Any.

    Raises
    ------
    ValueError
        If the step fails for another reason than memory.
    """
    try:
        optimizer.step()
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"optimizer {type(optimizer).__name__} cannot take a step: {error}; use one that "
            "takes dense gradients and no closure, such as 'adamw'."
        ) from error


def _below_last(backbone: Any, backbone_lr: float) -> set[int]:
    """Return the ids of the parameters that learn below the last layer that does."""
    layers = [
        learning
        for layer in backbone.modules()
        if (learning := [id(p) for p in layer.parameters(recurse=False) if p.requires_grad])
    ]
    if len(layers) < 2:
        raise ValueError(
            f"backbone_lr is {backbone_lr}, but the backbone has one layer that learns, at lr; add "
            "a layer such as torch.nn.Linear on top of a pre-trained network, or leave "
            "backbone_lr=None."
        )
    return {key for learning in layers[:-1] for key in learning} - set(layers[-1])


def _lay_out(optimizer: torch.optim.Optimizer) -> None:
    """Put a state that was loaded in the memory layout of the parameters."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                state[name] = laid_out_as(value, parameter)
