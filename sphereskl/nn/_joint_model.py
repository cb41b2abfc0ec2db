"""Classes and a value on one sphere."""

from typing import Any

import torch
from torch import Tensor, nn

from ..geometry import cosines
from ._arc_losses import gaussian
from ._embedding_model import EmbeddingModel
from ._losses import LOSSES

# An embedding this close to a pole (less than 0.6 degrees) has no say about its class
# left: dividing by less would make the gradient of the class explode there.
_MIN_SLICE_NORM = 1e-2


class JointModel(EmbeddingModel):
    """Backbone whose first axis tells a value and whose other axes tell a class.

    Parameters
    ----------
    backbone : nn.Module
        Maps a batch to (n_samples, embedding_dim).
    prototypes : Tensor of shape (n_prototypes, embedding_dim - 1)
        Directions of the classes within the axes that are left to them; rows are
        normalised.
    scale : float, default=1.0
        Positive multiplier of the class cosines for losses that use one.
    learn_scale : bool, default=False
        Whether the scale learns.

    Notes
    -----
    The cosine of the value is the first coordinate ``z_0``; those of the classes are taken
    within the slice ``z_{1:}``, after normalising it again. On the whole sphere the two
    would compete: ``z_0^2`` and the squared cosines of orthonormal prototypes sum to 1, so
    that a sample of extreme value could not show its class.

    References
    ----------
    .. [1] Mettes, van der Pol and Snoek (2019), "Hyperspherical Prototype Networks",
       NeurIPS, section 3.3.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import JointModel
    >>> model = JointModel(torch.nn.Identity(), torch.eye(2))
    >>> model(torch.tensor([[3.0, 4.0, 0.0]]))
    tensor([[0.6000, 1.0000, 0.0000]])
    """

    def __init__(
        self,
        backbone: nn.Module,
        prototypes: Tensor,
        *,
        scale: float = 1.0,
        learn_scale: bool = False,
    ):
        super().__init__(backbone, prototypes, scale=scale, learn_scale=learn_scale)

    def cosines(self, X: Tensor) -> Tensor:
        """Return the value's cosine, then those of the classes, (n_samples, 1 + n_prototypes)."""
        z = self.embed(X)
        rest = z[:, 1:]
        norm = torch.linalg.vector_norm(rest, dim=1, keepdim=True)
        classes = cosines(rest / norm.clamp_min(_MIN_SLICE_NORM), self.prototypes)
        return torch.cat([z[:, :1], classes], dim=1)


def joint_loss(
    cosines: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    class_loss: str = "cross_entropy",
    task_weight: float = 0.5,
    **options: Any,
) -> Tensor:
    """Sum of the loss of the class and the loss of the value.

    Parameters
    ----------
    cosines : Tensor of shape (n_samples, 1 + n_prototypes)
        Cosine with the upper pole, then those with the prototypes.
    target : Tensor of shape (n_samples, 2)
        Row number of the prototype, -1 if missing, and the cosine asked for, NaN if
        missing.
    weight : Tensor of shape (n_samples,), default=None
        Row weights; ``None`` stands for ones.
    class_loss : {"cross_entropy", "squared_cosine", "cosine"}, default="cross_entropy"
        Loss of the class.
    task_weight : float, default=0.5
        Weight w of the class, in [0, 1].
    **options
        Of the class's loss: `scale`, `label_smoothing`.

    Returns
    -------
    loss : Tensor of shape ()
        ``w * class loss + (1 - w) * gaussian``, each over the rows where its target is there.

    Notes
    -----
    Deviation from Mettes et al., who add squared differences: those are of the order of 1 when
    training begins and of 0.001 when it ends, so that no weight is right for both. As
    likelihoods, cross-entropy and `gaussian` have one unit and keep their proportion.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import joint_loss
    >>> cosines, target = torch.tensor([[0.5, 1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    >>> joint_loss(cosines, target, class_loss="cosine")
    tensor(-0.3465)
    """
    code, value = target[:, 0].long(), target[:, 1:]
    return task_weight * LOSSES[class_loss](
        cosines[:, 1:], code.clamp_min(0), _present(code >= 0, weight, cosines), **options
    ) + (1 - task_weight) * gaussian(
        cosines[:, :1],
        value.nan_to_num(nan=0.0),
        _present(~value[:, 0].isnan(), weight, cosines),
    )


def _present(present: Tensor, weight: Tensor | None, like: Tensor) -> Tensor:
    """Weights under which a mean over all rows is a mean over those that are present."""
    share = present.to(like)
    share = share * (len(share) / share.sum().clamp_min(1))
    return share if weight is None else share * weight
