"""Plain hyperspherical convolutional network: the backbone of the SphereNet paper."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from torch import nn

from .._checks import check_count, check_image_shape, check_widths
from ._sphere_blocks import LayerFactory, SphericalConfig


@dataclass
class SphereCNN(SphericalConfig):
    """Configuration of a plain hyperspherical convolutional network.

    Stages of 3 x 3 convolutions, each stage followed by 2 x 2 max pooling; then one spherical
    dense layer on the flattened result gives the embedding. The paper's
    networks have `depth` 3, 9, 18, 45 and 60.

    Parameters
    ----------
    depth : int, default=9
        Number of convolutions, a multiple of the number of stages.
    widths : int or sequence of int, default=(64, 128, 256)
        Filters of the convolutions of each stage. Images one pixel high or wide are not
        pooled further.
    operator : {"linear", "cosine", "sigmoid"}, default="sigmoid"
        Function of the angle that the layers compute, see `angular`.
    k : float, default=0.3
        Softness of "sigmoid", positive; where it starts if it learns.
    learn_k : {"channel", "layer", "network"} or None, default=None
        Whether k is trainable: one for each filter, each layer, the network, or not at all.
    norm : {"batch", "sphere", "both"} or None, default="batch"
        Normalisation between a convolution and its activation: batch normalisation,
        `SphereNorm`, both, or none. Convolutions have a bias only with None.
    activation : {"relu", "gelu", "silu", "tanh"} or None, default="relu"
        Activation function after each convolution; angular operators are nonlinear themselves.
    magnitude : {"sphere", "tanh", "ball", "linear"}, default="sphere"
        Function of the norm of a patch, see `SphereConv2d`.
    eps : float, default=1e-4
        Added to the squared length of patches; 0 is exact invariance to scale.
    spherical : bool, default=True
        If False, the same network with ordinary torch layers, for comparison: `operator`, `k`,
        `learn_k`, `magnitude` and `eps` are then ignored, and "sphere" in `norm` becomes a
        bias.

    See Also
    --------
    ConvNet : Ordinary convolutional network, with global average pooling.

    Notes
    -----
    Batch normalisation adds torch's 1e-5 to variances. The authors' 1e-3 is not small compared
    with the variance of a cosine in d dimensions, 1 / d: at d = 2304 it halves the
    scale. With "both", cosines are multiplied by sqrt(d) first.

    Deviation from the authors' program, which has no bias except in batch normalisation:
    the embedding has one, as have convolutions without norm. All are initialised to 0.

    References
    ----------
    .. [1] Liu et al. (2017), "Deep Hyperspherical Learning", NeurIPS, section 5 and
       appendix A.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import SphereCNN
    >>> backbone = SphereCNN(depth=3, widths=(8, 16, 16)).build((1, 8, 8), embedding_dim=4)
    >>> backbone(torch.zeros(5, 1, 8, 8)).shape
    torch.Size([5, 4])
    """

    depth: int = 9
    widths: int | Sequence[int] = (64, 128, 256)

    @classmethod
    def very_deep(cls, depth: int = 60, widths: int | Sequence[int] = (64, 128, 256)) -> Self:
        """Configure a plain network that trains even if it is dozens of layers deep.

        The operator is the only nonlinearity: ``activation=None, norm=None,
        operator="sigmoid", k=0.1``. With ReLU, all patches end up in one orthant and
        become more and more alike from layer to layer.

        Parameters
        ----------
        depth : int, default=60
            Number of convolutions, a multiple of the number of stages.
        widths : int or sequence of int, default=(64, 128, 256)
            Filters of the convolutions of each stage.

        Returns
        -------
        config : SphereCNN
            The configuration.

        Examples
        --------
        >>> from sphereskl.nn import SphereCNN
        >>> SphereCNN.very_deep(36).activation is None
        True
        """
        return cls(depth, widths, operator="sigmoid", k=0.1, norm=None, activation=None)

    def build(self, input_shape: tuple[int, ...], embedding_dim: int) -> nn.Module:
        channels, *size = check_image_shape("SphereCNN", input_shape, "SphereMLP")
        depth, widths = check_count("depth", self.depth), check_widths("widths", self.widths)
        if not widths or depth % len(widths):
            raise ValueError(
                f"depth must be a multiple of the number of stages, got {self.depth!r} for "
                f"widths={self.widths!r}."
            )
        factory, layers = LayerFactory(self), []
        for width in widths:
            for _ in range(depth // len(widths)):
                layers.append(factory.block(channels, width, 3))
                channels = width
            if min(size) >= 2:
                layers.append(nn.MaxPool2d(2))
                size = [side // 2 for side in size]
        embedding = factory.dense(channels * size[0] * size[1], embedding_dim)
        return nn.Sequential(*layers, nn.Flatten(), embedding)
