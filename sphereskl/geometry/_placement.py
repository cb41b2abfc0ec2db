"""Placement of the prototypes of the classes."""

import numbers

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from ._apart import CONSTRUCTIONS, place_apart
from .meaning import place_semantic

_METHODS = ("auto", "separated", "semantic", "uniform", "random", *CONSTRUCTIONS)
_EFFORTS = ("fast", "default", "best")


def place_prototypes(
    n_prototypes: int,
    embedding_dim: int,
    *,
    method: str = "auto",
    effort: str = "default",
    similarity: ArrayLike | None = None,
    random_state: int | None = None,
    device: torch.device | str = "cpu",
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
        Method of placement.

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
        - ``"semantic"``: similar classes closer to each other than dissimilar ones, by
          `similarity`; see `place_semantic`.
        - ``"random"``: independent and uniform.
    effort : {"fast", "default", "best"}, default="default"
        Search effort of ``"separated"``: on one core up to a second for up to 24 points, and for
        more points about one, ten, or sixty seconds. Beyond 300 points a set takes longer. Raise
        it if the separation matters more than the time.
    similarity : array-like of shape (n_prototypes, n_prototypes), default=None
        Similarities of the classes, for ``method="semantic"``; see
        `similarity_from_vectors` and `similarity_from_costs`.
    random_state : int or None, default=None
        Random seed of the search. ``None`` draws a new one on every call; equal integers give
        equal bits. The global random state is neither read nor changed.
    device : torch.device or str, default="cpu"
        Device of the search; the result is on the CPU.
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
    describe_placement : Measures how well a placement is separated.

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
    if similarity is None:
        return place_apart(
            int(n_prototypes),
            int(embedding_dim),
            method=method,
            effort=effort,
            random_state=random_state,
            device=device,
            verbose=verbose,
        )
    if len(rows := np.asarray(similarity)) != n_prototypes:
        raise ValueError(
            f"similarity must have a row for each of the {n_prototypes} prototypes, got "
            f"{len(rows)} rows."
        )
    return place_semantic(rows, embedding_dim, random_state=random_state)


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
    if effort not in _EFFORTS:
        raise ValueError(f"effort must be one of {', '.join(_EFFORTS)}, got {effort!r}.")
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
