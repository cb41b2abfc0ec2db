"""Classes added after a fit: they take a reserved prototype, or get a new one."""

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from ..geometry import assign_prototypes, normalize
from ..preprocessing import take_rows
from ..training import (
    EncodedRows,
    TensorData,
    neutral_torch,
    one_thread,
    unchanged_on_error,
)
from ._finite import infer_finite
from ._learning import net_options
from ._reference import merge, moments, outputs, rearranged, remembered
from ._stored_samples import lazy_rows
from ._typicality import stored_embeddings, unit
from ._weights import check_weight, counted

# Share of known samples that may be mistaken for new classes; see docs/benchmarks/new_classes.md.
_MISTAKEN = 0.02


class NewClassesMixin:
    """Classes that are added to a fitted classifier."""

    classes_: NDArray[Any]
    _check_rows: Any

    def add_classes(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Add classes from a few samples each, without training (few-shot learning).

        The prototype of a class is the direction of its samples' mean embedding (Qi et al. 2018,
        "Low-Shot Learning with Imprinted Weights", CVPR). Other classes are unchanged: their
        cosines stay the same, and a prediction that changes becomes one of the new labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples in the same form as in `fit`, at least one of every new class.
        y : array-like of shape (n_samples,)
            Their labels, none of them in `classes_`.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights in the mean.

        Returns
        -------
        self : estimator
            The estimator, with the labels in `classes_`. It is unchanged if anything fails.
        """
        check_is_fitted(self)
        with unchanged_on_error(self), neutral_torch():
            X, labels = self._check_rows(X, y, reset=False)
            X, labels, weight = counted(X, labels, check_weight(sample_weight, X))
            known = np.intersect1d(labels, self.classes_)
            if len(known):
                raise ValueError(
                    f"y has the labels {known.tolist()}, which are classes already; leave them "
                    "out, or train on more of their samples by partial_fit."
                )
            imprint(self, X, labels, weight)
        return self


@one_thread()
def claim_reserved(estimator: Any, X: NDArray[Any], y: NDArray[Any], weight: NDArray[Any]) -> None:
    """Assign the nearest reserved prototypes to new labels.

    Parameters
    ----------
    estimator : HypersphericalPrototypeClassifier
        Fitted; unchanged if no label is new, or no prototypes were reserved.
    X, y, weight : ndarray
        Validated samples of positive weight.

    Raises
    ------
    ValueError
        If there are more new labels than reserved prototypes.
    """
    labels, model = np.setdiff1d(y, estimator.classes_), estimator.module_
    reserved = model.reserved
    if not len(labels) or not (len(reserved) or estimator.n_reserved):
        return
    if len(labels) > len(reserved):
        raise ValueError(
            f"y has the labels {labels.tolist()}, which are not among the classes "
            f"{estimator.classes_.tolist()}, and {len(reserved)} of n_reserved="
            f"{estimator.n_reserved} prototypes are free; fit with more, or call add_classes."
        )
    rows = np.isin(y, labels)
    encoded = lazy_rows(estimator, take_rows(X, rows))
    means = _mean_embeddings(estimator, encoded, y[rows], weight[rows], labels)
    claimed = assign_prototypes(means, reserved)
    left = np.setdiff1d(np.arange(len(reserved)), claimed.numpy())
    _settle(estimator, labels, reserved[claimed.to(reserved.device)], reserved[left])


@one_thread()
def imprint(estimator: Any, X: NDArray[Any], y: NDArray[Any], weight: NDArray[Any]) -> None:
    """Give new labels the directions of their samples' mean embeddings as prototypes.

    Parameters
    ----------
    estimator : HypersphericalPrototypeClassifier
        Fitted.
    X, y, weight : ndarray
        Validated samples of positive weight, all of new classes.
    """
    labels, model = np.unique(y), estimator.module_
    encoded = lazy_rows(estimator, X)
    directions = normalize(_mean_embeddings(estimator, encoded, y, weight, labels))
    if not model.free_norm:
        directions *= _length(estimator, encoded, y, weight, labels, directions)
    _settle(estimator, labels, directions.to(model.reserved), model.reserved)
    target = torch.from_numpy(np.searchsorted(estimator.classes_, y))
    rows = TensorData(encoded, target, torch.from_numpy(np.array(weight)))
    h = outputs(estimator, encoded)
    support = {**moments(h, rows, len(estimator.classes_)), **remembered(h, rows)}
    joined = merge(estimator._reference, support, memory=1.0)
    estimator._reference = {**estimator._reference, **joined}


def _mean_embeddings(
    estimator: Any,
    encoded: EncodedRows,
    y: NDArray[Any],
    weight: NDArray[Any],
    labels: NDArray[Any],
) -> Tensor:
    """Return the weighted sum of the embeddings of every label, (n_labels, embedding_dim)."""
    z = infer_finite(estimator, estimator.module_.embed, encoded).double()
    place = torch.from_numpy(np.searchsorted(labels, y))
    share = torch.from_numpy(np.array(weight))[:, None]
    return torch.zeros(len(labels), z.shape[1]).double().index_add_(0, place, share * z)


def _length(
    estimator: Any,
    encoded: EncodedRows,
    y: NDArray[Any],
    weight: NDArray[Any],
    labels: NDArray[Any],
    directions: Tensor,
) -> float:
    """Return the length of new prototypes, which multiplies their cosines.

    Members that were not trained on a class agree less on its samples, so that their mean has
    smaller cosines; and a new class between known ones would take some of their samples. The length
    is the one at which at most a given share of the remembered samples would be taken for a new
    class, but not so large that new samples are predicted with more confidence than known ones.
    """
    known = torch.from_numpy(stored_embeddings(estimator._reference))
    prototypes = estimator.module_.prototypes.detach().double().cpu()
    largest = (known @ prototypes.mT).amax(dim=1)
    nearness = (known @ directions.mT).clamp(min=1e-3)
    mistaken = (largest[:, None] / nearness).amin(dim=1).quantile(_MISTAKEN)
    own = torch.from_numpy(unit(outputs(estimator, encoded)).mean(axis=0))
    own = (own * directions[np.searchsorted(labels, y)]).sum(dim=1)
    typical = largest.mean() / torch.from_numpy(np.average(own, weights=weight, keepdims=True))
    return float(torch.minimum(mistaken, typical).clamp(min=1e-3))


def _settle(estimator: Any, labels: NDArray[Any], directions: Tensor, reserved: Tensor) -> None:
    """Add labels and their directions, at their positions among the sorted classes."""
    net, model = estimator.net_, estimator.module_
    encoder, old, new = estimator.target_encoder_.extended(labels)
    rows = model.prototypes.new_empty(len(encoder.classes_), directions.shape[1])
    rows[old], rows[new] = model.prototypes, directions
    model.set_prototypes(torch.cat([rows, reserved]), len(reserved))
    estimator.target_encoder_ = encoder
    estimator._reference = rearranged(estimator._reference, old, len(encoder.classes_))
    if estimator._key_ranges is not None:
        strata = old[estimator._key_ranges.strata]
        estimator._key_ranges = estimator._key_ranges._replace(strata=strata)
    if model.learn_prototypes:
        # It contains the previous ones.
        net.optimizer_ = None
    net.reader = net_options(estimator, model)["reader"]
