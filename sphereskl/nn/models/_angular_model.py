"""A backbone and class weights that learn, read through the angles between them."""

import torch
from torch import Tensor, nn

from ...geometry import normalize
from .._operators import AngularOperator
from ._embedding_model import EmbeddingModel
from ._members import as_if_alone, ask


class AngularModel(EmbeddingModel):
    """Backbone and learned class weights, for losses with a margin on the angle.

    The margin is the loss's business: `forward` hands it the cosines and, if they count, the
    norms of the embeddings; predictions are made of `logits`, in which there is none.

    Parameters
    ----------
    backbone : nn.Module
        Maps a batch to (n_samples, embedding_dim), members in front.
    prototypes : Tensor of shape (n_prototypes, embedding_dim)
        Where the class weights start: their directions, at length 1.
    free_norm : bool, default=False
        Whether the norm of the embedding multiplies its logits.
    free_prototypes : bool, default=False
        Whether the lengths of the class weights count and learn, too, which makes this an
        ordinary softmax layer without bias; only together with `free_norm` and the cosine.
    operator : {"cosine", "linear", "sigmoid"}, default="cosine"
        Function g of the angle that logits are made of.
    k : float, default=0.3
        Softness of "sigmoid", positive; the others ignore it.

    Raises
    ------
    ValueError
        If `free_prototypes` is given without `free_norm` or with an operator other than the
        cosine, or if `operator` or `k` is out of its range.

    References
    ----------
    .. [1] Liu et al. (2017), "Deep Hyperspherical Learning", NeurIPS, section 3.4.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import AngularModel
    >>> model = AngularModel(torch.nn.Identity(), torch.eye(2), free_norm=True)
    >>> model(torch.tensor([[3.0, 4.0]])).detach()
    tensor([[0.6000, 0.8000, 5.0000]])
    >>> model.logits(torch.tensor([[3.0, 4.0]])).detach()
    tensor([[3., 4.]])
    """

    def __init__(
        self,
        backbone: nn.Module,
        prototypes: Tensor,
        *,
        free_norm: bool = False,
        free_prototypes: bool = False,
        operator: str = "cosine",
        k: float = 0.3,
    ):
        super().__init__(backbone, prototypes, learn_prototypes=True, free_norm=free_norm)
        if free_prototypes and not (free_norm and operator == "cosine"):
            raise ValueError(
                "free_prototypes=True, an ordinary softmax layer, needs free_norm=True and "
                f"operator='cosine', got free_norm={free_norm} and operator={operator!r}."
            )
        self.free_prototypes = free_prototypes
        self.operator = None if free_prototypes else AngularOperator(operator, k)

    def forward(self, X: Tensor, member: Tensor | None = None) -> Tensor:
        """Return what a loss with margins sees.

        Cosines with the class weights and, with `free_norm`, the norm as a last column. With
        `free_prototypes` there is no margin, and the loss sees the logits.
        """
        h = ask(self.backbone(X), member)
        if self.training:
            h = as_if_alone(h)
        if self.free_prototypes:
            seen = self.read(h)
        else:
            seen = normalize(h) @ normalize(self._prototypes).mT
            if self.free_norm:
                seen = torch.cat([seen, torch.linalg.vector_norm(h, dim=-1, keepdim=True)], dim=-1)
        return seen if self.training or seen.ndim == 2 else seen.mean(dim=0)

    def read(self, h: Tensor) -> Tensor:
        """Read g of the angles, times the norm where it counts, (..., n_prototypes).

        With `free_prototypes` the inner products with class weights of any length.
        """
        if self.free_prototypes:
            return h @ self._prototypes.T
        # Class weights learn with a length of their own, which counts for nothing: directions are
        # taken anew at every pass, and their gradient is orthogonal to them.
        g = normalize(h) @ normalize(self._prototypes).mT
        if self.operator is not None and self.operator.name != "cosine":
            g = self.operator(g)
        return torch.linalg.vector_norm(h, dim=-1, keepdim=True) * g if self.free_norm else g
