"""Transfer of a trained net to other processes and devices."""

from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ._devices import resolve_device


def on_cpu(module: nn.Module) -> nn.Module:
    """Return a module if it is on the CPU, else a copy on the CPU.

    Parameters
    ----------
    module : nn.Module
        On any device.

    Returns
    -------
    module : nn.Module
        All parameters and buffers are on the CPU.
    """
    tensors = [*module.parameters(), *module.buffers()]
    # What is in the memo is not copied: the other device needs no memory for copies.
    memo = {id(tensor): _moved(tensor) for tensor in tensors if tensor.device.type != "cpu"}
    return deepcopy(module, memo) if memo else module


def _moved(tensor: Tensor) -> Tensor:
    moved = tensor.detach().cpu()
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(moved, tensor.requires_grad)
    return moved


def available_device(device: str) -> str:
    """Return a device if torch has it here, else the CPU.

    Parameters
    ----------
    device : str
        Device of a net, perhaps on another machine.

    Returns
    -------
    device : str
        Device on which it can be.

    Examples
    --------
    >>> from sphereskl.training import available_device
    >>> available_device("cuda:99")
    'cpu'
    """
    try:
        return str(resolve_device(device))
    except ValueError:
        return "cpu"


def stored_momentum(optimizer: torch.optim.Optimizer | None) -> dict[str, Any] | None:
    """Return the state of an optimiser, with arrays for tensors.

    Parameters
    ----------
    optimizer : Optimizer or None
        Any.

    Returns
    -------
    momentum : dict or None
        ``None`` for ``None``.
    """
    return None if optimizer is None else _map(Tensor, _as_array, optimizer.state_dict())


def restore_momentum(net: Any, momentum: dict[str, Any] | None) -> None:
    """Give a net an optimiser with a stored state, or none, so that a new one is made.

    Parameters
    ----------
    net : EmbeddingNet
        Initialised.
    momentum : dict or None
        From `stored_momentum`.
    """
    if momentum is None:
        net.optimizer_ = None
    else:
        net.optimizer_.load_state_dict(_map(np.ndarray, _as_tensor, momentum))


def _map(kind: type, change: Any, value: Any) -> Any:
    if isinstance(value, kind):
        return change(value)
    if isinstance(value, dict):
        return {key: _map(kind, change, part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_map(kind, change, part) for part in value)
    return value


def _as_array(tensor: Tensor) -> Any:
    # A copy, since training continues; torch has types that NumPy lacks.
    tensor = tensor.detach().cpu().clone()
    return tensor if tensor.dtype == torch.bfloat16 else tensor.numpy()


def _as_tensor(array: Any) -> Tensor:
    return torch.from_numpy(np.array(array))
