"""What spherical convolutions and dense layers have in common."""

import math
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from .._operators import AngularOperator
from ._magnitude import Magnitude
from ._patch_norm import unit_weight


class SphericalLayer(nn.Module):
    """Base of layers whose weights are directions; comes before torch's layer in the MRO."""

    weight: Tensor
    bias: Tensor | None

    def _set_sphere(
        self,
        operator: str | AngularOperator,
        k: float,
        learn_k: str | None,
        magnitude: str,
        eps: float,
        weight_eps: float,
    ) -> None:
        if min(eps, weight_eps) < 0:
            raise ValueError(
                f"eps and weight_eps must not be negative, got {eps!r} and {weight_eps!r}; 0 gives "
                "exact invariance to scale."
            )
        if learn_k not in (None, "channel", "layer"):
            raise ValueError(f"learn_k must be None, 'channel' or 'layer', got {learn_k!r}.")
        n_outputs, fan_in = len(self.weight), self.weight[0].numel()
        like = {"device": self.weight.device, "dtype": self.weight.dtype}
        if not isinstance(operator, AngularOperator):
            n_channels = n_outputs if learn_k == "channel" else 1
            operator = AngularOperator(
                operator, k, learn_k=learn_k is not None, n_channels=n_channels, **like
            )
        elif learn_k is not None:
            raise ValueError(
                f"learn_k={learn_k!r} has no effect on an operator that is an AngularOperator; "
                "build that one with learn_k=True."
            )
        elif operator.n_channels not in (1, n_outputs):
            raise ValueError(
                f"operator must have 1 or {n_outputs} channels, as many as the layer's output, "
                f"got {operator.n_channels}."
            )
        self.operator, self.eps, self.weight_eps = operator, float(eps), float(weight_eps)
        self.magnitude = None if magnitude == "sphere" else Magnitude(magnitude, fan_in, **like)

    def reset_parameters(self) -> None:
        """Draw filters uniformly from the sphere of radius sqrt(2); set the bias to 0."""
        # On average the norm of He's normal filters: it does not affect the output, but a step
        # of Adam rotates longer filters less, which very deep networks need.
        with torch.no_grad():
            nn.init.normal_(self.weight)
            self.weight.copy_(math.sqrt(2) * unit_weight(self.weight, eps=0.0)[0])
            if self.bias is not None:
                nn.init.zeros_(self.bias)

    def _leave_autocast(self, x: Tensor) -> tuple[Tensor, AbstractContextManager]:
        """Input as autocast would pass it to a convolution, and a context without autocast.

        Norms are those of the rounded input, so that a patch parallel to a filter keeps
        cosine 1; norms and angles are float32.
        """
        if not x.is_floating_point():
            raise ValueError(
                f"{type(self).__name__} needs floating-point input, got {x.dtype}; convert it "
                "with x.float()."
            )
        device = x.device.type
        # The first condition is for devices without autocast; compilers before torch 2.12 cannot
        # trace it.
        known = device in ("cpu", "cuda") or torch.amp.is_autocast_available(device)
        if not (known and torch.is_autocast_enabled(device)):
            return x, nullcontext()
        x = x if x.dtype == torch.float64 else x.to(torch.get_autocast_dtype(device))
        return x, torch.autocast(device, enabled=False)

    def extra_repr(self) -> str:
        stated = [super().extra_repr()]
        stated += [f"eps={self.eps}"] if self.eps != 1e-4 else []
        stated += [f"weight_eps={self.weight_eps}"] if self.weight_eps != 1e-12 else []
        return ", ".join(stated)
