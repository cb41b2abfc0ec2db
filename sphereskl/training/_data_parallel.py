"""Steps and validation whose rows are split among the processes of a group.

Batches are those of one process, and so is all that is recorded: a process sends its part of the
rows through the network, and the loss is taken of what the network said of all of them.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..nn import Dropout
from ._data import TensorData
from ._gathered_loss import gathered_loss
from ._inference import infer
from ._process_group import ProcessGroup


def shared_gradients(
    net: Any, batch: TensorData, group: ProcessGroup
) -> tuple[list[Tensor], Tensor]:
    r"""Leave the gradient of a batch on the parameters of a net, the same in every process.

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
        What the model returned for all rows, detached.

    Notes
    -----
    Every process knows the loss and its gradient with regard to outputs, see `gathered_loss`, since
    it has all outputs; the Jacobian it knows for its own rows. So each gives its term of the sum,
    process 0 what depends on parameters directly as well.
    """
    parameters = [p for p in net.module_.parameters() if p.requires_grad]
    own = group.part_of(len(batch.X))
    # Where there are fewer rows than processes, some run a row that does not count.
    outputs = net.module_(batch.X[own.start : own.stop] if own else batch.X[:1])
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

    A parameter without a gradient in any process has none afterwards: optimisers pass it by.
    """
    grads = [p.grad for p in parameters]
    given = torch.tensor([grad is not None for grad in grads]).to(parameters[0])
    parts = [p.new_zeros(p.numel()) if p.grad is None else p.grad.flatten() for p in parameters]
    flat = torch.cat([*parts, given])
    group.sum(flat)
    *sums, n_given = flat.split([*(p.numel() for p in parameters), len(parameters)])
    # Asking a GPU would be waiting for it: only where it could say something new.
    learns = [True] * len(grads) if None not in grads else n_given.tolist()
    for parameter, total, has_gradient in zip(parameters, sums, learns, strict=True):
        parameter.grad = total.view_as(parameter) if has_gradient else None


def shared_infer(group: ProcessGroup) -> Callable[..., Tensor]:
    """Return what does as `infer`, each process for its part of the rows, with the same bits."""

    def compute(view: Callable[..., Tensor], *inputs: Any, device: Any) -> Tensor:
        own = group.part_of(len(inputs[0]))
        # Chosen, not read: rows may be on disk.
        index = torch.arange(own.start, own.stop) if own else torch.zeros(1, dtype=torch.int64)
        part = (rows.index_select(0, index.to(device)) for rows in inputs)
        outputs = infer(view, *part, device=device).to(device)
        return group.gather(outputs[: len(own)], len(inputs[0]))

    return compute


def draw_apart(module: nn.Module, stream: int) -> None:
    """Let dropout of parts of a batch differ: the masks of one process for all of them."""
    for layer in module.modules():
        if isinstance(layer, Dropout):
            layer.branch(stream)


def share_model(net: Any, group: ProcessGroup) -> None:
    """Give every process the model of process 0.

    Its buffers may differ, such as statistics of batches; the rest does where processors round
    differently, which must not grow.
    """
    group.share([*net.module_.parameters(), *net.module_.buffers()])


def settle(net: Any, group: ProcessGroup) -> None:
    """End a training with the same in all processes, though only process 0 has all callbacks.

    A checkpoint there may have gone back to another epoch.
    """
    share_model(net, group)
    net.history[:], net.n_finished_ = group.agreed((list(net.history), net.n_finished_))
