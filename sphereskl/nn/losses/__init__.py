"""Losses: of classes, ordered classes and values, margins, regularisers, calibration."""

from ._angular_losses import ANGULAR_LOSSES, make_angular_loss
from ._angular_margin import AngularMarginLoss
from ._annealing import Annealing
from ._calibration import fit_scale, log_probabilities
from ._class_losses import LOSSES, cosine_distance, cross_entropy, separating_scale, squared_cosine
from ._joint_loss import joint_loss
from ._ordinal_losses import ordinal_cost, soft_cross_entropy
from ._regularizers import Regularizer, filter_energy, orthogonality
from ._scaled_losses import compared_labels
from ._value_losses import ARC_LOSSES, absolute_error, gaussian, huber, pinball, squared_error

__all__ = [
    "ANGULAR_LOSSES",
    "ARC_LOSSES",
    "LOSSES",
    "AngularMarginLoss",
    "Annealing",
    "Regularizer",
    "absolute_error",
    "compared_labels",
    "cosine_distance",
    "cross_entropy",
    "filter_energy",
    "fit_scale",
    "gaussian",
    "huber",
    "joint_loss",
    "log_probabilities",
    "make_angular_loss",
    "ordinal_cost",
    "orthogonality",
    "pinball",
    "separating_scale",
    "soft_cross_entropy",
    "squared_cosine",
    "squared_error",
]
