"""What users pass as `X`, checked and understood."""

import numpy as np
import torch
from sklearn.utils.validation import validate_data

from ..preprocessing import ImageEncoder, TableEncoder, infer_sample_shape
from ._components import is_own_network


def check_samples(estimator, X, y, *, reset, **options):
    """Validate samples, and labels unless `y` is "no_validation".

    Parameters
    ----------
    estimator : estimator
        Whose ``n_features_in_``, ``feature_names_in_`` and ``_sample_shape`` are set or
        compared with.
    X, y : array-like
        As the user passed them: arrays, data frames or torch tensors.
    reset : bool
        Whether to set these attributes or to compare with them.
    **options
        What scikit-learn's `check_X_y` shall accept as `y`.

    Returns
    -------
    X or (X, y) : ndarray
        Samples of float64, float32 or, for images, uint8; `y` as `options` say, by default
        of one dimension.

    Raises
    ------
    ValueError
        If something is wrong with them; scikit-learn's `validate_data` says what.
    """
    X, y = _as_array("X", X), _as_array("y", y)
    ndim = np.ndim(X) if hasattr(X, "__len__") and not hasattr(X, "columns") else 2
    if reset and ndim > 2 and estimator.input_shape is None and not infer_sample_shape(np.shape(X)):
        raise ValueError(
            f"X has {ndim} dimensions, shape {np.shape(X)}, and input_shape is None, which leaves "
            f"their meaning open; pass input_shape={np.shape(X)[1:]} for images, or flatten each "
            "sample to a row."
        )
    kept = (np.uint8,) if ndim > 2 or estimator.input_shape is not None else ()
    checked = validate_data(
        estimator,
        X,
        y,
        reset=reset,
        dtype=(np.float64, np.float32, *kept),
        allow_nd=True,
        **options,
    )
    shape = (checked[0] if isinstance(checked, tuple) else checked).shape[1:]
    if reset:
        estimator._sample_shape = shape
    elif shape != estimator._sample_shape:
        raise ValueError(
            f"X has samples of shape {shape}, but {type(estimator).__name__} was fitted with "
            f"samples of shape {estimator._sample_shape}."
        )
    return checked


def make_encoder(estimator, X):
    """Choose how samples become tensors: as a table, or as images of known shape.

    Parameters
    ----------
    estimator : estimator
        Whose `backbone`, `dtype` and `input_shape` count.
    X : ndarray of shape (n_samples, ...)
        Validated samples.

    Returns
    -------
    encoder : TableEncoder or ImageEncoder
        Not fitted.

    Raises
    ------
    ValueError
        If `input_shape` does not fit the samples.
    """
    options = {
        "dtype": getattr(torch, estimator.dtype),
        # A network that the user brought expects the numbers that the user gives.
        "standardize": not is_own_network(estimator.backbone),
    }
    given = estimator.input_shape
    shape = infer_sample_shape(X.shape) if given is None else tuple(given)
    if shape is None:
        return TableEncoder(**options)
    if len(shape) not in (2, 3) or np.prod(shape) != np.prod(X.shape[1:]):
        raise ValueError(
            f"input_shape must be (height, width), (channels, height, width) or (height, width, "
            f"channels) with as many values as a sample of X, got {shape} for samples of shape "
            f"{X.shape[1:]}."
        )
    return ImageEncoder(shape, **options)


def _as_array(name, values):
    if not isinstance(values, torch.Tensor):
        return values
    if values.requires_grad:
        raise ValueError(
            f"{name} is a torch tensor that requires grad, which fitting would silently cut off; "
            f"pass {name}.detach()."
        )
    return values.cpu().numpy()
