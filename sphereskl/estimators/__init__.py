"""The scikit-learn face of the package."""

from ._persistence import load, save
from ._prototype_classifier import HypersphericalPrototypeClassifier

__all__ = ["HypersphericalPrototypeClassifier", "load", "save"]
