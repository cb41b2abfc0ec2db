"""Predictions of a class and a value from one embedding."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..preprocessing import LabelsAndValues
from ._scores import joint_score
from ._stored_samples import with_targets


class JointPredictionMixin:
    """What `HypersphericalMultiTask` predicts: class, value, or both."""

    target_encoder_: LabelsAndValues
    # Defined by the estimator: one output of the model, such as "logits".
    _infer: Callable[[Any, str], NDArray[Any]]

    def predict_class(self, X: Any) -> NDArray[Any]:
        """Predict the class: the label of the nearest prototype.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples in the same form as in `fit`.

        Returns
        -------
        y_class : ndarray of shape (n_samples,)
            Labels.
        """
        return self._split(X)[0]

    def predict_value(self, X: Any) -> NDArray[np.float64]:
        """Predict the value from the position between the poles.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples in the same form as in `fit`.

        Returns
        -------
        y_value : ndarray of shape (n_samples,), float64
            Values within ``bounds_``.
        """
        return self._split(X)[1]

    def predict(self, X: Any) -> Any:
        """Predict class and value of every sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples in the same form as in `fit`.

        Returns
        -------
        y : DataFrame, ndarray of shape (n_samples, 2) or pair of ndarray
            In the form of the `y` that was fitted; a pandas frame has the index of `X`.
        """
        logits = self._infer(X, "logits")
        return self.target_encoder_.decode(logits, index=getattr(X, "index", None))

    def score(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None) -> float:
        """Return the mean of accuracy and R2, or one of them if `y` lacks the other.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples in the same form as in `fit`.
        y : DataFrame, array-like of shape (n_samples, 2) or pair of array-like, default=None
            True classes and values; missing ones are ignored. May be None if `X` is a Dataset
            of pairs.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights.

        Returns
        -------
        score : float
            At most 1; independent of `task_weight`, so that a search can tune it.
        """
        X, y = with_targets(X, y)
        return joint_score(*self._split(X), y, sample_weight)

    def _split(self, X: Any) -> tuple[NDArray[Any], NDArray[np.float64]]:
        logits = self._infer(X, "logits")
        return self.target_encoder_.split(logits)
