"""The scale that turns cosines into probabilities."""

import math

import torch
from torch import Tensor

# Standard deviation of the prior on log(scale): a factor of e either way is unremarkable.
_PRIOR_STD = 1.0


def fit_scale(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    expected: float,
    n_distinct: int | None = None,
) -> float:
    """Scale of the logits that makes their softmax most likely.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_prototypes)
        Cosines (or projections) of rows that were not trained on.
    target : Tensor of shape (n_samples,)
        Row number of each sample's prototype, int64.
    weight : Tensor of shape (n_samples,), default=None
        Row weights; only their ratios matter.
    expected : float
        Positive scale to expect before seeing the rows. It weighs as much as one row, and
        keeps the answer finite where the rows are separated perfectly.
    n_distinct : int, default=None
        Number n of rows that are not copies of one another; ``None`` stands for all. Copies
        and weights say how often a row counts, not how much is known.

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
    logits = logits.double()
    weight = torch.ones(len(logits)).double() if weight is None else weight.double()
    share = weight.to(logits.device) / weight.sum()
    n_rows = len(logits) if n_distinct is None else n_distinct
    correct = (share * logits.gather(1, target[:, None])[:, 0]).sum()

    def slope(log_scale: float) -> float:
        scale = math.exp(log_scale)
        mean_logit = (torch.softmax(scale * logits, dim=1) * logits).sum(dim=1)
        likelihood = scale * float((share * mean_logit).sum() - correct)
        return n_rows * likelihood + (log_scale - math.log(expected)) / _PRIOR_STD**2

    low, high = (math.log(expected) + side * math.log(1e3) for side in (-1, 1))
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return math.exp((low + high) / 2)
