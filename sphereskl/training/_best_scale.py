"""The scale of logits that minimises a cross-entropy."""

import math

import numpy as np
from numpy.typing import NDArray

# Limit of the distance of the logarithm of the scale from that of the model, of one step, and of
# the last one: Newton's error is then its square. The loss is flat there.
_FARTHEST, _LONGEST, _LAST, _MOST_STEPS = 3.0, 1.0, 1e-2, 30


# What is not finite is told by the loss at the scale, which is not a number then.
@np.errstate(over="ignore", invalid="ignore")
def best_scale(logits: NDArray[np.float64], expected: NDArray[np.float64], start: float) -> float:
    """Return the scale s that minimises the cross-entropy of ``softmax(s logits)``.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_prototypes), float64
        Outputs of a model.
    expected : ndarray of shape (n_samples, n_prototypes), float64
        Distribution of each sample's label times the sample's weight.
    start : float
        Where the search begins: a positive scale, from which the result differs by a factor of
        20 at most.

    Returns
    -------
    scale : float
        Minimiser of the sum over samples of cross-entropies, plus ``log(scale / start)^2 / 2``: a
        prior worth one sample, for samples that any larger scale suits better.

    Notes
    -----
    With q = softmax(s g), a sample of weight w and label distribution e / w has the loss
    ``w log sum_k exp(s g_k) - s sum_k e_k g_k``. Its derivative by log s is
    ``s (w m - sum_k e_k g_k)`` with the mean m of g under q, and the second one that plus
    ``s^2 w v`` with its variance v. Steps divide the slope by ``s^2 w v + 1``, which is positive,
    and equal to Newton's but for the slope of the losses, about 0 at the minimum. Three or four
    steps suffice, where a search by values takes ten evaluations of the loss.
    """
    weight, pull = expected.sum(axis=1), np.vdot(expected, logits)
    # Relative to the largest: exponentials do not overflow.
    largest = logits.max(axis=1)
    g = logits - largest[:, None]
    pull -= weight @ largest
    squared, distance = g * g, 0.0
    for _ in range(_MOST_STEPS):
        scale = start * math.exp(distance)
        q = np.exp(scale * g)
        total = q.sum(axis=1)
        mean = np.einsum("ij,ij->i", q, g) / total
        variance = np.einsum("ij,ij->i", q, squared) / total - mean * mean
        slope = scale * (weight @ mean - pull) + distance
        step = -slope / (scale * scale * (weight @ variance) + 1)
        former = distance
        distance += min(max(step, -_LONGEST), _LONGEST)
        distance = min(max(distance, -_FARTHEST), _FARTHEST)
        if not abs(distance - former) > _LAST:  # NaN ends it as well
            break
    return start * math.exp(distance)
