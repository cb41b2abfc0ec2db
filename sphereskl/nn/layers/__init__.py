"""Layers: spherical layers, embeddings of table columns, ensemble members, and dropout."""

from ._category_embedding import CategoryEmbedding
from ._dropout import Dropout
from ._member_linear import MemberLinear
from ._passes import layer_pass
from ._periodic_embedding import PeriodicEmbedding
from ._piecewise_embedding import PiecewiseLinearEmbedding
from ._sphere_conv import SphereConv1d, SphereConv2d
from ._sphere_linear import SphereLinear
from ._sphere_norm import SphereNorm
from ._to_spherical import to_spherical

__all__ = [
    "CategoryEmbedding",
    "Dropout",
    "MemberLinear",
    "PeriodicEmbedding",
    "PiecewiseLinearEmbedding",
    "SphereConv1d",
    "SphereConv2d",
    "SphereLinear",
    "SphereNorm",
    "layer_pass",
    "to_spherical",
]
