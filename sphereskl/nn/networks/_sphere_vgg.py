"""Hyperspherical network with the architecture of VGG."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import nn

from .._checks import check_image_shape, check_widths
from ._sphere_blocks import LayerFactory, SphericalConfig

_CONVOLUTIONS = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


@dataclass
class SphereVGG(SphericalConfig):
    """Configuration of a hyperspherical network with the architecture of VGG.

    Five stages of 3 x 3 convolutions, each followed by 2 x 2 max pooling, then dense layers,
    the last of which gives the embedding.

    Parameters
    ----------
    depth : {11, 13, 16, 19}, default=11
        Number of layers, including two hidden dense layers and the embedding.
    widths : sequence of int, default=(64, 128, 256, 512, 512)
        Filters of each of the five stages. Images one pixel high or wide are not pooled
        further.
    hidden_layer_sizes : int or sequence of int, default=(512, 512)
        Widths of the hidden dense layers; the original's are 4096.
    operator : {"linear", "cosine", "sigmoid"}, default="sigmoid"
        Function of the angle that the layers compute, see `angular`.
    k : float, default=0.3
        Softness of "sigmoid", positive; where it starts if it learns.
    learn_k : {"channel", "layer", "network"} or None, default=None
        Whether k learns: one for each filter, each layer, the network, or not at all.
    norm : {"batch", "sphere", "both"} or None, default="batch"
        What stands between a convolution and its activation, see `SphereCNN`.
    activation : {"relu", "gelu", "silu", "tanh"} or None, default="relu"
        Nonlinearity of hidden layers; angular operators are nonlinear themselves.
    magnitude : {"sphere", "tanh", "ball", "linear"}, default="sphere"
        Function of the norm of a patch, see `SphereConv2d`.
    eps : float, default=1e-4
        Added to the squared length of patches; 0 is exact invariance to scale.
    spherical : bool, default=True
        If False, the same network with ordinary torch layers, for comparison, see `SphereCNN`.

    References
    ----------
    .. [1] Simonyan and Zisserman (2015), "Very Deep Convolutional Networks for Large-Scale
       Image Recognition", ICLR.
    .. [2] Liu et al. (2017), "Deep Hyperspherical Learning", NeurIPS, for the layers; it has
       no experiment with VGG.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import SphereVGG
    >>> config = SphereVGG(widths=(4, 4, 8, 8, 8), hidden_layer_sizes=16)
    >>> config.build((3, 16, 16), embedding_dim=4)(torch.zeros(5, 3, 16, 16)).shape
    torch.Size([5, 4])
    """

    depth: int = 11
    widths: Sequence[int] = (64, 128, 256, 512, 512)
    hidden_layer_sizes: int | Sequence[int] = (512, 512)

    def build(self, input_shape: tuple[int, ...], embedding_dim: int) -> nn.Module:
        channels, *size = check_image_shape("SphereVGG", input_shape, "SphereMLP")
        widths = check_widths("widths", self.widths)
        if self.depth not in _CONVOLUTIONS:
            raise ValueError(f"depth must be one of {list(_CONVOLUTIONS)}, got {self.depth!r}.")
        if len(widths) != 5:
            raise ValueError(f"widths must hold 5 integers, got {self.widths!r}.")
        factory, layers = LayerFactory(self), []
        for width, n_convolutions in zip(widths, _CONVOLUTIONS[self.depth], strict=True):
            for _ in range(n_convolutions):
                layers.append(factory.block(channels, width, 3))
                channels = width
            if min(size) >= 2:
                layers.append(nn.MaxPool2d(2))
                size = [side // 2 for side in size]
        hidden = check_widths("hidden_layer_sizes", self.hidden_layer_sizes)
        dense = (channels * size[0] * size[1], *hidden)
        layers += [nn.Flatten(), *(factory.dense_block(*pair) for pair in pairwise(dense))]
        return nn.Sequential(*layers, factory.dense(dense[-1], embedding_dim))
