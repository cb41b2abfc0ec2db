"""Devices for computation."""

import torch
from torch import Tensor


def resolve_device(device: str | torch.device) -> torch.device:
    """Find the device for a `device` parameter.

    Parameters
    ----------
    device : str or torch.device
        "auto" is the GPU if there is one.

    Returns
    -------
    device : torch.device
        One that torch has.

    Raises
    ------
    ValueError
        If torch does not know the device or does not have it.

    Examples
    --------
    >>> from sphereskl.training import resolve_device
    >>> resolve_device("cpu")
    device(type='cpu')
    """
    if str(device) == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError:
        raise ValueError(
            f"device must be 'auto' or one that torch knows, such as 'cpu' or 'cuda:0', got "
            f"{device!r}."
        ) from None
    if resolved.type == "meta":
        raise ValueError("device is 'meta', where tensors hold no numbers; pass 'auto' or 'cpu'.")
    if resolved.type not in ("cpu", "cuda"):
        try:
            torch.empty(0, device=resolved)
        except (AssertionError, NotImplementedError, RuntimeError) as error:
            raise ValueError(
                f"device is {str(resolved)!r}, which torch cannot use here; pass device='auto'."
            ) from error
    n_gpus = torch.cuda.device_count()
    if resolved.type == "cuda" and (resolved.index or 0) >= n_gpus:
        raise ValueError(
            f"device is {str(resolved)!r}, but torch finds {n_gpus} GPUs here; pass device='auto' "
            "to use one if there is one."
        )
    return resolved


def has_room(device: torch.device, n_bytes: int) -> bool:
    """Tell whether a GPU can hold samples and still train; a CPU always can.

    Parameters
    ----------
    device : torch.device
        Any.
    n_bytes : int
        Size of the samples.

    Returns
    -------
    has_room : bool
        Whether they take at most half of the memory that is free.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.training import has_room
    >>> has_room(torch.device("cpu"), 10**15)
    True
    """
    return device.type != "cuda" or 2 * n_bytes <= torch.cuda.mem_get_info(device)[0]


def moved(x: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor to a device, without waiting for what a GPU is computing.

    Parameters
    ----------
    x : Tensor
        On any device.
    device : torch.device
        Where it is needed.

    Returns
    -------
    x : Tensor
        The same one if it is there already.
    """
    if device.type == "cuda" and x.device.type == "cpu":
        # Only a copy from page-locked memory lets the host go on, to the next part of a stream.
        return x.pin_memory().to(device, non_blocking=True)
    return x.to(device)
