"""Descriptions of objects that are equal in all processes: in JSON, without addresses."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

# Limits the memory of a copy.
_BYTES_AT_ONCE = 2**24
# Longer descriptions, in characters, are replaced by their digest.
_LONGEST = 200
# Attributes that every module has, or that change between training and validation.
_OF_TORCH = frozenset(vars(nn.Module()))
_OURS = __name__.partition(".")[0]


def describe(value: Any) -> Any:
    """Describe an object.

    Parameters
    ----------
    value : object
        Plain values and containers are described by their content, tensors and arrays by a digest,
        functions and classes by their names, defaults and closures, modules by their
        layers and the plain attributes of these, callable objects and objects of this package
        by their attributes, and others by their type.

    Returns
    -------
    description : object
        Anything that JSON can hold.
    """
    return _describe(value, frozenset())


def _describe(value: Any, above: frozenset[int]) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):  # 1 and 1.0 give the same bits
        return int(value) if value.is_integer() else value if math.isfinite(value) else repr(value)
    if isinstance(value, np.ndarray) and value.dtype != object:
        return digest(f"{value.dtype} {value.shape} {value.tolist()}".encode())
    if isinstance(value, Tensor):
        return digest_rows(value)
    if id(value) in above:
        return "itself"
    above |= {id(value)}
    if isinstance(value, Mapping):
        return {str(key): _describe(part, above) for key, part in value.items()}
    if isinstance(value, np.ndarray):
        return [value.shape, *(_describe(part, above) for part in value.flat)]
    if isinstance(value, list | tuple):
        return [_describe(part, above) for part in value]
    if isinstance(value, nn.Module):
        return [[name, *_layer(layer, above)] for name, layer in value.named_modules()]
    if isinstance(value, partial):
        parts = (value.func, value.args, value.keywords)
        return ["partial", *(_describe(part, above) for part in parts)]
    if isinstance(value, MethodType):
        return [_describe(value.__func__, above), _describe(value.__self__, above)]
    if isinstance(value, type | BuiltinFunctionType | FunctionType):
        return _describe_code(value, above)
    if isinstance(value, torch.Generator):
        return None
    kind = _name(type(value))
    if (callable(value) or kind.startswith(_OURS)) and hasattr(value, "__dict__"):
        return [kind, _describe(vars(value), above)]
    return kind


def _layer(layer: nn.Module, above: frozenset[int]) -> tuple[str, Any]:
    return _name(type(layer)), _describe(own_attributes(layer), above)


def own_attributes(layer: nn.Module) -> dict[str, Any]:
    """Return the attributes of a layer that are neither torch's nor layers.

    Parameters
    ----------
    layer : nn.Module
        Any.

    Returns
    -------
    attributes : dict
        By name.
    """
    return {name: value for name, value in vars(layer).items() if name not in _OF_TORCH}


def _describe_code(value: Any, above: frozenset[int]) -> Any:
    bound = [getattr(value, "__defaults__", None), getattr(value, "__kwdefaults__", None)]
    for cell in getattr(value, "__closure__", None) or ():
        try:
            bound.append(cell.cell_contents)
        except ValueError:  # not filled yet
            continue
    if not any(bound):
        return _name(value)
    return [_name(value), _describe(bound, above)]


def _name(code: Any) -> str:
    return f"{code.__module__}.{code.__qualname__}"


def brief(value: Any) -> Any:
    """Describe an object briefly.

    Parameters
    ----------
    value : object
        Any.

    Returns
    -------
    description : object
        As in `describe`, or its digest if that is long.
    """
    description = describe(value)
    text = json.dumps(description, sort_keys=True)
    return description if len(text) <= _LONGEST else digest(text.encode())


def digest_rows(rows: Any) -> str:
    """Return a digest of rows, with a copy of only some of them at a time.

    Parameters
    ----------
    rows : Tensor, or sequence of which slices are tensors
        On any device.

    Returns
    -------
    digest : str
        Of type, shape and content.
    """
    is_number = isinstance(rows, Tensor) and not rows.ndim
    return digest(*_blocks(rows.reshape(1) if is_number else rows))


def _blocks(rows: Any) -> Iterator[Any]:
    first = rows[:1]
    yield f"{first.dtype} {len(rows)} {tuple(first.shape[1:])}".encode()
    size = first.numel() * first.element_size()
    at_once = max(1, _BYTES_AT_ONCE // max(size, 1))
    for start in range(0, len(rows), at_once):
        block = rows[start : start + at_once].detach().cpu().contiguous()
        # Torch has types that NumPy lacks.
        yield block.reshape(-1).view(torch.uint8).numpy()


def digest(*parts: Any) -> str:
    """Return a digest of bytes.

    Parameters
    ----------
    *parts : bytes
        In their order.

    Returns
    -------
    digest : str
        Recognised by its prefix, see `is_digest`.
    """
    whole = hashlib.blake2b(digest_size=16)
    for part in parts:
        whole.update(part)
    return f"blake2b:{whole.hexdigest()}"


def is_digest(description: Any) -> bool:
    """Tell whether a description is a digest, which is not readable.

    Parameters
    ----------
    description : object
        Of `brief`, or a digest.

    Returns
    -------
    is_digest : bool
        Whether it is.
    """
    return isinstance(description, str) and description.startswith("blake2b:")
