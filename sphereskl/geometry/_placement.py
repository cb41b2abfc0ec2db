"""Choose where the prototypes of the classes stand."""

from __future__ import annotations

import numbers
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ._closed_form import orthonormal, orthoplex, polygon, simplex
from ._lbfgs import minimize_batch
from ._potentials import gaussian_potential
from ._separated import search_separated
from ._sphere import sample_uniform

if TYPE_CHECKING:
    from joblib import Memory

_METHODS = (
    "auto",
    "antipodal",
    "polygon",
    "simplex",
    "orthoplex",
    "orthonormal",
    "separated",
    "uniform",
    "random",
)
_EFFORTS = ("fast", "default", "best")


def place_prototypes(
    n_prototypes: int,
    embedding_dim: int,
    *,
    method: str = "auto",
    effort: str = "default",
    random_state: int | None = None,
    device: torch.device | str = "cpu",
    memory: Memory | str | None = None,
    verbose: int = 0,
) -> Tensor:
    """Place prototypes on the unit sphere.

    Examples
    --------
    >>> from sphereskl.geometry import max_cosine, place_prototypes
    >>> round(max_cosine(place_prototypes(12, 3, random_state=0)), 4)
    0.4472
    """
    _check_arguments(n_prototypes, embedding_dim, method, effort)
    generator = _make_generator(random_state)
    if method == "auto":
        method = _best_method(n_prototypes, embedding_dim)
    if method == "antipodal":
        return simplex(2, embedding_dim)
    if method == "polygon":
        return polygon(n_prototypes, embedding_dim)
    if method == "simplex":
        return simplex(n_prototypes, embedding_dim)
    if method == "orthoplex":
        return orthoplex(n_prototypes, embedding_dim)
    if method == "orthonormal":
        return orthonormal(n_prototypes, embedding_dim)
    if method == "random":
        return sample_uniform(n_prototypes, embedding_dim, generator=generator)
    if method == "uniform":
        x = sample_uniform(n_prototypes, embedding_dim, generator=generator)
        return minimize_batch(gaussian_potential(2.0), x[None], max_iter=500)[0]
    return search_separated(n_prototypes, embedding_dim, effort, generator)


def _best_method(n_prototypes: int, embedding_dim: int) -> str:
    if n_prototypes <= embedding_dim + 1:
        return "simplex"
    if embedding_dim == 2:
        return "polygon"
    return "orthoplex" if n_prototypes <= 2 * embedding_dim else "separated"


def _make_generator(random_state: int | None) -> torch.Generator:
    generator = torch.Generator()
    if random_state is None:
        generator.seed()
    else:
        generator.manual_seed(int(random_state))
    return generator


def _check_arguments(n_prototypes: int, embedding_dim: int, method: str, effort: str) -> None:
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
