"""Memory layout of what an optimiser reads next to a parameter."""

import torch
from torch import Tensor


def laid_out_as(tensor: Tensor, other: Tensor) -> Tensor:
    """Return a tensor in the memory layout of another one of its shape.

    Fused optimisers walk through memory: with a gradient or a momentum in another order than the
    parameter, such as that of images with channels last, they update the wrong numbers silently.
    Autograd takes care of ``grad``; sums made by hand and states that were stored do not.

    Parameters
    ----------
    tensor, other : Tensor of shape (...)
        Of the same shape.

    Returns
    -------
    tensor : Tensor of shape (...)
        The one given, or a copy.
    """
    if tensor.stride() == other.stride():
        return tensor
    return torch.empty_like(other, dtype=tensor.dtype, requires_grad=False).copy_(tensor)
