"""What predicting a class and a value at once needs: two targets in, two predictions out."""

import numpy as np
from scipy.special import softmax
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_consistent_length

from ..nn import fit_scale
from ..preprocessing import (
    from_cosines,
    is_known,
    join_targets,
    resolve_bounds,
    split_targets,
    targets_form,
    to_cosines,
)
from ..training import infer
from ._base import BaseSphereEstimator, _fit_context
from ._input import check_samples


class BaseJointEstimator(BaseSphereEstimator):
    """Targets, fitting and prediction of an estimator of a class and a value."""

    _calibrates = True

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, X_val=None, y_val=None):
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples: numbers without gaps in an array, a data frame or a torch tensor;
            images as the class documentation says.
        y : DataFrame with 2 columns, array-like of shape (n_samples, 2) or pair of array-like
            Classes first, values second. A missing one is None, NaN or NA; rows that lack
            both are left out.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the loss. A row of weight 0 is always left out.
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
            labels, values = y
            known, measured = is_known(labels), ~np.isnan(values)
            weight = self._check_weight(sample_weight, X) * (known | measured)
            if fresh:
                self._set_targets(labels[known & (weight > 0)], values[measured & (weight > 0)])
                self._y_form = targets_form(given)
            validation = self._check_validation(X_val, y_val)
            self._fit_network(X, self._encode(y, "y"), weight, validation, fresh=fresh)
        return self

    def predict(self, X):
        """Class and value of every sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples in the form that was fitted.

        Returns
        -------
        y : DataFrame, ndarray of shape (n_samples, 2) or pair of ndarray
            Classes and values, in the form of the `y` that was fitted.
        """
        return join_targets(*self._read(X), self._y_form)

    def predict_class(self, X):
        """Label of the nearest prototype.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples in the form that was fitted.

        Returns
        -------
        y_class : ndarray of shape (n_samples,)
            Labels.
        """
        return self._read(X)[0]

    def predict_value(self, X):
        """Value at the place of every sample between the poles.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples in the form that was fitted.

        Returns
        -------
        y_value : ndarray of shape (n_samples,), float64
            Values within ``bounds_``.
        """
        return self._read(X)[1]

    def predict_proba(self, X):
        """Probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples in the form that was fitted.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), float64
            ``softmax(scale_ * cosines)``.
        """
        return softmax(self.scale_ * self._cosines(X)[:, 1:], axis=1)

    def score(self, X, y, sample_weight=None):
        """Mean of two scores: accuracy of the classes and R2 of the values.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples in the form that was fitted.
        y : DataFrame with 2 columns, array-like of shape (n_samples, 2) or pair of array-like
            True classes and values. Missing ones are not counted.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            At most 1. It does not depend on `task_weight`, so that a search can choose it.
        """
        label, value = self._read(X)
        true_label, true_value = split_targets(y)
        known, measured = is_known(true_label), ~np.isnan(true_value)
        weight = np.ones(len(label)) if sample_weight is None else np.asarray(sample_weight)
        hits = label[known] == true_label[known]
        r2 = r2_score(true_value[measured], value[measured], sample_weight=weight[measured])
        return float(np.average(hits, weights=weight[known]) + r2) / 2

    def _set_targets(self, labels, values):
        self.classes_ = np.unique(labels.tolist())
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least 2 classes, but the classes in y are "
                f"{self.classes_.tolist()}."
            )
        if not len(values):
            raise ValueError(
                "y holds no value in any row; without values use HypersphericalPrototypeClassifier."
            )
        self.bounds_ = resolve_bounds(self.bounds, 0.0, values[:, None])

    def _cosines(self, X):
        return self._infer(X, "cosines").astype(np.float64)

    def _read(self, X):
        """Return label and value of every sample."""
        cosines = self._cosines(X)
        label = self.classes_[cosines[:, 1:].argmax(axis=1)]
        return label, from_cosines(cosines[:, :1], self.bounds_)[:, 0]

    def _check_rows(self, X, y, *, reset):
        X, y = check_samples(self, X, "no_validation", reset=reset), split_targets(y)
        check_consistent_length(X, *y)
        return X, y

    def _encode(self, y, name):
        labels, values = y
        known = is_known(labels)
        unknown = sorted(set(labels[known].tolist()) - set(self.classes_.tolist()))
        if unknown:
            raise ValueError(
                f"{name} has the labels {unknown}, which are not among the classes "
                f"{self.classes_.tolist()}."
            )
        code = np.full(len(labels), -1)
        code[known] = np.searchsorted(self.classes_, np.array(labels[known].tolist()))
        cosine = to_cosines(values[:, None], self.bounds_)[:, 0]
        return np.stack([code, cosine], axis=1).astype(self.dtype)

    def _strata(self, target):
        return target[:, 0].astype(np.int64) + 1

    def _calibrate(self, data, n_distinct):
        code = data.target[:, 0].cpu().long()
        known = code >= 0
        if not known.any():
            # All held-out rows lack a class: nothing speaks against the scale of training.
            self.scale_ = self.module_.scale.item()
            return
        cosines = infer(self.module_, data.X, device=self.device_)[known, 1:]
        weight = None if data.weight is None else data.weight.cpu()[known]
        self.scale_ = fit_scale(
            cosines,
            code[known],
            weight,
            expected=self.module_.scale.item(),
            n_distinct=min(n_distinct, int(known.sum())),
        )

    @staticmethod
    def _score_function(cosines, target, weight):
        """Accuracy where the class is known."""
        known = target[:, 0] >= 0
        share = known.to(cosines) if weight is None else known.to(cosines) * weight
        hits = (cosines[:, 1:].argmax(dim=1) == target[:, 0]).to(cosines)
        return (share * hits).sum() / share.sum().clamp_min(1e-12)
