"""Choose where the prototypes of the classes stand."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from ._bounds import lower_bound
from ._closed_form import _pad, orthonormal, orthoplex, polygon, simplex
from ._effort import EFFORTS
from ._large import BLOCK, affordable_evaluations, blocked_soft_max_cosine, search_large
from ._lbfgs import minimize_batch
from ._potentials import soft_max_cosine
from ._separated import search_separated
from ._separation import max_cosine
from ._sphere import sample_uniform
from ._structured import binary_code, record_code, structured_codes

if TYPE_CHECKING:
    from joblib import Memory

_CLOSED_FORMS = {
    "antipodal": simplex,
    "polygon": polygon,
    "simplex": simplex,
    "orthoplex": orthoplex,
    "orthonormal": orthonormal,
    "code": binary_code,
}
_METHODS = ("auto", "separated", "semantic", "uniform", "random", *_CLOSED_FORMS)
# Largest number of points whose matrix of cosines is held whole (32 MB).
_DENSE = 2000
# A code this close to the proven bound is not searched for anything better.
_CODE_IS_GOOD = 0.05


def place_prototypes(
    n_prototypes: int,
    embedding_dim: int,
    *,
    method: str = "auto",
    effort: str = "default",
    similarity: ArrayLike | None = None,
    random_state: int | None = None,
    device: torch.device | str = "cpu",
    memory: Memory | str | None = None,
    verbose: int = 0,
) -> Tensor:
    """Place prototypes on the unit sphere, far apart from each other.

    Parameters
    ----------
    n_prototypes : int
        Number of points K, at least 2.
    embedding_dim : int
        Ambient dimension d, at least 2; the sphere is S^(d-1).
    method : str, default="auto"
        How the points are found.

        - ``"auto"``: the simplex for K <= d + 1, the polygon for d = 2, the orthoplex
          for K <= 2 d, a structured code that is optimal or best known for (K, d), else
          ``"separated"``.
        - ``"separated"``: search for the largest minimal angle; a structured code is
          returned if nothing better is found.
        - ``"antipodal"`` (K = 2), ``"polygon"``, ``"simplex"``, ``"orthoplex"``,
          ``"orthonormal"``: closed forms, where they exist.
        - ``"code"``: words of a binary code, with a guaranteed maximal cosine; for very
          many prototypes.
        - ``"uniform"``: minimum of the Gaussian potential with t = 2 [1]_.
        - ``"semantic"``: like classes nearer to each other than unlike ones, by
          `similarity`; see `place_semantic`.
        - ``"random"``: independent and uniform.
    effort : {"fast", "default", "best"}, default="default"
        Work spent by ``"separated"``: on one core up to a second for 24 points, and for
        more of them about one, ten, or sixty seconds. Beyond 300 points a set takes longer.
    similarity : array-like of shape (n_prototypes, n_prototypes), default=None
        How like each other the classes are, for ``method="semantic"``; see
        `similarity_from_vectors` and `similarity_from_costs`.
    random_state : int or None, default=None
        Seed of the search. ``None`` draws a new one on every call; equal integers give
        equal bits. The global random state is neither read nor changed.
    device : torch.device or str, default="cpu"
        Where the search runs; the result is on the CPU.
    memory : joblib.Memory, str or None, default=None
        Cache, or the path of one, for results with an integer `random_state`.
    verbose : int, default=0
        Show progress bars if positive.

    Returns
    -------
    prototypes : Tensor of shape (n_prototypes, embedding_dim)
        Unit rows in float64, no two of them equal.

    Raises
    ------
    ValueError
        If an argument is out of range, or the method has no placement for (K, d).

    See Also
    --------
    describe_placement : How well a placement is separated.

    References
    ----------
    .. [1] Wang and Isola (2020), "Understanding Contrastive Representation Learning
       through Alignment and Uniformity on the Hypersphere", ICML, section 4.1.2.

    Examples
    --------
    >>> from sphereskl.geometry import max_cosine, place_prototypes
    >>> prototypes = place_prototypes(8, 3, random_state=0)
    >>> prototypes.shape
    torch.Size([8, 3])
    >>> round(max_cosine(prototypes), 6)
    0.261204
    """
    _check_arguments(n_prototypes, embedding_dim, method, effort, random_state)
    if (method == "semantic") != (similarity is not None):
        raise ValueError(
            f"similarity and method='semantic' belong together, got method={method!r} and "
            f"similarity {'given' if similarity is not None else 'None'}."
        )
    if similarity is not None:
        return _place_by_meaning(n_prototypes, embedding_dim, similarity, random_state)
    place: Callable[..., Tensor] = _place
    if memory is not None and random_state is not None:
        # joblib comes with scikit-learn, but only a cache needs it.
        from joblib import Memory

        cache = Memory(memory, verbose=0) if isinstance(memory, str) else memory
        place = cast(Any, cache.cache(_place, ignore=["device", "verbose"]))
    return place(
        int(n_prototypes), int(embedding_dim), method, effort, random_state, device, verbose
    )


def _place(
    n_prototypes: int,
    embedding_dim: int,
    method: str,
    effort: str,
    random_state: int | None,
    device: torch.device | str,
    verbose: int,
) -> Tensor:
    size = (n_prototypes, embedding_dim)
    if method == "auto":
        method = _closed_form_for(*size)
        code = record_code(*size)
        if method == "separated" and code is not None:
            return code.build(n_prototypes)
    if method in _CLOSED_FORMS:
        return _CLOSED_FORMS[method](*size)
    generator = torch.Generator()
    if random_state is None:
        generator.seed()
    else:
        generator.manual_seed(int(random_state))
    if method == "random":
        return sample_uniform(*size, generator=generator)
    if method == "uniform":
        return _place_uniformly(*size, generator, device)
    if n_prototypes > _DENSE:
        return _separate_many(*size, effort, generator, device, verbose)
    return search_separated(*size, EFFORTS[effort], generator, device, verbose)


def _closed_form_for(n_prototypes: int, embedding_dim: int) -> str:
    if n_prototypes <= embedding_dim + 1:
        return "simplex"
    if embedding_dim == 2:
        return "polygon"
    return "orthoplex" if n_prototypes <= 2 * embedding_dim else "separated"


def _place_by_meaning(
    n_prototypes: int, embedding_dim: int, similarity: ArrayLike, random_state: int | None
) -> Tensor:
    # Semantic placement stands on this module: it asks for separated prototypes first.
    from ._semantic import place_semantic

    if len(rows := np.asarray(similarity)) != n_prototypes:
        raise ValueError(
            f"similarity must have a row for each of the {n_prototypes} prototypes, got "
            f"{len(rows)} rows."
        )
    return place_semantic(rows, embedding_dim, random_state=random_state)


def _place_uniformly(
    n_prototypes: int,
    embedding_dim: int,
    generator: torch.Generator,
    device: torch.device | str,
) -> Tensor:
    start = sample_uniform(n_prototypes, embedding_dim, generator=generator)[None].to(device)
    # With |p - q|^2 = 2 - 2 cos, the log of the mean of exp(-t |p - q|^2) is 2 t times the
    # smoothed maximum of the cosines at sharpness 2 t, up to a constant.
    sharpness = 4.0
    if n_prototypes > _DENSE:
        objective, n_iter = blocked_soft_max_cosine(sharpness, BLOCK), 50
    else:
        objective, n_iter = soft_max_cosine(sharpness), 1000
    return minimize_batch(objective, start, max_iter=n_iter)[0].cpu()


def _separate_many(
    n_prototypes: int,
    embedding_dim: int,
    effort: str,
    generator: torch.Generator,
    device: torch.device | str,
    verbose: int,
) -> Tensor:
    codes = structured_codes(n_prototypes, embedding_dim)
    n_evaluations = affordable_evaluations(n_prototypes, embedding_dim, effort)
    bound = lower_bound(n_prototypes, embedding_dim)
    if codes and (n_evaluations == 0 or codes[0].max_cosine < bound + _CODE_IS_GOOD):
        return _pad(codes[0].build(n_prototypes), embedding_dim)
    points = sample_uniform(n_prototypes, embedding_dim, generator=generator)
    if n_evaluations:
        points = search_large(points, n_evaluations, device, verbose)
        if codes and codes[0].max_cosine < max_cosine(points):
            points = _pad(codes[0].build(n_prototypes), embedding_dim)
    return points


def _check_arguments(
    n_prototypes: int,
    embedding_dim: int,
    method: str,
    effort: str,
    random_state: int | None,
) -> None:
    if not isinstance(n_prototypes, numbers.Integral) or n_prototypes < 2:
        raise ValueError(f"n_prototypes must be an integer of at least 2, got {n_prototypes!r}.")
    if not isinstance(embedding_dim, numbers.Integral) or embedding_dim < 2:
        raise ValueError(
            f"embedding_dim must be an integer of at least 2, got {embedding_dim!r}; on a line "
            f"every cosine loss has zero gradient."
        )
    if method not in _METHODS:
        raise ValueError(f"method must be one of {', '.join(_METHODS)}, got {method!r}.")
    if effort not in EFFORTS:
        raise ValueError(f"effort must be one of {', '.join(EFFORTS)}, got {effort!r}.")
    if method == "antipodal" and n_prototypes != 2:
        raise ValueError(
            f"n_prototypes must be 2 for method='antipodal', got {n_prototypes}; "
            f"use method='simplex'."
        )
    if not (random_state is None or _is_seed(random_state)):
        raise ValueError(
            f"random_state must be None or an integer from 0 to 2**63 - 1, got {random_state!r}; "
            f"draw an integer from your generator."
        )


def _is_seed(random_state: object) -> bool:
    return isinstance(random_state, numbers.Integral) and 0 <= int(random_state) < 2**63
