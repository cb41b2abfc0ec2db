"""Pure functions on the unit sphere: maps, separation measures and placement of prototypes."""

from ._arc import arc
from ._assignment import assign_prototypes, assign_semantically
from ._bounds import lower_bound
from ._closed_form import orthonormal, orthoplex, polygon, simplex
from ._placement import place_prototypes
from ._ranking import place_ranked, rank_correlation, rank_loss, triplet_accuracy
from ._report import PlacementReport, describe_placement
from ._semantic import place_semantic, similarity_from_costs, similarity_from_vectors
from ._separation import (
    alignment,
    closest_pair,
    hyperspherical_energy,
    max_cosine,
    min_angle,
    uniformity,
)
from ._sphere import angle, cosines, exp_map, log_map, normalize, sample_uniform

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
    "hyperspherical_energy",
    "log_map",
    "lower_bound",
    "max_cosine",
    "min_angle",
    "normalize",
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
    "triplet_accuracy",
    "uniformity",
]
