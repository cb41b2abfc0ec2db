"""Backbones as configuration: what a grid search can clone and tune."""

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from numbers import Integral, Real
from typing import Any, Self

from torch import nn


class BackboneConfig:
    """Base of the dataclasses that describe a backbone.

    Speaks scikit-learn's parameter protocol, so that `clone` copies it and a grid can say
    ``backbone__dropout``. Subclasses are dataclasses with a `build` method; values are
    stored as given and checked by `build`.
    """

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name; `deep` is there for scikit-learn and unused."""
        assert is_dataclass(self)
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def set_params(self, **params: Any) -> Self:
        """Change parameters in place and return the configuration."""
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                raise ValueError(
                    f"{type(self).__name__} has no parameter {name!r}; it has {sorted(known)}."
                )
            setattr(self, name, value)
        return self

    def build(self, input_shape: tuple[int, ...], embedding_dim: int) -> nn.Module:
        """Build the network.

        Parameters
        ----------
        input_shape : tuple of int
            Shape of one sample: ``(n_features,)`` or ``(channels, height, width)``.
        embedding_dim : int
            Width of the output.

        Returns
        -------
        backbone : nn.Module
            Maps ``(n_samples, *input_shape)`` to ``(n_samples, embedding_dim)``.
        """
        raise TypeError(f"{type(self).__name__} must define build(input_shape, embedding_dim).")


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


def choose(name: str, value: Any, options: dict[Any, Any]) -> Any:
    """Look up the value of a parameter, or say which values it can take."""
    if not (value is None or isinstance(value, str)) or value not in options:
        raise ValueError(f"{name} must be one of {list(options)}, got {value!r}.")
    return options[value]


def check_count(name: str, value: Any) -> int:
    """Return a number of at least 1, or say what is wrong with it."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {value!r}.")
    return int(value)


def check_widths(name: str, widths: Any) -> tuple[int, ...]:
    """Return layer widths as a tuple, or say what is wrong with them."""
    as_tuple = tuple(widths) if isinstance(widths, Iterable) else (widths,)
    if not all(
        isinstance(w, Integral) and not isinstance(w, bool) and int(w) >= 1 for w in as_tuple
    ):
        raise ValueError(f"{name} must hold integers of at least 1, got {widths!r}.")
    return tuple(int(width) for width in as_tuple)


def check_probability(name: str, value: Any) -> float:
    """Return a probability of dropping, or say what is wrong with it."""
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 <= float(value) < 1:
        raise ValueError(f"{name} must be in [0, 1), got {value!r}; 0 turns dropout off.")
    return float(value)
