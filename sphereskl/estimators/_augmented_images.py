"""From the `augmentation` parameter to its effect on a network and its training."""

from copy import copy
from typing import Any

from torch import nn

from ..nn import MirroredBackbone
from ..preprocessing import ImageAugmentation, LabelsAndValues


def checked_augmentation(estimator: Any) -> ImageAugmentation:
    """Return the image augmentation of training, checked.

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
        If it does not suit the samples or the targets.
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
    """Make a backbone average over mirror images in predictions, if requested.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        With an `augmentation`.
    backbone : nn.Module
        Of images.

    Returns
    -------
    backbone : nn.Module
        The same, or one that is evaluated on both mirror images.
    """
    sees_mirror = checked_augmentation(estimator).mirror_predictions
    return MirroredBackbone(backbone) if sees_mirror else backbone


def builds_same(augmentation: ImageAugmentation | None, other: ImageAugmentation | None) -> bool:
    """Tell whether two augmentations need the same network, whatever they do in training.

    Parameters
    ----------
    augmentation, other : ImageAugmentation or None
        Of an estimator.

    Returns
    -------
    builds_same : bool
        Whether both or neither of them use mirror images in predictions.
    """
    first, second = (a is not None and bool(a.mirror_predictions) for a in (augmentation, other))
    return first == second
