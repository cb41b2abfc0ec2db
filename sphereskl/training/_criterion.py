"""A loss function bound to its options, in the form that skorch expects."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


class Criterion(nn.Module):
    """Loss of a batch, given what the model returned.

    Parameters
    ----------
    loss : callable
        ``loss(projections, target, weight, **options)``, a scalar tensor.
    uses_scale : bool, default=False
        Whether `loss` takes the model's ``scale`` as well.
    **options
        Further keyword arguments of `loss`.
    """

    def __init__(self, loss: Callable[..., Tensor], *, uses_scale: bool = False, **options: Any):
        super().__init__()
        self.loss, self.uses_scale, self.options = loss, uses_scale, options

    def forward(
        self, projections: Tensor, target: Tensor, weight: Tensor | None, model: nn.Module
    ) -> Tensor:
        """Return the loss; the scale is read from `model` when the loss uses one."""
        scale = {"scale": model.scale} if self.uses_scale else {}
        return self.loss(projections, target, weight, **scale, **self.options)
