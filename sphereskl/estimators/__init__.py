"""The scikit-learn estimators of the package."""

from ._multi_task import HypersphericalMultiTask
from ._ordinal_classifier import HypersphericalOrdinalClassifier
from ._persistence import load, save
from ._prototype_classifier import HypersphericalPrototypeClassifier
from ._regressor import HypersphericalRegressor
from ._spherenet_classifier import SphereNetClassifier

__all__ = [
    "HypersphericalMultiTask",
    "HypersphericalOrdinalClassifier",
    "HypersphericalPrototypeClassifier",
    "HypersphericalRegressor",
    "SphereNetClassifier",
    "load",
    "save",
]
