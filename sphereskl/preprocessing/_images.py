"""Images to tensors."""

import numpy as np
import torch
from torch import Tensor

from ._tables import as_tensor

# More channels than this in the last axis of a 4-D array could as well be a width.
_MAX_CHANNELS = 4
_CHUNK = 1024


class ImageEncoder:
    """Bring images to (n_samples, channels, height, width) and standardise channels.

    Parameters
    ----------
    sample_shape : tuple of int
        Shape of one image as the user holds it: ``(height, width)``,
        ``(channels, height, width)`` or ``(height, width, channels)``; see
        `channels_last`.
    dtype : torch.dtype
        Floating-point type of the result.
    standardize : bool, default=True
        Whether channels are shifted to mean 0 and divided by their standard deviation.
        Bytes are divided by 255 either way.

    Attributes
    ----------
    mean_, std_ : ndarray of shape (channels, 1, 1), float64
        Weighted moments of the fitted images; a constant channel has `std_` 1.
    dtype_in_ : dtype
        Of the fitted images.
    output_shape_ : tuple of int
        ``(channels, height, width)``.
    """

    # A table's encoder tells of its columns; images have none.
    columns_ = None

    def __init__(
        self, sample_shape: tuple[int, ...], *, dtype: torch.dtype, standardize: bool = True
    ):
        self.sample_shape = sample_shape
        self.dtype = dtype
        self.standardize = standardize

    def fit(self, X: np.ndarray, weight: np.ndarray | None = None) -> "ImageEncoder":
        """Learn the moments of images `X` under row weights."""
        self.dtype_in_ = X.dtype
        self.output_shape_ = self._arrange(X[:1]).shape[1:]
        if self.standardize:
            chunks = [X[i : i + _CHUNK] for i in range(0, len(X), _CHUNK)]
            moments = np.concatenate([self._moments(chunk) for chunk in chunks])
            first, second = np.average(moments, axis=0, weights=weight)
            variance = second - np.square(first)
            constant = variance <= 1e-12 * second  # rounding of the difference above
            self.mean_ = first[:, None, None]
            self.std_ = np.sqrt(np.where(constant, 1.0, variance))[:, None, None]
        return self

    def transform(self, X: np.ndarray) -> Tensor:
        """Encode images as a tensor of shape (n_samples, channels, height, width)."""
        if (X.dtype == np.uint8) != (self.dtype_in_ == np.uint8):
            # Guessing the unit from the values would make a dark image depend on its batch.
            raise ValueError(
                f"X holds images of {X.dtype}, but images of {self.dtype_in_} were fitted, and "
                "bytes count in 255ths; convert them to the type that was fitted."
            )
        x = as_tensor(np.ascontiguousarray(self._arrange(X)))
        x = x.to(self.dtype) / 255 if x.dtype == torch.uint8 else x.to(self.dtype)
        if self.standardize:
            x = (x - as_tensor(self.mean_).to(x.dtype)) / as_tensor(self.std_).to(x.dtype)
        return x

    def _arrange(self, X: np.ndarray) -> np.ndarray:
        images = X.reshape(len(X), *self.sample_shape)
        if len(self.sample_shape) == 2:
            return images[:, None]
        return np.moveaxis(images, -1, 1) if channels_last(self.sample_shape) else images

    def _moments(self, X: np.ndarray) -> np.ndarray:
        images = self._arrange(X).astype(np.float64) / (255 if X.dtype == np.uint8 else 1)
        return np.stack([images.mean(axis=(2, 3)), np.square(images).mean(axis=(2, 3))], axis=1)


def channels_last(sample_shape: tuple[int, ...]) -> bool:
    """Tell whether the channels of an image are its last axis, not its first.

    Parameters
    ----------
    sample_shape : tuple of int
        Three sizes.

    Returns
    -------
    channels_last : bool
        True if the last size is at most 4 and the first is not; torch's order otherwise.

    Examples
    --------
    >>> from sphereskl.preprocessing import channels_last
    >>> channels_last((32, 32, 3)), channels_last((3, 32, 32)), channels_last((64, 8, 8))
    (True, False, False)
    """
    return sample_shape[-1] <= _MAX_CHANNELS < sample_shape[0]


def infer_sample_shape(shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """Shape of one image, where the shape of a whole array leaves no doubt.

    Parameters
    ----------
    shape : tuple of int
        Of an array of samples.

    Returns
    -------
    sample_shape : tuple of int or None
        For four axes of which one end has at most 4 channels and the other more.

    Examples
    --------
    >>> from sphereskl.preprocessing import infer_sample_shape
    >>> infer_sample_shape((100, 3, 32, 32))
    (3, 32, 32)
    >>> infer_sample_shape((100, 28, 28)) is None
    True
    """
    if len(shape) != 4:
        return None
    few_first, few_last = shape[1] <= _MAX_CHANNELS, shape[-1] <= _MAX_CHANNELS
    return tuple(shape[1:]) if few_first != few_last else None
