"""Pure functions on the unit sphere: maps, separation measures and placement of prototypes."""

from ._closed_form import orthonormal, orthoplex, polygon, simplex
from ._placement import place_prototypes
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
    "alignment",
    "angle",
    "closest_pair",
    "cosines",
    "exp_map",
    "hyperspherical_energy",
    "log_map",
    "max_cosine",
    "min_angle",
    "normalize",
    "orthonormal",
    "orthoplex",
    "place_prototypes",
    "polygon",
    "sample_uniform",
    "simplex",
    "uniformity",
]
