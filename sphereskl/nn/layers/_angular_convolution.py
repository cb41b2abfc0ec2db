"""Convolution of unit filters with unit patches, and an angular operator on its result."""

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from .._operators import angular, angular_slope, sigmoid_slope_in_k
from ._patch_norm import (
    Window,
    box_sum,
    box_sum_transposed,
    channel_squares,
    inverse_norm,
    unit_weight,
)

# Bytes per thread of one piece of a batch: small enough to stay in the cache between operations,
# large enough for convolutions to run at full speed.
_PIECE = 2**21


class Recipe(NamedTuple):
    """The arguments of an angular convolution that are not tensors."""

    window: Window
    operator: str
    eps: float
    weight_eps: float


def patch_inverse_norm(x: Tensor, recipe: Recipe) -> Tensor:
    """Inverse norm of every patch: (n, groups, height, width) of the output."""
    squares = channel_squares(x, recipe.window.groups)
    return inverse_norm(box_sum(squares, recipe.window), recipe.eps)


def angular_convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    k: float | Tensor,
    inverse: Tensor | None,
    recipe: Recipe,
) -> Tensor:
    """Compute ``g(conv(x, unit filters) * inverse) + bias``, with norms and g in float32.

    `k` is a number or broadcasts with (channels, 1, 1); `inverse` is `patch_inverse_norm`,
    computed here if it is None.
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing():  # pyright: ignore
        return _composite(x, weight, bias, k, inverse, recipe)
    return cast(Tensor, _AngularConvolution.apply(x, weight, bias, k, inverse, recipe)[0])


def _composite(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    k: float | Tensor,
    inverse: Tensor | None,
    recipe: Recipe,
) -> Tensor:
    """Compute by operations that compilers can fuse and autograd can differentiate twice."""
    unit, _ = unit_weight(weight, recipe.weight_eps)
    products = F.conv2d(x, unit.to(x.dtype), None, *recipe.window[1:])
    inverse = patch_inverse_norm(x, recipe) if inverse is None else inverse
    y = angular(scale_channels(products, inverse), recipe.operator, k)
    return (y if bias is None else y + bias.view(-1, 1, 1)).to(x.dtype)


class _AngularConvolution(torch.autograd.Function):
    """The same with less memory and fewer passes over it.

    Stores the input, the products and the inverse patch norms, whatever the operator. The
    operations after the convolution process the batch piece by piece, so that every operation
    finds the result of the previous one in the cache.

    With patches x_p, unit filters u_f = w_f / |w_f|, products P_pf = u_f . x_p, inverse lengths
    r_p = (|x_p|^2 + eps)^(-1/2) and cosines c_pf = P_pf r_p, the output is y_pf = g(c_pf) + b_f.
    Given the gradient G = dL/dy, the chain rule gives

    - dL/dc = G g'(c), called ``slope`` below;
    - dL/dP = r dL/dc, and by the rules of convolutions from P to x and u;
    - dL/dr_p = sum_f P_pf dL/dc_pf, over the filters of a group;
    - dr_p/dx_p = -r_p^3 x_p, so that x also gets ``-x`` times the sum of r^3 dL/dr over all
      patches that a pixel belongs to: the transposed box filter;
    - du_f/dw_f = (I - u_f u_f^T) / |w_f|: the component along the filter vanishes;
    - dL/db = the sum of G, and dL/dk = the sum of G dg/dk.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        k: float | Tensor,
        inverse: Tensor | None,
        recipe: Recipe,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        window, own_inverse = recipe.window, None
        unit, _ = unit_weight(weight, recipe.weight_eps)
        products = F.conv2d(x, unit.to(x.dtype), None, *window[1:])
        if inverse is None:
            squares = torch.cat([channel_squares(part, window.groups) for (part,) in _pieces(x)])
            inverse = own_inverse = inverse_norm(box_sum(squares, window), recipe.eps)
        y = torch.empty_like(products)
        for y_part, part, scale in _pieces(y, products, inverse):
            value = angular(scale_channels(part, scale), recipe.operator, k)
            y_part.copy_(value if bias is None else value.add_(bias.view(-1, 1, 1)))
        return y, products, own_inverse

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor | None]
    ) -> None:
        x, weight, bias, k, inverse, ctx.recipe = inputs
        _, products, own_inverse = output
        ctx.mark_non_differentiable(*(t for t in (products, own_inverse) if t is not None))
        ctx.set_materialize_grads(False)
        k, ctx.fixed_k = (k, None) if isinstance(k, Tensor) else (None, k)
        ctx.save_for_backward(x, weight, bias, k, inverse, products, own_inverse)

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
        if grad is None:
            return (None,) * 6
        *inputs, products, own_inverse = ctx.saved_tensors
        inputs[3] = ctx.fixed_k if inputs[3] is None else inputs[3]
        if torch.is_grad_enabled():
            return *_gradients_with_graph(ctx, inputs, grad), None
        x, weight, _, k, inverse = inputs
        needs_x, needs_weight, needs_bias, needs_k, needs_inverse, _ = ctx.needs_input_grad
        recipe: Recipe = ctx.recipe
        groups = recipe.window.groups
        through_norm = needs_x and inverse is None
        scale = own_inverse if inverse is None else inverse
        unit, inverse_length = unit_weight(weight, recipe.weight_eps)

        grad_x = torch.empty_like(x) if needs_x else None
        grad_unit = torch.zeros_like(unit) if needs_weight else None
        grad_k = torch.zeros_like(k) if needs_k else None
        grad_scale = torch.empty_like(scale) if through_norm or needs_inverse else None
        for x_part, part, grad_part, scale_part, to_x, to_scale in _pieces(
            x, products, grad, scale, grad_x, grad_scale
        ):
            # dL/dc = G g'(c), and dL/dk
            slope = _through_operator(grad_part, part, scale_part, k, grad_k, recipe.operator)
            if to_scale is not None:
                # dL/dr
                torch.sum((slope * part).unflatten(1, (groups, -1)), dim=2, out=to_scale)
            # dL/dP = r dL/dc, on to x and u
            from_products, from_unit = _through_products(
                scale_channels(slope, scale_part), x_part, unit, recipe.window, ctx.needs_input_grad
            )
            if grad_unit is not None:
                grad_unit += from_unit
            if through_norm:
                # d scale / d x = -scale^3 x, in all patches that x belongs to.
                size = (len(x_part), groups, *x.shape[2:])
                pull = box_sum_transposed(to_scale * scale_part**3, recipe.window, size)
                torch.sub(from_products, scale_channels(x_part, pull), out=to_x)
            elif to_x is not None:
                to_x.copy_(from_products)
        if grad_unit is not None:
            # (I - u u^T) / |w|, with weight_eps in the length.
            # Orthogonal to the filter: its length does not matter.
            along = (grad_unit * unit).sum(dim=(1, 2, 3), keepdim=True)
            grad_unit = grad_unit.sub_(unit * along).mul_(inverse_length)
        grad_bias = grad.sum(dim=(0, 2, 3)) if needs_bias else None
        return grad_x, grad_unit, grad_bias, grad_k, grad_scale if needs_inverse else None, None


def _through_operator(
    grad: Tensor, products: Tensor, scale: Tensor, k: Any, grad_k: Tensor | None, operator: str
) -> Tensor:
    """Gradient in the cosines; adds that in k to `grad_k`."""
    # Angles are computed in float32 or wider, whatever the type of the products.
    grad = grad.to(scale.dtype)
    if operator == "cosine":
        return grad
    cosines = scale_channels(products, scale)
    if grad_k is not None:
        grad_k += (sigmoid_slope_in_k(cosines, k) * grad).sum_to_size(k.shape)
    return angular_slope(cosines, operator, k).mul_(grad)


def _through_products(
    grad: Tensor, x: Tensor, unit: Tensor, window: Window, needs: Sequence[bool]
) -> tuple[Tensor, Tensor]:
    """Gradients in the input, at fixed norms, and in the unit filters."""
    return torch.ops.aten.convolution_backward(
        grad.to(x.dtype),
        x,
        unit.to(x.dtype),
        None,
        *window[1:4],
        False,
        (0, 0),
        window.groups,
        (needs[0], needs[1], False),
    )[:2]


def _gradients_with_graph(ctx: Any, inputs: Sequence[Any], grad: Tensor) -> list[Tensor | None]:
    """Gradients that can be differentiated again, at the cost of a second forward pass."""
    # Aliases, so that a weight computed from x does not contribute to the gradient of x here.
    aliases = [t.view_as(t) if isinstance(t, Tensor) else t for t in inputs]
    x, weight, bias, k, inverse = aliases
    y = _composite(x, weight, bias, k, inverse, ctx.recipe)
    needed = ctx.needs_input_grad[: len(aliases)]
    wanted = [alias for alias, need in zip(aliases, needed, strict=True) if need]
    found = iter(torch.autograd.grad(y, wanted, grad, create_graph=True))
    return [next(found) if need else None for need in needed]


def scale_channels(products: Tensor, inverse: Tensor) -> Tensor:
    """Multiply the channels of every group by its map."""
    # A single map is broadcast; several need the channels of each group side by side.
    if inverse.shape[1] == 1:
        return products * inverse
    by_group = products.unflatten(1, (inverse.shape[1], -1))
    return (by_group * inverse.unsqueeze(2)).flatten(1, 2)


def _pieces(*tensors: Tensor | None) -> Iterator[tuple[Any, ...]]:
    """Split tensors along the batch; None stays None. Only a CPU benefits."""
    first = cast(Tensor, tensors[0])
    size = max(1, len(first))
    if first.device.type == "cpu" and first.nbytes:
        size = max(1, _PIECE * torch.get_num_threads() * size // first.nbytes)
    parts = (repeat(None) if t is None else t.split(size) for t in tensors)
    return zip(*parts, strict=False)
