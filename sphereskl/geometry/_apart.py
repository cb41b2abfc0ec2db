"""Well separated points, by the method that suits their number and dimension."""

import torch
from torch import Tensor

from ._sphere import sample_uniform
from .codes import binary_code, orthonormal, orthoplex, polygon, record_code, simplex
from .search import search_separated, search_uniform

CONSTRUCTIONS = {
    "antipodal": simplex,
    "polygon": polygon,
    "simplex": simplex,
    "orthoplex": orthoplex,
    "orthonormal": orthonormal,
    "code": binary_code,
}


def place_apart(
    n_points: int,
    embedding_dim: int,
    *,
    method: str = "auto",
    effort: str = "default",
    random_state: int | None = None,
    device: torch.device | str = "cpu",
    verbose: int = 0,
) -> Tensor:
    """Place well separated points; see `place_prototypes`, which checks the arguments.

    Parameters
    ----------
    n_points, embedding_dim : int
        Number of points and ambient dimension.
    method : str, default="auto"
        "auto", "separated", "uniform", "random" or a key of `CONSTRUCTIONS`.
    effort : {"fast", "default", "best"}, default="default"
        Work spent by a search.
    random_state : int, default=None
        Seed of a search; ``None`` draws one.
    device : torch.device or str, default="cpu"
        Device of a search.
    verbose : int, default=0
        Show progress bars if positive.

    Returns
    -------
    points : Tensor of shape (n_points, embedding_dim)
        Unit rows in float64, on the CPU.
    """
    size = (n_points, embedding_dim)
    if method == "auto":
        method = _closed_form_for(*size)
        code = record_code(*size)
        if method == "separated" and code is not None:
            return code.build(n_points)
    if method in CONSTRUCTIONS:
        return CONSTRUCTIONS[method](*size)
    generator = make_generator(random_state)
    if method == "random":
        return sample_uniform(*size, generator=generator)
    if method == "uniform":
        return search_uniform(*size, generator, device)
    return search_separated(*size, effort, generator, device, verbose)


def make_generator(random_state: int | None) -> torch.Generator:
    """Return a private generator, seeded by the system if `random_state` is None."""
    generator = torch.Generator()
    if random_state is None:
        generator.seed()
        return generator
    return generator.manual_seed(int(random_state))


def _closed_form_for(n_points: int, embedding_dim: int) -> str:
    if n_points <= embedding_dim + 1:
        return "simplex"
    if embedding_dim == 2:
        return "polygon"
    return "orthoplex" if n_points <= 2 * embedding_dim else "separated"
