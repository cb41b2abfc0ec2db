"""The laws of layers."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ._laws import gradient, hold, hold_close, undisturbed_generator

_N_ROWS = 5


def check_layer(
    layer: nn.Module,
    input_shape: Sequence[int],
    *,
    is_scale_invariant: bool = False,
    turns_with_weight: bool = False,
    is_differentiable: bool = True,
    is_twice_differentiable: bool = False,
) -> None:
    """Check that a module on batches of samples obeys the laws of layers.

    Parameters
    ----------
    layer : nn.Module
        Maps batches of samples to (n_samples, ...). It is copied and cast to float64.
    input_shape : sequence of int
        Shape of one sample.
    is_scale_invariant : bool, default=False
        Whether a positive factor of the input should not change the output, as in spherical
        layers with ``eps=0``.
    turns_with_weight : bool, default=False
        Whether rotating the input together with the rows of ``layer.weight`` should not change
        the output, as in dense spherical layers without lift.
    is_differentiable : bool, default=True
        Whether to compare the gradient with finite differences; False for layers with kinks
        that random inputs may hit, such as pooling.
    is_twice_differentiable : bool, default=False
        Whether to check second derivatives as well.

    Raises
    ------
    AssertionError
        If a law is violated: its name, what was seen, and where to look.

    Notes
    -----
    The laws: rows are independent in evaluation mode; outputs and gradients are finite, also for a
    row of zeros; types are kept; the state can be stored and restored, the layer
    copied; inputs are not modified; torch's global generator is not used, even in training mode;
    the gradient agrees with finite differences, and so does the second one if requested.

    Examples
    --------
    >>> from sphereskl.nn import SphereLinear
    >>> from sphereskl.testing import check_layer
    >>> check_layer(SphereLinear(4, 3, eps=0.0), (4,), is_scale_invariant=True)
    >>> check_layer(torch.nn.Linear(4, 3), (4,), is_scale_invariant=True)
    Traceback (most recent call last):
    AssertionError: A positive factor of the input must change nothing, but ...
    """
    trained, layer = copy.deepcopy(layer).double().train(), copy.deepcopy(layer).double().eval()
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(_N_ROWS, *input_shape, generator=generator, dtype=torch.float64)
    with undisturbed_generator("A layer"):
        trained(x)
        layer(x)
    _check_rows(layer, x)
    _check_zero(layer, x)
    _check_copies(layer, x)
    if is_scale_invariant:
        hold_close(
            layer(1e3 * x),
            layer(x),
            "A positive factor of the input must change nothing",
            "set eps=0, or leave out is_scale_invariant",
            rtol=1e-9,
        )
    if turns_with_weight:
        _check_rotation(layer, x)
    if is_differentiable:
        _check_derivatives(layer, x, twice=is_twice_differentiable)


def _check_rows(layer: nn.Module, x: Tensor) -> None:
    before = x.clone()
    y = layer(x)
    hold(
        torch.equal(x, before),
        "A layer must leave its input as it is",
        "it changed",
        "replace operations in place",
    )
    hold(len(y) == len(x), "A layer must map rows to rows", f"{len(x)} became {len(y)}", "flatten")
    hold(
        y.dtype == x.dtype and layer.float()(x.float()).dtype == torch.float32,
        "A layer must keep the type of its input",
        f"float64 gave {y.dtype}",
        "register constants as buffers",
    )
    layer.double()
    hold_close(
        torch.cat([layer(row) for row in x.split(1)]),
        layer(x),
        "Rows must not depend on each other in evaluation mode",
        "look for statistics over the batch",
        rtol=1e-9,
    )


def _check_zero(layer: nn.Module, x: Tensor) -> None:
    x = torch.cat([torch.zeros_like(x[:1]), x[1:]])
    y, slope = layer(x), gradient(layer, x)
    hold(
        y.isfinite().all() and slope.isfinite().all(),
        "Outputs and gradients must be finite for a row of zeros, too",
        "one is not",
        "guard the division by its length",
    )


def _check_copies(layer: nn.Module, x: Tensor) -> None:
    other = copy.deepcopy(layer)
    hold(
        torch.equal(other(x), layer(x)),
        "A copy must compute the same",
        "it does not",
        "look for state outside of parameters and buffers",
    )
    for parameter in other.parameters():
        nn.init.zeros_(parameter)
    other.load_state_dict(layer.state_dict())
    hold(
        torch.equal(other(x), layer(x)),
        "The state must hold all that counts",
        "restored, the layer computes something else",
        "register what is missing as a buffer",
    )


def _check_rotation(layer: nn.Module, x: Tensor) -> None:
    generator = torch.Generator().manual_seed(1)
    square = torch.randn(x.shape[1], x.shape[1], generator=generator, dtype=x.dtype)
    rotation = torch.linalg.qr(square)[0]
    turned = copy.deepcopy(layer)
    with torch.no_grad():
        weight = turned.get_parameter("weight")
        weight.copy_(weight @ rotation)
    hold_close(
        turned(x @ rotation),
        layer(x),
        "Rotating input and weight must change nothing",
        "does the layer look at single coordinates?",
        rtol=1e-9,
    )


def _check_derivatives(layer: nn.Module, x: Tensor, *, twice: bool) -> None:
    x = x[:2].clone().requires_grad_()
    checks: dict[str, Any] = {"first": torch.autograd.gradcheck}
    if twice:
        checks["second"] = torch.autograd.gradgradcheck
    for which, check in checks.items():
        hold(
            check(layer, (x,), raise_exception=False),
            f"The {which} derivative must be that of finite differences",
            "it is another",
            "check the backward written by hand",
        )
