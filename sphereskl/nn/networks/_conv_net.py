"""Plain convolutional network: the backbone for images."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from .._checks import check_count, check_image_shape, check_probability, check_widths, choose
from ..layers import Dropout
from ._config import ACTIVATIONS, BackboneConfig


@dataclass
class ConvNet(BackboneConfig):
    """Configuration of a plain convolutional network.

    Stages of 3 x 3 convolutions with batch normalisation; every stage but the first halves
    the image. The last stage is averaged over the image and mapped to the embedding.

    Parameters
    ----------
    widths : int or sequence of int, default=(32, 64, 128)
        Channels of each stage. Stages that would halve an image below 2 x 2 keep its size.
    n_blocks : int, default=2
        Convolutions in each stage.
    dropout : float, default=0.2
        Dropout probability in [0, 1) of an averaged channel in training. Raise it against
        overfitting.
    activation : {"relu", "gelu", "silu", "tanh"}, default="relu"
        Activation function after each convolution.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import ConvNet
    >>> backbone = ConvNet(widths=(8, 16)).build((1, 8, 8), embedding_dim=4)
    >>> backbone(torch.zeros(5, 1, 8, 8)).shape
    torch.Size([5, 4])
    """

    widths: int | Sequence[int] = (32, 64, 128)
    n_blocks: int = 2
    dropout: float = 0.2
    activation: str = "relu"

    def build(self, input_shape: tuple[int, ...], embedding_dim: int) -> nn.Module:
        channels, *size = check_image_shape("ConvNet", input_shape, "MLP")
        n_blocks = check_count("n_blocks", self.n_blocks)
        layers: list[nn.Module] = []
        for stage, width in enumerate(check_widths("widths", self.widths)):
            if stage and min(size) >= 4:
                layers.append(nn.MaxPool2d(2))
                size = [side // 2 for side in size]
            for _ in range(n_blocks):
                layers += self._convolution(channels, width)
                channels = width
        network = nn.Sequential(*layers, *self._head(channels, embedding_dim))
        # Steps and predictions take 0.5 to 0.8 of the time on CPUs, and use tensor cores on GPUs.
        return network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def _convolution(self, n_in: int, n_out: int) -> list[nn.Module]:
        activation = choose("activation", self.activation, ACTIVATIONS)
        return [
            nn.Conv2d(n_in, n_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            activation(),
        ]

    def _head(self, channels: int, embedding_dim: int) -> list[nn.Module]:
        dropout = [Dropout(self.dropout)] if check_probability("dropout", self.dropout) else []
        return [
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            *dropout,
            nn.Linear(channels, embedding_dim),
        ]
