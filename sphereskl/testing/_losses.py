"""The laws of losses."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ._laws import gradient, hold, hold_close

_N_ROWS, _N_COLUMNS = 7, 4


def check_loss(
    loss: Callable[..., Tensor],
    *,
    kind: str = "class",
    is_mean: bool = True,
    is_symmetric: bool = True,
    margin_is_detached: bool = False,
    is_twice_differentiable: bool = False,
) -> None:
    """Check that a loss obeys the laws of its kind.

    Parameters
    ----------
    loss : callable
        ``loss(logits, target, weight)``, a scalar tensor; `weight` may be None. Bind options
        beforehand, for example with ``functools.partial``.
    kind : {"class", "value"}, default="class"
        Kind of targets: indices of prototypes (n_samples,), int64; or target cosines
        (n_samples, n_targets).
    is_mean : bool, default=True
        Whether the loss is a mean over samples of ``weight * loss``. If so, a sample of weight 2
        equals two copies of it.
    is_symmetric : bool, default=True
        Whether renumbering the classes does not change the loss; False for ordered classes.
        Ignored for losses of values.
    margin_is_detached : bool, default=False
        Whether the gradient deliberately differs from that of the value: it is not compared with
        finite differences.
        out.
    is_twice_differentiable : bool, default=False
        Whether second derivatives are promised.

    Raises
    ------
    AssertionError
        If a law is violated: its name, what was seen, and where to look.

    Notes
    -----
    The laws: the value is a finite scalar, also where cosines are exactly 1, -1 and 0; so are
    gradients; inputs are not modified; the order of rows does not matter; no weight means weight 1;
    integer weights equal repetition; classes can be renumbered; float32 and float64 agree and are
    kept; the gradient agrees with finite differences, and so does the second one if requested.

    Examples
    --------
    >>> from functools import partial
    >>> from sphereskl.nn import cross_entropy
    >>> from sphereskl.testing import check_loss
    >>> check_loss(partial(cross_entropy, scale=8.0), is_twice_differentiable=True)
    >>> check_loss(lambda logits, target, weight: logits.sum())
    Traceback (most recent call last):
    AssertionError: A weight must change a loss that is a mean ...
    """
    logits, target = _rows(kind)
    _check_value(loss, logits, target)
    _check_limits(loss, kind)
    _check_rows(loss, logits, target)
    if is_mean:
        _check_weight(loss, logits, target)
    if kind == "class" and is_symmetric:
        _check_classes(loss, logits, target)
    _check_dtype(loss, logits, target)
    if not margin_is_detached:
        _check_derivatives(loss, logits, target, twice=is_twice_differentiable)


def _rows(kind: str) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (_N_ROWS, _N_COLUMNS)
    logits = 1.8 * torch.rand(shape, generator=generator, dtype=torch.float64) - 0.9
    if kind == "class":
        return logits, torch.arange(_N_ROWS) % _N_COLUMNS
    # Away from the logits: losses of values may have a kink where the error is zero.
    return logits, logits.roll(1, dims=0) * 0.9


def _check_value(loss: Callable[..., Tensor], logits: Tensor, target: Tensor) -> None:
    before = logits.clone(), target.clone()
    value = loss(logits, target, None)
    hold(
        isinstance(value, Tensor) and value.ndim == 0,
        "A loss must be a scalar tensor",
        f"it is of shape {tuple(getattr(value, 'shape', ()))}",
        "take the mean over rows",
    )
    hold(value.isfinite(), "A loss must be finite", f"it is {value}", "look for logarithms of 0")
    hold(
        torch.equal(logits, before[0]) and torch.equal(target, before[1]),
        "A loss must leave its inputs as they are",
        "one of them changed",
        "replace operations in place",
    )


def _check_limits(loss: Callable[..., Tensor], kind: str) -> None:
    """Check that loss and gradient are finite at the poles, at a right angle and in between."""
    for cosine in (1.0, -1.0, 0.0):
        for other in (1.0, -1.0, 0.0, 0.5):
            logits = torch.full((2, _N_COLUMNS), other)
            logits[:, 0] = cosine
            target = torch.zeros(2).long() if kind == "class" else torch.ones_like(logits)
            found = gradient(lambda x, target=target: loss(x, target, None), logits)
            hold(
                found.isfinite().all(),
                "Gradients must be finite at the poles and at a right angle",
                f"with the target's cosine {cosine} and the others' {other} one is not",
                "acos(clamp(...)) is the usual reason: its slope is infinite at 1",
            )


def _check_rows(loss: Callable[..., Tensor], logits: Tensor, target: Tensor) -> None:
    order = torch.arange(_N_ROWS).flip(0)
    weight = torch.linspace(0.5, 1.5, _N_ROWS, dtype=logits.dtype)
    hold_close(
        loss(logits[order], target[order], weight[order]),
        loss(logits, target, weight),
        "Order of rows must not matter",
        "is a row's weight or target taken from another row?",
        rtol=1e-12,
    )
    hold_close(
        loss(logits, target, torch.ones_like(weight)),
        loss(logits, target, None),
        "No weight must be a weight of 1",
        "compare the two branches",
        rtol=1e-12,
    )


def _check_weight(loss: Callable[..., Tensor], logits: Tensor, target: Tensor) -> None:
    times = torch.arange(_N_ROWS) % 3
    rows = torch.arange(_N_ROWS).repeat_interleave(times)
    weight = times.to(logits.dtype)
    repeated = loss(logits[rows], target[rows], None)
    hold(
        not torch.allclose(loss(logits, target, weight), loss(logits, target, None)),
        "A weight must change a loss that is a mean over rows of weight * loss",
        "the value is that without weights",
        "multiply each row's loss by its weight",
    )
    # Weights of mean 1 keep the size of the loss: the sum is over `rows`, the mean over n.
    hold_close(
        loss(logits, target, weight * _N_ROWS / len(rows)),
        repeated,
        "A row of weight 2 must count as two copies of it",
        "multiply before taking the mean, and do not divide by the sum of the batch's weights",
        rtol=1e-12,
    )


def _check_classes(loss: Callable[..., Tensor], logits: Tensor, target: Tensor) -> None:
    turned = torch.arange(_N_COLUMNS).roll(1)
    hold_close(
        loss(logits[:, turned], (target + 1) % _N_COLUMNS, None),
        loss(logits, target, None),
        "Renumbering the classes must not matter",
        "pass is_symmetric=False for classes in an order",
        rtol=1e-12,
    )


def _check_dtype(loss: Callable[..., Tensor], logits: Tensor, target: Tensor) -> None:
    single = target if target.dtype == torch.int64 else target.float()
    found = loss(logits.float(), single, None)
    hold(
        found.dtype == torch.float32 and loss(logits, target, None).dtype == torch.float64,
        "A loss must have the type of its logits",
        f"float32 gives {found.dtype}",
        "look for constants that are tensors of another type",
    )
    hold_close(
        found.double(),
        loss(logits, target, None),
        "float32 and float64 must agree",
        "look for cancellation",
        rtol=1e-5,
    )


def _check_derivatives(
    loss: Callable[..., Tensor], logits: Tensor, target: Tensor, *, twice: bool
) -> None:
    x = logits.clone().requires_grad_()
    checks: dict[str, Any] = {"first": torch.autograd.gradcheck}
    if twice:
        checks["second"] = torch.autograd.gradgradcheck
    for which, check in checks.items():
        hold(
            check(lambda x: loss(x, target, None), (x,), raise_exception=False),
            f"The {which} derivative must be that of finite differences",
            "it is another",
            "check the backward written by hand, or pass margin_is_detached=True if it is meant",
        )
