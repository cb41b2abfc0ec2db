"""Magnitude functions: how a hyperspherical layer uses the norm of its input."""

import math

import torch
from torch import Tensor, nn

MAGNITUDES = ("sphere", "tanh", "ball", "linear")


class Magnitude(nn.Module):
    """Factor h of ``h(|x|) g(theta)``, with alpha = 1 (Liu et al. 2018, Decoupled Networks).

    "tanh" is ``tanh(|x| / radius)``, "ball" ``min(|x|, radius) / radius``, "linear" ``|x|``.

    Deviation from the authors' program: the radius is one trainable number per layer (its
    logarithm is the parameter), not a running mean of ``|x|`` times one number per filter, so
    that the layer has no state that depends on batches. It starts at ``sqrt(fan_in)``, the
    norm of a patch of unit variance.
    """

    log_radius: Tensor | None

    def __init__(
        self,
        name: str,
        fan_in: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        if name not in MAGNITUDES[1:]:
            raise ValueError(f"magnitude must be one of {list(MAGNITUDES)}, got {name!r}.")
        self.name, self.fan_in = name, fan_in
        has_radius = name != "linear"
        log_radius = torch.empty((), device=device, dtype=dtype) if has_radius else None
        self.register_parameter(
            "log_radius", None if log_radius is None else nn.Parameter(log_radius)
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        if self.log_radius is not None:
            nn.init.constant_(self.log_radius, math.log(self.fan_in) / 2)

    def forward(self, inverse_norm: Tensor) -> Tensor:
        # An inverse norm of 0 means norm 0; its reciprocal must not enter the graph.
        resolved = inverse_norm > 0
        norm = torch.where(resolved, inverse_norm, 1.0).reciprocal() * resolved
        if self.log_radius is None:
            return norm
        radius = self.log_radius.exp()
        if self.name == "ball":
            # Its derivative in |x| is 1 / radius inside, 0 outside; at the radius torch halves it.
            return torch.minimum(norm, radius) / radius
        return torch.tanh(norm / radius)

    def extra_repr(self) -> str:
        return self.name
