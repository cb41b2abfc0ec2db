"""Checks of arguments: return the value, or raise an error that explains the problem."""

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any


def choose(name: str, value: Any, options: dict[Any, Any]) -> Any:
    """Look up the value of a parameter, or raise an error with the possible values."""
    if not (value is None or isinstance(value, str)) or value not in options:
        raise ValueError(f"{name} must be one of {list(options)}, got {value!r}.")
    return options[value]


def check_count(name: str, value: Any) -> int:
    """Return an integer of at least 1, or raise an error."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {value!r}.")
    return int(value)


def check_widths(name: str, widths: Any) -> tuple[int, ...]:
    """Return layer widths as a tuple, or raise an error."""
    as_tuple = tuple(widths) if isinstance(widths, Iterable) else (widths,)
    if not all(
        isinstance(w, Integral) and not isinstance(w, bool) and int(w) >= 1 for w in as_tuple
    ):
        raise ValueError(f"{name} must hold integers of at least 1, got {widths!r}.")
    return tuple(int(width) for width in as_tuple)


def check_probability(name: str, value: Any) -> float:
    """Return a dropout probability, or raise an error."""
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 <= float(value) < 1:
        raise ValueError(f"{name} must be in [0, 1), got {value!r}; 0 turns dropout off.")
    return float(value)


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Raise an error for a number outside its range."""
    if not (low <= value <= high and math.isfinite(value)):
        ends = f"in [{low}, {high:.4g}]" if high < math.inf else f"finite and at least {low}"
        raise ValueError(f"{name} must be {ends}, got {value}.")


def check_image_shape(
    name: str, input_shape: Iterable[int], for_tables: str
) -> tuple[int, int, int]:
    """Return channels, height and width, or raise an error if samples are not images."""
    shape = tuple(input_shape)
    if len(shape) != 3:
        raise ValueError(
            f"{name} needs samples of shape (channels, height, width), got {shape}; pass "
            f"input_shape for images in flat rows, or use {for_tables} for tables."
        )
    return shape
