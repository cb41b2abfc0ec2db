"""Novelty detection: how typical samples are of the training data of a classifier."""

import math
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn.utils.validation import check_is_fitted

from ..geometry import cosines, fit_von_mises_fisher, normalize, von_mises_fisher_log_density
from ..training import TensorData, one_thread
from ._finite import infer_finite
from ._reference import refer
from ._samples import encode_samples
from ._typicality import Reference, mahalanobis_scores, neighbor_scores, stored_embeddings

# Share of held-out samples below which the tail is modelled as exponential.
_TAIL = 0.1
# Prior weight, in samples, of the common concentration in that of each class.
_PRIOR_ROWS = 10.0


class NoveltyMixin:
    """Novelty detection: scores of samples, and decisions at a false-alarm rate."""

    classes_: Any
    module_: Any
    prototypes_: Any

    # Statistics of training and held-out samples.
    _reference: Reference

    def score_samples(self, X: Any, method: str = "auto") -> NDArray[np.float64]:
        """Score how typical samples are of the training data.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples in the same form as in `fit`.
        method : str, default="auto"
            - "neighbors": cosine with the nearest of up to 2,000 stored training samples and of the
              class means; mean over members.
            - "mahalanobis_neighbors": minus the Mahalanobis distance to the nearest of these, in
              the outputs of the backbone before normalisation; mean over members.
            - "auto": both. Each is turned into the logarithm of the share of held-out samples
              that score no higher, and these are added (Fisher's method).
            - "mahalanobis": minus the squared Mahalanobis distance to the nearest class mean.
            - "energy": ``log sum_k exp(scale_ * logit_k)``, the logarithm of a density on the
              sphere up to a constant: a von Mises-Fisher component around every prototype.
            - "cosine": cosine with the nearest prototype.
            - "von_mises_fisher": log-density of a mixture with a mean direction and a
              concentration, `kappa_`, for every class.
            - "resultant_length": agreement of the members.

        Returns
        -------
        score : ndarray of shape (n_samples,), float64
            Higher is more typical, as in scikit-learn. Scores of different methods or models are
            not comparable.
        """
        if method not in _SCORES:
            raise ValueError(f"method must be one of {sorted(_SCORES)}, got {method!r}.")
        if not hasattr(self, "net_"):
            check_is_fitted(self)
        return _SCORES[method](self, X)

    def is_novel(self, X: Any, false_alarm_rate: float = 0.05) -> NDArray[np.bool_]:
        """Decide which samples are unlike the training data.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples in the same form as in `fit`.
        false_alarm_rate : float, default=0.05
            Share of typical samples, in (0, 1), that may be called novel.

        Returns
        -------
        novel : ndarray of shape (n_samples,), bool
            Whether the share of held-out samples that score as low, by "auto" of `score_samples`,
            is below the rate: a conformal test. With ``validation_fraction=0`` the training
            samples are used instead, and there are more false alarms.

        Raises
        ------
        ValueError
            If there are too few held-out samples for the rate.
        """
        if not hasattr(self, "net_"):
            check_is_fitted(self)
        if not isinstance(false_alarm_rate, Real) or not 0 < false_alarm_rate < 1:
            raise ValueError(
                f"false_alarm_rate must be a number between 0 and 1, got {false_alarm_rate!r}."
            )
        judged = np.sort(_combined(self, self._reference["judged"]))
        most = false_alarm_rate * (len(judged) + 1)
        if most < 1:
            raise ValueError(
                f"false_alarm_rate is {false_alarm_rate:g}, but {len(judged)} held-out samples "
                f"support at least {1 / (len(judged) + 1):.2g}; allow more, or fit on more samples."
            )
        n_lower = np.searchsorted(judged, self.score_samples(X), side="right")
        return 1 + n_lower <= most

    def predict_or_reject(
        self, X: Any, false_alarm_rate: float = 0.05, least_probability: float = 0.0
    ) -> np.ma.MaskedArray:
        """Predict labels, but reject novel or uncertain samples (selective classification).

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples in the same form as in `fit`.
        false_alarm_rate : float, default=0.05
            As for `is_novel`.
        least_probability : float, default=0.0
            Minimum probability of the label, in [0, 1].

        Returns
        -------
        y : masked array of shape (n_samples,)
            Labels, masked where rejected: ``y.filled("unknown")`` names those, and ``y.mask``
            says which they are.
        """
        if not isinstance(least_probability, Real) or not 0 <= least_probability <= 1:
            raise ValueError(
                f"least_probability must be a number in [0, 1], got {least_probability!r}."
            )
        estimator: Any = self
        rejected = self.is_novel(X, false_alarm_rate)
        if least_probability > 0:
            rejected |= estimator.predict_proba(X).max(axis=1) < least_probability
        return np.ma.masked_array(estimator.predict(X), mask=rejected)

    @property
    def kappa_(self) -> NDArray[np.float64]:
        """Concentration of every class on the sphere, ndarray of shape (n_classes,)."""
        return _components(self)[1]

    @one_thread()
    def _look_back(self, train: TensorData, valid: TensorData | None, *, anew: bool) -> None:
        former = None if anew else getattr(self, "_reference", None)
        self._reference = refer(self, train, valid, former)


@one_thread()
def _neighbors(estimator: Any, X: Any) -> NDArray[np.float64]:
    return neighbor_scores(estimator, estimator._reference, encode_samples(estimator, X))


@one_thread()
def _mahalanobis(estimator: Any, X: Any) -> NDArray[np.float64]:
    return mahalanobis_scores(estimator, estimator._reference, encode_samples(estimator, X))


def _combined(estimator: Any, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of the logarithms of tail probabilities, (n_samples,)."""
    judged = estimator._reference["judged"]
    columns = zip(judged.T, values.T, strict=True)
    return np.sum([_log_tail(np.sort(known), asked) for known, asked in columns], axis=0)


def _log_tail(known: NDArray[Any], values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the logarithm of the share of `known`, sorted, that is no higher than each value.

    Below the lowest tenth, an exponential tail extrapolates: novel samples lie below all known
    scores, and are still ranked by distance.
    """
    corner = np.quantile(known, _TAIL)
    excess = np.mean(corner - known[known <= corner])
    excess = max(excess, 1e-9 * (1 + abs(corner)))
    share = (np.searchsorted(known, values, side="right") + 0.5) / (len(known) + 1)
    body = np.log(np.maximum(share, _TAIL))
    return np.where(values < corner, np.log(_TAIL) - (corner - values) / excess, body)


def _infer(estimator: Any, X: Any, read: Callable[[Any], Any]) -> NDArray[np.float64]:
    """Evaluate a function of encoded rows in chunks: a row's bits do not depend on other rows."""
    return infer_finite(estimator, read, encode_samples(estimator, X)).double().numpy()


def _energy(estimator: Any, X: Any) -> NDArray[np.float64]:
    model, scale = estimator.module_, estimator.scale_
    return _infer(estimator, X, lambda rows: torch.logsumexp(scale * model.logits(rows), dim=1))


def _cosine(estimator: Any, X: Any) -> NDArray[np.float64]:
    model = estimator.module_
    with one_thread():
        prototypes = normalize(model.prototypes)
    return _infer(estimator, X, lambda rows: cosines(model.embed(rows), prototypes).amax(dim=1))


def _mixture(estimator: Any, X: Any) -> NDArray[np.float64]:
    directions, kappa, share = _components(estimator)
    means = torch.from_numpy(directions).to(estimator.device_)
    embed = estimator.module_.embed
    log_density = _infer(
        estimator, X, lambda rows: von_mises_fisher_log_density(embed(rows), means, kappa)
    )
    return np.asarray(logsumexp(log_density, axis=1, b=share))


def _length(estimator: Any, X: Any) -> NDArray[np.float64]:
    return estimator.resultant_length(X).astype(np.float64)


_SCORES = {
    "auto": lambda estimator, X: _combined(estimator, _neighbors(estimator, X)),
    "cosine": _cosine,
    "energy": _energy,
    "mahalanobis": _mahalanobis,
    "mahalanobis_neighbors": lambda estimator, X: _neighbors(estimator, X)[:, 1],
    "neighbors": lambda estimator, X: _neighbors(estimator, X)[:, 0],
    "resultant_length": _length,
    "von_mises_fisher": _mixture,
}


@one_thread()
def _components(estimator: Any) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return mean directions, concentrations and shares of von Mises-Fisher components."""
    z = normalize(torch.from_numpy(stored_embeddings(estimator._reference)))
    target = estimator._reference["target"]
    directions = estimator.prototypes_.astype(np.float64)
    counts = np.bincount(target, minlength=len(directions))
    kappa = np.ones(len(directions))
    for k in np.flatnonzero(counts).tolist():
        directions[k], kappa[k] = _fit(z, target, k)
    # Few samples do not determine the concentration, one sample has none: it is shared by classes.
    trust = np.where(counts > 1, counts / (counts + _PRIOR_ROWS), 0.0)
    logarithm = np.log(np.maximum(kappa, 1e-9))
    typical = trust @ logarithm / trust.sum() if trust.any() else math.log(estimator.scale_)
    kappa = np.exp(trust * logarithm + (1 - trust) * typical)
    return directions, kappa, (counts + 1) / (counts + 1).sum()


def _fit(z: Any, target: NDArray[Any], k: int) -> tuple[NDArray[np.float64], float]:
    direction, kappa = fit_von_mises_fisher(z[torch.from_numpy(target == k)])
    return direction.numpy(), kappa
