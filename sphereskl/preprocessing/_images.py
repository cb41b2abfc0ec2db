"""Encoder of images."""

from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ._arrays import as_tensor, check_dtype
from ._stored_rows import row_blocks

# More channels than this in the last axis of a 4-D array could also be a width.
_MAX_CHANNELS = 4
_AXES = ("channels", "height", "width")


class ImageEncoder:
    """Reshape images to (n_samples, channels, height, width) and standardise channels.

    Parameters
    ----------
    input_shape : tuple or dict
        Shape of one image as passed by the user, see `read_layout`.
    dtype : {"float32", "float64"}, default="float32"
        Floating-point type of the result.
    standardize : bool, default=True
        Whether channels are shifted to mean 0 and divided by their standard deviation.
        Bytes are divided by 255 either way.

    Attributes
    ----------
    mean_, std_ : ndarray of shape (channels, 1, 1), float64
        Weighted moments of the fitted images; a constant channel has `std_` 1.
    dtype_in_ : str
        Type of the fitted images, such as "uint8".
    output_shape_ : tuple of int
        ``(channels, height, width)``.
    """

    # A table's encoder describes its columns; images have none.
    columns_ = None

    def __init__(self, input_shape: Any, *, dtype: str = "float32", standardize: bool = True):
        self.input_shape = input_shape
        self.sample_shape, self.axes = read_layout(input_shape)
        self.dtype = dtype
        self.standardize = standardize

    def fit(self, X: np.ndarray, weight: np.ndarray | None = None) -> "ImageEncoder":
        """Learn the moments of images `X` under sample weights."""
        check_dtype(self.dtype)
        self.dtype_in_ = X.dtype.name
        self.output_shape_ = self._arrange(X[:1]).shape[1:]
        sums, total = np.zeros((2, self.output_shape_[0])), 0.0
        for rows, block in row_blocks(X):
            if self.standardize:
                share = np.ones(len(block)) if weight is None else weight[rows]
                sums += (share[:, None, None] * self._moments(block)).sum(axis=0)
                total += share.sum()
        if self.standardize:
            first, second = sums / total
            variance = second - np.square(first)
            constant = variance <= 1e-12 * second  # rounding of the difference above
            self.mean_ = first[:, None, None]
            self.std_ = np.sqrt(np.where(constant, 1.0, variance))[:, None, None]
        return self

    def transform(self, X: np.ndarray) -> Tensor:
        """Encode images as a tensor of shape (n_samples, channels, height, width)."""
        if (X.dtype == np.uint8) != (self.dtype_in_ == "uint8"):
            # Guessing the unit from the values would make a dark image depend on its batch.
            raise ValueError(
                f"X holds images of {X.dtype}, but images of {self.dtype_in_} were fitted, and "
                "bytes count in 255ths; convert them to the type that was fitted."
            )
        x = as_tensor(np.ascontiguousarray(self._arrange(X)))
        dtype = getattr(torch, self.dtype)
        x = x.to(dtype) / 255 if x.dtype == torch.uint8 else x.to(dtype)
        if self.standardize:
            x = (x - as_tensor(self.mean_).to(x.dtype)) / as_tensor(self.std_).to(x.dtype)
        return x

    def _arrange(self, X: np.ndarray) -> np.ndarray:
        images = X.reshape(len(X), *self.sample_shape)
        images = images.transpose(0, *(1 + axis for axis in self.axes))
        return images[:, None] if len(self.axes) == 2 else images

    def _moments(self, X: np.ndarray) -> np.ndarray:
        images = self._arrange(X).astype(np.float64) / (255 if X.dtype == np.uint8 else 1)
        return np.stack([images.mean(axis=(2, 3)), np.square(images).mean(axis=(2, 3))], axis=1)


def read_layout(input_shape: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Find out what the axes of an image are.

    Parameters
    ----------
    input_shape : tuple or dict
        ``(height, width)``, ``(channels, height, width)`` or ``(height, width, channels)``; or
        sizes by name in the order of the axes, such as
        ``{"height": 12, "width": 12, "channels": 8}``.

    Returns
    -------
    shape : tuple of int
        Sizes of the axes.
    axes : tuple of int
        Positions of channels, height and width among them; of height and width only, if there
        are no others.

    Raises
    ------
    ValueError
        If there are other axes or sizes, or a tuple does not tell which axis holds the channels:
        that is the end with at most 4 of them, or else the one next to two equal sizes.

    Examples
    --------
    >>> from sphereskl.preprocessing import read_layout
    >>> read_layout((32, 32, 3))
    ((32, 32, 3), (2, 0, 1))
    >>> read_layout({"height": 9, "width": 8, "channels": 7})
    ((9, 8, 7), (2, 0, 1))
    """
    named = isinstance(input_shape, Mapping)
    shape = tuple(input_shape.values() if named else input_shape)
    names = tuple(input_shape) if named else ()
    suits = set(names) == set(_AXES) or (len(names) == 2 and set(names) == set(_AXES[1:]))
    if not all(isinstance(size, Integral) and int(size) > 0 for size in shape) or not (
        suits if named else len(shape) in (2, 3)
    ):
        raise ValueError(
            "input_shape must be (height, width), (channels, height, width), (height, width, "
            "channels) or a dictionary of these sizes in the order of the axes, got "
            f"{input_shape!r}."
        )
    shape = tuple(int(size) for size in shape)
    if not named:
        names = _AXES[1:] if len(shape) == 2 else _guess_axes(shape)
    return shape, tuple(names.index(name) for name in _AXES if name in names)


def _guess_axes(shape: tuple[int, ...]) -> tuple[str, ...]:
    """Return the names of three axes by their sizes."""
    first, last = _AXES, (*_AXES[1:], _AXES[0])
    few_first, few_last = shape[0] <= _MAX_CHANNELS, shape[2] <= _MAX_CHANNELS
    if few_first != few_last:
        return first if few_first else last
    if shape[1] == shape[2]:
        return first  # torch's order if all are equal
    if shape[0] == shape[1]:
        return last
    raise ValueError(
        f"input_shape is {shape}, which leaves open whether the first or the last axis holds the "
        "channels; name the axes in their order, such as "
        f"input_shape={dict(zip(first, shape, strict=True))}."
    )


def infer_sample_shape(shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """Shape of one image, if the shape of the whole array is unambiguous.

    Parameters
    ----------
    shape : tuple of int
        Shape of an array of samples.

    Returns
    -------
    sample_shape : tuple of int or None
        For four axes with at most 4 channels at one end and more at the other.

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
