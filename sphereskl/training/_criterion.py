"""A loss function bound to its options, in the form that skorch expects."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from ..nn import AngularMarginLoss, AngularModel


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

    def advance(self) -> None:
        """Hear that the optimiser took a step; a plain loss does not change over them."""


class AngularCriterion(nn.Module):
    """Loss with margins on the angle, in the form that skorch expects.

    Parameters
    ----------
    loss : AngularMarginLoss
        Its count of steps is part of the criterion's state.
    """

    def __init__(self, loss: AngularMarginLoss):
        super().__init__()
        self.loss = loss

    def forward(
        self, projections: Tensor, target: Tensor, weight: Tensor | None, model: AngularModel
    ) -> Tensor:
        """Return the loss, of the cosines and norms that `model` put together."""
        cosines, norm = model.split(projections)
        return self.loss(cosines, target, weight, norm)

    def advance(self) -> None:
        """Count a step of the optimiser, which moves the annealing of the margin on."""
        self.loss.advance()
