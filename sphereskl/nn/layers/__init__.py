"""Layers: spherical ones, and the dropout that row weights need."""

from ._dropout import Dropout, row_identity
from ._sphere_conv import SphereConv1d, SphereConv2d
from ._sphere_linear import SphereLinear
from ._sphere_norm import SphereNorm
from ._to_spherical import to_spherical

__all__ = [
    "Dropout",
    "SphereConv1d",
    "SphereConv2d",
    "SphereLinear",
    "SphereNorm",
    "row_identity",
    "to_spherical",
]
