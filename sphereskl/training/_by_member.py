"""Rows of the loss: every member's output for a sample, for each target that it has."""

import torch
from torch import Tensor

from ._data import TensorData


def by_member(outputs: Tensor, data: TensorData) -> tuple[Tensor, Tensor, Tensor | None]:
    """Align the members' outputs for a batch with its targets and weights.

    Parameters
    ----------
    outputs : Tensor of shape (n_samples, n_outputs) or (n_members, n_samples, n_outputs)
        Output of the model in training mode.
    data : TensorData
        The batch; each sample's `fold` is the member that is not trained on it. Mixed samples
        have two targets.

    Returns
    -------
    outputs : Tensor of shape (n_members * n_samples, n_outputs)
        Rows of the first member, of the second, and so on; unchanged for a single network.
        Those of mixed samples twice, once for every target.
    target : Tensor of shape (n_members * n_samples, ...)
        As many targets.
    weight : Tensor of shape (n_members * n_samples,) or None
        Their weights, 0 where a member is not trained on a sample, with the mean of the samples'.
    """
    if data.other is not None:
        outputs, data = _by_target(outputs, data)
    if outputs.ndim == 2:
        return outputs, data.target, data.weight
    n_members = len(outputs)
    target = data.target.repeat(n_members, *[1] * (data.target.ndim - 1))
    weight = None if data.weight is None else data.weight.repeat(n_members)
    if data.fold is not None:
        learns = data.fold != torch.arange(n_members, device=outputs.device)[:, None]
        share = learns.to(outputs.dtype)
        share = (share * (n_members / share.sum(dim=0))).flatten()
        weight = share if weight is None else weight * share
    return outputs.flatten(0, 1), target, weight


def _by_target(outputs: Tensor, data: TensorData) -> tuple[Tensor, TensorData]:
    """Split mixed samples into two rows weighted by the shares: exact for means over rows."""
    assert data.other is not None
    assert data.share is not None
    target = torch.cat([data.target, data.target[data.other]])
    weight, fold = (
        part if part is None else torch.cat([part, part[data.other]])
        for part in (data.weight, data.fold)
    )
    share = 2 * torch.cat([data.share, 1 - data.share])
    weight = share if weight is None else weight * share
    rows = TensorData(data.X, target, weight, fold)
    return torch.cat([outputs, outputs], dim=-2), rows
