"""Hyperspherical multilayer perceptron: the spherical backbone for tables."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from torch import nn

from .._checks import check_widths
from ._sphere_blocks import LayerFactory, SphericalConfig
from ._table_input import Columns, describe_input


@dataclass
class SphereMLP(SphericalConfig):
    """Configuration of a hyperspherical multilayer perceptron.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(256, 256)
        Widths of the hidden layers.
    lift : bool, default=True
        Whether to append a constant 1 to samples before the first layer, so that their norm
        matters. Without it, samples ``x`` and ``2 x`` are the same to the network, and two
        concentric rings cannot be separated.
    operator : {"linear", "cosine", "sigmoid"}, default="sigmoid"
        Function of the angle that the layers compute, see `angular`.
    k : float, default=0.3
        Softness of "sigmoid", positive; where it starts if it learns.
    learn_k : {"channel", "layer", "network"} or None, default=None
        Whether k is trainable: one for each unit, each layer, the network, or not at all.
    norm : {"batch", "sphere", "both"} or None, default="sphere"
        Normalisation between a hidden layer and its activation: batch normalisation,
        `SphereNorm`, both, or none. "batch" makes training depend on the composition of
        batches, so that sample weights no longer equal repetition.
    activation : {"relu", "gelu", "silu", "tanh"} or None, default="relu"
        Activation function of the hidden layers; angular operators are nonlinear themselves.
    magnitude : {"sphere", "tanh", "ball", "linear"}, default="sphere"
        What layers keep of the length of their input, see `SphereConv2d`.
    eps : float, default=1e-4
        Added to the squared length of inputs; 0 is exact invariance to scale.
    spherical : bool, default=True
        If False, the same network with ordinary torch layers, for comparison: `lift`, `operator`,
        `k`, `learn_k`, `magnitude` and `eps` are then ignored, and "sphere" in `norm` becomes
        a bias.
    numeric_embedding : {"auto", "piecewise", "periodic"} or None, default=None
        Numeric embedding of the columns of a table before the first layer, see `MLP`.
    n_bins : int, default=16
        Maximum number of pieces of a curve, for "piecewise".

    See Also
    --------
    MLP : Ordinary multilayer perceptron.

    References
    ----------
    .. [1] Liu et al. (2017), "Deep Hyperspherical Learning", NeurIPS, section 2. Lifting is
       ours: their inputs are images, whose brightness can be ignored.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import SphereMLP
    >>> backbone = SphereMLP(hidden_layer_sizes=(32,)).build((4,), embedding_dim=8)
    >>> backbone(torch.zeros(5, 4)).shape
    torch.Size([5, 8])
    """

    hidden_layer_sizes: int | Sequence[int] = (256, 256)
    lift: bool = True
    numeric_embedding: str | None = field(default=None, kw_only=True)
    n_bins: int = field(default=16, kw_only=True)
    norm: str | None = field(default="sphere", kw_only=True)

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
            What the features are, if not all of them are numbers.

        Returns
        -------
        backbone : nn.Module
            Maps ``(n_samples, *input_shape)`` to ``(n_samples, embedding_dim)``.
        """
        factory = LayerFactory(self)
        first = describe_input(
            columns or Columns(math.prod(input_shape)),
            self.numeric_embedding,
            n_bins=self.n_bins,
            n_members=1,
            is_table=len(input_shape) == 1,
        )
        widths = (first.width, *check_widths("hidden_layer_sizes", self.hidden_layer_sizes))
        blocks = [
            factory.dense_block(n_in, n_out, lift=self.lift and number == 0)
            for number, (n_in, n_out) in enumerate(pairwise(widths))
        ]
        flatten = [nn.Flatten()] if len(input_shape) > 1 else []
        embedding = factory.dense(widths[-1], embedding_dim, lift=self.lift and not blocks)
        inputs = [*flatten, *([] if first.is_identity else [first])]
        return nn.Sequential(*inputs, *blocks, embedding)
