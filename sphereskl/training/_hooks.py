"""Detection of hooks on a module."""

from torch import nn


def is_hooked(module: nn.Module) -> bool:
    """Tell whether a module, without its children, has hooks of a forward or backward pass."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return any(getattr(module, kind) for kind in kinds)
