"""Comparison of a placement with the best known or provable one."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources

from torch import Tensor

from ._bounds import lower_bound
from ._separation import max_cosine, min_angle
from .codes import structured_codes


@dataclass(frozen=True)
class PlacementReport:
    """Separation of a set of points, compared with the best known.

    Attributes
    ----------
    n_prototypes, embedding_dim : int
        Number of points and ambient dimension.
    max_cosine : float
        Cosine of the closest pair.
    min_angle : float
        Angle of the closest pair, radians.
    reference : float
        Maximal cosine to compare with.
    reference_kind : {"optimal", "best known", "bound"}
        Whether no placement has a smaller maximal cosine than `reference`, none is known
        to us, or `reference` is a proven lower bound that may not be attainable.
    gap : float
        ``max_cosine - reference``; negative if the placement beats the best known one.
    """

    n_prototypes: int
    embedding_dim: int
    max_cosine: float
    min_angle: float
    reference: float
    reference_kind: str
    gap: float


def describe_placement(points: Tensor) -> PlacementReport:
    """Measure the separation of points and compare it with the best known.

    Parameters
    ----------
    points : Tensor of shape (n_prototypes, embedding_dim)
        Unit rows, at least two.

    Returns
    -------
    report : PlacementReport
        With the optimal value where one is proven, else the best known value for this
        number of points and dimension, else a proven bound.

    Raises
    ------
    ValueError
        If there are fewer than two points.

    See Also
    --------
    lower_bound : The proven bound.

    References
    ----------
    .. [1] Sloane, Hardin, Smith et al., "Tables of spherical codes", for d = 3.
    .. [2] Cohn and Kumar (2007), "Universally optimal distribution of points on
       spheres", Journal of the AMS 20(1), table 1.

    Examples
    --------
    >>> from sphereskl.geometry import describe_placement, place_prototypes
    >>> report = describe_placement(place_prototypes(24, 4))
    >>> report.reference_kind, report.reference, abs(report.gap) < 1e-12
    ('best known', 0.5, True)
    """
    n_prototypes, embedding_dim = points.shape
    cosine = max_cosine(points)
    reference, kind = _find_reference(n_prototypes, embedding_dim)
    return PlacementReport(
        n_prototypes=n_prototypes,
        embedding_dim=embedding_dim,
        max_cosine=cosine,
        min_angle=min_angle(points),
        reference=reference,
        reference_kind=kind,
        gap=cosine - reference,
    )


def _find_reference(n_prototypes: int, embedding_dim: int) -> tuple[float, str]:
    bound = lower_bound(n_prototypes, embedding_dim)
    if embedding_dim == 2 or n_prototypes <= 2 * embedding_dim:
        return bound, "optimal"
    size = (n_prototypes, embedding_dim)
    known = best_known_values().get(size)
    if known is not None:
        return known
    codes = structured_codes(*size)
    # If a code attains the bound (up to rounding of the root finder) both are optimal.
    if codes and codes[0].max_cosine <= bound + 1e-9:
        return codes[0].max_cosine, "optimal"
    return bound, "bound"


@cache
def best_known_values() -> dict[tuple[int, int], tuple[float, str]]:
    """Read the packaged table: (n_points, embedding_dim) to the value and its kind."""
    table = resources.files("sphereskl.geometry").joinpath("best_known.csv")
    with table.open(encoding="utf-8") as lines:
        return {
            (int(row["n_points"]), int(row["dim"])): (
                float(row["best_known_max_cosine"]),
                "optimal" if row["optimal"] == "yes" else "best known",
            )
            for row in csv.DictReader(lines)
        }
