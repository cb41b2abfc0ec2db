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

    Returns
    -------
    optimizer : torch.optim.Optimizer
        With two parameter groups: with and without decay.

    Raises
    ------
    ValueError
        If a name is unknown.
    """
    spherical = {
        id(parameter)
        for layer in module.modules()
        # Only the directions of weights matter in layers with an angular operator.
        if isinstance(getattr(layer, "operator", None), AngularOperator)
        for parameter in layer.parameters(recurse=False)
    }
    free_prototypes = getattr(module, "free_prototypes", False)
    decaying, free = [], []
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            is_direction = id(parameter) in spherical or (
                name.endswith("_prototypes") and not free_prototypes
            )
            # Biases of members have an axis for them.
            is_bias = parameter.ndim < 2 or name.endswith("bias")
            decays = not (is_bias or is_direction)
            (decaying if decays else free).append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": decaying, "weight_decay": weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    if isinstance(optimizer, str) and optimizer not in OPTIMIZERS:
        raise ValueError(f"optimizer must be one of {', '.join(OPTIMIZERS)}, got {optimizer!r}.")
    make = OPTIMIZERS[optimizer] if isinstance(optimizer, str) else optimizer
    try:
        made = make([group for group in groups if group["params"]], lr=lr)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"optimizer is called with groups of parameters and lr: {error}"
        ) from error
    if not isinstance(made, torch.optim.Optimizer):
        raise TypeError(f"optimizer must return a torch.optim.Optimizer, got {made!r}.")
    made.register_load_state_dict_post_hook(_lay_out)
    return made


def _lay_out(optimizer: torch.optim.Optimizer) -> None:
    """Put a state that was loaded in the memory layout of the parameters."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                state[name] = laid_out_as(value, parameter)
