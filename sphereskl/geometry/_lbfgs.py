"""Limited-memory BFGS on many independent problems at once."""

from collections.abc import Callable

import torch
from torch import Tensor

Objective = Callable[[Tensor], tuple[Tensor, Tensor]]

_ARMIJO = 1e-4
# A line search that shrank this far points along a useless direction: forget the history.
_SHORTEST_STEP = 1e-3


def minimize_batch(
    objective: Objective,
    x: Tensor,
    *,
    max_iter: int,
    max_move: float = 0.5,
    tolerance: float = 1e-9,
    memory: int = 12,
) -> Tensor:
    """Minimise a function of unit rows from many starts in lock step.

    Parameters
    ----------
    objective : callable
        Maps rows (n_starts, n_points, embedding_dim), which it normalises itself, to
        the values (n_starts,) and their gradients (same shape as the rows).
    x : Tensor of shape (n_starts, n_points, embedding_dim)
        Unit rows to start from.
    max_iter : int
        Number of evaluations of `objective`.
    max_move : float, default=0.5
        Largest displacement of a row in one step, in units of its length.
    tolerance : float, default=1e-9
        Stop when no gradient entry of any start exceeds it.
    memory : int, default=12
        Number of correction pairs.

    Returns
    -------
    x : Tensor of shape (n_starts, n_points, embedding_dim)
        Unit rows, never worse than the start.

    Notes
    -----
    The objective does not depend on the length of the rows, so it is minimised as a
    function on the ambient space: secant pairs need no transport between tangent
    spaces. Every evaluation serves every start: one whose step fails the Armijo
    condition halves it while the others move on.

    References
    ----------
    .. [1] Byrd, Nocedal and Schnabel (1994), "Representations of quasi-Newton matrices
       and their use in limited memory methods", equation 3.1.
    """
    n_starts = len(x)
    shape = x.shape
    flat = x.reshape(n_starts, -1)
    pairs = _CorrectionPairs(flat, memory)
    value, gradient = _evaluate(objective, flat, shape)
    direction = _limit(-gradient / _row_norm(gradient, shape), shape, max_move / 4)
    step = torch.ones_like(value)
    for _ in range(max_iter):
        trial = flat + step[:, None] * direction
        trial_value, trial_gradient = _evaluate(objective, trial, shape)
        slope = (direction * gradient).sum(1)
        accepted = trial_value <= value + _ARMIJO * step * slope
        keep = accepted[:, None]
        pairs.append((trial - flat) * keep, (trial_gradient - gradient) * keep)
        flat = torch.where(keep, trial, flat)
        value = torch.where(accepted, trial_value, value)
        gradient = torch.where(keep, trial_gradient, gradient)
        if float(gradient.abs().max()) < tolerance:
            break
        stuck = step < _SHORTEST_STEP
        if bool(stuck.any()):
            pairs.forget(stuck)
        proposal = _limit(-pairs.multiply_inverse_hessian(gradient), shape, max_move)
        fresh = keep | stuck[:, None]
        direction = torch.where(fresh, proposal, direction)
        step = torch.where(fresh[:, 0], 1.0, step / 3)
    rows = flat.reshape(shape)
    return rows / torch.linalg.vector_norm(rows, dim=-1, keepdim=True)


def _evaluate(objective: Objective, flat: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
    value, gradient = objective(flat.reshape(shape))
    return value, gradient.reshape(flat.shape)


def _row_norm(flat: Tensor, shape: torch.Size) -> Tensor:
    longest = torch.linalg.vector_norm(flat.reshape(shape), dim=-1).amax(dim=1)
    # A start that is already stationary has a zero gradient.
    return longest.clamp_min(torch.finfo(flat.dtype).tiny)[:, None]


def _limit(direction: Tensor, shape: torch.Size, max_move: float) -> Tensor:
    return direction * (max_move / _row_norm(direction, shape)).clamp_max(1.0)


class _CorrectionPairs:
    """The last steps and gradient changes of every start, and their inner products."""

    def __init__(self, flat: Tensor, memory: int) -> None:
        n_starts, size = flat.shape
        self.steps = flat.new_zeros(n_starts, memory, size)
        self.changes = flat.new_zeros(n_starts, memory, size)
        self.step_change = flat.new_zeros(n_starts, memory, memory)
        self.change_change = flat.new_zeros(n_starts, memory, memory)
        self.scale = flat.new_ones(n_starts)
        self.count = 0

    def append(self, step: Tensor, change: Tensor) -> None:
        curvature = (step * change).sum(1)
        length = (change * change).sum(1)
        eps = torch.finfo(step.dtype).eps
        valid = curvature > eps * length
        # A pair without positive curvature is stored as zeros, which the product ignores.
        step, change = step * valid[:, None], change * valid[:, None]
        slot = self.count % self.steps.shape[1]
        self.count += 1
        self.steps[:, slot], self.changes[:, slot] = step, change
        self.step_change[:, slot] = _dots(self.changes, step)
        self.step_change[:, :, slot] = _dots(self.steps, change)
        products = _dots(self.changes, change)
        self.change_change[:, slot] = products
        self.change_change[:, :, slot] = products
        self.scale = torch.where(valid, curvature / length.clamp_min(1e-300), self.scale)

    def forget(self, stuck: Tensor) -> None:
        keep = (~stuck)[:, None, None]
        self.steps, self.changes = self.steps * keep, self.changes * keep
        self.step_change, self.change_change = self.step_change * keep, self.change_change * keep

    def multiply_inverse_hessian(self, gradient: Tensor) -> Tensor:
        memory = self.steps.shape[1]
        start = self.count % memory if self.count > memory else 0
        order = [(start + k) % memory for k in range(min(self.count, memory))]
        index = torch.tensor(order, device=gradient.device)
        # In order of age the step-change products form R (upper triangle) and D (diagonal).
        products = self.step_change[:, index[:, None], index]
        diagonal = products.diagonal(dim1=1, dim2=2)
        triangle = products.triu() + torch.diag_embed((diagonal == 0).to(gradient.dtype))
        inner = self.change_change[:, index[:, None], index]
        scale = self.scale[:, None]
        along_steps = _dots(self.steps, gradient)[:, index, None]
        along_changes = _dots(self.changes, gradient)[:, index]
        a = torch.linalg.solve_triangular(triangle, along_steps, upper=True)[..., 0]
        rest = diagonal * a + scale * (_dots(inner, a) - along_changes)
        b = torch.linalg.solve_triangular(triangle.mT, rest[..., None], upper=False)[..., 0]
        weights = gradient.new_zeros(2, len(gradient), memory)
        weights[0, :, index], weights[1, :, index] = b, -scale * a
        result = scale * gradient
        result += (weights[0][:, None] @ self.steps)[:, 0]
        return result + (weights[1][:, None] @ self.changes)[:, 0]


def _dots(matrices: Tensor, vectors: Tensor) -> Tensor:
    return (matrices @ vectors[..., None])[..., 0]
