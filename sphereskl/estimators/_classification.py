"""What classifiers on the sphere share: labels in, labels and probabilities out."""

import numpy as np
import torch
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from ..nn import fit_scale
from ..training import infer
from ._base import BaseSphereEstimator, StrOptions, _fit_context
from ._input import check_samples


class BaseSphereClassifier(ClassifierMixin, BaseSphereEstimator):
    """Labels, fitting and prediction of a classifier that reads classes off angles."""

    _calibrates = True

    _parameter_constraints = {
        **BaseSphereEstimator._parameter_constraints,
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    @property
    def n_classes_(self):
        """Number of classes."""
        return len(self.classes_)

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, X_val=None, y_val=None):
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples: numbers without gaps in an array, a data frame or a torch tensor;
            images as the class documentation says.
        y : array-like of shape (n_samples,)
            Labels of any type.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the loss. Where all rows fit into one batch, a row of
            weight 2 is the same as two copies of it; a row of weight 0 is always left out.
        X_val, y_val : array-like, default=None
            Rows to judge the model by, instead of a part of `X`. Not trained on.

        Returns
        -------
        self : estimator
            The fitted estimator. A failing fit leaves it as it was.
        """
        with self._unchanged_on_error():
            fresh = not (self.warm_start and hasattr(self, "net_"))
            given = y
            X, y = self._check_rows(X, y, reset=fresh)
            self._set_classes(self._labels(y, given), fresh)
            validation = self._check_validation(X_val, y_val)
            self._fit_rows(X, y, sample_weight, validation, fresh=fresh)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one epoch at a constant learning rate.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            A part of the samples. The first call settles how columns are standardised.
        y : array-like of shape (n_samples,)
            Their labels.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever come; needed on the first call only.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the loss.

        Returns
        -------
        self : estimator
            The fitted estimator.
        """
        with self._unchanged_on_error():
            fresh = not hasattr(self, "net_")
            if fresh and classes is None:
                raise ValueError("classes must be passed on the first call to partial_fit.")
            if self.class_weight == "balanced":
                raise ValueError(
                    "class_weight='balanced' needs all labels at once, which partial_fit does not "
                    "see; pass a dictionary of weights."
                )
            X, y = self._check_rows(X, y, reset=fresh)
            if classes is not None:
                self._set_classes(np.unique(column_or_1d(classes)), fresh)
            self._fit_rows(X, y, sample_weight, None, fresh=fresh, partial=True)
        return self

    def decision_function(self, X):
        """Cosines with the prototypes of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples in the form that was fitted.

        Returns
        -------
        cosines : ndarray of shape (n_samples, n_classes) or (n_samples,), float64
            In [-1, 1]. For two classes half the difference of the two cosines, which for
            antipodal prototypes is the cosine with the second: positive means
            ``classes_[1]``.
        """
        cosines = self._cosines_and_norm(X)[0]
        return (cosines[:, 1] - cosines[:, 0]) / 2 if cosines.shape[1] == 2 else cosines

    def predict(self, X):
        """Label of the nearest prototype.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples in the form that was fitted.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels; the first in `classes_` where several prototypes are equally near.
        """
        nearest = self._cosines_and_norm(X)[0].argmax(axis=1)
        return self.classes_[nearest]

    def predict_proba(self, X):
        """Probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples in the form that was fitted.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), float64
            ``softmax(scale_ * cosines)``; with ``loss="logits"`` each row's cosines are
            first multiplied by its norm.
        """
        cosines, norm = self._cosines_and_norm(X)
        return softmax(self.scale_ * norm * cosines, axis=1)

    def _cosines_and_norm(self, X):
        check_is_fitted(self)
        if not self.module_.free_norm:
            return self._infer(X, "cosines").astype(np.float64), 1.0
        both = self._infer(X, "cosines_and_norm").astype(np.float64)
        return both[:, :-1], both[:, -1:]

    def _labels(self, y, given):
        """Return the classes in order, given `y` as an array and as the user passed it."""
        return np.unique(y)

    def _set_classes(self, classes, fresh):
        if not fresh:
            if not np.array_equal(classes, self.classes_):
                raise ValueError(
                    f"y has the labels {classes.tolist()}, but the fitted model has "
                    f"{self.classes_.tolist()}; set warm_start=False to start anew."
                )
            return
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least 2 classes, but y holds only one class: "
                f"{classes.tolist()}."
            )
        self.classes_ = classes

    def _check_rows(self, X, y, *, reset):
        X, y = check_samples(self, X, y, reset=reset)
        check_classification_targets(y)
        return X, y

    def _encode(self, y, name):
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"{name} has the labels {unknown.tolist()}, which are not among the classes "
                f"{self.classes_.tolist()}; name all labels when fitting starts."
            )
        order = np.argsort(self.classes_)
        return order[np.searchsorted(self.classes_, y, sorter=order)].astype(np.int64)

    def _fit_rows(self, X, y, sample_weight, validation, *, fresh, partial=False):
        target = self._encode(y, "y")
        weight = self._check_weight(sample_weight, X)
        weight_of_class = self._weight_of_classes(target, weight)
        weight = weight * weight_of_class[target]
        if validation is not None:
            X_val, target_val, weight_val = validation
            validation = X_val, target_val, weight_val * weight_of_class[target_val]
        self._fit_network(X, target, weight, validation, fresh=fresh, partial=partial)

    def _weight_of_classes(self, target, weight):
        if self.class_weight == "balanced":
            # By weight, not by count, so that a row of weight 2 counts as two.
            total = np.bincount(target, weights=weight, minlength=self.n_classes_)
            return total.sum() / (self.n_classes_ * np.where(total > 0, total, 1.0))
        given = self.class_weight or {}
        unknown = [label for label in given if label not in self.classes_.tolist()]
        if unknown:
            raise ValueError(
                f"class_weight names {unknown}, which are not among the classes "
                f"{self.classes_.tolist()}; use the labels in y."
            )
        if any(weight < 0 for weight in given.values()):
            raise ValueError(f"class_weight must not be negative, got {given}.")
        return np.array([given.get(label, 1.0) for label in self.classes_.tolist()])

    def _strata(self, target):
        return target

    def _calibrate(self, data, n_distinct):
        logits = self.module_.read(infer(self.module_, data.X, device=self.device_))
        weight = None if data.weight is None else data.weight.cpu()
        self.scale_ = fit_scale(
            logits,
            data.target.cpu(),
            weight,
            expected=self._expected_scale(),
            n_distinct=n_distinct,
        )

    @staticmethod
    def _score_function(projections, target, weight):
        hits = (projections.argmax(dim=1) == target).double()
        return hits.mean() if weight is None else torch.dot(hits, weight.double()) / weight.sum()
