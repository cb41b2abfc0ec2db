"""From cosines and scale to probabilities."""

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..nn import log_probabilities
from ..training import infer


class ProbabilityMixin:
    """Probabilities of classes, ``softmax(scale_ * logits)`` corrected for label smoothing."""

    scale_: float
    net_: Any

    @abstractmethod
    def _class_logits(self, X: Any) -> NDArray[np.float64]:
        """Return the logits of the classes alone."""

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples in the same form as in `fit`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), float64
            ``softmax(scale_ * logits)``, where the logits are the cosines with the prototypes
            unless the norm of the embedding counts; columns follow `classes_`. The share of
            label smoothing is removed, see `sphereskl.nn.log_probabilities`.
        """
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the logarithms of the probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples in the same form as in `fit`.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes), float64
            Finite even where a probability is too small for a float.
        """
        all_logits = torch.from_numpy(self._class_logits(X))
        smoothing = self.net_.criterion_.label_smoothing

        def view(logits: torch.Tensor) -> torch.Tensor:
            return log_probabilities(logits, self.scale_, smoothing)

        # In full chunks: otherwise the last bits of an exponential depend on its position.
        return infer(view, all_logits).numpy()
