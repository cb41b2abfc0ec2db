"""Encoder of ordered labels: sorted for columns of the output, ranks on the arc."""

import warnings
from typing import Any, Self

import numpy as np

from ._labels import Labels, all_labels, plain_labels


class OrderedLabels(Labels):
    """Encode labels that have an order.

    Parameters
    ----------
    categories : "auto" or array-like of shape (n_classes,), default="auto"
        All labels from the lowest to the highest; "auto" takes the order of an ordered
        categorical column, or that of the `classes` passed to `fit`, or else sorts the labels.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted: the order of columns, whatever the order of the classes.
    categories_ : ndarray of shape (n_classes,)
        Labels from the lowest to the highest.
    ranks_ : ndarray of shape (n_classes,)
        Place of each of `classes_` in `categories_`.

    Notes
    -----
    Meta-estimators such as scikit-learn's ``VotingClassifier`` pass 0, 1, ... in place of
    the *sorted* labels. If `categories` are not numeric and all labels are such codes, they
    are decoded accordingly.

    Examples
    --------
    >>> import numpy as np
    >>> from sphereskl.preprocessing import OrderedLabels
    >>> encoder = OrderedLabels(["low", "middle", "high"]).fit(np.array(["high", "low"]))
    >>> encoder.classes_.tolist(), encoder.ranks_.tolist()
    (['high', 'low', 'middle'], [2, 0, 1])
    """

    def __init__(self, categories: Any = "auto"):
        self.categories = categories

    def check_same(self, other: Self) -> None:
        """Refuse another fit of this encoder with other classes or another order."""
        super().check_same(other)
        if not np.array_equal(self.categories_, other.categories_):
            raise ValueError(
                f"y has the order {other.categories_.tolist()}, but the fitted model has "
                f"{self.categories_.tolist()}; call fit with warm_start=False to start anew."
            )

    def median(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the weighted median: the lowest label that covers at least half the probability.

        Parameters
        ----------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            The label with the lowest expected distance in ranks.
        """
        below = np.cumsum(probabilities[:, np.argsort(self.ranks_)], axis=1)
        # The last one in any case, whatever the rounding of the sum.
        return self.categories_[(below[:, :-1] < 0.5).sum(axis=1)]

    def strata(self, target: np.ndarray) -> np.ndarray:
        """Return the rank of every sample: the hold-out does not depend on names of classes."""
        return self.ranks_[target]

    def _set_classes(self, y: np.ndarray, given: Any, classes: Any) -> None:
        found = np.unique(y if classes is None else all_labels(classes))
        if not isinstance(self.categories, str):
            categories = self._named(found)
        elif classes is not None:
            declared = _declared_order(getattr(classes, "dtype", None))
            categories = all_labels(classes) if declared is None else declared
            categories = categories[np.sort(np.unique(categories, return_index=True)[1])]
        else:
            declared = _declared_order(getattr(given, "dtype", None))
            categories = found if declared is None else declared
            if declared is None and found.dtype.kind not in "biufmM" and len(found) > 2:
                warnings.warn(
                    f"y holds labels that are not numbers, taken in the order {found.tolist()}; "
                    "pass categories=[...] to say which is the lowest and which the highest.",
                    stacklevel=7,
                )
        self.categories_ = categories
        self.classes_ = np.unique(categories)
        self.ranks_ = np.argsort(categories)

    def _named(self, found: np.ndarray) -> np.ndarray:
        categories = np.asarray(plain_labels(np.asarray(self.categories), "categories"))
        if categories.ndim != 1 or len(np.unique(categories)) != len(categories):
            raise ValueError(
                f"categories must list every label once, from the lowest to the highest, got "
                f"{self.categories!r}."
            )
        if _are_codes(found, categories):
            return np.searchsorted(np.sort(categories), categories)
        missing = np.setdiff1d(found, categories)
        if len(missing):
            raise ValueError(
                f"y has the labels {missing.tolist()}, which are not among categories "
                f"{categories.tolist()}; name all labels from the lowest to the highest."
            )
        return categories


def _are_codes(found: np.ndarray, categories: np.ndarray) -> bool:
    """Tell whether labels can only be indices of the sorted categories."""
    if categories.dtype.kind in "biuf" or found.dtype.kind not in "iu":
        return False
    within = 0 <= found.min() and found.max() < len(categories)
    return bool(within and not np.isin(found, categories).any())


def _declared_order(dtype: Any) -> np.ndarray | None:
    """Return the categories of a dtype that has them in order, None for any other dtype."""
    categories = getattr(dtype, "categories", None)
    kind = type(dtype).__name__
    if kind == "Enum":  # polars: ordered by definition
        return np.asarray(categories)
    if kind not in ("Categorical", "CategoricalDtype"):
        return None
    if not getattr(dtype, "ordered", False):
        raise ValueError(
            "y is categorical without an order; pass categories=[...] from the lowest to the "
            "highest, or make it an ordered categorical."
        )
    return np.asarray(categories)
