"""A network whose forward pass in training is compiled."""

from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn


class CompiledForward:
    """Forward pass of a module through `torch.compile`, compiled at the first call.

    Parameters
    ----------
    module : nn.Module
        In training; a change of its layers is noticed and compiled again.
    """

    def __init__(self, module: nn.Module):
        self.module = module

        def forward(X: Tensor) -> Any:
            return module(X)

        # Torch keeps compilations by code object, and gives up after eight: a search would
        # silently train its later networks without.
        code, closure = forward.__code__.replace(), forward.__closure__
        own = FunctionType(code, globals(), forward.__name__, None, closure)
        self._compiled = torch.compile(own)

    def __call__(self, X: Tensor) -> Any:
        """Return the output of the module.

        Parameters
        ----------
        X : Tensor of shape (n_samples, ...)
            A batch; all numbers of samples from 2 on share a compilation.
        """
        # Takes a second to import.
        from torch._dynamo import maybe_mark_dynamic
        from torch._dynamo.exc import TorchDynamoException

        maybe_mark_dynamic(X, 0)
        try:
            return self._compiled(X)
        except TorchDynamoException as error:
            reason = " ".join(str(error).split("\n")[:2]).strip()
            raise RuntimeError(
                f"compile=True, but torch.compile failed: {reason}; train with compile=False, or, "
                "if no compiler was found, install a C++ compiler such as g++."
            ) from error
