"""Small images as tensors for networks that are trained without an estimator."""

import spherenet_depth

from .images import images


def half_size(settings, place):
    """Images averaged to half their size, and labels, on the device."""
    X, y, *_ = images(settings["set"], place.data)
    X, y = spherenet_depth.prepared(X, y, settings["images"])
    return X.to(place.device), y.to(place.device)
