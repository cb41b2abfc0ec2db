"""Softmax losses with angular margins: one module for the whole SphereFace family."""

import math
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from .._checks import check_range
from .._operators import OPERATORS, angular, angular_of_arc, guarded_arc, unrolled_angular
from ._annealing import Annealing
from ._class_losses import cross_entropy, separating_scale


class AngularMarginLoss(nn.Module):
    """Angular-margin loss: cross-entropy of angles with a margin for the target class.

    The logits are ``scale * g(theta_j)``. In the loss only, the target's logit is
    ``scale * (psi(m theta_y + a) - b)`` with a multiplicative margin m, an angular margin a
    and a cosine margin b; the others are ``scale * psi(theta_j / d)`` with a divisive margin
    d. psi is g continued beyond pi, see `unrolled_angular`.

    Parameters
    ----------
    operator : {"cosine", "linear", "sigmoid"}, default="cosine"
        Function g of the angle, from 1 at 0 to -1 at pi.
    k : float, default=0.3
        Softness of "sigmoid", positive; the others ignore it.
    multiplicative_margin : float, default=1.0
        Factor m of the target's angle, at least 1; need not be an integer.
    divisive_margin : float, default=1.0
        Divisor d of the angles of all *other* classes, at least 1.
    angular_margin : float, default=0.0
        Angle a in [0, pi] radians, added to the target's angle.
    cosine_margin : float, default=0.0
        Margin b, at least 0, subtracted from the target's g.
    scale : {"auto", "norm"} or float, default="auto"
        Inverse temperature: positive factor of the logits. ``"norm"`` is the norm of each
        embedding before normalisation. ``"auto"`` is ``max(8, 2 separating_scale(K))``: twice
        the lowest scale at which a sample on its prototype can reach a probability of 0.99.
    margin_grad : {"detach", "full"}, default="detach"
        Whether the gradient is that of the margin-free ``g(theta_j)``, with the margin in
        the probabilities only, or that of the loss itself.
    annealing : Annealing, default=None
        Margin schedule: the margin's share in the logit is ``1 / (1 + lambda)``.
        ``None`` gives it its full share from the start.
    label_smoothing : float, default=0.0
        Label smoothing: share of the target probability in [0, 1] spread evenly over all classes.

    Attributes
    ----------
    step : Tensor of shape ()
        Number of calls of `advance`; an int64 buffer.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or if `scale` is ``"norm"`` and no norm is given.

    Notes
    -----
    With ``margin_grad="detach"`` the value of the loss is the same, and its gradient with
    respect to ``g(theta_j)`` is ``scale (p_j - 1[j = y])`` with the probabilities p of the
    logits *with* margin. Under ``"full"`` the target's gradient is multiplied by
    ``r = m psi'(m theta_y + a) / g'(theta_y)``, or ``(lambda + r) / (1 + lambda)`` with
    annealing. The gradient with respect to the norm is exact either way.

    Deviations from the papers: the programs of ArcFace replace cos(theta + a) beyond pi by
    ``cos(theta) - a sin(a)``, which is discontinuous there, where psi is continuous. The constant
    factor of the loss in SphereFace-R is left to the learning rate; of its variants, v1 is
    omitted: ``cos(min(m theta, pi))`` has no gradient beyond pi / m.

    References
    ----------
    .. [1] Liu et al. (2017), "Deep Hyperspherical Learning", NeurIPS (W-Softmax, GA-Softmax).
    .. [2] Liu et al. (2017), "SphereFace: Deep Hypersphere Embedding for Face
       Recognition", CVPR (A-Softmax).
    .. [3] Wang et al. (2017), "NormFace: L2 Hypersphere Embedding for Face
       Verification", ACM Multimedia.
    .. [4] Wang et al. (2018), "CosFace: Large Margin Cosine Loss for Deep Face
       Recognition", CVPR.
    .. [5] Deng et al. (2019), "ArcFace: Additive Angular Margin Loss for Deep Face
       Recognition", CVPR.
    .. [6] Liu et al. (2022), "SphereFace Revived: Unifying Hyperspherical Face
       Recognition", IEEE TPAMI (detached margins, divisive margin).

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import AngularMarginLoss
    >>> loss = AngularMarginLoss(cosine_margin=0.35, scale=8.0)
    >>> loss(torch.tensor([[0.8, 0.5, -0.5]]), torch.tensor([0]))
    tensor(0.9132)
    >>> loss.logits(torch.tensor([[0.8, 0.5, -0.5]]))
    tensor([[ 6.4000,  4.0000, -4.0000]])
    """

    step: Tensor

    def __init__(
        self,
        operator: str = "cosine",
        k: float = 0.3,
        *,
        multiplicative_margin: float = 1.0,
        divisive_margin: float = 1.0,
        angular_margin: float = 0.0,
        cosine_margin: float = 0.0,
        scale: str | float = "auto",
        margin_grad: str = "detach",
        annealing: Annealing | None = None,
        label_smoothing: float = 0.0,
    ):
        super().__init__()
        if operator not in OPERATORS:
            raise ValueError(f"operator must be one of {list(OPERATORS)}, got {operator!r}.")
        if not 0 < k < math.inf:
            raise ValueError(f"k must be positive and finite, got {k!r}.")
        check_range("multiplicative_margin", multiplicative_margin, 1, math.inf)
        check_range("divisive_margin", divisive_margin, 1, math.inf)
        check_range("angular_margin", angular_margin, 0, math.pi)
        check_range("cosine_margin", cosine_margin, 0, math.inf)
        check_range("label_smoothing", label_smoothing, 0, 1)
        if scale not in ("auto", "norm") and not (not isinstance(scale, str) and scale > 0):
            raise ValueError(f"scale must be 'auto', 'norm' or a positive number, got {scale!r}.")
        if margin_grad not in ("detach", "full"):
            raise ValueError(f"margin_grad must be 'detach' or 'full', got {margin_grad!r}.")
        self.operator, self.k = operator, k
        self.multiplicative_margin = multiplicative_margin
        self.divisive_margin = divisive_margin
        self.angular_margin = angular_margin
        self.cosine_margin = cosine_margin
        self.scale = scale
        self.margin_grad = margin_grad
        self.annealing = annealing
        self.label_smoothing = label_smoothing
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def advance(self) -> None:
        """Count a training step, which advances the annealing; `forward` never does."""
        self.step += 1

    def __getstate__(self) -> dict[str, Any]:
        # The count as a number, so that formats without tensors can store a loss.
        return {**vars(self), "_buffers": {"step": int(self.step)}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        step = torch.tensor(state["_buffers"]["step"], dtype=torch.int64)
        super().__setstate__({**state, "_buffers": {"step": step}})

    def logits(self, cosines: Tensor, norm: Tensor | None = None) -> Tensor:
        """Logits without margin, for predictions.

        Parameters
        ----------
        cosines : Tensor of shape (n_samples, n_prototypes)
            Cosines of embeddings with prototypes.
        norm : Tensor of shape (n_samples,), default=None
            Norms of the embeddings before normalisation; used if `scale` is
            ``"norm"``.

        Returns
        -------
        logits : Tensor of shape (n_samples, n_prototypes)
            ``scale * g(theta)``, whose order is that of the cosines.
        """
        return self._scale(cosines, norm) * angular(cosines, self.operator, self.k)

    def forward(
        self,
        cosines: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        norm: Tensor | None = None,
    ) -> Tensor:
        """Return the mean over samples of ``weight * cross-entropy``, in nats.

        Parameters
        ----------
        cosines : Tensor of shape (n_samples, n_prototypes)
            Cosines of embeddings with prototypes.
        target : Tensor of shape (n_samples,)
            Index of each sample's prototype, int64.
        weight : Tensor of shape (n_samples,), default=None
            Sample weights; ``None`` means equal weights.
        norm : Tensor of shape (n_samples,), default=None
            Norms of the embeddings before they were normalised; used if `scale` is
            ``"norm"``.

        Returns
        -------
        loss : Tensor of shape ()
            The loss.

        Raises
        ------
        ValueError
            If `target` holds no classes.
        """
        if target.is_floating_point():
            raise ValueError(
                "loss is an AngularMarginLoss, which separates classes, but targets are values of "
                f"{target.dtype}; choose a loss of values."
            )
        if self.scale == "norm" and norm is not None:
            scale = norm[:, None]
        else:
            scale = self._scale(cosines, norm)
        options: dict[str, Any] = {"scale": scale, "label_smoothing": self.label_smoothing}
        own, is_cosine = target[:, None], self.operator == "cosine"
        turns_own = self.multiplicative_margin > 1 or self.angular_margin > 0
        divides = self.divisive_margin > 1
        if not (turns_own or divides or self.cosine_margin > 0):
            g = cosines if is_cosine else angular(cosines, self.operator, self.k)
            return cross_entropy(g, target, weight, **options)
        # Arcs of all prototypes if g or the divisive margin needs them.
        needs_all = divides or not is_cosine
        arc = guarded_arc(cosines if needs_all else cosines.gather(1, own))
        g = cosines if is_cosine else angular_of_arc(arc, self.operator, self.k)
        theta = (1 - arc * (2 / math.pi)) * (math.pi / 2)  # pi / 2 - arc
        of_own = theta.gather(1, own) if needs_all else theta
        moved = self.multiplicative_margin * of_own + self.angular_margin
        if divides:
            moved = (theta / self.divisive_margin).scatter(1, own, moved)
        psi = unrolled_angular(moved, self.operator, self.k)
        if divides:
            shift = psi.scatter_add(1, own, torch.full_like(of_own, -self.cosine_margin)) - g
        else:
            shift = psi - self.cosine_margin - g.gather(1, own)
        if self.margin_grad == "detach":
            shift = shift.detach()
        if self.annealing is not None:
            shift = 1 / (1 + self.annealing(self.step)) * shift
        g = g + shift if divides else g.scatter_add(1, own, shift)
        return cross_entropy(g, target, weight, **options)

    def _scale(self, cosines: Tensor, norm: Tensor | None) -> Tensor | float:
        if self.scale == "auto":
            return _auto_scale(cosines.shape[1])
        if self.scale != "norm":
            return float(self.scale)
        if norm is None:
            raise ValueError("scale='norm' needs the norm of each embedding; pass norm=...")
        return norm[:, None]


@cache
def _auto_scale(n_prototypes: int) -> float:
    return max(8.0, 2 * separating_scale(n_prototypes))
