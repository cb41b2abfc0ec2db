"""The scikit-learn face of the package."""

from ._persistence import load, save
from ._prototype_classifier import HypersphericalPrototypeClassifier
from ._regressor import HypersphericalRegressor

__all__ = ["HypersphericalPrototypeClassifier", "HypersphericalRegressor", "load", "save"]
