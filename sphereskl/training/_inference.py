"""Forward passes whose rows do not depend on the batch they came in."""

from collections.abc import Callable

import torch
from torch import Tensor

# Matrix products pick their kernel by the number of rows, and kernels differ in the last
# bits: padding to a multiple of this keeps a row's result the same in any batch.
_ROW_MULTIPLE = 32


def infer(
    view: Callable[[Tensor], Tensor],
    X: Tensor,
    *,
    device: torch.device | str = "cpu",
    chunk_size: int = 4096,
) -> Tensor:
    """Apply a view of a model to many rows.

    Parameters
    ----------
    view : callable
        Maps (n, ...) to (n, n_outputs), row by row; a method of a model in evaluation
        mode.
    X : Tensor of shape (n_samples, ...)
        Encoded samples, on any device.
    device : torch.device or str, default="cpu"
        Where `view` computes.
    chunk_size : int, default=4096
        Rows at a time, a multiple of 32: bounds the memory of activations.

    Returns
    -------
    outputs : Tensor of shape (n_samples, n_outputs)
        On the CPU.
    """
    with torch.inference_mode():
        padded = torch.cat([X, X.new_zeros((-len(X) % _ROW_MULTIPLE, *X.shape[1:]))])
        chunks = [view(chunk.to(device)).cpu() for chunk in padded.split(chunk_size)]
        return torch.cat(chunks)[: len(X)]
