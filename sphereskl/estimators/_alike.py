"""What processes that fit one model together (data-parallel training) must have in common."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import nn

# May differ between processes; the seed of process 0 is used.
_OWN = {"callbacks", "device", "random_state", "verbose"}


def described_fit(estimator: Any, network: nn.Module) -> dict[str, Any]:
    """Describe a fit, apart from its samples, so that descriptions can be compared.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        With `target_encoder_`.
    network : nn.Module
        Network that it trains.

    Returns
    -------
    described : dict
        Plain values, by the name of a parameter if it is one.
    """
    params = {k: v for k, v in estimator.get_params(deep=False).items() if k not in _OWN}
    return {
        "class": type(estimator).__name__,
        **{name: _plain(value) for name, value in params.items()},
        "backbone": [
            *((name, tuple(p.shape), p.requires_grad) for name, p in network.named_parameters()),
            *((name, tuple(buffer.shape)) for name, buffer in network.named_buffers()),
        ],
        "form of y": _plain(vars(estimator.target_encoder_)),
    }


def _plain(value: Any) -> Any:
    """Return a value with a complete `repr`; objects without one are replaced by their class."""
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return [(_plain(key), _plain(part)) for key, part in value.items()]
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if hasattr(value, "get_params") and not isinstance(value, type):
        return [type(value).__name__, _plain(value.get_params())]
    return type(value).__name__
