"""Hyperspherical deep learning for scikit-learn users."""

from .estimators import HypersphericalPrototypeClassifier, load, save
from .nn import MLP, ConvNet

__version__ = "0.1.0"

__all__ = ["MLP", "ConvNet", "HypersphericalPrototypeClassifier", "load", "save"]
