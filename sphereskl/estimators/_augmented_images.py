"""From the `augmentation` parameter to what a network and its training make of it."""

from copy import copy
from typing import Any

from torch import nn

from ..nn import MirroredBackbone
from ..preprocessing import ImageAugmentation, LabelsAndValues


def checked_augmentation(estimator: Any) -> ImageAugmentation:
    """Return what changes images in training.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        With an `augmentation`, `encoder_` and `target_encoder_`.

    Returns
    -------
    augmentation : ImageAugmentation
        A copy, since the user may change what the estimator holds.

    Raises
    ------
    ValueError
        If it does not suit samples or targets.
    """
    augmentation = estimator.augmentation
    if len(estimator.encoder_.output_shape_) != 3:
        raise ValueError(
            f"augmentation is {augmentation!r}, but samples of X are rows of a table; leave "
            "augmentation=None, or pass input_shape=(height, width) if they are flat images."
        )
    augmentation.check(estimator.encoder_.output_shape_)
    if augmentation.mixes and isinstance(estimator.target_encoder_, LabelsAndValues):
        raise ValueError(
            f"augmentation has mixup={augmentation.mixup} and cutmix={augmentation.cutmix}, but "
            "a class and a value, either of which may be missing, cannot be mixed; set both to 0."
        )
    return copy(augmentation)


def with_mirror(estimator: Any, backbone: nn.Module) -> nn.Module:
    """Let a backbone see mirror images in predictions, if that is asked for.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        With an `augmentation`.
    backbone : nn.Module
        Of images.

    Returns
    -------
    backbone : nn.Module
        The same, or what asks it twice.
    """
    sees_mirror = checked_augmentation(estimator).mirror_predictions
    return MirroredBackbone(backbone) if sees_mirror else backbone


def builds_same(augmentation: ImageAugmentation | None, other: ImageAugmentation | None) -> bool:
    """Tell whether two augmentations ask for the same network, whatever they do in training.

    Parameters
    ----------
    augmentation, other : ImageAugmentation or None
        Of an estimator.

    Returns
    -------
    builds_same : bool
        Whether both or none see mirror images in predictions.
    """
    first, second = (a is not None and bool(a.mirror_predictions) for a in (augmentation, other))
    return first == second
