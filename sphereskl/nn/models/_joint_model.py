"""Classes and a value on one sphere."""

import torch
from torch import Tensor, nn

from ...geometry import cosines, normalize
from ._embedding_model import EmbeddingModel

# An embedding this close to a pole (less than 0.6 degrees) no longer tells its class: dividing by
# less would make the gradient of the class explode there.
_MIN_SLICE_NORM = 1e-2


class JointModel(EmbeddingModel):
    """Backbone whose first axis predicts a value and whose other axes predict a class.

    Parameters
    ----------
    backbone : nn.Module
        Maps a batch to (n_samples, embedding_dim), members in front.
    prototypes : Tensor of shape (n_prototypes, embedding_dim - 1)
        Directions of the classes in all axes but the first; rows are
        normalised.
    scale : float, default=1.0
        Inverse temperature: positive factor of the class cosines, for losses that use one.
    learn_scale : bool, default=False
        Whether the scale is trainable.

    Notes
    -----
    The cosine of the value is the first coordinate ``z_0``; those of the classes are computed
    from the other coordinates ``z_{1:}``, normalised again. On the whole sphere the two
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
    >>> model.logits(torch.tensor([[3.0, 4.0, 0.0]]))
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

    @property
    def embedding_dim(self) -> int:
        """Width of the embedding: one axis for the value, the others for the classes."""
        return 1 + self._prototypes.shape[1]

    def read(self, h: Tensor) -> Tensor:
        """Compute the value's cosine, then those of the classes, (..., 1 + n_prototypes)."""
        z = normalize(h)
        rest = z[..., 1:]
        norm = torch.linalg.vector_norm(rest, dim=-1, keepdim=True)
        classes = cosines(rest / norm.clamp_min(_MIN_SLICE_NORM), self.prototypes)
        return torch.cat([z[..., :1], classes], dim=-1)
