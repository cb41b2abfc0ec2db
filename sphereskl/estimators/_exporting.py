"""From a torch module to an ONNX graph, without output."""

import logging
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from io import StringIO
from typing import Any

import torch
from torch import Tensor, nn

from ._onnx_graph import OPSET

# One ONNX file cannot be longer, in bytes, and needs some room besides the weights.
_LARGEST = 2**31 - 2**20

_LOGGERS = ("torch", "torch.onnx", "torch.export", "onnxscript", "onnx_ir")


def check_packages() -> None:
    """Raise an error if the packages that write ONNX are missing."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "to_onnx needs onnx and onnxscript, of which one is not installed; run "
            'pip install "sphereskl[onnx]".'
        ) from error


def exported(module: nn.Module, sample: Tensor) -> Any:
    """Export a module for any number of rows.

    Parameters
    ----------
    module : nn.Module
        On the CPU, in evaluation mode.
    sample : Tensor of shape (n_samples, ...)
        A few rows of any values.

    Returns
    -------
    network : onnx.ModelProto
        The graph.

    Raises
    ------
    ValueError
        If torch cannot export the module, or its weights exceed the limit of an ONNX file.
    """
    size = sum(t.nbytes for t in (*module.parameters(), *module.buffers()))
    if size > _LARGEST:
        raise ValueError(
            f"module_ has {size:,} bytes of weights, but one file of ONNX holds 2 GB; fit a "
            "smaller backbone, or float32 in place of float64."
        )
    try:
        with _in_silence(), torch.no_grad():
            program = _program(module, sample)
            converted: Any = torch.onnx.export(
                program, dynamo=True, verbose=False, opset_version=OPSET
            )
            return converted.model_proto
    except Exception as error:  # Of many types, from torch and from networks of users.
        raise ValueError(
            "backbone cannot be exported to ONNX, since torch.export does not get through its "
            f"forward ({_sentence(error)}); write it without branches on values, NumPy and "
            "fixed batch sizes, or serve the estimator itself."
        ) from error


def _program(module: nn.Module, sample: Tensor) -> Any:
    shapes = ({0: torch.export.Dim.DYNAMIC},)
    try:
        return torch.export.export(module, (sample,), dynamic_shapes=shapes, strict=False)
    except Exception as error:
        # Slower; it understands more Python in some ways (len(x)) and less in others (try).
        with suppress(Exception):
            return torch.export.export(module, (sample,), dynamic_shapes=shapes, strict=True)
        raise error


@contextmanager
def _in_silence() -> Iterator[None]:
    """Suppress warnings, logs and output of exporters, which concern the internals of torch."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        # For code that it cannot export, torch prints the graph so far.
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _sentence(error: BaseException) -> str:
    """Return the first line of an error message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}".rstrip(".")
    return textwrap.shorten(said, 200, placeholder=" ...")
