"""Forward passes whose rows do not depend on the batch they came in."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import torch
from torch import Tensor

from ..geometry import one_thread

# Matrix products pick their kernel by the number of rows, and kernels differ in the last
# bits: padding to a multiple of this keeps a row's result the same in any batch. Below 192
# rows products in float64 have kernels of their own.
_ROW_MULTIPLE = {torch.float64: 192}
_DEFAULT_MULTIPLE = 32


def infer(
    view: Callable[..., Tensor],
    X: Tensor,
    *others: Tensor,
    device: torch.device | str = "cpu",
    chunk_size: int = 4096,
) -> Tensor:
    """Apply a view of a model to many rows.

    Parameters
    ----------
    view : callable
        Maps (n, ...), and as much of `others`, to (n, n_outputs), row by row; a method of a
        model in evaluation mode.
    X : Tensor of shape (n_samples, ...)
        Encoded samples, on any device.
    *others : Tensor of shape (n_samples, ...)
        What else `view` takes for every row.
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
    n_threads = torch.get_num_threads() if device.type == "cpu" else 1

    def compute(chunk: tuple[Tensor, ...]) -> Tensor:
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode())
            if n_threads > 1:
                stack.enter_context(one_thread())
            if torch.is_autocast_enabled(device.type):
                stack.enter_context(torch.autocast(device.type, enabled=False))
            return view(*(part.to(device) for part in chunk)).cpu()

    multiple = _ROW_MULTIPLE.get(X.dtype, _DEFAULT_MULTIPLE)
    n_missing = -len(X) % multiple
    rows_each = min(chunk_size // multiple, -(-(len(X) + n_missing) // multiple // n_threads))
    # Copying, too: a forked process could wait for threads of torch that it does not have.
    with one_thread():
        # Copies of a row that is there: a network may not stand rows that are not the user's.
        parts = (
            torch.cat([part, part[:1].expand(n_missing, *part.shape[1:])]).split(
                max(1, rows_each) * multiple
            )
            for part in (X, *others)
        )
        chunks = list(zip(*parts, strict=True))
        if n_threads == 1 or len(chunks) == 1:
            return torch.cat(list(map(compute, chunks)))[: len(X)]
        with ThreadPoolExecutor(n_threads) as pool:
            return torch.cat(list(pool.map(compute, chunks)))[: len(X)]
