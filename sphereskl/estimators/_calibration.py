"""The scale of probabilities, fitted on rows that were not trained on."""

from typing import Any

from ..nn import averaging_gain, fit_scale
from ..training import TensorData, infer, one_thread

# One number is fitted: so many logits say all about it, of so many rows at the least and the most.
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
        Rows with the row numbers of their prototypes. If they name folds, each is judged by the
        member that was not trained on it.
    expected : float
        Scale to expect before seeing the rows.
    n_distinct : int
        Number of rows that are not copies of one another.
    first : int, default=0
        Column of the logits at which classes begin.

    Returns
    -------
    scale : float
        Positive.
    """
    most = max(_LEAST_ROWS, _MOST_LOGITS // len(estimator.module_.prototypes))
    data = data.thinned(min(_MOST_ROWS, most))

    def logits(*inputs: Any) -> Any:
        return infer(estimator.module_.logits, *inputs, device=estimator.device_)[:, first:]

    judged = logits(*data.inputs)
    mean = None if data.fold is None else logits(data.X)
    weight = None if data.weight is None else data.weight.cpu()
    smoothing = estimator.net_.criterion_.label_smoothing
    options = {"expected": expected, "n_distinct": n_distinct, "label_smoothing": smoothing}
    with one_thread():
        scale = fit_scale(judged, data.target.cpu(), weight, **options)
        if mean is None:
            return scale
        # One member is less sure of rows that it has not seen than the mean of all, which
        # predicts.
        return scale * averaging_gain(judged, mean, estimator.n_members_, weight)
