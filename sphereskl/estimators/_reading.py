"""Logits and targets in the units of y, for callbacks that score during training."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.metrics import r2_score
from sklearn.utils import ClassifierTags, RegressorTags
from torch import Tensor

from ..preprocessing import Labels, LabelsAndValues, OrderedLabels, Values
from ._scores import joint_score


@dataclass(frozen=True)
class LabelReading:
    """Labels and the logits of their prototypes.

    Parameters
    ----------
    encoder : Labels
        Fitted.
    """

    encoder: Any

    @property
    def classes_(self) -> NDArray[Any]:
        """Labels in the order of the columns."""
        return self.encoder.classes_

    def decode_target(self, target: Tensor) -> NDArray[Any]:
        """Return the labels of class indices."""
        return self.encoder.classes_[target.cpu().numpy()]

    def predict(self, logits: NDArray[Any], scale: Callable[[], float]) -> NDArray[Any]:
        """Return the most probable labels."""
        return self.encoder.decode(logits)

    def class_logits(self, logits: NDArray[Any]) -> NDArray[Any]:
        """Return all columns."""
        return logits

    def score(self, y: Any, predicted: NDArray[Any]) -> float:
        """Return the accuracy."""
        return float(np.mean(np.asarray(y) == predicted))

    def tag(self, tags: Any) -> Any:
        """Tell scikit-learn that this is a classifier."""
        tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
        tags.target_tags.required = True
        return tags


class MedianReading(LabelReading):
    """Ordered labels; the median is predicted."""

    def predict(self, logits: NDArray[Any], scale: Callable[[], float]) -> NDArray[Any]:
        """Return the medians of the probabilities."""
        return self.encoder.median(softmax(scale() * logits, axis=1))


@dataclass(frozen=True)
class ValueReading:
    """Values and their cosines with the upper poles.

    Parameters
    ----------
    encoder : Values
        Fitted.
    """

    encoder: Any

    def decode_target(self, target: Tensor) -> NDArray[np.float64]:
        """Return the values of cosines, also of those beyond the bounds."""
        y = _values(target, self.encoder.bounds_)
        return y if self.encoder.is_2d_ else y[:, 0]

    def predict(self, logits: NDArray[Any], scale: Callable[[], float]) -> NDArray[np.float64]:
        """Return values within the bounds."""
        return self.encoder.decode(logits)

    def score(self, y: Any, predicted: NDArray[np.float64]) -> float:
        """Return R2, averaged over targets."""
        return float(r2_score(y, predicted))

    def tag(self, tags: Any) -> Any:
        """Tell scikit-learn that this is a regressor."""
        tags.estimator_type, tags.regressor_tags = "regressor", RegressorTags()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        return tags


@dataclass(frozen=True)
class TaskReading:
    """A class and a value for every row: in any form of `y` an array of two columns.

    Parameters
    ----------
    encoder : LabelsAndValues
        Fitted.
    """

    encoder: Any

    @property
    def classes_(self) -> NDArray[Any]:
        """Labels in the order of the columns of probabilities."""
        return self.encoder.classes_

    def decode_target(self, target: Tensor) -> NDArray[Any]:
        """Return classes and values, those that are missing as None or NaN."""
        code = target[:, 0].cpu().numpy().astype(np.int64)
        label = self.encoder.classes_.astype(object)[code]
        label[code < 0] = None
        return self._join(label, _values(target[:, 1:], self.encoder.bounds_)[:, 0])

    def predict(self, logits: NDArray[Any], scale: Callable[[], float]) -> NDArray[Any]:
        """Return classes and values."""
        return self._join(*self.encoder.split(logits))

    def class_logits(self, logits: NDArray[Any]) -> NDArray[Any]:
        """Return the columns of the classes."""
        return logits[:, 1:]

    def score(self, y: Any, predicted: NDArray[Any]) -> float:
        """Return the mean of the accuracy and R2."""
        label = predicted[:, 0].astype(self.encoder.classes_.dtype)
        return joint_score(label, predicted[:, 1].astype(np.float64), y, None)

    def tag(self, tags: Any) -> Any:
        """Tell scikit-learn nothing: it has no name for this."""
        return tags

    def _join(self, label: NDArray[Any], value: NDArray[Any]) -> NDArray[Any]:
        # Numbers where they can be: metrics know no labels that are numbers among objects.
        are_numbers = self.encoder.classes_.dtype.kind in "biuf"
        joined = np.stack([label.astype(object), value.astype(object)], axis=1)
        return joined.astype(np.float64) if are_numbers else joined


# By the encoder of targets and, where there is a choice, by what is predicted. Others get none.
READINGS: dict[tuple[type, str | None], Any] = {
    (Labels, None): LabelReading,
    (OrderedLabels, "argmax"): LabelReading,
    (OrderedLabels, "median"): MedianReading,
    (Values, None): ValueReading,
    (LabelsAndValues, None): TaskReading,
}


def _values(cosines: Tensor, bounds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values of cosines that need not be any."""
    place = cosines.double().cpu().numpy()
    low, high = bounds.T
    return low * ((1 - place) / 2) + high * ((1 + place) / 2)
