"""Product of spheres: one sphere for every value to predict."""

import torch
from torch import Tensor, nn

from ...geometry import normalize
from ._embedding_model import EmbeddingModel


class ProductModel(EmbeddingModel):
    """Backbone whose output is split into blocks, each on a sphere with a pole of its own.

    On one sphere with orthogonal poles the squared cosines of a sample would sum to at most one:
    48 % of all combinations of three values could not be represented, 98 % of eight. A
    product of spheres can represent them all.

    Parameters
    ----------
    backbone : nn.Module
        Maps a batch to (n_samples, n_targets * block_dim), with members as the first axis.
    n_targets : int
        Number of spheres.
    block_dim : int
        Dimension of the space of every sphere, at least 2.

    Raises
    ------
    ValueError
        If `block_dim` is less than 2.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import ProductModel
    >>> model = ProductModel(torch.nn.Identity(), n_targets=2, block_dim=2)
    >>> model.logits(torch.tensor([[3.0, 4.0, -1.0, 0.0]]))
    tensor([[ 0.6000, -1.0000]])
    """

    def __init__(self, backbone: nn.Module, n_targets: int, block_dim: int):
        if block_dim < 2:
            raise ValueError(
                f"block_dim must be at least 2, got {block_dim}: in one dimension the sphere is "
                "two points, and every cosine has zero gradient there."
            )
        poles = torch.zeros(n_targets, block_dim)
        poles[:, 0] = 1.0
        super().__init__(backbone, poles)

    @property
    def embedding_dim(self) -> int:
        """Width of the embedding, summed over all spheres."""
        return self._prototypes.numel()

    def embed(self, X: Tensor) -> Tensor:
        """Return the unit blocks of every sample, concatenated, (n_samples, embedding_dim)."""
        z = self._blocks(self.backbone(X))
        return (z if z.ndim == 3 else normalize(z.mean(dim=0))).flatten(1)

    def resultant_length(self, X: Tensor) -> Tensor:
        """Return the agreement of members on every sphere, in [0, 1], (n_samples, n_targets)."""
        z = self._blocks(self.backbone(X))
        return torch.linalg.vector_norm(z if z.ndim == 3 else z.mean(dim=0), dim=2)

    def read(self, h: Tensor) -> Tensor:
        """Compute the cosine of every block with its upper pole, (..., n_targets)."""
        return (self._blocks(h) * self._prototypes).sum(dim=-1)

    def _blocks(self, h: Tensor) -> Tensor:
        return normalize(h.unflatten(-1, self._prototypes.shape))
