"""A loss function bound to its options, as skorch expects."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..geometry import one_thread
from ..nn import AngularMarginLoss, EmbeddingModel, compared_labels
from ._best_scale import best_scale
from ._data import TensorData

# The scale of validation samples is a single number, which needs no more logits than these, of so
# many rows at least.
_MOST_LOGITS, _LEAST_ROWS = 2**18, 250


class Criterion(nn.Module):
    """Loss of a batch, given the output of the model.

    Parameters
    ----------
    loss : callable
        ``loss(logits, target, weight, **options)``, a scalar tensor.
    uses_scale : bool, default=False
        Whether `loss` takes the model's ``scale`` as well.
    **options
        Further keyword arguments of `loss`.

    Raises
    ------
    ValueError
        If `loss` is a class.
    """

    def __init__(self, loss: Callable[..., Tensor], *, uses_scale: bool = False, **options: Any):
        super().__init__()
        if isinstance(loss, type):
            raise ValueError(
                f"loss is the class {loss.__name__}; pass an instance, {loss.__name__}()."
            )
        self.loss, self.uses_scale, self.options = loss, uses_scale, options
        self.label_smoothing: float = options.get("label_smoothing", 0.0)

    def forward(
        self, outputs: Tensor, target: Tensor, weight: Tensor | None, model: EmbeddingModel
    ) -> Tensor:
        """Return the loss; the scale is read from `model` if the loss uses one."""
        if not self.uses_scale:
            try:
                value = self.loss(outputs, target, weight, **self.options)
            except TypeError as error:
                raise TypeError(
                    f"loss is called with (outputs, target, weight): {error}"
                ) from error
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                raise ValueError(
                    f"loss cannot take outputs of shape {tuple(outputs.shape)} and targets of "
                    f"shape {tuple(target.shape)}: {error}"
                ) from error
            if not isinstance(value, Tensor):
                raise TypeError(f"loss must return a tensor with one element, got {value!r}.")
            return value
        scale = model.log_scale.exp()
        return self.loss(outputs, target, weight, scale=scale, **self.options)

    @one_thread()
    def of_validation(
        self, outputs: Tensor, target: Tensor, weight: Tensor | None, model: EmbeddingModel
    ) -> Tensor:
        """Return the loss of validation samples, at the scale that suits them best.

        Parameters
        ----------
        outputs : Tensor of shape (n_samples, n_outputs)
            Output of the model in evaluation mode.
        target : Tensor of shape (n_samples, ...)
            Targets.
        weight : Tensor of shape (n_samples,) or None
            Sample weights.
        model : EmbeddingModel
            Its scale is where the search begins.

        Returns
        -------
        loss : Tensor of shape ()
            ``min_s loss(s * outputs)`` if the loss is a cross-entropy with a scale, else the loss.

        Notes
        -----
        The scale of probabilities is fitted after training. Validated at the scale of training, a
        network that becomes overconfident seems to get worse while it still learns to tell
        classes apart, and early stopping ends too soon. What is left at the best scale is the
        refinement error of Berta et al. [1]_, estimated as they do.

        References
        ----------
        .. [1] Berta, Holzmüller, Jordan and Bach (2025), "Rethinking Early Stopping: Refine, Then
           Calibrate", arXiv:2501.19195.
        """
        if not self.uses_scale:
            return self(outputs, target, weight, model)
        most = max(_LEAST_ROWS, _MOST_LOGITS // outputs.shape[1])
        some = TensorData(outputs, target, weight).thinned(most)
        compared = compared_labels(self.loss, some.X, some.target, some.weight, **self.options)
        if compared is None:
            return self(outputs, target, weight, model)
        logits, expected = (part.detach().cpu().double().numpy() for part in compared)
        scale = best_scale(logits, expected, model.log_scale.exp().item())
        return self.loss(outputs, target, weight, scale=scale, **self.options)

    def logits(self, outputs: Tensor) -> Tensor:
        """Return the logits for predictions: the output of the model."""
        return outputs


class AngularCriterion(nn.Module):
    """Loss with angular margins, as skorch expects.

    Parameters
    ----------
    loss : AngularMarginLoss
        Its step count is part of the criterion's state.
    """

    # With margins, probabilities cannot be corrected for label smoothing in closed form.
    label_smoothing = 0.0

    def __init__(self, loss: AngularMarginLoss):
        super().__init__()
        self.loss = loss

    def forward(
        self, outputs: Tensor, target: Tensor, weight: Tensor | None, model: EmbeddingModel
    ) -> Tensor:
        """Return the loss of cosines, with the norm as a last column if the loss scales by it."""
        if self.loss.scale != "norm":
            return self.loss(outputs, target, weight)
        return self.loss(outputs[:, :-1], target, weight, outputs[:, -1])

    def of_validation(
        self, outputs: Tensor, target: Tensor, weight: Tensor | None, model: EmbeddingModel
    ) -> Tensor:
        """Return the loss of validation samples."""
        return self(outputs, target, weight, model)

    def logits(self, outputs: Tensor) -> Tensor:
        """Return logits without margin, in the order of the model's."""
        if self.loss.scale != "norm":
            return self.loss.logits(outputs)
        return self.loss.logits(outputs[:, :-1], outputs[:, -1])

    def advance(self) -> None:
        """Count a step of the optimiser, which advances the annealing of the margin."""
        self.loss.advance()
