"""Arithmetic of training: full or mixed precision."""

import torch

PRECISIONS = ("full", "bf16", "auto")


def resolve_precision(precision: str, dtype: str, device: torch.device, *, is_image: bool) -> str:
    """Return the precision in which to train.

    Parameters
    ----------
    precision : {"full", "bf16", "auto"}
        As users set it.
    dtype : {"float32", "float64"}
        Data type of the network.
    device : torch.device
        Where it is trained.
    is_image : bool
        Whether samples are images. The small products of a table take no less time in
        bfloat16, and converting their operands takes some.

    Returns
    -------
    precision : {"full", "bf16"}
        "auto" is decided.

    Raises
    ------
    ValueError
        If "bf16" is requested for a network in float64.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.training import resolve_precision
    >>> resolve_precision("auto", "float32", torch.device("cpu"), is_image=True)
    'full'
    """
    if precision != "auto":
        if precision == "bf16" and dtype != "float32":
            raise ValueError(
                f"precision='bf16' rounds a network of dtype='float32', but dtype is {dtype!r}; "
                "set precision='full' to train in float64."
            )
        return precision
    supported = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16" if supported and is_image and dtype == "float32" else "full"
