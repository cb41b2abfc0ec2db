"""What losses with a scale compare, of which the best scale follows."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.nn.functional import one_hot

from ._class_losses import cross_entropy
from ._joint_loss import class_part, joint_loss
from ._ordinal_losses import soft_cross_entropy


def compared_labels(
    loss: Callable[..., Tensor],
    outputs: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    **options: Any,
) -> tuple[Tensor, Tensor] | None:
    """Logits and label distributions that a loss compares by cross-entropy.

    Parameters
    ----------
    loss : callable
        `cross_entropy`, `soft_cross_entropy`, or `joint_loss` with cross-entropy of the class.
    outputs : Tensor of shape (n_samples, n_outputs)
        Output of the model.
    target : Tensor of shape (n_samples, ...)
        Targets.
    weight : Tensor of shape (n_samples,), default=None
        Sample weights; ``None`` means equal weights.
    **options
        Options of the loss other than `scale`.

    Returns
    -------
    logits, expected : Tensor of shape (n_samples, n_prototypes)
        The loss is, apart from a factor and terms without the scale, the mean over samples of
        ``-sum_k expected_k log softmax(scale * logits)_k``; rows of `expected` are distributions
        times weights. ``None`` for other losses.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import compared_labels, cross_entropy
    >>> cosines, target = torch.tensor([[0.5, -0.5]]), torch.tensor([0])
    >>> compared_labels(cross_entropy, cosines, target, label_smoothing=0.1)[1]
    tensor([[0.9500, 0.0500]])
    """
    smoothing, soft_labels = options.get("label_smoothing", 0.0), options.get("soft_labels")
    if loss is joint_loss and options.get("class_loss", "cross_entropy") == "cross_entropy":
        outputs, target, weight = class_part(outputs, target, weight)
    elif loss is not cross_entropy and loss is not soft_cross_entropy:
        return None
    if soft_labels is None:
        n_prototypes = outputs.shape[1]
        expected = (1 - smoothing) * one_hot(target, n_prototypes) + smoothing / n_prototypes
    else:
        expected = soft_labels.to(outputs)[target]
    expected = expected.to(outputs)
    return outputs, expected if weight is None else expected * weight[:, None]
