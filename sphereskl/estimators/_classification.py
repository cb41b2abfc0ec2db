"""What classifiers on the sphere share: labels in, labels and probabilities out."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from torch import Tensor

from ..preprocessing import Labels, plain_labels
from ..training import TensorData, expected_scale
from ._base import BaseSphereEstimator, Real, StrOptions
from ._calibration import calibrated_scale
from ._novelty import NoveltyMixin
from ._probabilities import ProbabilityMixin
from ._stored_samples import with_targets
from ._weights import check_weight


class BaseSphereClassifier(NoveltyMixin, ProbabilityMixin, ClassifierMixin, BaseSphereEstimator):
    """Classes, probabilities and class weights of a classifier based on angles."""

    class_weight: dict[Any, float] | str | None

    _calibrates = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseSphereEstimator._parameter_constraints,
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    classes_ = property(attrgetter("target_encoder_.classes_"), doc="Labels, sorted.")

    @property
    def n_classes_(self) -> int:
        """Number of classes."""
        return len(self.classes_)

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the class of every sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples in the same form as in `fit`.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels of the nearest prototypes; ties go to the first.
        """
        # Computed in chunks: the logits of all rows may need more memory than the rows.
        numbers = self._infer(X, "nearest")
        return self.classes_[numbers]

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return the logits of the classes, without margin and without `scale_`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples in the same form as in `fit`.

        Returns
        -------
        logits : ndarray of shape (n_samples, n_classes) or (n_samples,), float64
            Cosines with the prototypes, in [-1, 1]; for classes from `add_classes`, times the
            length of the prototype. If the loss uses the norm of the embedding ("logits";
            "softmax" and those with a scale of "norm" of `SphereNetClassifier`), cosines are
            multiplied by it. For two classes, half the difference of
            the two, which for antipodal prototypes is the cosine with the second: positive means
            ``classes_[1]``.
        """
        logits = self._infer(X, "logits").astype(np.float64)
        return (logits[:, 1] - logits[:, 0]) / 2 if logits.shape[1] == 2 else logits

    def score(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None) -> float:
        """Return the accuracy.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples in the same form as in `fit`.
        y : array-like of shape (n_samples,), default=None
            True labels; may be None if `X` is a Dataset of pairs.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights.

        Returns
        -------
        score : float
            In [0, 1].
        """
        X, y = with_targets(X, y)
        y = plain_labels(y)
        weight = None if sample_weight is None else check_weight(sample_weight, y)
        with np.errstate(invalid="ignore"):  # scikit-learn casts labels to integers
            return super().score(X, y, weight)

    def _class_logits(self, X: Any) -> NDArray[np.float64]:
        return self._infer(X, "logits").astype(np.float64)

    def _check_rows(self, X: Any, y: Any, *, reset: bool) -> tuple[NDArray[Any], Any]:
        y = plain_labels(y)
        try:
            return super()._check_rows(X, y, reset=reset)
        except ValueError as error:
            if "y should be a 1d array" not in str(error):
                raise
            raise ValueError(
                f"{error} Every sample has one label here; for several, use one classifier each by "
                "sklearn.multioutput.MultiOutputClassifier."
            ) from error

    def _make_target_encoder(self) -> Labels:
        return Labels()

    def _check_parts(self) -> None:
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all labels at once, which partial_fit does not "
                "see; pass a dictionary of weights."
            )

    def _make_weigher(self, target: NDArray[Any], weight: NDArray[Any]) -> Callable[..., Any]:
        if self.class_weight is None:
            return lambda target: 1.0
        of_class = self._weight_of_classes(target, weight)
        return lambda target: of_class[target]

    def _weight_of_classes(self, target: NDArray[Any], weight: NDArray[Any]) -> NDArray[Any]:
        if self.class_weight == "balanced":
            # Weights are summed, not counted, so that a sample of weight 2 counts as two.
            total = np.bincount(target, weights=weight, minlength=self.n_classes_)
            return total.sum() / (self.n_classes_ * np.where(total > 0, total, 1.0))
        by_label: Any = self.class_weight or {}
        given = {_plain(label): value for label, value in by_label.items()}
        for label, value in given.items():
            if not isinstance(value, Real) or not 0 <= float(value) < np.inf:
                raise ValueError(
                    f"class_weight gives {value!r} to the class {label!r}; weights are finite "
                    "numbers of at least 0."
                )
        labels = self.classes_.tolist()
        unknown = [label for label in given if label not in labels]
        # Weights of classes missing from a fold are allowed, unless a class has no weight.
        if unknown and not all(label in given for label in labels):
            raise ValueError(
                f"class_weight names {unknown}, which are not among the classes {labels}; use the "
                "labels in y."
            )
        return np.array([given.get(label, 1.0) for label in labels], dtype=np.float64)

    def _calibrate(self, data: TensorData, n_distinct: int) -> None:
        expected = expected_scale(self.module_, self.net_.criterion_)
        self.scale_ = calibrated_scale(self, data, expected=expected, n_distinct=n_distinct)

    @staticmethod
    def _score(logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Return the accuracy."""
        hits = (logits.argmax(dim=1) == target).double()
        return hits.mean() if weight is None else torch.dot(hits, weight.double()) / weight.sum()


def _plain(label: Any) -> Any:
    """Return a label as `ndarray.tolist` does."""
    return label.item() if isinstance(label, np.generic) else label
