"""Categorical embeddings: one-hot columns or learned vectors."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .._checks import check_count, check_widths

# Up to this many levels, a category is one-hot; beyond, a vector of this width.
_MAX_ONE_HOT = 32
_VECTOR_WIDTH = 8


class CategoryEmbedding(nn.Module):
    """Categorical embedding: one-hot, or learned vectors for categories of many levels.

    Parameters
    ----------
    cardinalities : sequence of int
        Number of levels of every category, at least 1 each.
    n_members : int, default=1
        Number of networks k, each with its own vectors.

    Attributes
    ----------
    width : int
        Total number of output columns for all categories.

    Notes
    -----
    Input (n_samples, n_categories), the index of every sample's level, int64, negative for a level
    unseen in training; output (n_members, n_samples, width). Categories of up to 32 levels
    are one-hot; others get a learned vector of 8 numbers, an "entity embedding" [1]_.
    An unseen level is all zeros.

    References
    ----------
    .. [1] Guo and Berkhahn (2016), "Entity Embeddings of Categorical Variables",
       arXiv:1604.06737.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import CategoryEmbedding
    >>> CategoryEmbedding([3])(torch.tensor([[2], [-1]]))
    tensor([[[0., 0., 1.],
             [0., 0., 0.]]])
    """

    first: Tensor

    def __init__(self, cardinalities: Sequence[int], n_members: int = 1):
        super().__init__()
        self.cardinalities = check_widths("cardinalities", cardinalities)
        self.n_members = check_count("n_members", n_members)
        few = [levels <= _MAX_ONE_HOT for levels in self.cardinalities]
        self._one_hot = [j for j, is_few in enumerate(few) if is_few]
        self._learned = [j for j, is_few in enumerate(few) if not is_few]
        # Levels are numbered consecutively in each of the two kinds; 0 is for unseen ones.
        starts, totals = [], {True: 1, False: 1}
        for levels, is_few in zip(self.cardinalities, few, strict=True):
            starts.append(totals[is_few])
            totals[is_few] += levels
        self.register_buffer("first", torch.tensor(starts), persistent=False)
        self.n_one_hot = totals[True] - 1
        self.vectors = nn.Embedding(totals[False], n_members * _VECTOR_WIDTH, padding_idx=0)
        self.width = self.n_one_hot + _VECTOR_WIDTH * len(self._learned)

    def forward(self, codes: Tensor) -> Tensor:
        return self.embed(codes)[1]

    def embed(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rows of `vectors` that learned categories take, and the embedding.

        Parameters
        ----------
        codes : Tensor of shape (n_samples, n_categories)
            Index of every sample's level.

        Returns
        -------
        index : Tensor of shape (n_samples, n_learned), int64
            0 for unseen levels.
        embedding : Tensor of shape (n_members, n_samples, width)
            As `forward` returns it.
        """
        index = (codes + self.first).masked_fill(codes < 0, 0)
        # Not len(codes), which is a constant to `torch.export`.
        columns = torch.zeros(codes.shape[0], 1 + self.n_one_hot, device=codes.device)
        columns = columns.to(self.vectors.weight.dtype).scatter_(1, index[:, self._one_hot], 1.0)
        columns = columns[:, 1:].expand(self.n_members, -1, -1)
        learned = index[:, self._learned]
        if not self._learned:
            return learned, columns
        vectors = self.vectors(learned).unflatten(2, (self.n_members, -1))
        return learned, torch.cat([columns, vectors.permute(2, 0, 1, 3).flatten(2)], dim=2)

    def extra_repr(self) -> str:
        return f"{list(self.cardinalities)}, n_members={self.n_members}"
