"""Measures of how well cosines follow the order of class similarities."""

import math

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.stats import kendalltau, rankdata, spearmanr
from torch import Tensor
from torch.nn.functional import softplus


def rank_loss(prototypes: Tensor, similarity: ArrayLike) -> Tensor:
    """Rank loss: cross-entropy of all order statements "i is more like j than like k".

    Parameters
    ----------
    prototypes : Tensor of shape (n_classes, embedding_dim)
        Unit rows.
    similarity : array-like of shape (n_classes, n_classes)
        Row i holds the similarities of the others to class i; only the order in a row matters.
        At least three classes.

    Returns
    -------
    loss : Tensor of shape ()
        Mean over all triplets of distinct classes of
        ``softplus(o) - target * o`` with ``o = cos_ij - cos_ik``; the target is 1 where
        ``s_ij > s_ik``, 0 where it is less, 1/2 where the two are equal. Since
        ``|o| <= 2``, it is never below 0.126.

    Notes
    -----
    Triplets are processed anchor by anchor, and their gradient ``sigmoid(o) - target`` is
    summed at once: memory is quadratic in the number of classes, not cubic.

    References
    ----------
    .. [1] Mettes, van der Pol and Snoek (2019), "Hyperspherical Prototype Networks",
       NeurIPS, section 3.1, privileged information.
    .. [2] Burges et al. (2005), "Learning to Rank using Gradient Descent", ICML.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.geometry import rank_loss
    >>> similarity = [[1.0, 0.9, 0.1], [0.9, 1.0, 0.1], [0.1, 0.1, 1.0]]
    >>> rank_loss(torch.tensor([[1.0, 0.0], [0.8, 0.6], [-1.0, 0.0]]), similarity)
    tensor(0.3450)
    """
    similarity = check_similarity(similarity, at_least=3)
    return RankLoss.apply(prototypes @ prototypes.T, similarity)


class RankLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx, gram, similarity):
        n_classes = len(gram)
        total, gradient = gram.new_zeros(()), torch.zeros_like(gram)
        for i in range(n_classes):
            others = torch.arange(n_classes) != i
            o = gram[i, others, None] - gram[i, others]
            s = similarity[i, others, None] - similarity[i, others]
            # Deviation from Mettes et al. 2019: their target is 1 for equal similarities,
            # which is contradictory when j and k are exchanged.
            target = ((s.sign() + 1) / 2).to(gram.dtype)
            residual = torch.sigmoid(o) - target
            # j = k has o = 0, target 1/2 and so no gradient; its loss is log 2.
            total += (softplus(o) - target * o).sum() - (n_classes - 1) * math.log(2)
            gradient[i, others] = residual.sum(1) - residual.sum(0)
        n_triplets = n_classes * (n_classes - 1) * (n_classes - 2)
        ctx.save_for_backward(gradient / n_triplets)
        return total / n_triplets

    @staticmethod
    def backward(ctx, grad_output):  # pyright: ignore[reportIncompatibleMethodOverride]
        (gradient,) = ctx.saved_tensors
        return grad_output * gradient, None


def triplet_accuracy(prototypes: Tensor, similarity: ArrayLike) -> float:
    """Triplet accuracy: share of triplets of classes whose cosines follow their similarities.

    Parameters
    ----------
    prototypes : Tensor of shape (n_classes, embedding_dim)
        Unit rows.
    similarity : array-like of shape (n_classes, n_classes)
        Row i holds the similarities of the others to class i.

    Returns
    -------
    accuracy : float
        Over all (i, j, k) of distinct classes with ``s_ij > s_ik``: the share with
        ``cos_ij > cos_ik``, equal cosines counted as half. 1/2 is chance, and NaN is
        returned if no two similarities of a row differ.

    Notes
    -----
    Exact for any number of classes: each row's difference of concordant and discordant
    pairs is computed from Kendall's tau-c, which takes K log K steps.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.geometry import triplet_accuracy
    >>> similarity = [[1.0, 0.9, 0.1], [0.9, 1.0, 0.1], [0.1, 0.1, 1.0]]
    >>> triplet_accuracy(torch.tensor([[1.0, 0.0], [0.8, 0.6], [-1.0, 0.0]]), similarity)
    1.0
    """
    balance = comparable = 0.0
    for cosine, s in _rows(prototypes, similarity):
        counts = np.unique(s, return_counts=True)[1]
        comparable += (len(s) ** 2 - (counts**2).sum()) / 2
        fewer = min(len(counts), len(np.unique(cosine)))
        if fewer > 1:
            tau = float(kendalltau(cosine, s, variant="c").statistic)  # pyright: ignore
            balance += tau * len(s) ** 2 * (fewer - 1) / (2 * fewer)
    return float((1 + balance / comparable) / 2) if comparable else math.nan


def rank_correlation(prototypes: Tensor, similarity: ArrayLike) -> float:
    """Rank correlation: mean over classes of Spearman's correlation of cosines and similarities.

    Parameters
    ----------
    prototypes : Tensor of shape (n_classes, embedding_dim)
        Unit rows.
    similarity : array-like of shape (n_classes, n_classes)
        Row i says how like class i the others are.

    Returns
    -------
    correlation : float
        In [-1, 1]; rows without an order are ignored.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.geometry import rank_correlation
    >>> similarity = [[1.0, 0.9, 0.1], [0.9, 1.0, 0.1], [0.1, 0.2, 1.0]]
    >>> points = torch.tensor([[1.0, 0.0], [0.8, 0.6], [-1.0, 0.0]])
    >>> round(rank_correlation(points, similarity), 4)
    1.0
    """
    values = [
        spearmanr(cosine, s).statistic  # pyright: ignore[reportAttributeAccessIssue]
        for cosine, s in _rows(prototypes, similarity)
        if np.ptp(cosine) > 0 and np.ptp(s) > 0
    ]
    return float(np.mean(values)) if values else math.nan


def normal_scores(similarity: Tensor) -> Tensor:
    """Replace similarities by Gaussian quantiles of their rank, row by row, symmetrised.

    Cosines of random points are nearly Gaussian; equal similarities share a rank.
    """
    off = ~torch.eye(len(similarity), dtype=torch.bool)
    rows = similarity[off].view(len(similarity), -1)
    rank = torch.from_numpy(rankdata(rows.numpy(), axis=1))
    scores = torch.zeros_like(similarity)
    scores[off] = torch.special.ndtri((rank - 0.5) / rows.shape[1]).flatten()
    return (scores + scores.T) / 2


def check_similarity(similarity: ArrayLike, *, at_least: int = 2) -> Tensor:
    """Return a float64 copy of a square, finite matrix."""
    checked = to_float64(similarity)
    if checked.ndim != 2 or checked.shape[0] != checked.shape[1] or len(checked) < at_least:
        raise ValueError(
            f"similarity must be a square matrix of at least {at_least} classes, got shape "
            f"{tuple(checked.shape)}; similarity_from_vectors makes one of class vectors."
        )
    if not bool(checked.isfinite().all()):
        raise ValueError("similarity must be finite, got NaN or infinity.")
    return checked


def to_float64(values: ArrayLike) -> Tensor:
    """Return a float64 copy on the CPU."""
    if isinstance(values, Tensor):
        return values.detach().to("cpu", torch.float64, copy=True)
    return torch.from_numpy(np.array(values, dtype=np.float64))


def _rows(prototypes: Tensor, similarity: ArrayLike):
    """Cosines and similarities of every class with the others."""
    s = check_similarity(similarity, at_least=3).numpy()
    gram = (prototypes @ prototypes.T).detach().cpu().numpy()
    for i in range(len(s)):
        others = np.arange(len(s)) != i
        yield gram[i, others], s[i, others]
