"""Outputs of a backbone with several members (ensemble)."""

import torch
from torch import Tensor


def ask(h: Tensor, member: Tensor | None) -> Tensor:
    """Select the outputs of one member for each sample.

    Parameters
    ----------
    h : Tensor of shape (n_samples, width) or (n_members, n_samples, width)
        Outputs of a backbone.
    member : Tensor of shape (n_samples,) or None
        Member to use for each sample, int64; ``None`` keeps all of them.

    Returns
    -------
    h : Tensor of shape (n_samples, width) or (n_members, n_samples, width)
        Without the axis of members if they were selected.
    """
    if member is None:
        return h
    return h[member, torch.arange(h.shape[1], device=h.device)]


def as_if_alone(h: Tensor) -> Tensor:
    """Scale gradients so that every member learns as fast as a single network.

    The loss is a mean over members, so that what they share, such as the scale, learns from
    their mean; but each of them would only get ``1 / n_members`` of its gradient.

    Parameters
    ----------
    h : Tensor of shape (n_samples, width) or (n_members, n_samples, width)
        Outputs of a backbone.

    Returns
    -------
    h : Tensor
        Unchanged; gradients through it are multiplied by the number of members.
    """
    n_members = len(h)
    if h.ndim > 2 and h.requires_grad:
        h.register_hook(lambda gradient: gradient * n_members)
    return h
