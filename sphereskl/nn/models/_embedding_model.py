"""A backbone, its projection onto the sphere, and the prototypes on it."""

import math
from operator import attrgetter

import torch
from torch import Tensor, nn

from ...geometry import cosines, normalize
from ._members import as_if_alone, ask


class EmbeddingModel(nn.Module):
    """Backbone whose normalised output is compared with prototypes.

    Parameters
    ----------
    backbone : nn.Module
        Maps a batch to (n_samples, embedding_dim), or, if it has members, to
        (n_members, n_samples, embedding_dim).
    prototypes : Tensor of shape (n_prototypes, embedding_dim)
        Directions of the classes; rows are normalised.
    learn_prototypes : bool, default=False
        Whether the prototypes are a trainable parameter (normalised on use) or a fixed
        buffer.
    scale : float, default=1.0
        Inverse temperature: positive factor of the cosines, for losses that use one.
    learn_scale : bool, default=False
        Whether the scale is trainable. Its logarithm is the parameter, so that the scale stays
        positive and its steps are relative.
    free_norm : bool, default=False
        Whether the norm of the backbone's output multiplies the logits (Kasarla et al. 2022).
    n_reserved : int, default=0
        Number of prototypes, the last ones, that are reserved for new classes. They are part of
        the loss, so that embeddings keep away from them, but not of predictions.

    Raises
    ------
    ValueError
        If `scale` is not positive and finite, or no prototype is left.

    Notes
    -----
    Members share the prototypes and so the sphere: the mean of their embeddings u_i has a
    direction, which is the embedding, and a length r in [0, 1], the mean resultant length of
    directional statistics [1]_, which measures their agreement. The logits are averaged:
    ``mean_i u_i . p = r cos(z, p)``. Their softmax is the normalised geometric mean of the
    members' probabilities, and disagreement of members makes it flat.

    References
    ----------
    .. [1] Mardia and Jupp (2000), "Directional Statistics", section 9.2.1.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import EmbeddingModel
    >>> model = EmbeddingModel(torch.nn.Identity(), torch.eye(2))
    >>> model.logits(torch.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    >>> model.embedding_dim, model.device
    (2, device(type='cpu'))
    """

    _prototypes: Tensor
    log_scale: Tensor

    # Data type to which autocast rounds in training, in the backbone alone.
    autocast_dtype: torch.dtype | None = None

    def __init__(
        self,
        backbone: nn.Module,
        prototypes: Tensor,
        *,
        learn_prototypes: bool = False,
        scale: float = 1.0,
        learn_scale: bool = False,
        free_norm: bool = False,
        n_reserved: int = 0,
    ):
        super().__init__()
        if not 0 < scale < math.inf:
            raise ValueError(f"scale must be positive and finite, got {scale}.")
        self.backbone = backbone
        self.learn_prototypes = learn_prototypes
        self.free_norm = free_norm
        self.set_prototypes(normalize(prototypes), n_reserved)
        log_scale = torch.tensor(math.log(scale), dtype=prototypes.dtype)
        if learn_scale:
            self.log_scale = nn.Parameter(log_scale)
        else:
            self.register_buffer("log_scale", log_scale)

    # Implemented in C: every call of an estimator reads it.
    device = property(attrgetter("log_scale.device"), doc="Device of the model.")

    @property
    def embedding_dim(self) -> int:
        """Width of the embedding."""
        return self._prototypes.shape[1]

    @property
    def prototypes(self) -> Tensor:
        """Prototypes as they were set, (n_prototypes, embedding_dim), without reserved ones."""
        return self.open(self._directions().mT).mT

    @property
    def reserved(self) -> Tensor:
        """Unit rows of the prototypes reserved for new classes, (n_reserved, embedding_dim)."""
        return self._directions()[len(self._prototypes) - self.n_reserved :]

    @property
    def scale(self) -> Tensor:
        """Positive factor of the cosines, a scalar."""
        return self.log_scale.exp()

    def set_prototypes(self, prototypes: Tensor, n_reserved: int = 0) -> None:
        """Replace the prototypes.

        Parameters
        ----------
        prototypes : Tensor of shape (n_prototypes, embedding_dim)
            Rows; if one is not of unit length, its length multiplies its logits, unless it is
            trainable.
        n_reserved : int, default=0
            Number of prototypes, the last ones, that are reserved for new classes.
        """
        if not 0 <= n_reserved < len(prototypes):
            raise ValueError(
                f"n_reserved must be at least 0 and leave a prototype, got {n_reserved} of "
                f"{len(prototypes)}."
            )
        value = prototypes.detach().clone()
        self.n_reserved = n_reserved
        if self.learn_prototypes:
            self._prototypes = nn.Parameter(value)
        else:
            self.register_buffer("_prototypes", value)

    def open(self, g: Tensor) -> Tensor:
        """Return the columns of prototypes that are not reserved, (..., n_prototypes)."""
        return g[..., : -self.n_reserved or None]

    def embed(self, X: Tensor) -> Tensor:
        """Return unit embeddings, (n_samples, embedding_dim)."""
        z = normalize(self.backbone(X))
        return z if z.ndim == 2 else normalize(z.mean(dim=0))

    def logits(self, X: Tensor, member: Tensor | None = None) -> Tensor:
        """Return the logits used for predictions, (n_samples, n_prototypes).

        Cosines with the prototypes, averaged over members; with `free_norm`, inner
        products of unnormalised outputs. `member` of shape (n_samples,) selects one member
        for each sample.
        """
        g = self.read(ask(self.backbone(X), member))[..., : -self.n_reserved or None]
        return g if g.ndim == 2 else g.mean(dim=0)

    def nearest(self, X: Tensor) -> Tensor:
        """Return the index of the prototype of the largest logit, (n_samples,).

        -1 where it is not finite.
        """
        largest, index = self.logits(X).max(dim=1)
        return index.where(largest.isfinite(), -1)

    def forward(self, X: Tensor, member: Tensor | None = None) -> Tensor:
        """Return the input of the loss: the logits.

        In training, those of every member, including reserved prototypes.
        """
        h = self._outputs(X, member)
        if self.training:
            return self.read(as_if_alone(h))
        g = self.read(h)
        g = g[..., : -self.n_reserved or None]
        return g if g.ndim == 2 else g.mean(dim=0)

    def resultant_length(self, X: Tensor) -> Tensor:
        """Return the agreement of members, in [0, 1], (n_samples, 1); 1 for a single one."""
        z = normalize(self.backbone(X))
        return torch.linalg.vector_norm(z if z.ndim == 2 else z.mean(dim=0), dim=1, keepdim=True)

    def read(self, h: Tensor) -> Tensor:
        """Compute logits from outputs of the backbone, (..., embedding_dim).

        Those of all prototypes, including reserved ones, for every member.
        """
        # Fixed prototypes are unit already; trainable ones leave the sphere with every step.
        prototypes = normalize(self._prototypes) if self.learn_prototypes else self._prototypes
        if self.free_norm:
            return h @ prototypes.T
        return cosines(normalize(h), prototypes)

    def _outputs(self, X: Tensor, member: Tensor | None) -> Tensor:
        """Return outputs of the backbone in the data type of the model."""
        if not self.training or self.autocast_dtype is None:
            return ask(self.backbone(X), member)
        with torch.autocast(X.device.type, self.autocast_dtype):
            h = self.backbone(X)
        # Cosines and losses would lose digits that small angles need.
        return ask(h, member).to(self._prototypes.dtype)

    def _directions(self) -> Tensor:
        """Return all prototypes as unit rows, including reserved ones."""
        return normalize(self._prototypes) if self.learn_prototypes else self._prototypes
