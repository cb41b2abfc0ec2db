"""Hyperspherical dense layer: functions of the angle between weights and input."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .._operators import AngularOperator, angular
from ._patch_norm import accumulation_dtype, inverse_norm, unit_weight
from ._spherical_layer import SphericalLayer


class SphereLinear(SphericalLayer, nn.Linear):
    """Hyperspherical dense layer.

    ``y = h(|x|) g(theta) + bias``, where theta is the angle between a row of weights and the
    input x, as in `SphereConv2d`. It replaces ``torch.nn.Linear``.

    Parameters
    ----------
    in_features : int
        Size of the input.
    out_features : int
        Size of the output.
    bias : bool, default=True
        Whether a bias is added after g; it starts at 0.
    lift : bool, default=False
        Whether to append a constant 1 to the input, so that angles also depend on its norm. A
        first layer on tables needs it: otherwise, samples ``x`` and ``2 x`` have the same
        output.
    operator : {"linear", "cosine", "sigmoid"} or AngularOperator, default="sigmoid"
        Operator g; an instance may be shared by several layers.
    k : float, default=0.3
        Softness of "sigmoid", positive; unused if `operator` is an instance.
    learn_k : {"channel", "layer"} or None, default=None
        Whether k is trainable: one for each output, one for the layer, or not at all.
    magnitude : {"sphere", "tanh", "ball", "linear"}, default="sphere"
        Function of the norm of the (lifted) input, see `SphereConv2d`.
    eps : float, default=1e-4
        Added to the squared norm of the input; 0 gives exact invariance to scale.
    weight_eps : float, default=1e-12
        Added to the squared norm of weights.
    device : torch.device or str, default=None
        Device of the parameters; ``None`` is torch's default.
    dtype : torch.dtype, default=None
        Floating-point type of the parameters; ``None`` is torch's default.

    Raises
    ------
    ValueError
        If a parameter is outside its range, or an AngularOperator has neither 1 nor
        `out_features` channels.

    Notes
    -----
    Input and output have shape (..., features). With `lift`, ``weight`` has one column more
    than the input.

    References
    ----------
    .. [1] Liu et al. (2017), "Deep Hyperspherical Learning", NeurIPS, section 2.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import SphereLinear
    >>> layer = SphereLinear(4, 3, eps=0.0)
    >>> x = torch.randn(2, 4)
    >>> torch.allclose(layer(x), layer(1000 * x), atol=1e-6)
    True
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        lift: bool = False,
        operator: str | AngularOperator = "sigmoid",
        k: float = 0.3,
        learn_k: str | None = None,
        magnitude: str = "sphere",
        eps: float = 1e-4,
        weight_eps: float = 1e-12,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        nn.Linear.__init__(self, in_features + bool(lift), out_features, bias, device, dtype)
        self.in_features, self.lift = in_features, bool(lift)
        self._set_sphere(operator, k, learn_k, magnitude, eps, weight_eps)

    def forward(self, x: Tensor) -> Tensor:
        x, full_precision = self._leave_autocast(x)
        with full_precision:
            unit, _ = unit_weight(self.weight, self.weight_eps)
            squares = x.to(accumulation_dtype(x.dtype)).square().sum(dim=-1, keepdim=True)
            lift = None
            if self.lift:
                # With (x, 1) in place of x: u . (x, 1) = u' . x + u_last, and |(x, 1)|^2 is one
                # more than |x|^2. The column of ones is never created.
                unit, lift, squares = unit[:, :-1], unit[:, -1].to(x.dtype), squares + 1
            inverse = inverse_norm(squares, self.eps)
            # Divided by |x| after the product, not before: x keeps its precision under autocast.
            cosines = F.linear(x, unit.to(x.dtype), lift) * inverse
            y = angular(cosines, self.operator.name, self.operator.k_over(0))
            y = y if self.magnitude is None else y * self.magnitude(inverse)
            return (y if self.bias is None else y + self.bias).to(x.dtype)

    def extra_repr(self) -> str:
        return super().extra_repr() + (", lift=True" if self.lift else "")
