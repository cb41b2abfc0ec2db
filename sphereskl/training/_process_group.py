"""Processes that train one model together: their communication, and the loss of one of them."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch import distributed as dist


class ProcessGroup:
    """All processes of the default group of `torch.distributed`, in one fit; see `joined`.

    Attributes
    ----------
    rank : int
        Number of this process.
    size : int
        Number of processes.

    Notes
    -----
    Every method must be called by all of them, in the same order. They have communicators of
    their own, separate from the user's: a process that fails closes them, which the others
    notice at once with the gloo backend, and the default group stays synchronised.
    """

    # (default group, communicators), until a fit fails or the default group changes. Not
    # one for every fit: closing a connection could lose a message that is still being read.
    _opened: tuple[Any, Any] | None = None

    def __init__(self) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self._timeout = _timeout(dist.group.WORLD)
        opened = ProcessGroup._opened
        if opened is None or opened[0] is not dist.group.WORLD:
            group = self._translated(dist.new_group, timeout=self._timeout)
            ProcessGroup._opened = dist.group.WORLD, group

    def agreed(self, value: Any) -> Any:
        """Return the value of process 0."""
        told = [value]
        self._exchange(dist.broadcast_object_list, told, src=0)
        return told[0]

    def any(self, here: bool, device: torch.device | str) -> bool:
        """Tell whether something holds in any process; tensors on `device` are exchanged."""
        flag = torch.tensor(float(here), device=device)
        self._exchange(dist.all_reduce, flag, op=dist.ReduceOp.MAX)
        return bool(flag.item())

    def share(self, tensors: Iterable[Tensor]) -> None:
        """Broadcast the tensors of process 0, in place."""
        by_dtype: dict[torch.dtype, list[Tensor]] = {}
        for tensor in tensors:
            by_dtype.setdefault(tensor.dtype, []).append(tensor.detach())
        for alike in by_dtype.values():
            flat = torch.cat([tensor.flatten() for tensor in alike])
            self._exchange(dist.broadcast, flat, src=0)
            pieces = flat.split([tensor.numel() for tensor in alike])
            for tensor, piece in zip(alike, pieces, strict=True):
                tensor.copy_(piece.view_as(tensor))

    def check_same(self, parts: dict[str, Any]) -> None:
        """Raise an error in every process if one was given other parts than process 0."""
        of_all: list[Any] = [None] * self.size
        digests = {name: _digest(part) for name, part in parts.items()}
        self._exchange(dist.all_gather_object, of_all, digests)
        odd = [rank for rank, digests in enumerate(of_all) if digests != of_all[0]]
        names = [name for name in parts if len({digests[name] for digests in of_all}) > 1]
        if odd:
            raise ValueError(
                "In a process group every process must fit the same estimator to the same rows, "
                f"but process {odd[0]} has another {', another '.join(names)} than process 0; give "
                "all rows to every process, since batches are split among them, or fit one model "
                "each after torch.distributed.destroy_process_group()."
            )

    def sum(self, tensor: Tensor) -> None:
        """Sum a tensor over all processes, in place; all get the same bits."""
        self._exchange(dist.all_reduce, tensor)

    def part_of(self, n_rows: int, rank: int | None = None) -> range:
        """Return the rows of this process, or of `rank`: equal shares, in order."""
        rank = self.rank if rank is None else rank
        return range(n_rows * rank // self.size, n_rows * (rank + 1) // self.size)

    def gather(self, rows: Tensor, n_rows: int) -> Tensor:
        """Concatenate the rows of all processes.

        Parameters
        ----------
        rows : Tensor of shape (..., n_own_rows, n_outputs)
            The rows of this process.
        n_rows : int
            Number of rows of all processes.

        Returns
        -------
        rows : Tensor of shape (..., n_rows, n_outputs)
            In order.
        """
        sizes = [len(self.part_of(n_rows, rank)) for rank in range(self.size)]
        # Backends exchange tensors of one shape.
        padded = rows.new_zeros(*rows.shape[:-2], max(sizes), rows.shape[-1])
        padded[..., : rows.shape[-2], :] = rows
        of_all = [torch.empty_like(padded) for _ in sizes]
        self._exchange(dist.all_gather, of_all, padded)
        parts = [part.narrow(-2, 0, size) for part, size in zip(of_all, sizes, strict=True)]
        return torch.cat(parts, dim=-2)

    def leave(self) -> None:
        """Close the communicators: this process does not continue the fit."""
        opened, ProcessGroup._opened = ProcessGroup._opened, None
        if opened is not None and dist.is_initialized() and opened[0] is dist.group.WORLD:
            dist.destroy_process_group(opened[1])

    def wait(self) -> None:
        """Wait until all processes have reached this point."""
        self._exchange(dist.all_gather_object, [None] * self.size, None)

    def _exchange(self, collective: Callable[..., Any], *args: Any, **options: Any) -> None:
        if ProcessGroup._opened is None:
            raise RuntimeError("A fit that failed in a process group cannot go on; begin anew.")
        self._translated(collective, *args, group=ProcessGroup._opened[1], **options)

    def _translated(self, call: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Explain the error if the other processes do not respond."""
        try:
            return call(*args, **options)
        except RuntimeError as error:
            # Without its frames, and this one's: they would keep the connections open.
            options.clear()
            reason = error.with_traceback(None)
            if "No backend type" in str(reason):
                raise ValueError(
                    f"The process group exchanges nothing on the device of the fit: {reason}; give "
                    "init_process_group the backend 'cpu:gloo,cuda:nccl', or the estimator another "
                    "device."
                ) from reason
            limit = "" if self._timeout is None else f" of {self._timeout.total_seconds():g} s"
            raise RuntimeError(
                f"Process {self.rank} of the process group cannot continue a fit, because "
                "another one failed, died, did not come to the same fit or was silent for the "
                f"group's timeout{limit}; see what the others say."
            ) from reason


@contextmanager
def joined() -> Iterator[ProcessGroup | None]:
    """Fit together with all processes of an initialised group of `torch.distributed`.

    If the block fails in one process, it fails in all.

    Yields
    ------
    group : ProcessGroup or None
        ``None`` if no group is initialised, or one of this process alone.

    Raises
    ------
    RuntimeError
        If another process failed, died or did not respond within the timeout of the group.

    Examples
    --------
    >>> from sphereskl.training import joined
    >>> with joined() as group:
    ...     group is None
    True
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        yield None
        return
    group = ProcessGroup()
    try:
        yield group
        group.wait()
    except BaseException:
        group.leave()
        raise


def _timeout(group: Any) -> timedelta | None:
    """Return the timeout of a group, None if its backend does not report it."""
    try:
        # New groups do not inherit the timeout; there is no public way to read it.
        return group._get_backend(group._device_types[0]).options._timeout
    except (AttributeError, IndexError, RuntimeError):
        return None


def _digest(part: Any) -> str:
    if not isinstance(part, np.ndarray):
        part = np.frombuffer(repr(part).encode(), np.uint8)
    described = hashlib.blake2b(f"{part.dtype} {part.shape}".encode(), digest_size=16)
    described.update(np.ascontiguousarray(part).tobytes())
    return described.hexdigest()
