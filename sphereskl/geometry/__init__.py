"""Pure functions on the unit sphere: maps, separation measures and placement of prototypes."""

from ._bounds import lower_bound
from ._placement import place_prototypes
from ._report import PlacementReport, describe_placement
from ._separation import (
    alignment,
    closest_pair,
    hyperspherical_energy,
    max_cosine,
    min_angle,
    uniformity,
)
from ._sphere import angle, cosines, exp_map, log_map, normalize, sample_uniform
from ._threads import one_thread, threads_outside
from ._von_mises_fisher import fit_von_mises_fisher, von_mises_fisher_log_density
from .codes import (
    arc,
    orthonormal,
    orthoplex,
    polygon,
    simplex,
)
from .meaning import (
    assign_prototypes,
    assign_semantically,
    place_ranked,
    place_semantic,
    rank_correlation,
    rank_loss,
    similarity_from_costs,
    similarity_from_vectors,
    triplet_accuracy,
)

__all__ = [
    "PlacementReport",
    "alignment",
    "angle",
    "arc",
    "assign_prototypes",
    "assign_semantically",
    "closest_pair",
    "cosines",
    "describe_placement",
    "exp_map",
    "fit_von_mises_fisher",
    "hyperspherical_energy",
    "log_map",
    "lower_bound",
    "max_cosine",
    "min_angle",
    "normalize",
    "one_thread",
    "orthonormal",
    "orthoplex",
    "place_prototypes",
    "place_ranked",
    "place_semantic",
    "polygon",
    "rank_correlation",
    "rank_loss",
    "sample_uniform",
    "similarity_from_costs",
    "similarity_from_vectors",
    "simplex",
    "threads_outside",
    "triplet_accuracy",
    "uniformity",
    "von_mises_fisher_log_density",
]
