"""Multilayer perceptron: the backbone for tables."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from .._checks import check_probability, check_widths, choose
from ..layers import Dropout
from ._config import ACTIVATIONS, BackboneConfig

_NORMS = {None: None, "batch": nn.BatchNorm1d, "layer": nn.LayerNorm}


@dataclass
class MLP(BackboneConfig):
    """Configuration of a multilayer perceptron.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(256, 256)
        Widths of the hidden layers. A last width below ``embedding_dim`` confines the
        embeddings to a subspace.
    dropout : float, default=0.2
        Probability in [0, 1) of zeroing a hidden unit while training.
    norm : {"batch", "layer"} or None, default=None
        Normalisation before each activation. "batch" makes training depend on how rows
        fall into batches, so that row weights no longer equal repetition.
    activation : {"relu", "gelu", "silu", "tanh"}, default="relu"
        Nonlinearity of the hidden layers.
    residual : bool, default=False
        Whether hidden layers whose input and output widths agree add their input.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import MLP
    >>> backbone = MLP(hidden_layer_sizes=(32,)).build((4,), embedding_dim=8)
    >>> backbone(torch.zeros(5, 4)).shape
    torch.Size([5, 8])
    """

    hidden_layer_sizes: int | Sequence[int] = (256, 256)
    dropout: float = 0.2
    norm: str | None = None
    activation: str = "relu"
    residual: bool = False

    def build(self, input_shape: tuple[int, ...], embedding_dim: int) -> nn.Module:
        widths = (
            math.prod(input_shape),
            *check_widths("hidden_layer_sizes", self.hidden_layer_sizes),
        )
        blocks = [self._block(n_in, n_out) for n_in, n_out in pairwise(widths)]
        flatten = [nn.Flatten()] if len(input_shape) > 1 else []
        return nn.Sequential(*flatten, *blocks, nn.Linear(widths[-1], embedding_dim))

    def _block(self, n_in: int, n_out: int) -> nn.Module:
        norm = choose("norm", self.norm, _NORMS)
        layers = [
            nn.Linear(n_in, n_out),
            *([norm(n_out)] if norm else []),
            choose("activation", self.activation, ACTIVATIONS)(),
            *([Dropout(self.dropout)] if check_probability("dropout", self.dropout) else []),
        ]
        residual = self.residual and n_in == n_out
        return Residual(*layers) if residual else nn.Sequential(*layers)


class Residual(nn.Sequential):
    """Layers that add their input to their output."""

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)
