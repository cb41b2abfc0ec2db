"""What hyperspherical backbones share: their options, and blocks of layer, norm and activation."""

from dataclasses import dataclass

from torch import Tensor, nn

from .._checks import choose
from .._operators import AngularOperator
from ..layers import (
    SphereConv2d,
    SphereLinear,
    SphereNorm,
)
from ._config import ACTIVATIONS, BackboneConfig

# Whether SphereNorm follows a layer, and whether batch normalisation does.
_NORMS = {
    None: (False, False),
    "batch": (False, True),
    "sphere": (True, False),
    "both": (True, True),
}
_LEARN_K = {name: name for name in (None, "channel", "layer", "network")}


@dataclass(kw_only=True)
class SphericalConfig(BackboneConfig):
    """Base of the configurations of hyperspherical networks, which document these options."""

    operator: str = "sigmoid"
    k: float = 0.3
    learn_k: str | None = None
    norm: str | None = "batch"
    activation: str | None = "relu"
    magnitude: str = "sphere"
    eps: float = 1e-4
    spherical: bool = True


class LayerFactory:
    """Builds the layers of one network; with ``learn_k="network"`` they share their k.

    With ``spherical=False``, layers are torch's with He initialisation. Their filters have
    a norm of their own and a bias, which is all that SphereNorm adds to spherical layers:
    there is no SphereNorm after them.
    """

    def __init__(self, config: SphericalConfig):
        self.spherical = config.spherical
        self.has_sphere_norm, self.has_batch_norm = choose("norm", config.norm, _NORMS)
        activations = {None: nn.Identity, **ACTIVATIONS}
        self.activation: type[nn.Module] = choose("activation", config.activation, activations)
        operator, learn_k = config.operator, choose("learn_k", config.learn_k, _LEARN_K)
        if learn_k == "network" and self.spherical:
            operator, learn_k = AngularOperator(config.operator, config.k, learn_k=True), None
        self.options = {
            "operator": operator,
            "k": config.k,
            "learn_k": learn_k,
            "magnitude": config.magnitude,
            "eps": config.eps,
        }

    def block(
        self,
        n_in: int,
        n_out: int,
        kernel_size: int,
        *,
        stride: int = 1,
        activate: bool = True,
        spherical: bool = True,
    ) -> "Block":
        """Make a convolution that keeps the image size, except for its stride."""
        spherical = spherical and self.spherical
        shape = (n_in, n_out, kernel_size, stride, kernel_size // 2)
        bias = not self._is_normed(spherical)
        layer = (
            SphereConv2d(*shape, bias=bias, **self.options)
            if spherical
            else _start_as_he(nn.Conv2d(*shape, bias=bias))
        )
        return self._finish(layer, nn.BatchNorm2d, activate)

    def dense_block(self, n_in: int, n_out: int, *, lift: bool = False) -> "Block":
        """Make a dense layer with norm and activation."""
        layer = self.dense(n_in, n_out, lift=lift, bias=not self._is_normed(self.spherical))
        return self._finish(layer, nn.BatchNorm1d, activate=True)

    def dense(self, n_in: int, n_out: int, *, lift: bool = False, bias: bool = True) -> nn.Module:
        """Make a dense layer without norm and activation, the last one of a network."""
        if self.spherical:
            return SphereLinear(n_in, n_out, bias, lift=lift, **self.options)
        return _start_as_he(nn.Linear(n_in, n_out, bias))

    def _is_normed(self, spherical: bool) -> bool:
        return self.has_batch_norm or (self.has_sphere_norm and spherical)

    def _finish(self, layer: nn.Module, batch_norm: type[nn.Module], activate: bool) -> "Block":
        rest: list[nn.Module] = []
        n_out, fan_in = len(layer.weight), layer.weight[0].numel()  # pyright: ignore
        if self.has_sphere_norm and isinstance(layer, SphereConv2d | SphereLinear):
            # Batch normalisation has its own scale and shift.
            rest.append(SphereNorm(n_out, fan_in, affine=not self.has_batch_norm))
        if self.has_batch_norm:
            rest.append(batch_norm(n_out))
        if activate and self.activation is not nn.Identity:
            rest.append(self.activation())
        return Block(layer, *rest)


class Block(nn.Sequential):
    """Layer, norm and activation."""

    def forward(self, x: Tensor, inverse_norm: Tensor | None = None) -> Tensor:
        layer, *rest = self
        x = layer(x) if inverse_norm is None else layer(x, inverse_norm)
        for module in rest:
            x = module(x)
        return x


def _start_as_he(layer: nn.Conv2d | nn.Linear) -> nn.Module:
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
