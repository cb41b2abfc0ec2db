"""Prediction intervals of values, calibrated on samples that were not trained on."""

import math
from numbers import Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from ..training import EncodedRows, TensorData, one_thread
from ._finite import infer_finite
from ._samples import encode_samples

# Maximum number of quantiles of held-out errors that are kept.
_MOST_KEPT = 1000
# Ridge penalty on standardised coefficients, in samples.
_RIDGE = 1.0


class IntervalMixin:
    """Prediction intervals of a regressor, by conformal prediction."""

    bounds: Any
    bounds_: Any
    module_: Any
    device_: torch.device
    target_encoder_: Any

    # Errors of held-out samples; None if there were none.
    _errors: dict[str, Any] | None

    def predict_interval(self, X: Any, coverage: float = 0.9) -> NDArray[np.float64]:
        """Predict an interval for the value of every sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples in the same form as in `fit`.
        coverage : float, default=0.9
            Share of new values, in (0, 1), that should lie within their intervals.

        Returns
        -------
        interval : ndarray of shape (n_samples, 2) or (n_samples, n_targets, 2)
            Lower and upper limit, around the value that `predict` returns. Given `bounds` also
            limit the intervals; values may exceed the bounds of "minmax", and so may intervals.

        Raises
        ------
        ValueError
            If no samples were held out, or too few for the coverage.

        Notes
        -----
        Normalised conformal prediction [1]_: an interval is ``c +- q s``, where c is the cosine
        with the upper pole. ``s`` is the expected size of the error: a linear model of its
        logarithm, fitted on samples that the network (or the member that predicts them) was not
        trained on, from the position on the arc and the disagreement of the members only. The
        factor q is the quantile of the errors divided by s, each by the s of a model fitted
        without that sample, so that intervals contain new values of the same distribution with
        probability `coverage`: on average over samples, not for each of them.

        References
        ----------
        .. [1] Lei et al. (2018), "Distribution-Free Predictive Inference for Regression", JASA
           113, section 5.2.
        """
        if not hasattr(self, "net_"):
            check_is_fitted(self)
        if not isinstance(coverage, Real) or not 0 < coverage < 1:
            raise ValueError(f"coverage must be a number between 0 and 1, got {coverage!r}.")
        if self._errors is None:
            raise ValueError(
                "predict_interval needs at least ten samples that the network was not trained on; "
                "fit with early_stopping=True, X_val, or a backbone of members such as MLP()."
            )
        factor = _factor(self._errors, float(coverage))
        cosines, spread = _look(self, encode_samples(self, X))
        size = np.exp(_log_size(_terms(cosines, spread), self._errors))
        limits = [self._value_at(cosines + side * factor * size) for side in (-1, 1)]
        interval = np.stack(limits, axis=2)
        return interval if self.target_encoder_.is_2d_ else interval[:, 0]

    def _value_at(self, cosines: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return values at cosines on the line between the poles, clipped to given bounds."""
        low, high = self.bounds_.T
        with np.errstate(over="ignore"):
            y = low * ((1 - cosines) / 2) + high * ((1 + cosines) / 2)
        return y if isinstance(self.bounds, str) else np.clip(y, low, high)

    @one_thread()
    def _look_back(self, train: TensorData, valid: TensorData | None, *, anew: bool) -> None:
        if valid is not None:
            self._errors = _learn_errors(self, valid)
        elif anew or not hasattr(self, "_errors"):
            self._errors = None


def _look(
    estimator: Any, X: EncodedRows, member: Tensor | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Return the cosines of samples, of one member if named, and how far members disagree."""
    model = estimator.module_

    def view(X: Tensor, *member: Tensor) -> Tensor:
        g = model.read(model.backbone(X))
        if g.ndim == 2:
            return g
        c = g[member[0], torch.arange(len(X), device=g.device)] if member else g.mean(dim=0)
        return torch.cat([c, g.std(dim=0, correction=0)], dim=1)

    rest = () if member is None else (member,)
    seen = infer_finite(estimator, view, X, *rest).double().numpy()
    n_targets = len(estimator.bounds_)
    return seen[:, :n_targets], seen[:, n_targets:] if seen.shape[1] > n_targets else None


def _learn_errors(estimator: Any, data: TensorData) -> dict[str, Any]:
    """Fit a model of the size of errors, and the quantiles of what it does not explain."""
    cosines, spread = _look(estimator, *data.inputs)
    error = np.abs(data.target.double().cpu().numpy() - cosines)
    weight = np.ones(len(error)) if data.weight is None else data.weight.double().cpu().numpy()
    terms, share = _terms(cosines, spread), weight / weight.sum()
    targets = [_of_target(terms[:, t], error[:, t], share) for t in range(error.shape[1])]
    return {
        "n_rows": len(error),
        **{name: np.stack([target[name] for target in targets]) for name in targets[0]},
    }


def _terms(cosines: NDArray[Any], spread: NDArray[Any] | None) -> NDArray[np.float64]:
    """Return the features of the model of errors, (n_samples, n_targets, n_terms).

    The position c on the arc, c^2, the radius of the circle of latitude there, and the logarithm
    of the members' standard deviation.
    """
    terms = [cosines, cosines**2, np.sqrt(np.clip(1 - cosines**2, 0, None))]
    if spread is not None:
        terms.append(np.log(spread + 1e-6))
    return np.stack(terms, axis=2)


def _of_target(
    terms: NDArray[Any], error: NDArray[Any], share: NDArray[Any]
) -> dict[str, NDArray[np.float64]]:
    """Fit the logarithm of one target's errors by ridge regression."""
    positive = error[error > 0]
    # Errors of zero have no logarithm; the floor is among the smallest errors.
    floor = np.quantile(positive, 0.05) if len(positive) else 1.0
    y = np.log(error + floor)
    centre, mean = share @ terms, share @ y
    width = np.sqrt(share @ (terms - centre) ** 2)
    width[width < 1e-9] = np.inf  # Constant features explain nothing.
    rows = (terms - centre) / width
    inverse = np.linalg.inv((rows.T * share) @ rows + _RIDGE / len(y) * np.eye(rows.shape[1]))
    coefficients = inverse @ (rows.T @ (share * (y - mean)))
    fitted = rows @ coefficients
    # Leave-one-out errors: in least squares, the residual divided by one minus the leverage.
    pull = share * (1 + np.einsum("ij,jk,ik->i", rows, inverse, rows))
    left_out = y - (y - mean - fitted) / (1 - np.minimum(pull, 0.99))
    limits = np.array([fitted.min() - math.log(2), fitted.max() + math.log(2)])
    ratio = error / np.exp(left_out)
    order = np.argsort(ratio)
    kept = np.unique(np.linspace(0, len(ratio) - 1, min(len(ratio), _MOST_KEPT)).astype(int))
    n_missing = _MOST_KEPT - len(kept)
    return {
        "centre": centre,
        "width": width,
        "coefficients": np.append(coefficients, mean),
        "limits": limits,
        "ratio": np.pad(ratio[order][kept], (0, n_missing), mode="edge"),
        "share": np.pad(np.cumsum(share[order])[kept], (0, n_missing), constant_values=1.0),
    }


def _log_size(terms: NDArray[Any], errors: dict[str, Any]) -> NDArray[np.float64]:
    """Predict the logarithm of the size of errors, (n_samples, n_targets)."""
    rows = (terms - errors["centre"]) / errors["width"]
    coefficients = errors["coefficients"]
    fitted = (rows * coefficients[:, :-1]).sum(axis=2)
    # Clipped close to the range in the data: the exponential of a line soon grows too large.
    return fitted.clip(*errors["limits"].T) + coefficients[:, -1]


def _factor(errors: dict[str, Any], coverage: float) -> NDArray[np.float64]:
    """Return the quantile of the scaled errors for a coverage, by target."""
    n = errors["n_rows"]
    # Of n + 1 exchangeable samples, including the new one.
    wanted = math.ceil((n + 1) * coverage - 1e-9) / n
    if wanted > 1:
        raise ValueError(
            f"coverage is {coverage:g}, but {n} held-out samples support at most "
            f"{n / (n + 1):.4g}; ask for less, or fit on more samples."
        )
    place = (errors["share"] < wanted - 1e-9).sum(axis=1)
    return np.take_along_axis(errors["ratio"], place[:, None], axis=1)[:, 0]
