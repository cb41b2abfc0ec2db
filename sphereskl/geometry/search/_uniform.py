"""Search for evenly spread points."""

import torch
from torch import Tensor

from .._lbfgs import minimize_batch
from .._sphere import sample_uniform
from ._large import BLOCK, DENSE, blocked_soft_max_cosine
from ._potentials import soft_max_cosine


def search_uniform(
    n_points: int,
    embedding_dim: int,
    generator: torch.Generator,
    device: torch.device | str,
) -> Tensor:
    """Minimise the mean Gaussian potential with t = 2 from a random start.

    Parameters
    ----------
    n_points, embedding_dim : int
        Size of the set.
    generator : torch.Generator
        Source of the start, on the CPU.
    device : torch.device or str
        Device of the search.

    Returns
    -------
    points : Tensor of shape (n_points, embedding_dim)
        Unit rows in float64, on the CPU.

    References
    ----------
    .. [1] Wang and Isola (2020), "Understanding Contrastive Representation Learning
       through Alignment and Uniformity on the Hypersphere", ICML, section 4.1.2.
    """
    start = sample_uniform(n_points, embedding_dim, generator=generator)[None].to(device)
    # With |p - q|^2 = 2 - 2 cos, the log of the mean of exp(-t |p - q|^2) is 2 t times the
    # smoothed maximum of the cosines at sharpness 2 t, up to a constant.
    sharpness = 4.0
    if n_points > DENSE:
        objective, n_iter = blocked_soft_max_cosine(sharpness, BLOCK), 50
    else:
        objective, n_iter = soft_max_cosine(sharpness), 1000
    return minimize_batch(objective, start, max_iter=n_iter)[0].cpu()
