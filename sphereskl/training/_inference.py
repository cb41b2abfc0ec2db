"""Inference: forward passes in which a row's result does not depend on its batch."""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from ..geometry import one_thread, threads_outside
from ._lazy_rows import LazyRows, aligned
from ._resident_rows import EncodedRows

# Matrix products pick their kernel by the number of rows, and kernels differ in the last
# bits: padding to a multiple of this keeps a row's result the same in any batch. Below 192
# rows products in float64 use other kernels.
_ROW_MULTIPLE = {torch.float64: 192}
_DEFAULT_MULTIPLE = 32

# Rows of a chunk, by their width: wide rows, such as images, have activations that exceed the
# caches of a CPU. 4,096 rows of up to 64 numbers, 64 images of 3 x 32 x 32.
_MOST_ROWS, _LEAST_ROWS = 4096, 64
_CHUNK_SIZE = {"cpu": 2**18}
_CHUNK_SIZE_ON_DEVICES = 2**26

# Maximum outputs of a view for a chunk, counted for every member of a network.
_OUTPUT_SIZE = 2**19


def infer(
    view: Callable[..., Tensor],
    X: EncodedRows,
    *others: Tensor,
    device: torch.device | str = "cpu",
    chunk_size: int | None = None,
) -> Tensor:
    """Apply a view of a model to many rows, in chunks.

    Parameters
    ----------
    view : callable
        Maps (n, ...), and as much of `others`, to (n, n_outputs), row by row; a method of a
        model in evaluation mode.
    X : EncodedRows of shape (n_samples, ...)
        Encoded samples, on any device.
    *others : Tensor of shape (n_samples, ...)
        Further arguments of `view` for every row.
    device : torch.device or str, default="cpu"
        Device of `view`. On the CPU every chunk is computed on one thread, and as
        many chunks in parallel as torch has threads.
    chunk_size : int, default=None
        Maximum number of rows per chunk, which limits the memory of activations. ``None`` is
        chosen by the sizes of a row and of its outputs: 64 to 4,096. A chunk that exceeds the
        memory of a GPU is computed in halves.

    Returns
    -------
    outputs : Tensor of shape (n_samples, n_outputs)
        On the CPU.

    Raises
    ------
    torch.OutOfMemoryError
        If not even the smallest chunk fits.
    """
    device = torch.device(device)
    n_threads = threads_outside() if device.type == "cpu" else 1

    def compute(chunk: tuple[Tensor, ...]) -> Tensor:
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode())
            if n_threads > 1:
                stack.enter_context(one_thread())
            if torch.is_autocast_enabled(device.type):
                stack.enter_context(torch.autocast(device.type, enabled=False))
            try:
                return view(*(part.to(device) for part in chunk)).cpu()
            except torch.OutOfMemoryError:
                if len(chunk[0]) == multiple:
                    raise
        # After the exception, which keeps the activations alive.
        half = multiple * (len(chunk[0]) // (2 * multiple))
        halves = (tuple(part[:half] for part in chunk), tuple(part[half:] for part in chunk))
        return torch.cat([compute(part) for part in halves])

    first = X[:1]
    multiple = _ROW_MULTIPLE.get(first.dtype, _DEFAULT_MULTIPLE)
    budget = _CHUNK_SIZE.get(device.type, _CHUNK_SIZE_ON_DEVICES)
    most = min(_MOST_ROWS, max(_LEAST_ROWS, budget // max(1, first.numel())))
    chunk_size = most if chunk_size is None else min(most, chunk_size)
    fair_share = math.ceil(len(X) / (multiple * n_threads))
    n_rows = multiple * max(1, min(chunk_size // multiple, fair_share))
    # Copying, too: a forked process could wait for threads of torch that it does not have.
    with one_thread():
        if len(X) <= n_rows:
            outputs = compute(tuple([_padded(part[:], multiple) for part in (X, *others)]))
            return outputs[: len(X)].clone()  # out of inference mode, where it can be used further
        sample = compute(tuple([part[:multiple] for part in (X, *others)]))
        most = _OUTPUT_SIZE * len(sample) // max(1, sample.numel())
        n_rows = min(n_rows, multiple * max(1, most // multiple))
        chunks = _chunks((X, *others), n_rows, multiple)
        if n_threads == 1:
            return _joined(map(compute, chunks), len(X))
        with ThreadPoolExecutor(n_threads) as pool:
            return _joined(_in_turns(pool, compute, chunks, n_threads), len(X))


def _chunks(parts: Any, n_rows: int, multiple: int) -> Iterator[tuple[Tensor, ...]]:
    """Split rows into chunks, the last one padded to a multiple."""
    starts = range(0, len(parts[0]), n_rows)
    if isinstance(parts[0], LazyRows):
        indices = (torch.arange(a, min(a + n_rows, len(parts[0]))) for a in starts)
        samples: Any = parts[0].parts(indices)
    else:
        samples = (parts[0][a : a + n_rows] for a in starts)
    for start, X in zip(starts, samples, strict=True):
        rows = slice(start, start + n_rows)
        yield tuple(_padded(part, multiple) for part in (X, *(part[rows] for part in parts[1:])))


def _padded(part: Tensor, multiple: int) -> Tensor:
    """Return rows padded up to a multiple."""
    n_missing = -len(part) % multiple
    if n_missing:
        # Copies of an existing row: a network may fail on rows that are not the user's.
        return torch.cat([part, part[:1].expand(n_missing, *part.shape[1:])])
    return aligned(part)


def _in_turns(
    pool: ThreadPoolExecutor, compute: Callable[[Any], Tensor], chunks: Iterator[Any], n_turns: int
) -> Iterator[Tensor]:
    """Compute some chunks in parallel: no more are read than are being computed."""
    while some := list(islice(chunks, n_turns)):
        yield from pool.map(compute, some)


def _joined(outputs: Iterator[Tensor], n_samples: int) -> Tensor:
    """Concatenate outputs, without the rows of the padding."""
    first = next(outputs)
    joined = first.new_empty(n_samples, *first.shape[1:])
    joined[: len(first)], start = first, len(first)
    for part in outputs:
        joined[start : start + len(part)] = part[: n_samples - start]
        start += len(part)
    return joined
