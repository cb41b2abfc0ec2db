"""Hyperspherical convolutions: functions of the angle between filter and patch."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .._operators import AngularOperator
from ._angular_convolution import Recipe, angular_convolution, patch_inverse_norm, scale_channels
from ._patch_norm import Window
from ._spherical_layer import SphericalLayer


class _SphereConv(SphericalLayer):
    """Shared by `SphereConv2d` and `SphereConv1d`, which treats signals as images of height 1."""

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: str | tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    padding_mode: str
    _reversed_padding_repeated_twice: list[int]

    def forward(self, x: Tensor, inverse_norm: Tensor | None = None) -> Tensor:
        x, full_precision = self._leave_autocast(x)
        with full_precision:
            # Read once: a parametrised weight is recomputed by every access.
            weight = self.weight
            images, recipe = self._padded_images(x), self._recipe()
            weight = weight if weight.ndim == 4 else weight.unsqueeze(2)
            inverse = None if inverse_norm is None else self._to_images(inverse_norm)
            k = self.operator.k_over(2)
            if self.magnitude is None:
                y = angular_convolution(images, weight, self.bias, k, inverse, recipe)
            else:
                inverse = patch_inverse_norm(images, recipe) if inverse is None else inverse
                y = angular_convolution(images, weight, None, k, inverse, recipe)
                y = scale_channels(y, self.magnitude(inverse))
                y = (y if self.bias is None else y + self.bias.view(-1, 1, 1)).to(x.dtype)
        return self._from_images(y, x)

    def inverse_norm(self, x: Tensor) -> Tensor:
        """Compute the inverse norm of every patch of the input.

        Layers with equal kernel size, stride, padding, dilation, groups and eps that read the
        same input, like the branches of an Inception block, can share it: pass it to their
        `forward` as `inverse_norm`.

        Parameters
        ----------
        x : Tensor of shape (n_samples, in_channels, ...)
            Input of the layers.

        Returns
        -------
        inverse_norm : Tensor of shape (n_samples, groups, ...)
            Of the spatial size of the output, in float32 or wider.
        """
        x, full_precision = self._leave_autocast(x)
        with full_precision:
            inverse = patch_inverse_norm(self._padded_images(x), self._recipe())
        return self._from_images(inverse, x)

    def _to_images(self, x: Tensor) -> Tensor:
        """Add a height to signals, and a batch of one to a single sample."""
        n_sizes = len(self.kernel_size)
        x = x if x.ndim == n_sizes + 2 else x.unsqueeze(0)
        return x if n_sizes == 2 else x.unsqueeze(2)

    def _from_images(self, y: Tensor, x: Tensor) -> Tensor:
        """Undo `_to_images` for a result of x."""
        n_sizes = len(self.kernel_size)
        y = y if n_sizes == 2 else y.squeeze(2)
        return y if x.ndim == n_sizes + 2 else y.squeeze(0)

    def _padded_images(self, x: Tensor) -> Tensor:
        images = self._to_images(x)
        if self._padding_inside() is not None:
            return images
        sides = self._reversed_padding_repeated_twice
        sides = sides if len(sides) == 4 else [*sides, 0, 0]
        mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
        return F.pad(images, sides, mode=mode)

    def _padding_inside(self) -> tuple[int, ...] | None:
        """Return the padding that the convolution itself supports, None if `F.pad` is needed."""
        sides = self._reversed_padding_repeated_twice
        if self.padding_mode != "zeros" or sides[::2] != sides[1::2]:
            return None
        return tuple(sides[::-2])

    def _recipe(self) -> Recipe:
        window = Window(
            _as_pair(self.kernel_size, 1),
            _as_pair(self.stride, 1),
            _as_pair(self._padding_inside() or (0,), 0),
            _as_pair(self.dilation, 1),
            self.groups,
        )
        return Recipe(window, self.operator.name, self.eps, self.weight_eps)


def _as_pair(values: tuple[int, ...], height: int) -> tuple[int, int]:
    first, second = (height, *values)[-2:]
    return first, second


class SphereConv2d(_SphereConv, nn.Conv2d):
    """Hyperspherical convolution of images.

    ``y = h(|x|) g(theta) + bias``, where theta is the angle between a filter and a patch x
    of the input, g an angular operator, and h = 1 unless `magnitude` says otherwise. It
    replaces ``torch.nn.Conv2d``, with the same arguments, shapes, ``weight`` and ``bias``; the
    bias is added after g.

    Parameters
    ----------
    in_channels : int
        Channels of the input.
    out_channels : int
        Number of filters.
    kernel_size : int or tuple of int
        Size of a filter in pixels.
    stride : int or tuple of int, default=1
        Distance between patches.
    padding : int, tuple of int, "same" or "valid", default=0
        Pixels added on each side.
    dilation : int or tuple of int, default=1
        Distance between pixels of a patch.
    groups : int, default=1
        Number of channel groups that are convolved separately, with separate patch norms.
    bias : bool, default=True
        Whether to add a bias after g; it is initialised to 0.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}, default="zeros"
        Values used for padding. At the border, filters keep their full norm, so that cosines
        with patches that overlap zeros are smaller.
    operator : {"linear", "cosine", "sigmoid"} or AngularOperator, default="sigmoid"
        Angular operator g; an instance may be shared by several layers.
    k : float, default=0.3
        Softness of "sigmoid", positive; unused if `operator` is an instance.
    learn_k : {"channel", "layer"} or None, default=None
        Whether k is trainable: one for each filter, one for the layer, or not at all.
    magnitude : {"sphere", "tanh", "ball", "linear"}, default="sphere"
        Function h: 1, ``tanh(|x| / radius)``, ``min(|x|, radius) / radius`` or ``|x|``. The
        radius is one positive trainable number; it starts at the square root of the
        filter's size.
    eps : float, default=1e-4
        Added to the squared norm of patches, at least 0. The authors' value bounds the gradient
        at a zero patch to 100 times that of a unit patch, and shrinks the cosines of patches
        shorter than 0.01. With 0, outputs are exactly invariant to the scale of the input, and
        zero patches pass no gradient. A zero patch has cosine 0 either way.
    weight_eps : float, default=1e-12
        Added to the squared norm of filters, at least 0. The authors' 1e-4 would shrink the
        cosines of small filters.
    device : torch.device or str, default=None
        Device of the parameters; ``None`` is torch's default.
    dtype : torch.dtype, default=None
        Floating-point type of the parameters; ``None`` is torch's default.

    Raises
    ------
    ValueError
        If a parameter is outside its range, or an AngularOperator has neither 1 nor
        `out_channels` channels.

    Notes
    -----
    Filters are initialised uniformly on the sphere of radius sqrt(2), the norm of He
    initialisation. Their norm never affects the output; exclude filters from weight decay, which
    would only increase their effective learning rate.

    Patch norms cost one sum over channels and one box filter for all filters together. Under
    autocast they and the angles stay in float32. Gradients can be differentiated again, at
    the cost of a second forward pass.

    References
    ----------
    .. [1] Liu et al. (2017), "Deep Hyperspherical Learning", NeurIPS, section 2.
    .. [2] Liu et al. (2018), "Decoupled Networks", CVPR, for `magnitude`. Deviation: their
       radius is a multiple of a running mean of patch lengths.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import SphereConv2d
    >>> layer = SphereConv2d(3, 8, kernel_size=3, padding=1, eps=0.0)
    >>> x = torch.randn(2, 3, 5, 5)
    >>> torch.allclose(layer(x), layer(1000 * x), atol=1e-6)
    True
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: str | int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = "zeros",
        *,
        operator: str | AngularOperator = "sigmoid",
        k: float = 0.3,
        learn_k: str | None = None,
        magnitude: str = "sphere",
        eps: float = 1e-4,
        weight_eps: float = 1e-12,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        nn.Conv2d.__init__(
            self,
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )
        self._set_sphere(operator, k, learn_k, magnitude, eps, weight_eps)


class SphereConv1d(_SphereConv, nn.Conv1d):
    """Hyperspherical convolution of signals.

    Replaces ``torch.nn.Conv1d`` as `SphereConv2d` does for images.

    Parameters
    ----------
    in_channels : int
        Channels of the input.
    out_channels : int
        Number of filters.
    kernel_size : int
        Length of a filter in steps.
    stride : int, default=1
        Distance between patches.
    padding : int, "same" or "valid", default=0
        Steps added on each side.
    dilation : int, default=1
        Distance between steps of a patch.
    groups : int, default=1
        Number of channel groups that are convolved separately.
    bias : bool, default=True
        Whether a bias is added after g; it starts at 0.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}, default="zeros"
        Values used for padding.
    operator : {"linear", "cosine", "sigmoid"} or AngularOperator, default="sigmoid"
        Operator g; an instance may be shared by several layers.
    k : float, default=0.3
        Softness of "sigmoid", positive; unused if `operator` is an instance.
    learn_k : {"channel", "layer"} or None, default=None
        Whether k learns: one for each filter, one for the layer, or not at all.
    magnitude : {"sphere", "tanh", "ball", "linear"}, default="sphere"
        Function of the norm of a patch, see `SphereConv2d`.
    eps : float, default=1e-4
        Added to the squared norm of patches; 0 gives exact invariance to scale.
    weight_eps : float, default=1e-12
        Added to the squared norm of filters.
    device : torch.device or str, default=None
        Device of the parameters; ``None`` is torch's default.
    dtype : torch.dtype, default=None
        Floating-point type of the parameters; ``None`` is torch's default.

    Raises
    ------
    ValueError
        If a parameter is outside its range, or an AngularOperator has neither 1 nor
        `out_channels` channels.

    References
    ----------
    .. [1] Liu et al. (2017), "Deep Hyperspherical Learning", NeurIPS, section 2.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import SphereConv1d
    >>> SphereConv1d(2, 4, kernel_size=5, stride=2)(torch.randn(3, 2, 21)).shape
    torch.Size([3, 4, 9])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] = 1,
        padding: str | int | tuple[int] = 0,
        dilation: int | tuple[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = "zeros",
        *,
        operator: str | AngularOperator = "sigmoid",
        k: float = 0.3,
        learn_k: str | None = None,
        magnitude: str = "sphere",
        eps: float = 1e-4,
        weight_eps: float = 1e-12,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        nn.Conv1d.__init__(
            self,
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )
        self._set_sphere(operator, k, learn_k, magnitude, eps, weight_eps)
