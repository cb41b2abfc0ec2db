"""Averaged weights: what early stopping validates and keeps."""

from typing import Any

import torch
from torch import Tensor

from ._callbacks import QuietStopping

# Calls for all tensors at once, which torch exports without listing them.
_torch: Any = torch

# Steps so far divided by those of the average, roughly; see `AveragedWeights`.
_DECAY = 9


class AveragedWeights:
    """Average of the weights over about the last tenth of the steps so far.

    Training that may stop in any epoch stops while the learning rate is high, and every step
    still moves the weights back and forth. Their average is what they move around, which otherwise
    only a learning rate near zero finds (Polyak and Juditsky [1]_).

    Parameters
    ----------
    net : TrainingLoop
        The parameters of its network are averaged that are not frozen.

    Attributes
    ----------
    n_steps : int
        Number of steps t in the average.
    trained : list of Tensor or None
        Weights of the last step while the network has the average.

    Notes
    -----
    After step t, ``a = a + (w - a) c / (t + c)`` with c = 9, from the initial weights. So step s
    has a share of ``c Gamma(s + c) t! / (s! Gamma(t + c + 1))``, about ``c s^(c - 1) / t^c``: the
    power function average of Karras et al. [2]_. Its window grows with t, and forgets where
    training began, however soon it stops.

    References
    ----------
    .. [1] Polyak and Juditsky (1992), "Acceleration of Stochastic Approximation by Averaging",
       SIAM Journal on Control and Optimization 30.
    .. [2] Karras et al. (2024), "Analyzing and Improving the Training Dynamics of Diffusion
       Models", CVPR, section 3.1; their gamma is c - 1.
    """

    trained: list[Tensor] | None

    def __init__(self, net: Any):
        self.net = net
        self._begin()

    def _begin(self) -> None:
        self.tensors = _learned(self.net)
        self.average = [tensor.detach().clone() for tensor in self.tensors]
        self.n_steps, self.trained = 0, None

    @torch.no_grad()
    def update(self) -> None:
        """Add the weights of a step."""
        self.n_steps += 1
        _torch._foreach_lerp_(self.average, self.tensors, _DECAY / (self.n_steps + _DECAY))

    @torch.no_grad()
    def show(self) -> None:
        """Give the network the average, to be validated and kept."""
        self.trained = [tensor.clone() for tensor in self.tensors]
        _torch._foreach_copy_(self.tensors, self.average)

    @torch.no_grad()
    def hide(self) -> None:
        """Give the network the weights of the last step, to be trained on."""
        if self.trained is not None:
            _torch._foreach_copy_(self.tensors, self.trained)
            self.trained = None

    def follow(self) -> None:
        """Continue with what callbacks made of the average, if they changed the network."""
        now = _learned(self.net)
        if len(now) != len(self.tensors) or not all(
            new is known and torch.equal(new, average)
            for new, known, average in zip(now, self.tensors, self.average, strict=True)
        ):
            self._begin()

    def state(self) -> dict[str, Any]:
        """Return what the network, which has the average, does not hold."""
        return {"n_steps": self.n_steps, "trained": self.trained}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue an average, which the network has."""
        self._begin()
        self.n_steps, self.trained = state["n_steps"], state["trained"]


def averaged_weights(net: Any) -> AveragedWeights | None:
    """Return the average of the weights of a net, if it stops early.

    Parameters
    ----------
    net : TrainingLoop
        With initialised callbacks, and validation samples.

    Returns
    -------
    average : AveragedWeights or None
        ``None`` without early stopping, and for networks with running statistics, such as batch
        normalisation: those belong to the weights of the steps.
    """
    stops = any(isinstance(callback, QuietStopping) for _, callback in net.callbacks_)
    has_statistics = any(
        getattr(layer, "running_mean", None) is not None for layer in net.module_.modules()
    )
    return AveragedWeights(net) if stops and not has_statistics else None


def _learned(net: Any) -> list[Tensor]:
    return [parameter for parameter in net.module_.parameters() if parameter.requires_grad]
