"""Loss of a batch whose rows were passed through the network in parts."""

from typing import Any

import torch
from torch import Tensor

from ._by_member import by_member
from ._data import TensorData


def gathered_loss(net: Any, outputs: Tensor, batch: TensorData) -> tuple[list[Tensor], Tensor]:
    r"""Return the loss of a batch, and its gradient with respect to the outputs of the network.

    Parameters
    ----------
    net : EmbeddingNet
        In training, without gradients.
    outputs : Tensor of shape (n_samples, n_outputs) or (n_members, n_samples, n_outputs)
        Outputs of all parts, in the order of the rows, detached.
    batch : TensorData
        All rows.

    Returns
    -------
    values : list of Tensor
        Loss and, if there is a regulariser, penalty, detached.
    gradient : Tensor, as `outputs`
        Gradient of their sum. The direct dependence on parameters is added to their ``grad``.

    Notes
    -----
    With outputs :math:`o_r` of the rows of part r, the loss :math:`L(o_1, ..., o_R; w)` of the
    whole batch has the gradient

    .. math::

        \frac{dL}{dw} = \sum_r \frac{do_r}{dw}^T \frac{\partial L}{\partial o_r}
        + \frac{\partial L}{\partial w},

    where the last term is the direct dependence on parameters: the scale of the loss, and
    regularisers. Each part adds its term of the sum, and no weight of a part is needed.

    An average of the parts' own gradients, as in general data-parallel training, equals this only
    for losses that are a mean over rows, with each part weighted by its share of the
    rows, and not by its sum of weights, since losses here divide by the number of rows. `gaussian`,
    the logarithm of a mean, and the mean over rows that have a target in `joint_loss` are not such
    means, and losses of users may not be either.
    """
    outputs = outputs.requires_grad_()
    values: list[Tensor] = [net.criterion_(*by_member(outputs, batch), net.module_)]
    if net.regularizer is not None:
        values.append(net.regularizer(net.module_))
    sum(values[1:], values[0]).backward()
    gradient = torch.zeros_like(outputs) if outputs.grad is None else outputs.grad
    return [value.detach() for value in values], gradient
