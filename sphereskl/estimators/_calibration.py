"""Calibration: the scale of probabilities, fitted on samples that were not trained on."""

from typing import Any

from ..nn import fit_scale
from ..training import TensorData, one_thread
from ._finite import infer_finite

# A single number is fitted: this many logits suffice, of at least and at most so many rows.
_MOST_LOGITS, _LEAST_ROWS, _MOST_ROWS = 2**21, 250, 2**15


def calibrated_scale(
    estimator: Any, data: TensorData, *, expected: float, n_distinct: int, first: int = 0
) -> float:
    """Fit the scale of an estimator's probabilities.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        Trained.
    data : TensorData
        Samples with the indices of their prototypes. If they have folds, each is predicted by
        the member that was not trained on it.
    expected : float
        Prior value of the scale.
    n_distinct : int
        Number of samples that are not copies of one another.
    first : int, default=0
        First column of the logits that belongs to a class.

    Returns
    -------
    scale : float
        Positive.
    """
    most = max(_LEAST_ROWS, _MOST_LOGITS // len(estimator.module_.prototypes))
    data = data.thinned(min(_MOST_ROWS, most))

    logits = infer_finite(estimator, estimator.module_.logits, *data.inputs)[:, first:]
    with one_thread():
        return fit_scale(
            logits,
            data.target.cpu(),
            None if data.weight is None else data.weight.cpu(),
            expected=expected,
            n_distinct=n_distinct,
            label_smoothing=estimator.net_.criterion_.label_smoothing,
        )
