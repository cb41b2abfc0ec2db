"""Residual hyperspherical network."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from .._checks import check_count, check_image_shape, check_widths, choose
from ._sphere_blocks import LayerFactory, SphericalConfig

_SHORTCUTS = {"conv": False, "sphere": True}


@dataclass
class SphereResNet(SphericalConfig):
    """Configuration of a residual hyperspherical network.

    `depth` selects the architecture. ``6 n + 2`` is the one for small images: a 3 x 3
    convolution, then three stages of n units of two convolutions, of which the second and the
    third stage halve the image. 18 is the one for photographs: a 7 x 7 convolution and a pooling
    that halve the image, then four stages of two units. Both end with global average pooling
    and a spherical dense layer that gives the embedding.

    Parameters
    ----------
    depth : int, default=32
        Number of layers: 18, or 8, 14, 20, 26, 32 and so on.
    widths : sequence of int or None, default=None
        Filters of each stage; ``None`` is the paper's (96, 192, 384), and (64, 128, 256, 512)
        at depth 18.
    shortcut : {"conv", "sphere"}, default="conv"
        Shortcut where the shape changes: an ordinary 1 x 1 convolution, as in the
        paper's second version, or a hyperspherical one, as in its first.
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
    .. [1] Liu et al. (2017), "Deep Hyperspherical Learning", NeurIPS, section 5 and
       appendix A.
    .. [2] He et al. (2016), "Deep Residual Learning for Image Recognition", CVPR.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import SphereResNet
    >>> backbone = SphereResNet(depth=8, widths=(4, 8, 8)).build((3, 16, 16), embedding_dim=4)
    >>> backbone(torch.zeros(5, 3, 16, 16)).shape
    torch.Size([5, 4])
    """

    depth: int = 32
    widths: Sequence[int] | None = None
    shortcut: str = "conv"

    def build(self, input_shape: tuple[int, ...], embedding_dim: int) -> nn.Module:
        channels, *_ = check_image_shape("SphereResNet", input_shape, "SphereMLP")
        factory, n_units, widths = LayerFactory(self), *self._layout()
        spherical_shortcut = choose("shortcut", self.shortcut, _SHORTCUTS)
        layers: list[nn.Module] = (
            [factory.block(channels, widths[0], 7, stride=2), nn.MaxPool2d(3, 2, padding=1)]
            if len(widths) == 4
            else [factory.block(channels, widths[0], 3)]
        )
        channels = widths[0]
        for stage, width in enumerate(widths):
            for unit in range(n_units):
                stride = 2 if stage and not unit else 1
                layers.append(ResidualUnit(factory, channels, width, stride, spherical_shortcut))
                channels = width
        embedding = factory.dense(channels, embedding_dim)
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), embedding)

    def _layout(self) -> tuple[int, tuple[int, ...]]:
        depth = check_count("depth", self.depth)
        if depth != 18 and (depth % 6 != 2 or depth < 8):
            raise ValueError(f"depth must be 18 or 6 n + 2 with n of at least 1, got {depth}.")
        n_units, default = (2, (64, 128, 256, 512)) if depth == 18 else (depth // 6, (96, 192, 384))
        widths = default if self.widths is None else check_widths("widths", self.widths)
        if len(widths) != len(default):
            raise ValueError(
                f"widths must hold {len(default)} integers for depth={depth}, got {self.widths!r}."
            )
        return n_units, widths


class ResidualUnit(nn.Module):
    """Two convolutions and a shortcut, which is the input itself if shapes allow."""

    def __init__(
        self, factory: LayerFactory, n_in: int, n_out: int, stride: int, spherical_shortcut: bool
    ):
        super().__init__()
        self.residual = nn.Sequential(
            factory.block(n_in, n_out, 3, stride=stride),
            factory.block(n_out, n_out, 3, activate=False),
        )
        self.shortcut = (
            nn.Identity()
            if stride == 1 and n_in == n_out
            else factory.block(
                n_in, n_out, 1, stride=stride, activate=False, spherical=spherical_shortcut
            )
        )
        self.activation = factory.activation()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.residual(x) + self.shortcut(x))
