"""Forward passes whose rows do not depend on the batch they came in."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from ._threads import one_thread

# Matrix products pick their kernel by the number of rows, and kernels differ in the last
# bits: padding to a multiple of this keeps a row's result the same in any batch. Below 192
# rows products in float64 have kernels of their own.
_ROW_MULTIPLE = {torch.float64: 192}
_DEFAULT_MULTIPLE = 32


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
        Where `view` computes. On the CPU every chunk is computed on one thread, and as
        many chunks at a time as torch has threads.
    chunk_size : int, default=4096
        Rows at a time, at the most: bounds the memory of activations.

    Returns
    -------
    outputs : Tensor of shape (n_samples, n_outputs)
        On the CPU.
    """
    device = torch.device(device)

    def compute(chunk: Tensor) -> Tensor:
        with torch.inference_mode():
            return view(chunk.to(device)).cpu()

    def compute_on_one_thread(chunk: Tensor) -> Tensor:
        with one_thread():
            return compute(chunk)

    multiple = _ROW_MULTIPLE.get(X.dtype, _DEFAULT_MULTIPLE)
    padded = torch.cat([X, X.new_zeros((-len(X) % multiple, *X.shape[1:]))])
    n_threads = torch.get_num_threads() if device.type == "cpu" else 1
    rows_each = min(chunk_size // multiple, -(-len(padded) // multiple // n_threads))
    chunks = padded.split(max(1, rows_each) * multiple)
    if device.type != "cpu":
        outputs = [compute(chunk) for chunk in chunks]
    elif n_threads == 1 or len(chunks) == 1:
        outputs = [compute_on_one_thread(chunk) for chunk in chunks]
    else:
        with ThreadPoolExecutor(n_threads) as pool:
            outputs = list(pool.map(compute_on_one_thread, chunks))
    return torch.cat(outputs)[: len(X)]
