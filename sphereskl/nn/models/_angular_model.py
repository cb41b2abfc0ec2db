"""A backbone and trainable class weights, compared by angles."""

import torch
from torch import Tensor, nn

from ...geometry import normalize
from .._operators import AngularOperator
from ._embedding_model import EmbeddingModel
from ._members import as_if_alone


class AngularModel(EmbeddingModel):
    """Backbone and learned class weights, for losses with an angular margin.

    The margin is part of the loss: `forward` returns the cosines and, with `free_norm`, the
    norms of the embeddings; predictions use `logits`, without margin.

    Parameters
    ----------
    backbone : nn.Module
        Maps a batch to (n_samples, embedding_dim), with members as the first axis.
    prototypes : Tensor of shape (n_prototypes, embedding_dim)
        Initial class weights: their directions, with norm 1.
    free_norm : bool, default=False
        Whether the norm of the embedding multiplies its logits.
    free_prototypes : bool, default=False
        Whether the norms of the class weights are used and trained too, which makes this an
        ordinary softmax layer without bias; only together with `free_norm` and the cosine.
    operator : {"cosine", "linear", "sigmoid"}, default="cosine"
        Function g of the angle in the logits.
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
        """Return the input of a loss with margins.

        Cosines with the class weights and, with `free_norm`, the norm as a last column. With
        `free_prototypes` there is no margin, and the logits are returned.
        """
        h = self._outputs(X, member)
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
        """Return g of the angles, with `free_norm` times the norm, (..., n_prototypes).

        With `free_prototypes`, the inner products with class weights of any norm.
        """
        if self.free_prototypes:
            return h @ self._prototypes.T
        # Class weights have a norm of their own, which does not matter: directions are
        # recomputed in every pass, and their gradient is orthogonal to them.
        g = normalize(h) @ normalize(self._prototypes).mT
        if self.operator is not None and self.operator.name != "cosine":
            g = self.operator(g)
        return torch.linalg.vector_norm(h, dim=-1, keepdim=True) * g if self.free_norm else g
