"""Calibration: the scale (inverse temperature) that turns cosines into probabilities."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import softplus

# Softness of the lower limit of probabilities corrected for label smoothing, as a share of it.
_SOFTNESS = 0.25
# Tolerance of the logarithm of the scale: far below the statistical error.
_RESOLUTION, _MOST_STEPS = 1e-9, 100
# Limit of the distance of that logarithm from the expected one, and where it is looked for first.
_FARTHEST, _NEAREST = math.log(1e3), 0.25


def log_probabilities(
    logits: Tensor, scale: float | Tensor, label_smoothing: float = 0.0
) -> Tensor:
    """Logarithms of class probabilities.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_prototypes)
        Cosines (or projections).
    scale : float
        Inverse temperature: positive factor of the logits.
    label_smoothing : float, default=0.0
        Label smoothing in training: share of the target probability, in [0, 1), to correct for.

    Returns
    -------
    log_probabilities : Tensor of shape (n_samples, n_prototypes), float64
        Finite, in the order of the logits.

    Notes
    -----
    With smoothed labels the network learns ``q = (1 - a) p + a / K``, which bounds its confidence.
    Solved for p that is ``(q - a / K) / (1 - a)``. Where q is below ``a / K``, a softplus of a
    quarter of that width replaces the difference.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import log_probabilities
    >>> cosines = torch.tensor([[0.5, -0.5]])
    >>> log_probabilities(cosines, 4.0).exp()
    tensor([[0.9820, 0.0180]], dtype=torch.float64)
    >>> log_probabilities(cosines, 2.0, label_smoothing=0.1).exp()
    tensor([[0.9231, 0.0769]], dtype=torch.float64)
    """
    log_q = torch.log_softmax(scale * logits.double(), dim=1)
    if not label_smoothing:
        return log_q
    share = label_smoothing / logits.shape[1]
    left = softplus((log_q.exp() - share) / (_SOFTNESS * share))
    return (left / left.sum(dim=1, keepdim=True)).log()


def fit_scale(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    expected: float,
    n_distinct: int | None = None,
    label_smoothing: float = 0.0,
) -> float:
    """Temperature scaling: the scale of the logits that maximises the likelihood.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_prototypes)
        Cosines (or projections) of samples that were not trained on.
    target : Tensor of shape (n_samples,)
        Index of each sample's prototype, int64.
    weight : Tensor of shape (n_samples,), default=None
        Sample weights; only their ratios matter.
    expected : float
        Prior value of the scale, positive. It weighs as much as one sample, and keeps the
        result finite for perfectly separated samples.
    n_distinct : int, default=None
        Number n of samples that are not copies of one another; ``None`` means all. Copies and
        weights change how often a sample counts, not the amount of information.
    label_smoothing : float, default=0.0
        Label smoothing that the probabilities are corrected for, see `log_probabilities`.

    Returns
    -------
    scale : float
        Minimiser of ``n mean NLL(scale) + log(scale / expected)^2 / 2``, between 1e-3 and
        1e3 times `expected`. Positive, so that it never changes the largest logit.

    References
    ----------
    .. [1] Guo et al. (2017), "On Calibration of Modern Neural Networks", ICML, section 4.2
       (temperature scaling; the temperature is 1 / scale).

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import fit_scale
    >>> cosines = torch.tensor([[0.5, -0.5], [0.5, -0.5], [0.5, -0.5], [-0.5, 0.5]])
    >>> fit_scale(cosines.repeat(100, 1), torch.tensor([0, 0, 1, 1] * 100), expected=4.0)
    1.1...
    """
    logits, target = logits.double(), target[:, None]
    weight = torch.ones(len(logits)).double() if weight is None else weight.double()
    share = weight.to(logits.device) / weight.sum()
    n_rows = len(logits) if n_distinct is None else n_distinct

    def slope(log_scale: float) -> float:
        of_rows = _slopes(logits, target, math.exp(log_scale), label_smoothing)
        # Prior of standard deviation 1: a factor of e either way is plausible.
        prior = log_scale - math.log(expected)
        return prior - n_rows * torch.dot(share, of_rows).item()

    return math.exp(_root(slope, math.log(expected)))


def _root(slope: Callable[[float], float], start: float) -> float:
    """Find where a slope turns positive, by the Illinois method; an end of the range if nowhere.

    Between places near the start it takes half as many evaluations as on the whole range, where
    bisection takes forty.
    """
    for side in (-1, 1):
        if side * slope(start + side * _FARTHEST) <= 0:
            return start + side * _FARTHEST
    inner, value, reach = start, slope(start), _NEAREST
    side = -1 if value > 0 else 1
    while True:
        outer = start + side * min(reach, _FARTHEST)
        beyond = slope(outer)
        if not side * beyond < 0:  # NaN ends it as well
            break
        inner, value, reach = outer, beyond, 3 * reach
    (low, below), (high, above) = sorted([(inner, value), (outer, beyond)])
    last, kept = math.inf, 0
    for _ in range(_MOST_STEPS):
        middle = low - below * (high - low) / (above - below)
        between = slope(middle)
        if between == 0 or abs(middle - last) < _RESOLUTION:
            return middle
        # An end that stays twice is halved: otherwise it would stay for ever.
        if between < 0:
            low, below, above = middle, between, above / 2 if kept > 0 else above
        else:
            high, above, below = middle, between, below / 2 if kept < 0 else below
        last, kept = middle, 1 if between < 0 else -1
    return last


def _slopes(logits: Tensor, target: Tensor, scale: float, label_smoothing: float) -> Tensor:
    """Return derivatives of log p of the target by the logarithm of the scale, (n_samples,).

    `target` has shape (n_samples, 1). In closed form: autograd takes five times as long, forty
    times per fit.
    """
    q = torch.softmax(scale * logits, dim=1)
    # d log q_k / d log s = s (g_k - sum_j q_j g_j)
    slope = scale * (logits - (q * logits).sum(dim=1, keepdim=True))
    if label_smoothing:
        # See `log_probabilities`: log p_k = log l_k - log sum_j l_j with l = softplus(u).
        width = _SOFTNESS * label_smoothing / logits.shape[1]
        u = q / width - 1 / _SOFTNESS
        left, d_left = softplus(u), torch.sigmoid(u) * q * slope / width
        of_all = d_left.sum(dim=1, keepdim=True) / left.sum(dim=1, keepdim=True)
        slope = d_left / left - of_all
    return slope.gather(1, target)[:, 0]
