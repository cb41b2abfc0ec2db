"""Multi-task loss of a class and a value."""

from typing import Any

from torch import Tensor

from ._class_losses import LOSSES
from ._value_losses import gaussian


def joint_loss(
    cosines: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    class_loss: str = "cross_entropy",
    task_weight: float = 0.5,
    **options: Any,
) -> Tensor:
    """Multi-task loss: weighted sum of the loss of the class and the loss of the value.

    Parameters
    ----------
    cosines : Tensor of shape (n_samples, 1 + n_prototypes)
        Cosine with the upper pole, then those with the prototypes.
    target : Tensor of shape (n_samples, 2)
        Index of the prototype, -1 if missing, and the target cosine of the value, NaN if
        missing.
    weight : Tensor of shape (n_samples,), default=None
        Sample weights; ``None`` means equal weights.
    class_loss : {"cross_entropy", "squared_cosine", "cosine"}, default="cross_entropy"
        Loss of the class.
    task_weight : float, default=0.5
        Weight w of the class loss, in [0, 1].
    **options
        Options of the class loss: `scale`, `label_smoothing`.

    Returns
    -------
    loss : Tensor of shape ()
        ``w * class loss + (1 - w) * gaussian``, each over the samples that have its target.

    Notes
    -----
    Deviation from Mettes et al., who add squared differences: those are of the order of 1 at the
    start of training and of 0.001 at its end, so that no weight suits both. As
    likelihoods, cross-entropy and `gaussian` have the same unit and stay in proportion.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import joint_loss
    >>> cosines, target = torch.tensor([[0.5, 1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    >>> joint_loss(cosines, target, class_loss="cosine")
    tensor(-0.3465)
    """
    value = target[:, 1:]
    return task_weight * LOSSES[class_loss](*class_part(cosines, target, weight), **options) + (
        1 - task_weight
    ) * gaussian(
        cosines[:, :1],
        value.nan_to_num(nan=0.0),
        _present(~value[:, 0].isnan(), weight, cosines),
    )


def class_part(
    cosines: Tensor, target: Tensor, weight: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return what the loss of the class sees: cosines, target and weights."""
    code = target[:, 0].long()
    return cosines[:, 1:], code.clamp_min(0), _present(code >= 0, weight, cosines)


def _present(present: Tensor, weight: Tensor | None, like: Tensor) -> Tensor:
    """Weights for which a mean over all samples is a mean over those with a target."""
    share = present.to(like)
    share = share * (len(share) / share.sum().clamp_min(1))
    return share if weight is None else share * weight
