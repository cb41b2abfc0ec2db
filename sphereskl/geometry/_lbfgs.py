"""Limited-memory BFGS on many independent problems at once."""

from collections.abc import Callable

import torch
from torch import Tensor

Objective = Callable[[Tensor], tuple[Tensor, Tensor]]

_ARMIJO = 1e-4
# A step shrunk this much by the line search has a useless direction: forget the history.
_SHORTEST_STEP = 1e-3


def minimize_batch(
    objective: Objective,
    x: Tensor,
    *,
    max_iter: int,
    max_move: float = 0.5,
    tolerance: float = 1e-9,
    memory: int = 6,
) -> Tensor:
    """Minimise a function of unit rows from many starts in parallel.

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
    memory : int, default=6
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
    condition halves it while the others proceed.

    References
    ----------
    .. [1] Byrd, Nocedal and Schnabel (1994), "Representations of quasi-Newton matrices
       and their use in limited memory methods", equation 3.1.
    """
    n_starts = len(x)
    shape = x.shape
    flat = x.reshape(n_starts, -1)
    value, gradient = _evaluate(objective, flat, shape)
    pairs = _CorrectionPairs(gradient, memory)
    direction = _limit(-gradient / _row_norm(gradient, shape), shape, max_move / 4)
    step = torch.ones_like(value)
    for _ in range(max_iter):
        trial = flat + step[:, None] * direction
        trial_value, trial_gradient = _evaluate(objective, trial, shape)
        slope = (direction * gradient).sum(1)
        accepted = trial_value <= value + _ARMIJO * step * slope
        keep = accepted[:, None]
        trial = torch.where(keep, trial, flat)
        trial_gradient = torch.where(keep, trial_gradient, gradient)
        pairs.append(trial - flat, trial_gradient - gradient, trial_gradient)
        flat, gradient = trial, trial_gradient
        value = torch.where(accepted, trial_value, value)
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
    """The last steps and gradient changes of every start, and their inner products.

    With the newest gradient g, the products of all pairs with g are computed once for the
    direction; differences of two such products are those with the newest change.
    """

    def __init__(self, gradient: Tensor, memory: int) -> None:
        n_starts, size = gradient.shape
        self.memory = memory
        # Steps in the first half of the rows, changes in the second.
        self.rows = gradient.new_zeros(n_starts, 2 * memory, size)
        self.with_gradient = gradient.new_zeros(n_starts, 2 * memory)
        self.step_change = gradient.new_zeros(n_starts, memory, memory)
        self.change_change = gradient.new_zeros(n_starts, memory, memory)
        self.scale = gradient.new_ones(n_starts)
        self.count = 0

    def append(self, step: Tensor, change: Tensor, gradient: Tensor) -> None:
        curvature = (step * change).sum(1)
        length = (change * change).sum(1)
        valid = curvature > torch.finfo(step.dtype).eps * length
        self.scale = torch.where(valid, curvature / length.clamp_min(1e-300), self.scale)
        slot, memory = self.count % self.memory, self.memory
        self.count += 1
        # A pair without positive curvature is stored as zeros, which the product ignores.
        keep = valid[:, None]
        torch.mul(step, keep, out=self.rows[:, slot])
        torch.mul(change, keep, out=self.rows[:, memory + slot])
        products = _dots(self.rows, gradient)
        with_change = (products - self.with_gradient) * keep
        self.with_gradient = products
        self.step_change[:, :, slot] = with_change[:, :memory]
        self.step_change[:, slot, slot] = curvature * valid
        with_change[:, memory + slot] = length * valid
        self.change_change[:, slot] = with_change[:, memory:]
        self.change_change[:, :, slot] = with_change[:, memory:]

    def forget(self, stuck: Tensor) -> None:
        keep = (~stuck)[:, None, None].to(self.rows.dtype)
        self.rows *= keep
        self.with_gradient *= keep[:, 0]
        self.step_change *= keep
        self.change_change *= keep

    def multiply_inverse_hessian(self, gradient: Tensor) -> Tensor:
        # The compact form of Byrd, Nocedal and Schnabel (1994), equation 3.1: with steps S, changes
        # Y, R the upper triangle of S'Y and D its diagonal, the inverse Hessian is
        #   gamma I + [S, gamma Y] [[R^-T (D + gamma Y'Y) R^-1, -R^-T], [-R^-1, 0]] [S, gamma Y]'.
        # Times g: a = R^-1 S'g, then b = R^-T (D a + gamma (Y'Y a - Y'g)), and the product is
        # gamma g + S b - gamma Y a.
        memory = self.memory
        start = self.count % memory if self.count > memory else 0
        order = [(start + k) % memory for k in range(min(self.count, memory))]
        index = torch.tensor(order, device=gradient.device)
        # In order of age the step-change products form R (upper triangle) and D (diagonal).
        products = self.step_change[:, index[:, None], index]
        diagonal = products.diagonal(dim1=1, dim2=2)
        triangle = products.triu() + torch.diag_embed((diagonal == 0).to(gradient.dtype))
        inner = self.change_change[:, index[:, None], index]
        scale = self.scale[:, None]
        along_steps = self.with_gradient[:, index, None]
        along_changes = self.with_gradient[:, memory + index]
        a = torch.linalg.solve_triangular(triangle, along_steps, upper=True)[..., 0]
        rest = diagonal * a + scale * (_dots(inner, a) - along_changes)
        b = torch.linalg.solve_triangular(triangle.mT, rest[..., None], upper=False)[..., 0]
        weights = torch.zeros_like(self.with_gradient)
        weights[:, index], weights[:, memory + index] = b, -scale * a
        return (weights[:, None] @ self.rows)[:, 0] + scale * gradient


def _dots(matrices: Tensor, vectors: Tensor) -> Tensor:
    # Several times faster than the same product as a batch of matrices with one column.
    return torch.linalg.vecdot(matrices, vectors[:, None])
