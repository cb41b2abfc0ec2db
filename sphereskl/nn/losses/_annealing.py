"""Annealing schedule of a margin."""

import math
from dataclasses import dataclass

from torch import Tensor

from .._checks import check_range


@dataclass(frozen=True)
class Annealing:
    """Margin schedule: the lambda of A-Softmax, which decreases over the training steps.

    Parameters
    ----------
    lambda_0 : float, default=1000.0
        Initial weight of the margin-free logit, at least 0; the margin's weight is 1.
    gamma : float, default=0.12
        Rate of decrease, at least 0.
    power : float, default=1.0
        Exponent of the decrease, at least 0.
    lambda_min : float, default=5.0
        Lower bound, at least 0. At 5, the margin ends with a share of 1/6.

    Raises
    ------
    ValueError
        If a value is negative or not finite.

    Notes
    -----
    ``lambda = max(lambda_min, lambda_0 (1 + gamma step)^-power)``. The defaults are those of
    SphereFace's Caffe model, in which lambda reaches 5 after 1,658 of 28,000 steps.

    References
    ----------
    .. [1] Liu et al. (2016), "Large-Margin Softmax Loss for Convolutional Neural
       Networks", ICML, section 5.1.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import Annealing
    >>> Annealing()(torch.tensor([0, 100, 10_000]))
    tensor([1000.0000,   76.9231,    5.0000])
    """

    lambda_0: float = 1000.0
    gamma: float = 0.12
    power: float = 1.0
    lambda_min: float = 5.0

    def __post_init__(self):
        for name, value in vars(self).items():
            check_range(name, value, 0, math.inf)

    def __call__(self, step: Tensor) -> Tensor:
        """Return lambda after a number of steps."""
        falling = self.lambda_0 * (1 + self.gamma * step) ** -self.power
        return falling.clamp_min(self.lambda_min)
