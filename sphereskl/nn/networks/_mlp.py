"""Multilayer perceptron: the backbone for tables."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from .._checks import check_count, check_probability, check_widths, choose
from ..layers import Dropout, MemberLinear
from ._config import ACTIVATIONS, BackboneConfig
from ._table_input import Columns, describe_input

_NORMS = {None: None, "batch": nn.BatchNorm1d, "layer": nn.LayerNorm}


@dataclass
class MLP(BackboneConfig):
    """Configuration of a multilayer perceptron, or of an ensemble of them.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(128, 128)
        Widths of the hidden layers. A last width below ``embedding_dim`` confines the
        embeddings to a subspace.
    n_members : int, default=8
        Ensemble size: number of networks that are trained in parallel and share only the
        prototypes; the embedding is the direction of their mean. Each is trained without
        ``1 / n_members`` of the samples and validated on these (cross-validation), so that no
        sample is lost to validation.
    numeric_embedding : {"auto", "piecewise", "periodic"} or None, default="auto"
        Numeric embedding of the columns of a table: learned piecewise-linear curves between
        quantiles, cosines of learned frequencies, or None for the number itself. "auto" is
        "piecewise" for tables of at most 128 numeric columns, and None for others and for images.
    n_bins : int, default=16
        Maximum number of pieces of a curve, for "piecewise".
    dropout : float, default=0.0
        Dropout probability in [0, 1) of a hidden unit in training. Raise it against overfitting.
    norm : {"batch", "layer"} or None, default=None
        Normalisation before each activation. "batch" makes training depend on the composition
        of batches, so that sample weights no longer equal repetition; it needs
        ``n_members=1``.
    activation : {"relu", "gelu", "silu", "tanh"}, default="relu"
        Activation function of the hidden layers.
    residual : bool, default=False
        Whether hidden layers of equal input and output width have a skip connection.

    See Also
    --------
    PiecewiseLinearEmbedding, PeriodicEmbedding : Numeric embeddings.

    References
    ----------
    .. [1] Gorishniy, Kotelnikov and Babenko (2025), "TabM: Advancing Tabular Deep Learning
       with Parameter-Efficient Ensembling", ICLR. Their members share weights, and all train on
       all samples; ours do neither, so that every sample can validate a member not trained on it.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import MLP
    >>> backbone = MLP(hidden_layer_sizes=(32,), n_members=1).build((4,), embedding_dim=8)
    >>> backbone(torch.zeros(5, 4)).shape
    torch.Size([5, 8])
    """

    hidden_layer_sizes: int | Sequence[int] = (128, 128)
    n_members: int = 8
    numeric_embedding: str | None = "auto"
    n_bins: int = 16
    dropout: float = 0.0
    norm: str | None = None
    activation: str = "relu"
    residual: bool = False

    def build(
        self, input_shape: tuple[int, ...], embedding_dim: int, columns: Columns | None = None
    ) -> nn.Module:
        """Build the network.

        Parameters
        ----------
        input_shape : tuple of int
            Shape of one sample: ``(n_features,)`` or ``(channels, height, width)``.
        embedding_dim : int
            Width of the output.
        columns : Columns, default=None
            Description of the features, if not all of them are numbers.

        Returns
        -------
        backbone : nn.Module
            Maps ``(n_samples, *input_shape)`` to ``(n_samples, embedding_dim)``, or, with
            several members, to ``(n_members, n_samples, embedding_dim)``.
        """
        n_members = check_count("n_members", self.n_members)
        columns = columns or Columns(math.prod(input_shape))
        first = describe_input(
            columns,
            self.numeric_embedding,
            n_bins=self.n_bins,
            n_members=n_members,
            is_table=len(input_shape) == 1,
        )
        widths = (first.width, *check_widths("hidden_layer_sizes", self.hidden_layer_sizes))
        blocks = [self._block(n_in, n_out) for n_in, n_out in pairwise(widths)]
        flatten = [nn.Flatten()] if len(input_shape) > 1 else []
        return nn.Sequential(
            *flatten,
            *([] if first.is_identity else [first]),
            *blocks,
            _dense(n_members, widths[-1], embedding_dim),
        )

    def _block(self, n_in: int, n_out: int) -> nn.Module:
        norm = choose("norm", self.norm, _NORMS)
        if self.norm == "batch" and self.n_members > 1:
            raise ValueError(
                f"norm is 'batch', but n_members is {self.n_members}; use norm='layer', or "
                "n_members=1."
            )
        layers = [
            _dense(self.n_members, n_in, n_out),
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


def _dense(n_members: int, n_in: int, n_out: int) -> nn.Module:
    return nn.Linear(n_in, n_out) if n_members == 1 else MemberLinear(n_members, n_in, n_out)
