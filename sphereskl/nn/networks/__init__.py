"""Backbone networks, as configurations that a hyperparameter search can tune."""

from ._config import BackboneConfig, Configuration
from ._conv_net import ConvNet
from ._mlp import MLP
from ._sphere_cnn import SphereCNN
from ._sphere_googlenet import SphereGoogLeNet
from ._sphere_mlp import SphereMLP
from ._sphere_resnet import SphereResNet
from ._sphere_vgg import SphereVGG
from ._table_input import Columns, TableInput
from ._table_pass import table_pass

__all__ = [
    "MLP",
    "BackboneConfig",
    "Columns",
    "Configuration",
    "ConvNet",
    "SphereCNN",
    "SphereGoogLeNet",
    "SphereMLP",
    "SphereResNet",
    "SphereVGG",
    "TableInput",
    "table_pass",
]
