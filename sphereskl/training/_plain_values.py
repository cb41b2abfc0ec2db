"""Values of a training as JSON and tensors, restored to the same bits, without code."""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor


def flatten(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Encode a value as JSON.

    Parameters
    ----------
    value : object
        Numbers, strings, tensors, arrays of numbers, and lists, tuples and dictionaries of these.
    tensors : dict of str to Tensor
        Receives the tensors and arrays.

    Returns
    -------
    stored : object
        Anything that JSON can hold.

    Raises
    ------
    TypeError
        If the value is anything else; the message gives its type and position.
    """
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, list | tuple):
        parts = [flatten(part, tensors) for part in value]
        return {"tuple": parts} if isinstance(value, tuple) else parts
    if isinstance(value, Mapping):
        kind = "counter" if isinstance(value, Counter) else "pairs"
        return {kind: [[flatten(k, tensors), _part(k, v, tensors)] for k, v in value.items()]}
    if isinstance(value, Tensor) and value.layout == torch.strided and not value.is_quantized:
        return {"tensor": _named(value.detach(), tensors), "moved": value.device.type != "cpu"}
    if type(value) is np.ndarray and _is_known_to_torch(value.dtype):  # others hold masks, ...
        return {"array": _named(torch.from_numpy(value.copy("C")), tensors)}
    if isinstance(value, np.generic) and isinstance(value.item(), bool | int | float | str):
        return {"scalar": [value.dtype.str, flatten(value.item(), tensors)]}
    raise TypeError(type(value).__name__)


def _part(key: Any, value: Any, tensors: dict[str, Tensor]) -> Any:
    try:
        return flatten(value, tensors)
    except TypeError as error:
        raise TypeError(f"{error} in {key!r}") from error


def _named(tensor: Tensor, tensors: dict[str, Tensor]) -> str:
    name = str(len(tensors))
    tensors[name] = tensor
    return name


def _is_known_to_torch(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "biuf" and dtype.itemsize <= 8 and dtype.isnative


def unflatten(stored: Any, tensors: Mapping[str, Tensor], device: torch.device | str) -> Any:
    """Decode JSON to the value that it represents.

    Parameters
    ----------
    stored : object
        From `flatten`.
    tensors : dict of str to Tensor
        The tensors, on the CPU.
    device : torch.device or str
        Device of tensors that were not on the CPU.

    Returns
    -------
    value : object
        Mappings come back as dictionaries.
    """
    if isinstance(stored, list):
        return [unflatten(part, tensors, device) for part in stored]
    if not isinstance(stored, dict):
        return stored
    (kind, content), *more = stored.items()
    if kind == "float":
        return float(content)
    if kind == "tensor":
        return tensors[content].to(device if more[0][1] else "cpu")
    if kind == "array":
        return tensors[content].numpy()
    parts = [unflatten(part, tensors, device) for part in content]
    if kind == "tuple":
        return tuple(parts)
    if kind == "scalar":
        return np.array(parts[1], np.dtype(parts[0]))[()]  # dates have units
    pairs = {key: value for key, value in parts}
    return Counter(pairs) if kind == "counter" else pairs
