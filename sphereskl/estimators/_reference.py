"""Statistics of the samples that a classifier has seen, for novelty detection."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.utils import gen_batches
from torch import Tensor

from ..training import EncodedRows, TensorData
from ._finite import infer_finite
from ._typicality import Reference, neighbor_scores

# Maximum number of samples whose outputs are stored, and of all these outputs.
_MOST_STORED, _MOST_STORED_NUMBERS = 2000, 2**20
# Maximum number of held-out samples whose scores are stored.
_MOST_JUDGED = 1000
# Maximum number of outputs used for class means and covariances, and of rows.
_MOST_NUMBERS, _MOST_ROWS = 4_000_000, 32_768

# Rows of which deviations are computed at a time.
_ROWS_AT_ONCE = 16_384

# Rows that are sorted by class at a time, to choose from.
_MOST_SORTED = 2**18

# Weight of earlier parts of a stream after each new one: the network changes.
_MEMORY = 0.9


def refer(
    estimator: Any, train: TensorData, valid: TensorData | None, former: Reference | None
) -> Reference:
    """Compute the statistics that novelty detection needs.

    Parameters
    ----------
    estimator : BaseSphereClassifier
        Trained and calibrated.
    train : TensorData
        Training samples, of all members or of all but the validated one.
    valid : TensorData or None
        Samples that the network, or the member they validate, was not trained on; without any,
        those of `train` are used.
    former : dict or None
        Statistics of earlier parts of a stream.

    Returns
    -------
    reference : dict of str to ndarray
        ``outputs`` (n_members, n_stored, width), of the backbone, ``target`` (n_stored,) and
        ``fold`` (n_stored,), the member that a stored sample validates, or -1; ``counts``
        (n_members, n_classes), ``means`` (n_members, n_classes, width) and ``scatter`` (n_members,
        width, width) of more outputs, each member's without the samples that validate it;
        ``judged`` (n_judged, 2), `neighbor_scores` of held-out samples.
    """
    n_classes, width = len(estimator.classes_), estimator.n_members_ * estimator.embedding_dim_
    most = max(2000, min(_MOST_ROWS, _MOST_NUMBERS // width))
    rows = train.select(_even_share(train.target, n_classes, most))
    h = outputs(estimator, rows.X)
    chosen = _even_share(rows.target, n_classes, _most_stored(width))
    kept = remembered(h, rows, chosen.cpu().numpy())
    reference = {**moments(h, rows, n_classes), **kept}
    if former is not None:
        reference = merge(former, reference, memory=_MEMORY)
    # Without the stored samples of earlier parts: those can be the same ones, in another pass.
    against = {**reference, **kept}
    if valid is None:
        judges = rows.select(chosen).thinned(_MOST_JUDGED)
        judged = neighbor_scores(estimator, against, judges.X, nth=2)
    else:
        judged = neighbor_scores(estimator, against, *valid.thinned(_MOST_JUDGED).inputs)
    if former is not None:
        judged = np.concatenate([judged, former["judged"]])[:_MOST_JUDGED]
    return {**reference, "judged": judged}


def _most_stored(width: int) -> int:
    return max(1, min(_MOST_STORED, _MOST_STORED_NUMBERS // width))


def outputs(estimator: Any, X: EncodedRows) -> NDArray[np.float64]:
    """Return the outputs of the backbone for encoded rows, (n_members, n_samples, width)."""
    backbone, dim = estimator.module_.backbone, estimator.embedding_dim_

    def view(X: Tensor) -> Tensor:
        h = backbone(X)
        return h if h.ndim == 2 else h.transpose(0, 1).flatten(1)

    flat = infer_finite(estimator, view, X).double().numpy()
    return flat.reshape(len(flat), -1, dim).transpose(1, 0, 2)


def remembered(
    h: NDArray[Any], rows: TensorData, chosen: NDArray[Any] | slice = slice(None)
) -> Reference:
    """Return what is stored of chosen samples, given the outputs of all, (n_members, n, width)."""
    target = rows.target.cpu().numpy()
    fold = np.full(len(target), -1) if rows.fold is None else rows.fold.cpu().numpy()
    return {
        "outputs": h[:, chosen].astype(np.float32),
        "target": target[chosen],
        "fold": fold[chosen],
    }


def moments(h: NDArray[Any], rows: TensorData, n_classes: int) -> Reference:
    """Return counts, means and common scatter of the classes, for each member.

    Parameters
    ----------
    h : ndarray of shape (n_members, n_samples, width)
        Outputs.
    rows : TensorData
        Their samples; a member ignores the samples that validate it.
    n_classes : int
        Number of classes.

    Returns
    -------
    moments : dict of str to ndarray
        ``counts``, ``means`` and ``scatter``.
    """
    target = rows.target.cpu().numpy()
    weight = np.ones(len(target)) if rows.weight is None else rows.weight.double().cpu().numpy()
    fold = np.full(len(target), -1) if rows.fold is None else rows.fold.cpu().numpy()
    found: dict[str, list[Any]] = {"counts": [], "means": [], "scatter": []}
    for member, outputs_of_member in enumerate(h):
        share = np.where(fold == member, 0.0, weight)
        count = np.bincount(target, share, n_classes)
        entries = share, (target, np.arange(len(target)))
        total = csr_array(entries, shape=(n_classes, len(target))) @ outputs_of_member
        mean = total / np.maximum(count, 1e-30)[:, None]
        found["counts"].append(count)
        found["means"].append(mean)
        found["scatter"].append(
            sum(
                _scatter(outputs_of_member[rows] - mean[target[rows]], share[rows])
                for rows in gen_batches(len(target), _ROWS_AT_ONCE)
            )
        )
    return {name: np.stack(values) for name, values in found.items()}


def _scatter(away: NDArray[Any], share: NDArray[Any]) -> NDArray[Any]:
    return (away.T * share) @ away


def merge(former: Reference, latter: Reference, *, memory: float) -> Reference:
    """Merge statistics of two sets of rows, by the pairwise formulas of Chan et al. (1979).

    Parameters
    ----------
    former, latter : dict of str to ndarray
        Statistics of the same classes.
    memory : float
        Factor in [0, 1] of the weight of the former.

    Returns
    -------
    reference : dict of str to ndarray
        Without the statistics of held-out samples.
    """
    before, after = memory * former["counts"], latter["counts"]
    counts = before + after
    step = latter["means"] - former["means"]
    pull = (after / np.maximum(counts, 1e-30))[..., None]
    between = np.einsum("mkd,mk,mke->mde", step, (before * pull[..., 0]), step)
    most = _most_stored(former["means"][:, 0].size)

    def joined(name: str, axis: int = 0) -> NDArray[Any]:
        return np.concatenate([latter[name], former[name]], axis=axis)

    return {
        "counts": counts,
        "means": former["means"] + pull * step,
        "scatter": memory * former["scatter"] + latter["scatter"] + between,
        "outputs": joined("outputs", axis=1)[:, :most],
        "target": joined("target")[:most],
        "fold": joined("fold")[:most],
    }


def rearranged(reference: Reference, places: NDArray[Any], n_classes: int) -> Reference:
    """Return statistics after classes have moved to other positions among more classes.

    Parameters
    ----------
    reference : dict of str to ndarray
        From `refer`.
    places : ndarray of shape (n_former_classes,)
        New positions of the former classes.
    n_classes : int
        New number of classes.

    Returns
    -------
    reference : dict of str to ndarray
        New classes have no samples.
    """
    n_members, _, width = reference["means"].shape
    counts, means = np.zeros((n_members, n_classes)), np.zeros((n_members, n_classes, width))
    counts[:, places], means[:, places] = reference["counts"], reference["means"]
    target = places[reference["target"]]
    return {**reference, "counts": counts, "means": means, "target": target}


def _even_share(target: Tensor, n_classes: int, most: int) -> Tensor:
    """Choose rows evenly from every class, `most` of them, or all if there are no more."""
    if len(target) <= most:
        return torch.arange(len(target), device=target.device)
    counts = torch.bincount(target, minlength=n_classes)
    steps = (counts / max(1, most // n_classes)).clamp(min=1.0)
    before, shares = torch.zeros_like(counts), []
    for start in range(0, len(target), _MOST_SORTED):
        block = target[start : start + _MOST_SORTED]
        order, counts = block.argsort(stable=True), torch.bincount(block, minlength=n_classes)
        label = block[order]
        # Among the rows of its class.
        rank = torch.arange(len(block), device=target.device)
        rank = rank + (before - counts.cumsum(0) + counts)[label]
        # The rank is a multiple of the step, rounded down: one in every `step` rows of a class.
        chosen = (rank / steps[label]).floor() > ((rank - 1) / steps[label]).floor()
        shares.append(start + order[chosen].sort().values)
        before = before + counts
    return torch.cat(shares)
