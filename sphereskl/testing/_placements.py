"""The laws of placements."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..geometry import lower_bound, max_cosine
from ._laws import hold, hold_close, undisturbed_generator


def check_placement(
    place: Callable[[int, int], Tensor], sizes: Sequence[tuple[int, int]] = ((2, 2), (5, 7))
) -> None:
    """Check that a function that places prototypes obeys the laws of placements.

    Parameters
    ----------
    place : callable
        ``place(n_prototypes, embedding_dim)``, a tensor of that shape. Bind the seed of random
        placements beforehand.
    sizes : sequence of tuple (n_prototypes, embedding_dim), default=((2, 2), (5, 7))
        Sizes to check.

    Raises
    ------
    AssertionError
        If a law is violated: its name, the size, what was seen, and where to look.

    Notes
    -----
    The laws: the shape is the requested one; rows are unit and finite; no two of them are equal;
    no set is better separated than is proven possible; two calls give the same bits; torch's global
    generator is not used.

    Examples
    --------
    >>> from sphereskl.geometry import simplex
    >>> from sphereskl.testing import check_placement
    >>> check_placement(simplex, [(2, 1), (4, 3), (5, 9)])
    >>> check_placement(lambda k, d: torch.ones(k, d) / d**0.5)
    Traceback (most recent call last):
    AssertionError: For 2 prototypes in 2 dimensions no two may be equal, but ...
    """
    for n_prototypes, embedding_dim in sizes:
        at = f"For {n_prototypes} prototypes in {embedding_dim} dimensions"
        with undisturbed_generator("A placement"):
            points, again = (place(n_prototypes, embedding_dim) for _ in range(2))
        hold(
            tuple(points.shape) == (n_prototypes, embedding_dim),
            f"{at} the shape must be ({n_prototypes}, {embedding_dim})",
            f"it is {tuple(points.shape)}",
            "pad with zeros, or refuse the size",
        )
        _check_points(at, points)
        hold(
            torch.equal(points, again),
            f"{at} two calls must give the same bits",
            "they differ",
            "seed a generator of your own",
        )


def _check_points(at: str, points: Tensor) -> None:
    rounding = 1e3 * torch.finfo(points.dtype).eps
    lengths = torch.linalg.vector_norm(points, dim=1)
    hold_close(
        lengths,
        torch.ones_like(lengths),
        f"{at} rows must be unit",
        "normalise them",
        rtol=rounding,
    )
    largest = max_cosine(points)
    # An angle of 1e-5: the smallest that cosines of two points in float32 can resolve.
    hold(
        largest < 1 - 1e-10 and len(points.unique(dim=0)) == len(points),
        f"{at} no two may be equal",
        f"the largest cosine is {largest:.12g}",
        "classes on one prototype could not be told apart",
    )
    bound = lower_bound(*points.shape)
    hold(
        largest >= bound - rounding,
        f"{at} no placement has a largest cosine below {bound:.6g}",
        f"this one claims {largest:.6g}",
        "are there fewer points than it seems?",
    )
