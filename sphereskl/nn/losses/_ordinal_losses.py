"""Losses of ordered classes: soft targets in which near misses cost less."""

from collections.abc import Callable

import torch
from torch import Tensor

_DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "squared": lambda a, b: (a - b).square(),
    "absolute": lambda a, b: (a - b).abs(),
    "log": lambda a, b: (a.log() - b.log()).square(),
}


def ordinal_cost(n_classes: int, distance: str) -> Tensor:
    """Cost of predicting one rank in place of another.

    Parameters
    ----------
    n_classes : int
        Number of ranks K, counted from 1.
    distance : {"squared", "absolute", "log"}
        ``(a - b)^2``, ``|a - b|`` or ``(log a - log b)^2`` of ranks a and b.

    Returns
    -------
    cost : Tensor of shape (n_classes, n_classes), float64
        Rows: the true rank; columns: the predicted one.

    Raises
    ------
    ValueError
        If the distance is unknown.

    Examples
    --------
    >>> from sphereskl.nn import ordinal_cost
    >>> ordinal_cost(3, "squared")
    tensor([[0., 1., 4.],
            [1., 0., 1.],
            [4., 1., 0.]], dtype=torch.float64)
    """
    if distance not in _DISTANCES:
        raise ValueError(f"distance must be one of {list(_DISTANCES)}, got {distance!r}.")
    rank = torch.arange(1, n_classes + 1, dtype=torch.float64)
    return _DISTANCES[distance](rank[:, None], rank[None, :])


def soft_cross_entropy(
    cosines: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    soft_labels: Tensor,
    scale: Tensor | float = 1.0,
) -> Tensor:
    """Cross-entropy of ``softmax(scale * cosines)`` with soft labels.

    Parameters
    ----------
    cosines : Tensor of shape (n_samples, n_prototypes)
        Cosines of embeddings with prototypes.
    target : Tensor of shape (n_samples,)
        Index of each sample's prototype, int64.
    weight : Tensor of shape (n_samples,), default=None
        Sample weights; ``None`` means equal weights.
    soft_labels : Tensor of shape (n_prototypes, n_prototypes)
        Target distribution of each class; rows sum to 1. ``softmax(-cost)`` of a
        matrix of costs gives the soft ordinal labels of Diaz and Marathe, the identity
        ordinary cross-entropy.
    scale : Tensor of shape () or float, default=1.0
        Inverse temperature: positive factor of the cosines; may be a trainable parameter.

    Returns
    -------
    loss : Tensor of shape ()
        Mean of ``weight * cross-entropy``, in nats.

    References
    ----------
    .. [1] Diaz and Marathe (2019), "Soft Labels for Ordinal Regression", CVPR, equations
       3 and 4.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import ordinal_cost, soft_cross_entropy
    >>> soft_labels = torch.softmax(-ordinal_cost(3, "squared"), dim=1).float()
    >>> soft_cross_entropy(
    ...     torch.tensor([[1.0, 0.0, -1.0]]), torch.tensor([0]), soft_labels=soft_labels
    ... )
    tensor(0.6994)
    """
    expected = soft_labels.to(cosines)[target]
    if weight is not None:
        expected = expected * weight[:, None]
    log_probability = torch.log_softmax(scale * cosines, dim=1)
    return -torch.dot(expected.flatten(), log_probability.flatten()) / len(cosines)
