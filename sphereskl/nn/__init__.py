"""Torch modules and losses on the unit sphere."""

from ._calibration import fit_scale, separating_scale
from ._config import BackboneConfig
from ._conv_net import ConvNet
from ._dropout import Dropout, row_identity
from ._embedding_model import EmbeddingModel
from ._losses import LOSSES, cosine, cross_entropy, logits, squared_cosine
from ._mlp import MLP
from ._operators import AngularOperator, angular
from ._sphere_conv import SphereConv1d, SphereConv2d
from ._sphere_linear import SphereLinear
from ._sphere_norm import SphereNorm

__all__ = [
    "LOSSES",
    "MLP",
    "AngularOperator",
    "BackboneConfig",
    "ConvNet",
    "Dropout",
    "EmbeddingModel",
    "SphereConv1d",
    "SphereConv2d",
    "SphereLinear",
    "SphereNorm",
    "angular",
    "cosine",
    "cross_entropy",
    "fit_scale",
    "logits",
    "row_identity",
    "separating_scale",
    "squared_cosine",
]
