"""Placement by separation loss and rank loss: the published method."""

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from .._apart import make_generator
from .._sphere import normalize, sample_uniform
from ._ranking import RankLoss, check_similarity


def place_ranked(
    similarity: ArrayLike,
    embedding_dim: int,
    *,
    rank_weight: float = 1.0,
    n_steps: int = 1000,
    random_state: int | None = None,
) -> Tensor:
    """Place prototypes by separation loss and rank loss, as published.

    Parameters
    ----------
    similarity : array-like of shape (n_classes, n_classes)
        Row i holds the similarities of the others to class i. At least three classes.
    embedding_dim : int
        Ambient dimension of the sphere.
    rank_weight : float, default=1.0
        Weight of the rank loss relative to the separation loss.
    n_steps : int, default=1000
        Steps of gradient descent with learning rate 0.1 and momentum 0.9.
    random_state : int, default=None
        Seed of the uniform random start.

    Returns
    -------
    prototypes : Tensor of shape (n_classes, embedding_dim)
        Unit rows in float64.

    See Also
    --------
    place_semantic : Follows the similarities more closely at the same largest cosine.

    References
    ----------
    .. [1] Mettes, van der Pol and Snoek (2019), "Hyperspherical Prototype Networks",
       NeurIPS, section 3.1.

    Examples
    --------
    >>> from sphereskl.geometry import place_ranked
    >>> similarity = [[1.0, 0.9, 0.1], [0.9, 1.0, 0.1], [0.1, 0.1, 1.0]]
    >>> place_ranked(similarity, 2, n_steps=10, random_state=0).shape
    torch.Size([3, 2])
    """
    similarity = check_similarity(similarity, at_least=3)
    generator = make_generator(random_state)
    prototypes = sample_uniform(len(similarity), embedding_dim, generator=generator)
    velocity = torch.zeros_like(prototypes)
    for _ in range(n_steps):
        prototypes.requires_grad_()
        gram = prototypes @ prototypes.T
        separation = (gram - 2 * torch.eye(len(gram))).amax(dim=1).mean()
        loss = separation + rank_weight * RankLoss.apply(gram, similarity)
        (gradient,) = torch.autograd.grad(loss, prototypes)
        # Deviation from the authors' program, in which the momentum has no effect.
        velocity = 0.9 * velocity + gradient
        prototypes = normalize(prototypes.detach() - 0.1 * velocity)
    return prototypes
