"""Losses as pure functions of the model's output, the target and sample weights.

Every loss is the mean over samples of ``weight * loss``. Weights with mean 1 over the whole
training set therefore keep the size of the loss, and a mini-batch gradient stays an
unbiased estimate of the weighted objective (dividing by the batch's own sum of weights
would not be).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor


def squared_cosine(cosines: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Squared cosine loss: squared distance of the target's cosine from 1.

    Parameters
    ----------
    cosines : Tensor of shape (n_samples, n_prototypes)
        Cosines of embeddings with prototypes.
    target : Tensor of shape (n_samples,)
        Index of each sample's prototype, int64.
    weight : Tensor of shape (n_samples,), default=None
        Sample weights; ``None`` means equal weights.

    Returns
    -------
    loss : Tensor of shape ()
        Mean of ``weight (1 - cos)^2``, in [0, 4] for unit weights.

    Notes
    -----
    Mettes et al. publish ``sum_i (1 - cos_i)^2``, summed over the batch. For SGD with
    momentum on batches of B samples, the sum with learning rate ``lr`` and weight decay
    ``wd`` takes exactly the steps of the mean with ``B lr`` and ``wd / B``: their 0.01 and
    1e-4 at B = 128 are 1.28 and 7.8e-7 here.

    With more prototypes than ``embedding_dim + 1`` the minimiser of the expected loss need
    not rank the most probable class first: being opposite to a probable second class costs
    4, not 2, so the compromise drifts to a wrong neighbour. `cosine_distance` and `cross_entropy`
    suffer far less.

    References
    ----------
    .. [1] Mettes, van der Pol and Snoek (2019), "Hyperspherical Prototype Networks",
       NeurIPS, equation 1.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import squared_cosine
    >>> squared_cosine(torch.tensor([[0.5, -0.5]]), torch.tensor([0]))
    tensor(0.2500)
    """
    losses = (1 - cosines.gather(1, target[:, None])[:, 0]).square()
    return losses.mean() if weight is None else (losses * weight).mean()


def cosine_distance(cosines: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Cosine loss: distance of the target's cosine from 1.

    Parameters
    ----------
    cosines : Tensor of shape (n_samples, n_prototypes)
        Cosines of embeddings with prototypes.
    target : Tensor of shape (n_samples,)
        Index of each sample's prototype, int64.
    weight : Tensor of shape (n_samples,), default=None
        Sample weights; ``None`` means equal weights.

    Returns
    -------
    loss : Tensor of shape ()
        Mean of ``weight (1 - cos)``, in [0, 2] for unit weights.

    References
    ----------
    .. [1] Barz and Denzler (2020), "Deep Learning on Small Datasets without Pre-Training
       using Cosine Loss", WACV, equation 3.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import cosine_distance
    >>> cosine_distance(torch.tensor([[0.5, -0.5]]), torch.tensor([0]))
    tensor(0.5000)
    """
    losses = 1 - cosines.gather(1, target[:, None])[:, 0]
    return losses.mean() if weight is None else (losses * weight).mean()


def cross_entropy(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    scale: Tensor | float = 1.0,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy of ``softmax(scale * logits)``.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_prototypes)
        Cosines of embeddings with prototypes; or, with `scale` 1, inner products of
        unnormalised outputs with prototypes, whose norm carries the confidence [2]_.
    target : Tensor of shape (n_samples,)
        Index of each sample's prototype, int64.
    weight : Tensor of shape (n_samples,), default=None
        Sample weights; ``None`` means equal weights.
    scale : Tensor of shape () or float, default=1.0
        Inverse temperature: positive factor of the logits; may be a trainable parameter. At 1 a
        softmax of cosines cannot exceed 0.25 for ten prototypes, so choose it.
    label_smoothing : float, default=0.0
        Label smoothing: share of the target probability in [0, 1] spread evenly over all
        prototypes.

    Returns
    -------
    loss : Tensor of shape ()
        Mean of ``weight * cross-entropy``, in nats.

    References
    ----------
    .. [1] Szegedy et al. (2016), "Rethinking the Inception Architecture for Computer
       Vision", CVPR, section 7, for label smoothing.
    .. [2] Kasarla et al. (2022), "Maximum Class Separation as Inductive Bias in One
       Matrix", NeurIPS, section 3.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import cross_entropy
    >>> cross_entropy(torch.tensor([[1.0, -1.0]]), torch.tensor([0]), scale=4.0)
    tensor(0.0003)
    """
    n_samples, n_prototypes = logits.shape
    spread = label_smoothing / n_prototypes
    expected = torch.full_like(logits, spread)
    expected.scatter_(1, target[:, None], 1 - label_smoothing + spread)
    if weight is not None:
        expected *= weight[:, None]
    log_probability = torch.log_softmax(scale * logits, dim=1)
    # As one inner product: torch's cross_entropy with label smoothing runs twice the kernels.
    return -torch.dot(expected.flatten(), log_probability.flatten()) / n_samples


def separating_scale(n_prototypes: int, probability: float = 0.99) -> float:
    """Scale at which a sample on its prototype has a given probability.

    Parameters
    ----------
    n_prototypes : int
        Number of prototypes, at the corners of a regular simplex.
    probability : float, default=0.99
        Softmax probability of the sample's own prototype.

    Returns
    -------
    scale : float
        ``log((K - 1) p / (1 - p)) (K - 1) / K``.

    Examples
    --------
    >>> from sphereskl.nn import separating_scale
    >>> round(separating_scale(10), 1)
    6.1
    """
    others = n_prototypes - 1
    return math.log(others * probability / (1 - probability)) * others / n_prototypes


LOSSES: dict[str, Callable[..., Tensor]] = {
    "cosine": cosine_distance,
    "cross_entropy": cross_entropy,
    "logits": cross_entropy,
    "squared_cosine": squared_cosine,
}
