"""Angular operators g: functions of the angle in hyperspherical layers and losses.

The only place where g, its continuation beyond pi and its derivatives are written down. All start
from the arc ``a = pi / 2 - theta``, which is the arc sine of the cosine and in which every g is
odd.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ._checks import check_count

OPERATORS = ("linear", "cosine", "sigmoid")
K_MIN = 0.05


def angular(cosines: Tensor, operator: str, k: float | Tensor = 0.3) -> Tensor:
    """Apply an angular operator g(theta) to cosines.

    With ``a = arcsin(cosine) = pi / 2 - theta``, the operators are ``2 a / pi`` ("linear"),
    ``sin(a)`` ("cosine") and ``tanh(a / 2k) / tanh(pi / 4k)`` ("sigmoid"). All decrease from 1
    at theta = 0 through 0 at a right angle to -1 at theta = pi.

    Parameters
    ----------
    cosines : Tensor of shape (...)
        Cosines; outside [-1, 1] by rounding only.
    operator : {"linear", "cosine", "sigmoid"}
        Name of the operator.
    k : float or Tensor, default=0.3
        Softness of "sigmoid", positive: a step function as k goes to 0, close to the cosine
        at 0.5, linear as k grows. A tensor is broadcast against `cosines`.

    Returns
    -------
    y : Tensor of shape (...)
        In [-1, 1], up to rounding. The gradient is bounded at theta = 0 and pi, where that of
        the arc sine is infinite, and can be differentiated again.

    Raises
    ------
    ValueError
        If `operator` is unknown.

    References
    ----------
    .. [1] Liu et al. (2017), "Deep Hyperspherical Learning", NeurIPS, section 2.2; "sigmoid"
       is rewritten with ``(1 - exp(-v)) / (1 + exp(-v)) = tanh(v / 2)``, which cannot overflow.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import angular
    >>> angular(torch.tensor([1.0, 0.5, 0.0]), "linear")
    tensor([1.0000, 0.3333, 0.0000])
    """
    return cosines if operator == "cosine" else angular_of_arc(guarded_arc(cosines), operator, k)


def angular_of_arc(arc: Tensor, operator: str, k: float | Tensor) -> Tensor:
    """Apply g to arcs ``a = pi / 2 - theta``, in which every operator is odd: see `angular`."""
    if operator == "sigmoid":
        return torch.tanh(arc / (2 * k)) / _tanh(math.pi / (4 * k))
    if operator not in _OF_ARC:
        raise ValueError(f"operator must be one of {list(OPERATORS)}, got {operator!r}.")
    return _OF_ARC[operator](arc)


# Operators without a parameter.
_OF_ARC: dict[str, Callable[[Tensor], Tensor]] = {
    "cosine": torch.sin,
    "linear": partial(torch.mul, other=2 / math.pi),
}


def unrolled_angular(theta: Tensor, operator: str = "cosine", k: float | Tensor = 0.3) -> Tensor:
    """Angular operator, continued monotonically beyond pi.

    Parameters
    ----------
    theta : Tensor of any shape
        Angles of at least 0, in radians.
    operator : {"cosine", "linear", "sigmoid"}, default="cosine"
        The operator g on [0, pi], see `angular`.
    k : float or Tensor, default=0.3
        Softness of "sigmoid", positive; the others ignore it.

    Returns
    -------
    g : Tensor of any shape
        ``g(theta mod pi) - 2 floor(theta / pi)``: continuous, falling by 2 in every pi.

    Notes
    -----
    A multiplicative margin m evaluates g at angles up to m pi. For the cosine this is the
    piecewise function of A-Softmax, ``(-1)^j cos(theta) - 2 j`` on [j pi, (j + 1) pi], and
    for the linear operator it is ``1 - 2 theta / pi``. Without the continuation the sigmoid would
    saturate beyond pi: with k = 0.3 and m = 4 its gradient at 1.6 would be 1e-6.

    References
    ----------
    .. [1] Liu et al. (2017), "SphereFace: Deep Hypersphere Embedding for Face
       Recognition", CVPR, equation 7.
    .. [2] Liu et al. (2017), "Deep Hyperspherical Learning", NeurIPS, for the operators.

    Examples
    --------
    >>> import math, torch
    >>> from sphereskl.nn import unrolled_angular
    >>> unrolled_angular(torch.tensor([0.0, 1.0, 2.0, 3.0]) * math.pi)
    tensor([ 1., -1., -3., -5.])
    """
    turns = torch.floor(theta.detach() / math.pi)
    # Computed from the arc, not from asin(cos(theta)), which would lose digits and the gradient at
    # each multiple of pi.
    arc = math.pi / 2 - (theta - math.pi * turns)
    g = _OF_ARC[operator](arc) if operator in _OF_ARC else angular_of_arc(arc, operator, k)
    return g - 2 * turns


def angular_slope(cosines: Tensor, operator: str, k: float | Tensor) -> Tensor:
    """Differentiate `angular` with respect to the cosines, with the same bound.

    By the chain rule dg/dc = (dg/da) (da/dc), with the arc a = asin(c).
    """
    # da/dc = 1 / sqrt(1 - c^2)
    slope = _arc_slope(cosines)
    if operator == "linear":
        # dg/da = 2 / pi
        return slope.mul_(2 / math.pi)
    # dg/da = (1 - t^2) / (2 k tanh(pi / 4k)) with t = tanh(a / 2k)
    t = torch.tanh(cosines.clamp(-1, 1).asin_().div_(2 * k))
    return torch.ops.aten.tanh_backward(slope, t).div_(2 * k * _tanh(math.pi / (4 * k)))


def sigmoid_slope_in_k(cosines: Tensor, k: float | Tensor) -> Tensor:
    """Differentiate the sigmoid operator with respect to k; 0 at theta = 0 and pi.

    The operator is t / e with t = tanh(a / 2k) and e = tanh(pi / 4k), so that
    dg/dk = (dt/dk) / e - t (de/dk) / e^2.
    """
    arc, end = cosines.clamp(-1, 1).asin_(), _tanh(math.pi / (4 * k))
    t = torch.tanh(arc / (2 * k))
    # dt/dk = -(1 - t^2) a / (2 k^2) and de/dk = -(1 - e^2) pi / (4 k^2). At a = pi / 2, t = e:
    # the two terms cancel, since g is 1 there for every k.
    pinned = (1 - end * end) * math.pi / (4 * k * k * end * end)
    return t * pinned - (1 - t * t) * arc / (2 * k * k * end)


class _GuardedArcSine(torch.autograd.Function):
    """Arc sine with exact values and a bounded derivative."""

    generate_vmap_rule = True

    @staticmethod
    def forward(cosines: Tensor) -> Tensor:
        return torch.asin(cosines.clamp(-1, 1))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (cosines,) = ctx.saved_tensors
        return grad * _arc_slope(cosines)


# The arc pi / 2 - theta of cosines.
guarded_arc = cast(Callable[[Tensor], Tensor], _GuardedArcSine.apply)


def _arc_slope(cosines: Tensor) -> Tensor:
    # 1 / sqrt(1 - c^2), as (1 - c)(1 + c): the square would round away the digits left near 1.
    # Not left to the clamp of the forward pass: its gradient at the bound is 1 in some
    # versions of torch, and 1 / sqrt(0) with it. Below eps, 1 - c^2 is rounding error.
    gap = (1 - cosines) * (1 + cosines)
    return gap.clamp_min(torch.finfo(cosines.dtype).eps).rsqrt()


def _tanh(value: float | Tensor) -> float | Tensor:
    return torch.tanh(value) if isinstance(value, Tensor) else math.tanh(value)


class AngularOperator(nn.Module):
    """Angular operator g, with a k that may be trainable.

    Layers that are given the same instance share its k.

    Parameters
    ----------
    name : {"linear", "cosine", "sigmoid"}, default="sigmoid"
        Name of the operator, see `angular`.
    k : float, default=0.3
        Softness of "sigmoid", positive; the initial value if it is trainable.
    learn_k : bool, default=False
        Whether k is trainable, "sigmoid" only. The parameter is ``rho`` with
        ``k = 0.05 + softplus(rho)``: at smaller k, g is a step and has no gradient. Exclude
        ``rho`` from weight decay.
    n_channels : int, default=1
        Number of trainable k: 1, or one for each channel.
    device : torch.device or str, default=None
        Device of ``rho``; ``None`` is torch's default.
    dtype : torch.dtype, default=None
        Floating-point type of ``rho``; ``None`` is torch's default.

    Attributes
    ----------
    k : Tensor of shape (n_channels,)
        Current softness; of shape () if it is not trainable.

    Raises
    ------
    ValueError
        If `name` is unknown, `k` is not positive and finite, or `k` should be trainable and is at
        most 0.05 or not used by the operator.

    Notes
    -----
    Input and output have shape (n_samples, n_channels, ...).

    References
    ----------
    .. [1] Liu et al. (2017), "Deep Hyperspherical Learning", NeurIPS, section 2.3. Deviation
       from the authors' program: softplus in place of the absolute value, which has a kink.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import AngularOperator
    >>> operator = AngularOperator("sigmoid", k=0.5, learn_k=True)
    >>> operator.k
    tensor([0.5000], grad_fn=<AddBackward0>)
    >>> operator(torch.eye(2)).detach()
    tensor([[1., 0.],
            [0., 1.]])
    """

    rho: Tensor | None

    def __init__(
        self,
        name: str = "sigmoid",
        k: float = 0.3,
        *,
        learn_k: bool = False,
        n_channels: int = 1,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        if name not in OPERATORS:
            raise ValueError(f"operator must be one of {list(OPERATORS)}, got {name!r}.")
        if not 0 < k < math.inf:
            raise ValueError(f"k must be positive and finite, got {k!r}.")
        if learn_k and name != "sigmoid":
            raise ValueError(f"k learns with operator='sigmoid' only, got {name!r}.")
        if learn_k and k <= K_MIN:
            raise ValueError(f"A k that learns must start above {K_MIN}, got {k!r}.")
        self.name, self.initial_k, self.learn_k = name, float(k), learn_k
        self.n_channels = check_count("n_channels", n_channels)
        rho = torch.empty(n_channels, device=device, dtype=dtype) if learn_k else None
        self.register_parameter("rho", None if rho is None else nn.Parameter(rho))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Reset k to its initial value."""
        if self.rho is not None:
            nn.init.constant_(self.rho, math.log(math.expm1(self.initial_k - K_MIN)))

    @property
    def k(self) -> Tensor:
        """Current softness."""
        return torch.tensor(self.initial_k) if self.rho is None else self._learned_k(self.rho)

    def k_over(self, n_trailing: int) -> float | Tensor:
        """Return k in the shape of `angular` for channels followed by `n_trailing` dimensions."""
        if self.rho is None:
            return self.initial_k
        return self._learned_k(self.rho).view(-1, *[1] * n_trailing)

    @staticmethod
    def _learned_k(rho: Tensor) -> Tensor:
        return K_MIN + F.softplus(rho)

    def forward(self, cosines: Tensor) -> Tensor:
        return angular(cosines, self.name, self.k_over(cosines.ndim - 2))

    def extra_repr(self) -> str:
        if self.name != "sigmoid":
            return self.name
        learned = f", learn_k=True, n_channels={self.n_channels}" if self.learn_k else ""
        return f"{self.name}, k={self.initial_k}{learned}"
