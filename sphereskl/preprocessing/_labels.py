"""Labels of any type as row numbers of prototypes, and back."""

from typing import Any, Self

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d


class Labels:
    """Encode labels as their place among the sorted classes.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted, as scikit-learn's metrics and meta-estimators take columns to be.

    Examples
    --------
    >>> import numpy as np
    >>> from sphereskl.preprocessing import Labels
    >>> encoder = Labels().fit(np.array(["b", "a", "b"]))
    >>> encoder.encode(np.array(["a", "b"]))
    array([0, 1])
    >>> encoder.decode(np.array([[0.1, 0.9]]))
    array(['b'], dtype='<U1')
    """

    def fit(
        self, y: np.ndarray, weight: Any = None, *, given: Any = None, classes: Any = None
    ) -> Self:
        """Learn the classes.

        Parameters
        ----------
        y : ndarray of shape (n_samples,)
            Labels.
        weight : ndarray of shape (n_samples,), default=None
            Unused: a class whose rows all have weight 0 is a class.
        given : array-like, default=None
            The labels as the user passed them, whose type may say more than `y` does.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever come; ``None`` takes those of `y`.

        Returns
        -------
        self : Labels
            Fitted.

        Raises
        ------
        ValueError
            If there are fewer than two classes, or labels are values of a measurement.
        """
        check_classification_targets(y)
        self._set_classes(y, given, classes)
        if len(self.classes_) < 2:
            raise ValueError(
                f"y needs at least 2 classes, but holds only one class: {self.classes_.tolist()}."
            )
        return self

    def check_same(self, other: Self) -> None:
        """Refuse another fit of this encoder that found other classes."""
        if not np.array_equal(self.classes_, other.classes_):
            raise ValueError(
                f"y has the labels {other.classes_.tolist()}, but the fitted model has "
                f"{self.classes_.tolist()}; set warm_start=False to start anew."
            )

    def encode(self, y: np.ndarray, name: str = "y") -> np.ndarray:
        """Turn labels into row numbers, (n_samples,), int64; `name` is theirs in errors."""
        check_classification_targets(y)
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"{name} has the labels {unknown.tolist()}, which are not among the classes "
                f"{self.classes_.tolist()}; name all labels when fitting starts."
            )
        return np.searchsorted(self.classes_, y).astype(np.int64)

    def decode(self, logits: np.ndarray) -> np.ndarray:
        """Return the label of the largest logit of every row, the first if several are."""
        return self.classes_[logits.argmax(axis=1)]

    def strata(self, target: np.ndarray) -> np.ndarray:
        """Return the stratum of every row, of which held-out rows hold an even share."""
        return target

    def _set_classes(self, y: np.ndarray, given: Any, classes: Any) -> None:
        self.classes_ = np.unique(y if classes is None else column_or_1d(classes))
