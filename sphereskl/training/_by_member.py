"""Networks with members: every member's view of a row is a row of the loss."""

import torch
from torch import Tensor

from ._data import TensorData


def by_member(outputs: Tensor, data: TensorData) -> tuple[Tensor, Tensor, Tensor | None]:
    """Line up what members say of a batch with its targets and weights.

    Parameters
    ----------
    outputs : Tensor of shape (n_samples, n_outputs) or (n_members, n_samples, n_outputs)
        What the model returned while training.
    data : TensorData
        The batch; each row's `fold` names a member that shall not learn from it.

    Returns
    -------
    outputs : Tensor of shape (n_members * n_samples, n_outputs)
        Rows of the first member, of the second, and so on; as given where there is one network.
    target : Tensor of shape (n_members * n_samples, ...)
        As many targets.
    weight : Tensor of shape (n_members * n_samples,) or None
        Their weights, 0 where a member shall not learn; their mean is that of the rows.
    """
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
