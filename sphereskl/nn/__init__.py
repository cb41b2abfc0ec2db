"""Torch modules and losses on the unit sphere."""

from ._angular_losses import ANGULAR_LOSSES, make_angular_loss
from ._angular_margin import AngularMarginLoss, unrolled_angular
from ._angular_model import AngularModel
from ._annealing import Annealing
from ._arc_losses import ARC_LOSSES, absolute_error, gaussian, huber, pinball, squared_error
from ._calibration import fit_scale, separating_scale
from ._config import BackboneConfig
from ._conv_net import ConvNet
from ._dropout import Dropout, row_identity
from ._embedding_model import EmbeddingModel
from ._joint_model import JointModel, joint_loss
from ._losses import LOSSES, cosine, cross_entropy, logits, squared_cosine
from ._mlp import MLP
from ._operators import AngularOperator, angular
from ._ordinal import ordinal_cost, soft_cross_entropy
from ._product_model import ProductModel
from ._regularizers import Regularizer, hyperspherical_energy, orthogonality
from ._sphere_cnn import SphereCNN
from ._sphere_conv import SphereConv1d, SphereConv2d
from ._sphere_googlenet import SphereGoogLeNet
from ._sphere_linear import SphereLinear
from ._sphere_mlp import SphereMLP
from ._sphere_norm import SphereNorm
from ._sphere_resnet import SphereResNet
from ._sphere_vgg import SphereVGG
from ._to_spherical import to_spherical

__all__ = [
    "ANGULAR_LOSSES",
    "ARC_LOSSES",
    "LOSSES",
    "MLP",
    "AngularMarginLoss",
    "AngularModel",
    "AngularOperator",
    "Annealing",
    "BackboneConfig",
    "ConvNet",
    "Dropout",
    "EmbeddingModel",
    "JointModel",
    "ProductModel",
    "Regularizer",
    "SphereCNN",
    "SphereConv1d",
    "SphereConv2d",
    "SphereGoogLeNet",
    "SphereLinear",
    "SphereMLP",
    "SphereNorm",
    "SphereResNet",
    "SphereVGG",
    "absolute_error",
    "angular",
    "cosine",
    "cross_entropy",
    "fit_scale",
    "gaussian",
    "huber",
    "hyperspherical_energy",
    "joint_loss",
    "logits",
    "make_angular_loss",
    "ordinal_cost",
    "orthogonality",
    "pinball",
    "row_identity",
    "separating_scale",
    "soft_cross_entropy",
    "squared_cosine",
    "squared_error",
    "to_spherical",
    "unrolled_angular",
]
