"""Values of parameters and attributes as JSON and tensors, without code, and back."""

import math
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from inspect import signature
from typing import Any

import numpy as np
import torch
from torch import nn

from .. import nn as sphere_nn
from ..preprocessing import ImageAugmentation

_PARENTS = (
    sphere_nn.BackboneConfig,
    sphere_nn.Regularizer,
    sphere_nn.Annealing,
    sphere_nn.AngularMarginLoss,
)
# Classes whose objects are fully described by their constructor arguments, by name.
_DESCRIBED = {
    name: cls
    for name, cls in vars(sphere_nn).items()
    if isinstance(cls, type) and issubclass(cls, _PARENTS) and cls is not sphere_nn.BackboneConfig
} | {"ImageAugmentation": ImageAugmentation}


def is_described(value):
    """Tell whether an object of this package is fully described by its constructor arguments.

    Parameters
    ----------
    value : object
        Any.

    Returns
    -------
    is_described : bool
        False for objects of subclasses, which may have more state.
    """
    return type(value) in _DESCRIBED.values()


def encode(name: str, value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """Turn a value into JSON.

    Parameters
    ----------
    name : str
        Prefix of the names of arrays in `tensors`.
    value : object
        Numbers, strings, times, arrays, containers of these, configurations.
    tensors : dict of str to Tensor
        Receives the arrays.

    Returns
    -------
    stored : object
        Anything that JSON can hold.

    Raises
    ------
    TypeError
        If the value is code, or an object that code would be needed to restore.
    """
    if is_described(value):
        fields = {key: getattr(value, key) for key in signature(type(value)).parameters}
        stored = {key: encode(f"{name}.{key}", v, tensors) for key, v in fields.items()}
        return {"config": type(value).__name__, "fields": stored}
    if isinstance(value, nn.Module | type) or callable(value):
        raise TypeError(f"{name} is code.")
    if isinstance(value, np.generic) and value.dtype.kind in "biufU" and value.itemsize <= 8:
        value = value.item()
    if isinstance(value, str | bool | int | None):
        return value
    if isinstance(value, list | tuple):
        parts = [encode(f"{name}.{j}", part, tensors) for j, part in enumerate(value)]
        return {"tuple": parts} if isinstance(value, tuple) else parts
    if isinstance(value, Mapping):
        pairs = [list(pair) for pair in value.items()]
        return {"pairs": encode(name, pairs, tensors)}
    if isinstance(value, np.ndarray | np.generic):
        return _encode_array(name, value, tensors)
    return _encode_object(name, value, tensors)


def _encode_array(name, value, tensors):
    array = np.asarray(value)
    kind = "array" if isinstance(value, np.ndarray) else "scalar"
    if array.dtype == object:
        values = [encode(f"{name}.{j}", part, tensors) for j, part in enumerate(array.ravel())]
        return {"objects": values, "shape": list(array.shape)}
    if array.dtype.kind not in "biufcmMSU":
        raise TypeError(f"{name} is an array of {array.dtype}.")
    # As rows: torch supports neither other byte orders nor negative strides.
    native = np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
    if not (array.dtype.kind in "biuf" and array.itemsize <= 8):
        native = native.reshape(-1).view(np.uint8)
    tensors[name] = torch.from_numpy(native)
    return {kind: name, "dtype": array.dtype.str, "shape": list(array.shape)}


def _encode_object(name, value, tensors):
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"float": repr(float(value))}
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, date | timedelta):
        return _encode_time(name, value)
    if isinstance(value, torch.device):
        return str(value)
    if isinstance(value, torch.Tensor):
        return encode(name, value.detach().cpu().numpy(), tensors)
    if hasattr(value, "__array__"):  # series, indexes, frames and columns of any library
        return encode(name, np.asarray(value), tensors)
    if hasattr(value, "__len__") and hasattr(value, "__getitem__"):  # range and similar
        return encode(name, list(value), tensors)
    raise TypeError(f"{name} is a {type(value).__name__}.")


def _encode_time(name, value):
    """Encode times of Python's types as JSON; those of pandas are subclasses."""
    if value != value or getattr(value, "nanosecond", 0) or getattr(value, "nanoseconds", 0):
        raise TypeError(f"{name} is {value!r}, which is not a time in microseconds.")
    if isinstance(value, timedelta):
        return {"timedelta": [value.days, value.seconds, value.microseconds]}
    return {"datetime" if isinstance(value, datetime) else "date": value.isoformat()}


def decode(stored: Any, tensors: Any) -> Any:
    """Decode JSON to the value that it represents.

    Parameters
    ----------
    stored : object
        From `encode`, or from anyone: only what `encode` accepts is created.
    tensors : dict of str to Tensor
        The arrays.

    Returns
    -------
    value : object
        Containers other than lists, tuples and dictionaries come back as arrays.

    Raises
    ------
    ValueError
        If `encode` could not have written it.
    """
    if isinstance(stored, list):
        return [decode(part, tensors) for part in stored]
    if not isinstance(stored, dict):
        return stored
    kind = next(iter(stored), None)
    if kind not in _DECODERS or set(stored) != _DECODERS[kind][0]:
        raise ValueError(f"its header has an entry of the keys {list(stored)[:5]}")
    return _DECODERS[kind][1](stored, tensors)


def _decode_config(stored, tensors):
    cls, fields = _DESCRIBED.get(stored["config"]), stored["fields"]
    if cls is None or not set(fields) <= set(signature(cls).parameters):
        raise ValueError(f"its header describes a {stored['config']!r}, which is unknown")
    return cls(**{name: decode(field, tensors) for name, field in fields.items()})


def _decode_array(stored, tensors):
    """View the bytes of a tensor as an array, whose type and shape must use all of them."""
    name, dtype = stored.get("array", stored.get("scalar")), np.dtype(stored["dtype"])
    if dtype.kind not in "biufcmMSU" or name not in tensors:
        raise ValueError(f"its header speaks of an array {name!r} of type {dtype}")
    raw = tensors[name].numpy().reshape(-1)
    native = dtype.newbyteorder("=")
    if math.prod(stored["shape"]) * dtype.itemsize != raw.nbytes:
        raise ValueError(f"its array {name!r} has another size than its shape")
    array = raw.view(np.uint8).view(native).astype(dtype).reshape(stored["shape"])
    array.tolist()  # Bytes may not be valid text.
    return array if "array" in stored else array[()]


def _decode_objects(stored, tensors):
    parts, shape = stored["objects"], stored["shape"]
    array = np.empty(len(parts), dtype=object)
    for place, part in enumerate(parts):
        array[place] = decode(part, tensors)
    return array.reshape(shape)


_DECODERS = {
    "config": ({"config", "fields"}, _decode_config),
    "array": ({"array", "dtype", "shape"}, _decode_array),
    "scalar": ({"scalar", "dtype", "shape"}, _decode_array),
    "objects": ({"objects", "shape"}, _decode_objects),
    "tuple": ({"tuple"}, lambda stored, tensors: tuple(decode(stored["tuple"], tensors))),
    "pairs": ({"pairs"}, lambda stored, tensors: dict(decode(stored["pairs"], tensors))),
    "float": ({"float"}, lambda stored, _: float(stored["float"])),
    "bytes": ({"bytes"}, lambda stored, _: bytes.fromhex(stored["bytes"])),
    "date": ({"date"}, lambda stored, _: date.fromisoformat(stored["date"])),
    "datetime": ({"datetime"}, lambda stored, _: datetime.fromisoformat(stored["datetime"])),
    "timedelta": ({"timedelta"}, lambda stored, _: timedelta(*stored["timedelta"])),
}
