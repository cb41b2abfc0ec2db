"""Norms of the patches of a convolution: one channel sum and one box filter."""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn import grad


class Window(NamedTuple):
    """How a convolution slides over an image."""

    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int


def accumulation_dtype(dtype: torch.dtype) -> torch.dtype:
    """Type of norms and angles: float16 overflows at a sum of squares of 65,504."""
    return torch.promote_types(dtype, torch.float32)


def channel_squares(x: Tensor, groups: int) -> Tensor:
    """Sum squares over the channels of each group: (n, groups, height, width)."""
    squares = x.to(accumulation_dtype(x.dtype)).square()
    if groups == 1:
        return squares.sum(dim=1, keepdim=True)
    return squares.unflatten(1, (groups, -1)).sum(dim=2)


def box_sum(squares: Tensor, window: Window) -> Tensor:
    """Sum a map over the patches: (n, groups, height, width) to the size of the output."""
    if window.kernel_size == (1, 1) and window.padding == (0, 0):
        return squares[:, :, :: window.stride[0], :: window.stride[1]]
    if _can_pool(window):
        # A mean over the window times its size: several times as fast as the convolution with
        # ones below, which torch runs as a general one. Not a mean with divisor 1:
        # exporters to ONNX drop `divisor_override`, and norms would be too small.
        return F.avg_pool2d(squares, *window[:3]) * math.prod(window.kernel_size)
    sums = F.conv2d(squares, _ones(squares, window), None, *window[1:])
    # Transform-based algorithms may leave a sum of squares slightly below zero.
    return sums.clamp_min(0)


def box_sum_transposed(sums: Tensor, window: Window, size: tuple[int, ...]) -> Tensor:
    """Spread a map of the size of the output back over the patches, to `size`."""
    # The sums are s_p = sum_q A_pq x_q with A_pq = 1 where pixel q lies in patch p. The gradient
    # in x of a function with gradient t in s is A^T t: every pixel gets the sum of t over the
    # patches that it belongs to, as in the backward pass of a pooling or convolution.
    if _can_pool(window):
        pooled = sums.new_empty(()).expand(size)
        return torch.ops.aten.avg_pool2d_backward(sums, pooled, *window[:3], False, True, 1)
    ones = _ones(sums, window)
    return grad.conv2d_input(size, ones, sums, *window[1:])  # pyright: ignore[reportArgumentType]


def _can_pool(window: Window) -> bool:
    # Pooling accepts at most half a window of padding.
    fits = all(2 * p <= k for p, k in zip(window.padding, window.kernel_size, strict=True))
    return window.dilation == (1, 1) and fits


def _ones(like: Tensor, window: Window) -> Tensor:
    return like.new_ones(window.groups, 1, *window.kernel_size)


def inverse_norm(squares: Tensor, eps: float) -> Tensor:
    """Return 1 / sqrt(squares + eps); with eps = 0, 0 in value and gradient where squares is 0."""
    if eps:
        return torch.rsqrt(squares + eps)
    # With eps, d/ds (s + eps)^(-1/2) = -(s + eps)^(-3/2) / 2 is at most eps^(-3/2) / 2 and has
    # a factor x, through s = |x|^2: the gradient in x is at most of order 1 / eps.
    # Not where(resolved, rsqrt(squares), 0): the unused branch would give NaN gradients.
    resolved = squares > torch.finfo(squares.dtype).tiny
    return torch.rsqrt(torch.where(resolved, squares, 1.0)) * resolved


def unit_weight(weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Divide filters by their norm, in float32 or wider; return them and the factors."""
    # In float32 even under autocast: half precision would round a filter's direction itself.
    weight = weight.to(accumulation_dtype(weight.dtype))
    squares = weight.square().sum(dim=tuple(range(1, weight.ndim)), keepdim=True)
    inverse = inverse_norm(squares, eps)
    return weight * inverse, inverse
