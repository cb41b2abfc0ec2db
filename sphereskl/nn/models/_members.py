"""Rows that several members of a backbone have a view of."""

import torch
from torch import Tensor


def ask(h: Tensor, member: Tensor | None) -> Tensor:
    """Return what the members that were named say of their rows.

    Parameters
    ----------
    h : Tensor of shape (n_samples, width) or (n_members, n_samples, width)
        Outputs of a backbone.
    member : Tensor of shape (n_samples,) or None
        Member to ask about each row, int64; ``None`` asks all of them.

    Returns
    -------
    h : Tensor of shape (n_samples, width) or (n_members, n_samples, width)
        Without the axis of members if they were named.
    """
    if member is None:
        return h
    return h[member, torch.arange(h.shape[1], device=h.device)]


def as_if_alone(h: Tensor) -> Tensor:
    """Let every member learn as fast as if it were the only one.

    The loss is a mean over members, so that what they share, the scale for instance, learns from
    their mean; but each of them would be given but a ``1 / n_members`` of its gradient.

    Parameters
    ----------
    h : Tensor of shape (n_samples, width) or (n_members, n_samples, width)
        Outputs of a backbone.

    Returns
    -------
    h : Tensor
        The same; gradients through it are multiplied by the number of members.
    """
    n_members = len(h)
    if h.ndim > 2 and h.requires_grad:
        h.register_hook(lambda gradient: gradient * n_members)
    return h
