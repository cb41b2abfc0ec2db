"""Data-parallel training: steps and validation whose rows are split among processes.

Batches are those of a single process, and so is everything that is recorded: each process passes
its rows through the network, and the loss is computed from the outputs for all rows.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..nn import Dropout
from ._data import TensorData
from ._gathered_loss import gathered_loss
from ._inference import infer
from ._layout import laid_out_as
from ._process_group import ProcessGroup


def shared_gradients(
    net: Any, batch: TensorData, group: ProcessGroup
) -> tuple[list[Tensor], Tensor]:
    r"""Compute the gradient of a batch on the parameters of a net, the same in every process.

    Parameters
    ----------
    net : EmbeddingNet
        The same in every process.
    batch : TensorData
        All rows of the batch, in every process.
    group : ProcessGroup
        The processes that train together.

    Returns
    -------
    values : list of Tensor
        Loss and, if there is a regulariser, penalty.
    outputs : Tensor of shape (n_samples, n_outputs) or (n_members, n_samples, n_outputs)
        Output of the model for all rows, detached.

    Notes
    -----
    Every process has all outputs, and so knows the loss and its gradient with respect to them, see
    `gathered_loss`; the Jacobian it knows for its own rows. So each adds its term of the sum, and
    process 0 also the direct dependence on parameters.
    """
    parameters = [p for p in net.module_.parameters() if p.requires_grad]
    own = group.part_of(len(batch.X))
    # With fewer rows than processes, some evaluate a row that is not counted.
    outputs = (net.forward_ or net.module_)(batch.X[own.start : own.stop] if own else batch.X[:1])
    counted = outputs.detach().narrow(-2, 0, len(own))
    whole = group.gather(counted, len(batch.X))
    values, gradient = gathered_loss(net, whole, batch)
    if group.rank > 0:
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.grad.zero_()
    if outputs.requires_grad:
        pulled = torch.zeros_like(outputs)
        pulled.narrow(-2, 0, len(own)).copy_(gradient.narrow(-2, own.start, len(own)))
        outputs.backward(pulled)
    _add_up(group, parameters)
    return values, whole.detach()


def _add_up(group: ProcessGroup, parameters: list[nn.Parameter]) -> None:
    """Replace gradients by their sums over all processes, in one exchange.

    A parameter without a gradient in any process has none afterwards: optimisers skip it.
    """
    grads = [p.grad for p in parameters]
    given = torch.tensor([grad is not None for grad in grads]).to(parameters[0])
    parts = [p.new_zeros(p.numel()) if p.grad is None else p.grad.flatten() for p in parameters]
    flat = torch.cat([*parts, given])
    group.sum(flat)
    *sums, n_given = flat.split([*(p.numel() for p in parameters), len(parameters)])
    # Asking a GPU would synchronise with it: only if the answer may have changed.
    learns = [True] * len(grads) if None not in grads else n_given.tolist()
    for parameter, total, has_gradient in zip(parameters, sums, learns, strict=True):
        total = laid_out_as(total.view(parameter.shape), parameter)
        parameter.grad = total if has_gradient else None


def shared_infer(group: ProcessGroup) -> Callable[..., Tensor]:
    """Return `infer` with the rows split among processes, with the same bits."""

    def compute(view: Callable[..., Tensor], *inputs: Any, device: Any) -> Tensor:
        own = group.part_of(len(inputs[0]))
        # Selected, not read: rows may be on disk.
        index = torch.arange(own.start, own.stop) if own else torch.zeros(1, dtype=torch.int64)
        part = (rows.index_select(0, index.to(device)) for rows in inputs)
        outputs = infer(view, *part, device=device).to(device)
        return group.gather(outputs[: len(own)], len(inputs[0]))

    return compute


def draw_apart(module: nn.Module, stream: int) -> None:
    """Give the parts of a batch different dropout: a single process has one mask for all."""
    for layer in module.modules():
        if isinstance(layer, Dropout):
            layer.branch(stream)


def share_model(net: Any, group: ProcessGroup) -> None:
    """Give every process the model of process 0, and the average of its weights.

    Its buffers may differ, such as statistics of batches; the rest differs if processors round
    differently, and this must not accumulate.
    """
    averages = [] if net.average_ is None else net.average_.average
    group.share([*net.module_.parameters(), *net.module_.buffers(), *averages])


def settle(net: Any, group: ProcessGroup) -> None:
    """End training with the same state in all processes, though only process 0 has all callbacks.

    A checkpoint in that process may have restored another epoch.
    """
    share_model(net, group)
    net.history[:], net.n_finished_ = group.agreed((list(net.history), net.n_finished_))
