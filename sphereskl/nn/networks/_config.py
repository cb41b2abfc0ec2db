"""Backbones as configurations that a grid search can clone and tune."""

from dataclasses import fields, is_dataclass
from typing import Any, Self

from torch import nn


class Configuration:
    """Base of the dataclasses that only hold parameters.

    Implements scikit-learn's parameter protocol, so that `clone` copies them and a grid can set
    ``backbone__dropout``. Values are stored as given and checked on use.
    """

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name; `deep` is required by scikit-learn and unused."""
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


class BackboneConfig(Configuration):
    """Base of the dataclasses that describe a backbone.

    Subclasses are dataclasses with a `build` method, which checks the values.
    """

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
