"""Outputs of a fitted network, which must be numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from ..training import EncodedRows, infer


def infer_finite(
    estimator: Any,
    view: Callable[..., Tensor],
    X: EncodedRows,
    *others: Tensor,
    chunk_size: int | None = None,
) -> Tensor:
    """Apply a view of a fitted network to encoded rows; see `infer`.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        Fitted; its device is used.
    view : callable
        Maps (n, ...), and as much of `others`, to (n, n_outputs), or to (n,) indices, of which
        negative ones stand for outputs that are not finite.
    X : EncodedRows of shape (n_samples, ...)
        Encoded samples.
    *others : Tensor of shape (n_samples, ...)
        Further arguments of `view`.
    chunk_size : int, default=None
        As in `infer`.

    Returns
    -------
    outputs : Tensor of shape (n_samples, n_outputs) or (n_samples,)
        On the CPU.

    Raises
    ------
    ValueError
        If an output is NaN or infinite. Training does not notice it if the network computes
        something else there, as batch normalisation does.
    """
    outputs = infer(view, X, *others, device=estimator.device_, chunk_size=chunk_size)
    values = outputs.numpy()  # on one thread: a forked process could wait for those of torch
    if outputs.is_floating_point():
        # A sum is made faster than a comparison of all; a finite one has finite terms only.
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(values.sum()):
                return outputs
        is_bad = (~np.isfinite(values)).reshape(len(values), -1).any(axis=1)
    else:
        is_bad = values < 0
    if is_bad.any():
        raise ValueError(
            f"The network's outputs are not finite for {is_bad.sum()} of {len(values)} samples, "
            f"first for row {is_bad.argmax()}; see whether the network is "
            "finite in evaluation mode for numbers of this size, if it is your own."
        )
    return outputs
