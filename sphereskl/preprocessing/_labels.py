"""Encoder of labels: class indices, and back."""

from copy import copy
from numbers import Real
from typing import Any, Self

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d
from torch import Tensor

from ._arrays import as_array


class Labels:
    """Encode labels as their index among the sorted classes.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted, as scikit-learn's metrics and meta-estimators expect columns to be.
    first_classes_ : ndarray
        The classes of the first fit.

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
            Unused: a class whose samples all have weight 0 is still a class.
        given : array-like, default=None
            The labels as the user passed them, whose type may say more than `y` does.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever occur; ``None`` takes those of `y`.

        Returns
        -------
        self : Labels
            Fitted.

        Raises
        ------
        ValueError
            If there are fewer than two classes, or labels are continuous values.
        """
        _check_discrete(y)
        self._set_classes(y, given, classes)
        if len(self.classes_) < 2:
            raise ValueError(
                f"y needs at least 2 classes, but holds only one class: {self.classes_.tolist()}."
            )
        self.first_classes_ = self.classes_
        return self

    def extended(self, labels: np.ndarray) -> tuple[Self, np.ndarray, np.ndarray]:
        """Return an encoder with additional labels, and the positions of all labels.

        Parameters
        ----------
        labels : ndarray of shape (n_new,)
            Labels that are not among the classes, all different.

        Returns
        -------
        encoder : Labels
            A new one.
        old, new : ndarray of int64
            Positions of the former classes and of `labels` among its classes.

        Raises
        ------
        ValueError
            If labels are of another type than the classes, so that they cannot be sorted, or
            continuous values.
        """
        _check_discrete(labels)
        kinds = {
            "text" if known.dtype.kind in "USO" else "number" for known in (labels, self.classes_)
        }
        if len(kinds) > 1:
            raise ValueError(
                f"The new labels {labels.tolist()} are of another type than the classes "
                f"{self.classes_.tolist()}; use labels of the same type."
            )
        encoder = copy(self)
        encoder.classes_ = np.unique(np.concatenate([self.classes_, labels]))
        old, new = (np.searchsorted(encoder.classes_, known) for known in (self.classes_, labels))
        return encoder, old, new

    def check_same(self, other: Self) -> None:
        """Refuse another fit of this encoder with other classes."""
        if not np.array_equal(self.classes_, other.classes_):
            raise ValueError(
                f"y has the labels {other.classes_.tolist()}, but the fitted model has "
                f"{self.classes_.tolist()}; call fit with warm_start=False to start anew."
            )

    def encode(self, y: np.ndarray, name: str = "y") -> np.ndarray:
        """Turn labels into class indices, (n_samples,), int64; `name` is used in errors."""
        if y.dtype == self.classes_.dtype:
            place = np.searchsorted(self.classes_, y).clip(max=len(self.classes_) - 1)
            if np.array_equal(self.classes_[place], y):
                return place.astype(np.int64)
        _check_discrete(y)
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"{name} has the labels {unknown.tolist()}, which are not among the classes "
                f"{self.classes_.tolist()}; name all labels when fitting starts."
            )
        return np.searchsorted(self.classes_, y).astype(np.int64)

    def decode(self, logits: np.ndarray) -> np.ndarray:
        """Return the label of the largest logit of every row; ties go to the first."""
        return self.classes_[logits.argmax(axis=1)]

    def strata(self, target: np.ndarray) -> np.ndarray:
        """Return the stratum of every sample; held-out samples contain equal shares of each."""
        return target

    def _set_classes(self, y: np.ndarray, given: Any, classes: Any) -> None:
        self.classes_ = np.unique(y if classes is None else all_labels(classes))


def _check_discrete(y: np.ndarray) -> None:
    """Refuse continuous values; scikit-learn detects them by a cast that may overflow."""
    with np.errstate(invalid="ignore", over="ignore"):
        check_classification_targets(y)


def all_labels(classes: Any) -> np.ndarray:
    """Return the labels that the user says will ever occur."""
    return column_or_1d(plain_labels(classes, "classes"))


def plain_labels(y: Any, name: str = "y") -> Any:
    """Return labels in one of NumPy's own types, if their values have one.

    Parameters
    ----------
    y : array-like
        Labels, of a nullable or categorical type, or objects that are all strings, all
        integers, and so on; everything else is returned unchanged.
    name : str, default="y"
        Name of the labels in errors.

    Returns
    -------
    y : ndarray, or `y` itself
        Integers stay integers, and booleans stay booleans.

    Raises
    ------
    ValueError
        If a label is missing, or labels are objects that scikit-learn's metrics do not accept.

    Examples
    --------
    >>> import numpy as np
    >>> from sphereskl.preprocessing import plain_labels
    >>> plain_labels(np.array([1, 2], dtype=object))
    array([1, 2])
    """
    if isinstance(y, Tensor):
        y = as_array(name, y)
    if np.ma.is_masked(y):
        row = int(np.ma.getmaskarray(y).ravel().argmax())
        raise ValueError(
            f"Input {name} contains NaN or another missing label: it is masked in row {row} first; "
            "leave those rows out."
        )
    if isinstance(y, np.ndarray) and y.dtype != object:
        return y
    array = np.asarray(y) if hasattr(y, "dtype") or hasattr(y, "__array__") else None
    if array is None or array.ndim != 1 or array.dtype.kind not in "Of":
        return y if array is None or array.ndim != 1 else array
    missing = is_missing(array)
    if missing.any():
        row = int(missing.argmax())
        raise ValueError(
            f"Input {name} contains NaN or another missing label, in row {row} first; leave those "
            "rows out."
        )
    if array.dtype != object:
        return array
    kinds = {_kind(label) for label in array.tolist()}
    if kinds <= {"string"}:
        return array
    if len(kinds) == 1 and "other" not in kinds:
        return np.array(array.tolist())
    types = sorted({type(label).__name__ for label in array.tolist()})
    raise ValueError(
        f"Unknown label type: {name} holds labels of type {', '.join(types)}, which scikit-learn's "
        "metrics do not take; make them strings or numbers, for example by "
        f"{name}.cat.rename_categories(str) where they are categories in an order."
    )


def is_missing(values: np.ndarray) -> np.ndarray:
    """Tell which values of an array are None, NaN or NA, as an array of bool."""
    if values.dtype.kind == "f":
        return np.isnan(values)
    if values.dtype != object:
        return np.zeros(len(values), dtype=bool)
    # pandas' NA cannot be compared and used as a boolean, so it is recognised by its type's name.
    return np.array(
        [
            v is None
            or type(v).__name__ in ("NAType", "NaTType")
            # An array that holds itself cannot be compared.
            or (not isinstance(v, np.ndarray) and (v != v) is True)
            for v in values.tolist()
        ],
        dtype=bool,
    )


def _kind(label: Any) -> str:
    if isinstance(label, str):
        return "string"
    if isinstance(label, bool | np.bool_):
        return "truth"
    return "number" if isinstance(label, Real) else "other"
