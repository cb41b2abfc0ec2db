"""Training independent of the caller's torch settings."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch


@contextmanager
def neutral_torch() -> Iterator[None]:
    """Compute as in a fresh process: with gradients, in single precision, on the CPU by default.

    A fit is not part of the caller's autograd graph, and its result must not depend on
    `torch.set_grad_enabled`, `torch.inference_mode`, `torch.autocast`,
    `torch.set_default_dtype` or `torch.set_default_device`. All are restored afterwards.

    Notes
    -----
    All but the default dtype are per thread. It is changed only if it is not float32;
    other threads see the change while the block runs.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.training import neutral_torch
    >>> with torch.no_grad(), neutral_torch():
    ...     torch.is_grad_enabled()
    True
    """
    dtype = torch.get_default_dtype()
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for device_type in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device_type):
                stack.enter_context(torch.autocast(device_type, enabled=False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if dtype != torch.float32:
            stack.callback(torch.set_default_dtype, dtype)
            torch.set_default_dtype(torch.float32)
        yield
