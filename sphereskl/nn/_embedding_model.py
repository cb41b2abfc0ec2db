"""A backbone, its projection onto the sphere, and the prototypes on it."""

import math

import torch
from torch import Tensor, nn

from ..geometry import cosines, normalize


class EmbeddingModel(nn.Module):
    """Backbone whose normalised output is compared with prototypes.

    Parameters
    ----------
    backbone : nn.Module
        Maps a batch to (n_samples, embedding_dim).
    prototypes : Tensor of shape (n_prototypes, embedding_dim)
        Directions of the classes; rows are normalised.
    learn_prototypes : bool, default=False
        Whether the prototypes are a parameter that learns (normalised on use) or a fixed
        buffer.
    scale : float, default=1.0
        Positive multiplier of the cosines for losses that use one.
    learn_scale : bool, default=False
        Whether the scale learns. Its logarithm is the parameter, so that the scale stays
        positive and its steps are relative.
    free_norm : bool, default=False
        Whether `forward` keeps the norm of the backbone's output (Kasarla et al. 2022)
        or returns cosines.

    Raises
    ------
    ValueError
        If `scale` is not positive and finite.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import EmbeddingModel
    >>> model = EmbeddingModel(torch.nn.Identity(), torch.eye(2))
    >>> model(torch.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """

    _prototypes: Tensor
    log_scale: Tensor

    def __init__(
        self,
        backbone: nn.Module,
        prototypes: Tensor,
        *,
        learn_prototypes: bool = False,
        scale: float = 1.0,
        learn_scale: bool = False,
        free_norm: bool = False,
    ):
        super().__init__()
        if not 0 < scale < math.inf:
            raise ValueError(f"scale must be positive and finite, got {scale}.")
        self.backbone = backbone
        self.learn_prototypes = learn_prototypes
        self.free_norm = free_norm
        self._own("_prototypes", normalize(prototypes), learns=learn_prototypes)
        log_scale = torch.tensor(math.log(scale), dtype=prototypes.dtype)
        self._own("log_scale", log_scale, learns=learn_scale)

    def _own(self, name: str, value: Tensor, *, learns: bool) -> None:
        if learns:
            self.register_parameter(name, nn.Parameter(value.clone()))
        else:
            self.register_buffer(name, value.clone())

    @property
    def prototypes(self) -> Tensor:
        """Unit rows, (n_prototypes, embedding_dim)."""
        return normalize(self._prototypes) if self.learn_prototypes else self._prototypes

    @property
    def scale(self) -> Tensor:
        """Positive multiplier of the cosines, a scalar."""
        return self.log_scale.exp()

    def embed(self, X: Tensor) -> Tensor:
        """Return unit embeddings, (n_samples, embedding_dim)."""
        return normalize(self.backbone(X))

    def cosines(self, X: Tensor) -> Tensor:
        """Return cosines with the prototypes, (n_samples, n_prototypes)."""
        return cosines(self.embed(X), self.prototypes)

    def cosines_and_norm(self, X: Tensor) -> Tensor:
        """Return the cosines and, as a last column, the norm before normalising."""
        h = self.backbone(X)
        norm = torch.linalg.vector_norm(h, dim=-1, keepdim=True)
        return torch.cat([cosines(normalize(h), self.prototypes), norm], dim=-1)

    def forward(self, X: Tensor) -> Tensor:
        """Return what the loss sees: cosines, or with `free_norm` the projections h @ p."""
        return self.backbone(X) @ self.prototypes.T if self.free_norm else self.cosines(X)

    def read(self, projections: Tensor) -> Tensor:
        """Return what predictions are made from, given what `forward` returned: the same."""
        return projections
