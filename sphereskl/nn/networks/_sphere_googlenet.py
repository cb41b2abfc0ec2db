"""Hyperspherical network with the architecture of GoogLeNet."""

import math
from dataclasses import dataclass
from numbers import Real

import torch
from torch import Tensor, nn

from .._checks import check_image_shape
from ..layers import SphereConv2d
from ._sphere_blocks import LayerFactory, SphericalConfig

# Filters of each inception block: 1 x 1; before 3 x 3, 3 x 3; before 5 x 5, 5 x 5; pooled.
_STAGES = (
    ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
)


@dataclass
class SphereGoogLeNet(SphericalConfig):
    """Configuration of a hyperspherical network with the architecture of GoogLeNet.

    Nine inception blocks in three stages with pooling between them, global average pooling,
    and a spherical dense layer that gives the embedding. Images of at least 64 x 64
    pixels first pass the three convolutions and two poolings of the original; smaller ones
    a single 3 x 3 convolution that keeps their size.

    Parameters
    ----------
    width : float, default=1.0
        Factor of the number of filters everywhere, positive; there is at least 1 filter.
    operator : {"linear", "cosine", "sigmoid"}, default="sigmoid"
        Function of the angle that the layers compute, see `angular`.
    k : float, default=0.3
        Softness of "sigmoid", positive; where it starts if it learns.
    learn_k : {"channel", "layer", "network"} or None, default=None
        Whether k learns: one for each filter, each layer, the network, or not at all.
    norm : {"batch", "sphere", "both"} or None, default="batch"
        Normalisation between a convolution and its activation, see `SphereCNN`.
    activation : {"relu", "gelu", "silu", "tanh"} or None, default="relu"
        Activation function of hidden layers; angular operators are nonlinear themselves.
    magnitude : {"sphere", "tanh", "ball", "linear"}, default="sphere"
        Function of the norm of a patch, see `SphereConv2d`.
    eps : float, default=1e-4
        Added to the squared length of patches; 0 is exact invariance to scale.
    spherical : bool, default=True
        If False, the same network with ordinary torch layers, for comparison, see `SphereCNN`.

    Notes
    -----
    The three 1 x 1 convolutions at the start of an inception block see the same patches; their
    norms are computed once. The auxiliary classifiers of the original are left out.

    References
    ----------
    .. [1] Szegedy et al. (2015), "Going Deeper with Convolutions", CVPR.
    .. [2] Liu et al. (2017), "Deep Hyperspherical Learning", NeurIPS, for the layers; it has
       no experiment with GoogLeNet.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import SphereGoogLeNet
    >>> backbone = SphereGoogLeNet(width=0.05).build((1, 8, 8), embedding_dim=4)
    >>> backbone(torch.zeros(5, 1, 8, 8)).shape
    torch.Size([5, 4])
    """

    width: float = 1.0

    def build(self, input_shape: tuple[int, ...], embedding_dim: int) -> nn.Module:
        channels, *size = check_image_shape("SphereGoogLeNet", input_shape, "SphereMLP")
        if not isinstance(self.width, Real) or not 0 < float(self.width) < math.inf:
            raise ValueError(f"width must be positive and finite, got {self.width!r}.")
        factory, first = LayerFactory(self), self._filters(192)
        layers = self._stem(factory, channels, large=min(size) >= 64)
        channels = first
        for stage, blocks in enumerate(_STAGES):
            layers += [_halving()] if stage else []
            for filters in blocks:
                inception = Inception(factory, channels, [self._filters(n) for n in filters])
                layers.append(inception)
                channels = inception.out_channels
        embedding = factory.dense(channels, embedding_dim)
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), embedding)

    def _filters(self, n: int) -> int:
        return max(1, round(float(self.width) * n))

    def _stem(self, factory: LayerFactory, channels: int, large: bool) -> list[nn.Module]:
        narrow, wide = self._filters(64), self._filters(192)
        if not large:
            return [factory.block(channels, wide, 3)]
        return [
            factory.block(channels, narrow, 7, stride=2),
            _halving(),
            factory.block(narrow, narrow, 1),
            factory.block(narrow, wide, 3),
            _halving(),
        ]


def _halving() -> nn.Module:
    return nn.MaxPool2d(3, 2, padding=1)


class Inception(nn.Module):
    """Four parallel branches; the 1 x 1 convolutions on the input share patch norms."""

    def __init__(self, factory: LayerFactory, n_in: int, filters: list[int]):
        super().__init__()
        n_direct, before_three, n_three, before_five, n_five, n_pooled = filters
        self.out_channels = n_direct + n_three + n_five + n_pooled
        self.direct = factory.block(n_in, n_direct, 1)
        self.before_three = factory.block(n_in, before_three, 1)
        self.three = factory.block(before_three, n_three, 3)
        self.before_five = factory.block(n_in, before_five, 1)
        self.five = factory.block(before_five, n_five, 5)
        self.pool = nn.MaxPool2d(3, 1, padding=1)
        self.pooled = factory.block(n_in, n_pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        layer = self.direct[0]
        inverse_norm = layer.inverse_norm(x) if isinstance(layer, SphereConv2d) else None
        branches = (
            self.direct(x, inverse_norm),
            self.three(self.before_three(x, inverse_norm)),
            self.five(self.before_five(x, inverse_norm)),
            self.pooled(self.pool(x)),
        )
        return torch.cat(branches, dim=1)
