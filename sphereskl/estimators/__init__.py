"""The scikit-learn face of the package."""

from ._prototype_classifier import HypersphericalPrototypeClassifier

__all__ = ["HypersphericalPrototypeClassifier"]
