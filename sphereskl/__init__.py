"""Hyperspherical deep learning for scikit-learn users."""

from .estimators import (
    HypersphericalMultiTask,
    HypersphericalOrdinalClassifier,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
    SphereNetClassifier,
    load,
    save,
)
from .nn import MLP, ConvNet, SphereCNN, SphereMLP
from .preprocessing import ImageAugmentation

__version__ = "0.2.0"

__all__ = [
    "MLP",
    "ConvNet",
    "HypersphericalMultiTask",
    "HypersphericalOrdinalClassifier",
    "HypersphericalPrototypeClassifier",
    "HypersphericalRegressor",
    "ImageAugmentation",
    "SphereCNN",
    "SphereMLP",
    "SphereNetClassifier",
    "load",
    "save",
]
