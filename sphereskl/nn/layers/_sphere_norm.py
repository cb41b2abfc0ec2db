"""SphereNorm: a scale and shift that replace batch normalisation."""

import math

import torch
from torch import Tensor, nn

from .._checks import check_count


class SphereNorm(nn.Module):
    """Normalisation of spherical layers: a scale and shift for every channel.

    The cosine of random directions in d dimensions has variance 1 / d. Multiplied by sqrt(d),
    outputs start at unit variance; scale and shift are trained from there. Nothing depends on
    the batch.

    Parameters
    ----------
    n_channels : int
        Channels of the input.
    fan_in : int
        Size d of a filter of the layer before: ``layer.weight[0].numel()``.
    affine : bool, default=True
        Whether scale (``weight``) and shift (``bias``) are trainable. If not, the layer
        multiplies by sqrt(d).
    device : torch.device or str, default=None
        Device of the parameters; ``None`` is torch's default.
    dtype : torch.dtype, default=None
        Floating-point type of the parameters; ``None`` is torch's default.

    Raises
    ------
    ValueError
        If `n_channels` or `fan_in` is not a positive integer.

    Notes
    -----
    Input and output have shape (n_samples, n_channels, ...).

    References
    ----------
    .. [1] Liu et al. (2017), "Deep Hyperspherical Learning", NeurIPS, section 3.3.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import SphereNorm
    >>> SphereNorm(2, fan_in=9)(torch.tensor([[0.5, -1.0]]))
    tensor([[ 1.5000, -3.0000]], grad_fn=...)
    """

    weight: Tensor | None
    bias: Tensor | None

    def __init__(
        self,
        n_channels: int,
        fan_in: int,
        affine: bool = True,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        self.n_channels = check_count("n_channels", n_channels)
        self.fan_in = check_count("fan_in", fan_in)
        for name in ("weight", "bias"):
            values = torch.empty(n_channels, device=device, dtype=dtype) if affine else None
            self.register_parameter(name, None if values is None else nn.Parameter(values))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the scale to sqrt(fan_in) and the shift to 0."""
        if self.weight is not None and self.bias is not None:
            nn.init.constant_(self.weight, math.sqrt(self.fan_in))
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        if self.weight is None or self.bias is None:
            return x * math.sqrt(self.fan_in)
        shape = (-1, *[1] * (x.ndim - 2))
        return torch.addcmul(self.bias.view(shape), x, self.weight.view(shape))

    def extra_repr(self) -> str:
        return f"{self.n_channels}, fan_in={self.fan_in}, affine={self.weight is not None}"
