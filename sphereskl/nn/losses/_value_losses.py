"""Losses of regression: distance of a cosine from the target cosine.

Values are mapped to the arc between the two poles of an axis: the target of a sample is the cosine
its embedding should have with the upper pole. As for classes, every loss but `gaussian` is the
mean over samples of ``weight * loss``.
"""

from collections.abc import Callable

import torch
from torch import Tensor

# Errors of the cosine beyond this, 5 % of the range, are linear in the Huber loss.
_HUBER_DELTA = 0.1
# Keeps the logarithm finite, and training from fitting negligible errors.
_LEAST_VARIANCE = 1e-4


def squared_error(cosines: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Squared error of cosines; minimised by the conditional mean.

    Parameters
    ----------
    cosines : Tensor of shape (n_samples, n_targets)
        Cosine of every embedding with the upper pole of every target.
    target : Tensor of shape (n_samples, n_targets)
        Target cosines, in [-1, 1].
    weight : Tensor of shape (n_samples,), default=None
        Sample weights; ``None`` means equal weights.

    Returns
    -------
    loss : Tensor of shape ()
        Mean of ``weight (target - cos)^2``, in [0, 4] for unit weights.

    Notes
    -----
    With respect to the angle the gradient is ``2 (target - cos) sin(theta)``: it vanishes
    at both poles, which keeps predictions within the bounds. Mettes et al. sum
    over the batch instead of taking the mean.

    References
    ----------
    .. [1] Mettes, van der Pol and Snoek (2019), "Hyperspherical Prototype Networks",
       NeurIPS, section 3.2.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import squared_error
    >>> squared_error(torch.tensor([[0.5]]), torch.tensor([[1.0]]))
    tensor(0.2500)
    """
    return _weighted_mean((target - cosines).square(), weight)


def absolute_error(cosines: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Absolute error of cosines; minimised by the conditional median.

    Parameters
    ----------
    cosines : Tensor of shape (n_samples, n_targets)
        Cosine of every embedding with the upper pole of every target.
    target : Tensor of shape (n_samples, n_targets)
        Target cosines, in [-1, 1].
    weight : Tensor of shape (n_samples,), default=None
        Sample weights; ``None`` means equal weights.

    Returns
    -------
    loss : Tensor of shape ()
        Mean of ``weight |target - cos|``, in [0, 2] for unit weights.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import absolute_error
    >>> absolute_error(torch.tensor([[0.5]]), torch.tensor([[1.0]]))
    tensor(0.5000)
    """
    return _weighted_mean((target - cosines).abs(), weight)


def huber(cosines: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Huber loss of cosines: squared for small, absolute for large errors.

    Parameters
    ----------
    cosines : Tensor of shape (n_samples, n_targets)
        Cosine of every embedding with the upper pole of every target.
    target : Tensor of shape (n_samples, n_targets)
        Target cosines, in [-1, 1].
    weight : Tensor of shape (n_samples,), default=None
        Sample weights; ``None`` means equal weights.

    Returns
    -------
    loss : Tensor of shape ()
        Mean of ``weight * h(target - cos)`` with ``h(e) = e^2 / 2`` up to ``|e| = 0.1``
        (5 % of the range between the bounds) and ``0.1 (|e| - 0.05)`` beyond.

    References
    ----------
    .. [1] Huber (1964), "Robust Estimation of a Location Parameter", Annals of
       Mathematical Statistics 35.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import huber
    >>> huber(torch.tensor([[0.5]]), torch.tensor([[1.0]]))
    tensor(0.0450)
    """
    each = torch.nn.functional.huber_loss(cosines, target, reduction="none", delta=_HUBER_DELTA)
    return _weighted_mean(each, weight)


def pinball(
    cosines: Tensor, target: Tensor, weight: Tensor | None = None, *, quantile: float = 0.5
) -> Tensor:
    """Pinball loss of cosines; minimised by a conditional quantile.

    Parameters
    ----------
    cosines : Tensor of shape (n_samples, n_targets)
        Cosine of every embedding with the upper pole of every target.
    target : Tensor of shape (n_samples, n_targets)
        Target cosines, in [-1, 1].
    weight : Tensor of shape (n_samples,), default=None
        Sample weights; ``None`` means equal weights.
    quantile : float, default=0.5
        Quantile to predict, in (0, 1).

    Returns
    -------
    loss : Tensor of shape ()
        Mean of ``weight * max(quantile e, (quantile - 1) e)`` with ``e = target - cos``.

    References
    ----------
    .. [1] Koenker and Bassett (1978), "Regression Quantiles", Econometrica 46.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import pinball
    >>> pinball(torch.tensor([[0.5]]), torch.tensor([[1.0]]), quantile=0.9)
    tensor(0.4500)
    """
    error = target - cosines
    return _weighted_mean(torch.maximum(quantile * error, (quantile - 1) * error), weight)


def gaussian(cosines: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Negative log-likelihood of Gaussian errors with the variance of the batch.

    Parameters
    ----------
    cosines : Tensor of shape (n_samples, n_targets)
        Cosine of every embedding with the upper pole of every target.
    target : Tensor of shape (n_samples, n_targets)
        Target cosines, in [-1, 1].
    weight : Tensor of shape (n_samples,), default=None
        Sample weights; ``None`` means equal weights.

    Returns
    -------
    loss : Tensor of shape ()
        Mean over targets of ``log(mean(weight (target - cos)^2) + 1e-4) / 2``, in nats and up
        to a constant; negative for small errors.

    Notes
    -----
    The maximum-likelihood variance is the mean squared error; the negative log-likelihood is then
    half its logarithm, up to a constant. It has the same minimiser as `squared_error`, but its
    gradient does not vanish as errors shrink, and it has the unit of a cross-entropy, so that the
    two can be added [1]_. Errors of less than 0.01, half a per cent of the range, are treated as
    zero. Not a mean over samples, so batch losses do not average.

    References
    ----------
    .. [1] Kendall, Gal and Cipolla (2018), "Multi-Task Learning Using Uncertainty to Weigh
       Losses for Scene Geometry and Semantics", CVPR, section 3.2, for the likelihood.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import gaussian
    >>> gaussian(torch.tensor([[0.5]]), torch.tensor([[1.0]]))
    tensor(-0.6929)
    """
    squares = (target - cosines).square()
    if weight is not None:
        squares = squares * weight[:, None]
    return (squares.mean(dim=0) + _LEAST_VARIANCE).log().mean() / 2


ARC_LOSSES: dict[str, Callable[..., Tensor]] = {
    "absolute": absolute_error,
    "gaussian": gaussian,
    "huber": huber,
    "quantile": pinball,
    "squared": squared_error,
}


def _weighted_mean(losses: Tensor, weight: Tensor | None) -> Tensor:
    return losses.mean() if weight is None else (losses * weight[:, None]).mean()
