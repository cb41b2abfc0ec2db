"""Prototypes whose cosines follow the similarities of the classes."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.nn.functional import pad, softplus

from .._apart import make_generator, place_apart
from .._lbfgs import Objective, minimize_batch
from .._separation import max_cosine as largest_cosine
from .._sphere import normalize
from ._assignment import assign_semantically
from ._ranking import check_similarity, normal_scores, to_float64

# How much separation may be given up for meaning by default, see docs/benchmarks/semantic.md.
_CONCESSION = 0.1
_ROUNDS = 7
# Target slightly below the cap, so that an iteration that stops early still satisfies it.
_CLEARANCE = 1e-6

GramLoss = Callable[[Tensor], tuple[Tensor, Tensor]]


def similarity_from_vectors(vectors: Any, labels: ArrayLike | None = None) -> Tensor:
    """Cosine similarities of class vectors, such as word vectors of class names.

    Parameters
    ----------
    vectors : array-like of shape (n_classes, n_dims), DataFrame or mapping
        One vector for every class; a mapping, or a data frame with labels as index, maps
        labels to vectors.
    labels : array-like of shape (n_classes,), default=None
        Order of the classes, for a mapping or data frame; ``None`` keeps its order.

    Returns
    -------
    similarity : Tensor of shape (n_classes, n_classes), float64
        Cosines.

    Raises
    ------
    ValueError
        If a label has no vector, or a vector is zero or not finite.

    Examples
    --------
    >>> from sphereskl.geometry import similarity_from_vectors
    >>> vectors = {"cat": [2.0, 0.0], "dog": [1.0, 1.0]}
    >>> similarity_from_vectors(vectors, labels=["dog", "cat"]).round(decimals=4)
    tensor([[1.0000, 0.7071],
            [0.7071, 1.0000]], dtype=torch.float64)
    """
    if hasattr(vectors, "loc"):
        vectors = dict(zip(vectors.index, np.asarray(vectors), strict=True))
    if isinstance(vectors, Mapping):
        names = list(vectors) if labels is None else np.asarray(labels).tolist()
        missing = [name for name in names if name not in vectors]
        if missing:
            raise ValueError(f"vectors has no row for {missing}; give one for every class.")
        vectors = [np.asarray(vectors[name]) for name in names]
    rows = to_float64(vectors)
    if rows.ndim != 2 or not bool(rows.isfinite().all()) or bool((rows == 0).all(dim=1).any()):
        raise ValueError(
            "vectors must be finite and have a direction, one row for each class, got shape "
            f"{tuple(rows.shape)} with NaN, infinity or zero rows; leave such classes out."
        )
    unit = normalize(rows)
    return unit @ unit.T


def similarity_from_costs(costs: ArrayLike) -> Tensor:
    """Similarities of classes from the costs of confusing them.

    Parameters
    ----------
    costs : array-like of shape (n_classes, n_classes)
        Cost of predicting class j for class i; the diagonal is ignored.

    Returns
    -------
    similarity : Tensor of shape (n_classes, n_classes), float64
        Minus the mean of the two costs of each pair.

    Examples
    --------
    >>> from sphereskl.geometry import similarity_from_costs
    >>> similarity_from_costs([[0.0, 1.0], [3.0, 0.0]])
    tensor([[ 0., -2.],
            [-2.,  0.]], dtype=torch.float64)
    """
    costs = check_similarity(costs)
    return 0 - (costs + costs.T) / 2


def place_semantic(
    similarity: ArrayLike,
    embedding_dim: int,
    *,
    max_cosine: float | None = None,
    random_state: int | None = None,
) -> Tensor:
    """Semantic placement: cosines of the prototypes follow the order of class similarities.

    Parameters
    ----------
    similarity : array-like of shape (n_classes, n_classes)
        Row i says how like class i the others are; only the order within a row counts.
    embedding_dim : int
        Ambient dimension of the sphere.
    max_cosine : float, default=None
        Largest cosine of any pair: a higher value trades separation for meaning. At
        the cosine of the best separated prototypes only their assignment to the classes
        can follow the similarities; some 0.3 above it, meaning dominates. ``None``
        allows 0.1 above it.
    random_state : int, default=None
        Seed of the search for separated prototypes, and of breaking ties.

    Returns
    -------
    prototypes : Tensor of shape (n_classes, embedding_dim)
        Unit rows in float64, no pair closer than `max_cosine`.

    Raises
    ------
    ValueError
        If `max_cosine` is 1 or more, or below that of separated prototypes.

    See Also
    --------
    triplet_accuracy, rank_correlation : How well the order is followed.
    place_ranked : The published method.

    Notes
    -----
    The rank loss of [1]_ under the constraint that no cosine exceeds the cap: an
    augmented Lagrangian [2]_, minimised by L-BFGS from the leading eigenvectors of the
    similarities' normal scores. A difference of cosines is multiplied by
    ``6 sqrt(embedding_dim)`` first, since cosines of random points differ by about
    ``1 / sqrt(embedding_dim)``, which the logistic function could not tell from zero.
    Each class's row is sorted by similarity, and ranks r and r + h are compared for
    h = 1, 2, 4, ...: ``K^2 log K`` triplets replace ``K^3``.

    References
    ----------
    .. [1] Mettes, van der Pol and Snoek (2019), "Hyperspherical Prototype Networks",
       NeurIPS, section 3.1.
    .. [2] Nocedal and Wright (2006), "Numerical Optimization", section 17.3.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.geometry import place_semantic, triplet_accuracy
    >>> animals, vehicles = torch.eye(2).repeat_interleave(4, dim=0).T
    >>> similarity = torch.outer(animals, animals) + torch.outer(vehicles, vehicles)
    >>> triplet_accuracy(place_semantic(similarity, 4, random_state=0), similarity)
    1.0
    """
    similarity = check_similarity(similarity)
    separated = _separated(len(similarity), embedding_dim, max_cosine, random_state)
    if not bool(normal_scores(similarity).any()):
        return separated  # all classes are equally similar
    reachable = largest_cosine(separated)
    cap = reachable + min(_CONCESSION, (1 - reachable) / 2) if max_cosine is None else max_cosine
    start = _spectral_start(similarity, embedding_dim, make_generator(random_state))
    points = _search(similarity, start, cap)
    if largest_cosine(points) <= cap:
        return points
    # So small a cap can only be satisfied close to the separated prototypes, if at all.
    separated = separated[assign_semantically(separated, similarity, random_state=random_state)]
    points = _search(similarity, separated, cap)
    return points if largest_cosine(points) <= cap else separated


def _separated(
    n_classes: int, embedding_dim: int, cap: float | None, random_state: int | None
) -> Tensor:
    """Separated prototypes that satisfy the cap, with as little search as possible."""
    reached = math.inf
    for effort in ("fast", "default"):
        points = place_apart(n_classes, embedding_dim, effort=effort, random_state=random_state)
        reached = largest_cosine(points)
        if cap is None or reached <= cap + 1e-12 < 1:
            return points
    raise ValueError(
        f"max_cosine must be below 1 and at least {reached:.6g}, which is what separated "
        f"prototypes reach for {n_classes} classes in {embedding_dim} dimensions, got {cap}."
    )


def _search(similarity: Tensor, start: Tensor, cap: float) -> Tensor:
    n_classes, embedding_dim = start.shape
    gram_loss = _order_loss(similarity, sharpness=6 * math.sqrt(embedding_dim))
    n_iter = max(20, min(60, 15_000 // n_classes))
    x = start[None]
    multipliers, penalty = torch.zeros_like(similarity), 1.0
    for _ in range(_ROUNDS):
        objective = _capped(gram_loss, cap - _CLEARANCE, multipliers, penalty)
        x = minimize_batch(objective, x, max_iter=n_iter)
        excess = x[0] @ x[0].T - (cap - _CLEARANCE)
        multipliers = (multipliers + penalty * excess).clamp_min(0)
        penalty *= 2
    # The excess that the multipliers left is pushed away, whatever the effect on the order.
    spread = _capped(_no_loss, cap - _CLEARANCE, torch.zeros_like(similarity), 1.0)
    return minimize_batch(spread, x, max_iter=300, tolerance=1e-10)[0]


def _spectral_start(similarity: Tensor, embedding_dim: int, generator: torch.Generator) -> Tensor:
    """Rows whose cosines approximate the normal scores of the similarities."""
    scores = normal_scores(similarity) / math.sqrt(embedding_dim)
    values, vectors = torch.linalg.eigh(scores.fill_diagonal_(1.0))
    # Directions of negative eigenvalues fit nothing, but give the search more room.
    rows = (vectors * values.clamp_min(1e-2).sqrt()).flip(1)[:, :embedding_dim]
    points = normalize(pad(rows, (0, embedding_dim - rows.shape[1])))
    if largest_cosine(points) > 1 - 1e-6:
        # Classes with equal similarities to all others: coincident points would never separate.
        noise = torch.randn(points.shape, generator=generator, dtype=points.dtype)
        points = normalize(points + 0.1 / math.sqrt(embedding_dim) * noise)
    return points


def _order_loss(similarity: Tensor, sharpness: float) -> GramLoss:
    """Rank loss of the cosines and its gradient, on ranks 1, 2, 4, ... apart."""
    n_classes = len(similarity)
    hidden = similarity.clone().fill_diagonal_(-math.inf)
    ordered, order = hidden.sort(dim=1, descending=True, stable=True)
    ordered, order = ordered[:, :-1], order[:, :-1]
    steps = [2**k for k in range(32) if 2**k < n_classes - 1]
    # A step stands for all between it and the next. Equal similarities have no order.
    weights = [h * (ordered[:, :-h] > ordered[:, h:]) for h in steps]
    # The constant makes the curvature of the loss in a cosine about 1, like the penalty's.
    total = max(1.0, float(sum(weight.sum() for weight in weights)))
    constant = n_classes**2 / (2 * sharpness**2 * total)

    def loss(gram: Tensor) -> tuple[Tensor, Tensor]:
        rows = gram.gather(1, order)
        value, pull = gram.new_zeros(()), torch.zeros_like(rows)
        for h, weight in zip(steps, weights, strict=True):
            wrong = sharpness * (rows[:, h:] - rows[:, :-h])
            value += (softplus(wrong) * weight).sum()
            force = torch.sigmoid(wrong).mul_(weight)
            pull[:, :-h] -= force
            pull[:, h:] += force
        gradient = torch.zeros_like(gram).scatter_(1, order, pull)
        return constant * value, constant * sharpness * gradient

    return loss


def _no_loss(gram: Tensor) -> tuple[Tensor, Tensor]:
    return gram.new_zeros(()), torch.zeros_like(gram)


def _capped(gram_loss: GramLoss, cap: float, multipliers: Tensor, penalty: float) -> Objective:
    """Augmented Lagrangian of ``cos_ij <= cap`` (Nocedal and Wright, equation 17.65)."""

    def objective(rows: Tensor) -> tuple[Tensor, Tensor]:
        norm = torch.linalg.vector_norm(rows[0], dim=1, keepdim=True)
        points = rows[0] / norm
        gram = points @ points.T
        value, gradient = gram_loss(gram)
        # Each constraint g = cos_ij - cap adds (max(0, m + penalty g)^2 - m^2) / (2 penalty), whose
        # slope in the cosine is max(0, m + penalty g): the multiplier of the next round.
        force = (multipliers + penalty * (gram - cap)).clamp_min_(0).fill_diagonal_(0)
        value = value + (force.square().sum() - multipliers.square().sum()) / (2 * penalty)
        pull = (gradient + gradient.T + 2 * force) @ points
        tangent = pull - (pull * points).sum(1, keepdim=True) * points
        return value[None], (tangent / norm)[None]

    return objective
