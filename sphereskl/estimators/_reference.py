"""Statistics of the samples that a classifier has seen, for novelty detection."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.utils import gen_batches
from torch import Tensor

from ..training import EncodedRows, TensorData, one_thread
from ._finite import infer_finite

# Maximum number of embeddings that are kept, and of held-out samples whose scores are.
_MOST_KEPT = 1000
# Maximum number of outputs used for class means and covariances, and of rows.
_MOST_NUMBERS, _MOST_ROWS = 4_000_000, 32_768
# Distances from class means, of all members, that are computed at a time.
_MOST_DISTANCES = 2**22

# Rows of which deviations are computed at a time.
_ROWS_AT_ONCE = 16_384

# Rows that are sorted by class at a time, to choose from.
_MOST_SORTED = 2**18

# Share of the mean variance added to every variance (shrinkage), so that each has an inverse.
_SHRINKAGE = 1e-3
# Weight of earlier parts of a stream after each new one: the network changes.
_MEMORY = 0.9

Reference = dict[str, NDArray[Any]]


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
        ``embeddings`` (n_kept, embedding_dim), means over members of unit embeddings, and
        ``target`` (n_kept,); ``counts`` (n_members, n_classes), ``means`` (n_members, n_classes,
        width) and ``scatter`` (n_members, width, width) of the outputs of the backbone, each
        member's without the samples that validate it; ``judged`` (n_judged, 2), the traits of
        held-out samples.
    """
    n_classes, width = len(estimator.classes_), estimator.n_members_ * estimator.embedding_dim_
    most = max(2000, min(_MOST_ROWS, _MOST_NUMBERS // width))
    rows = train.select(_even_share(train.target, n_classes, most))
    h = outputs(estimator, rows.X)
    reference = moments(h, rows, n_classes)
    kept = _even_share(rows.target, n_classes, _MOST_KEPT).cpu().numpy()
    reference["embeddings"] = _unit(h[:, kept]).mean(axis=0).astype(np.float32)
    reference["target"] = rows.target.cpu().numpy()[kept]
    if former is not None:
        reference = merge(former, reference, memory=_MEMORY)
    judges = train if valid is None else valid
    judged = traits(estimator, reference, *judges.thinned(_MOST_KEPT).inputs)
    if former is not None:
        judged = np.concatenate([judged, former["judged"]])[:_MOST_KEPT]
    return {**reference, "judged": judged}


def outputs(estimator: Any, X: EncodedRows, *, unit: bool = False) -> NDArray[np.float64]:
    """Return the outputs of the backbone for encoded rows, (n_members, n_samples, embedding_dim).

    `unit` normalises every row.
    """
    backbone, dim = estimator.module_.backbone, estimator.embedding_dim_

    def view(X: Tensor) -> Tensor:
        h = backbone(X)
        return h if h.ndim == 2 else h.transpose(0, 1).flatten(1)

    flat = infer_finite(estimator, view, X).double().numpy()
    h = flat.reshape(len(flat), -1, dim).transpose(1, 0, 2)
    return _unit(h) if unit else h


def _unit(h: NDArray[Any]) -> NDArray[Any]:
    return h / np.maximum(np.linalg.norm(h, axis=2, keepdims=True), 1e-30)


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
    return {
        "counts": counts,
        "means": former["means"] + pull * step,
        "scatter": memory * former["scatter"] + latter["scatter"] + between,
        "embeddings": np.concatenate([latter["embeddings"], former["embeddings"]])[:_MOST_KEPT],
        "target": np.concatenate([latter["target"], former["target"]])[:_MOST_KEPT],
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


def traits(
    estimator: Any, reference: Reference, X: EncodedRows, member: Tensor | None = None
) -> NDArray[np.float64]:
    """Return two measures of how typical encoded rows are, (n_samples, 2); higher is more typical.

    Energy and Mahalanobis distance, see `NoveltyMixin.score_samples`: means over all members, or
    of the `member` of each row.
    """
    model, dtype = estimator.module_, estimator.module_.prototypes.dtype
    whitening = _whitening(reference)
    centres = reference["means"] @ whitening
    centres[reference["counts"] <= 0] = 0
    offset = np.where(reference["counts"] > 0, np.square(centres).sum(axis=2), np.inf)
    # As tensors of the network's type and device. A forked process could wait for threads of torch
    # that it does not have.
    with one_thread():
        w, c, c_squared = (
            torch.from_numpy(a).to(estimator.device_, dtype)
            for a in (whitening, centres, offset[:, None])
        )

    def view(X: Tensor, *member: Tensor) -> Tensor:
        h = model.backbone(X)
        h = h if h.ndim == 3 else h[None]
        g, white = model.open(model.read(h)), h @ w
        # |a - c|^2; a class without rows of a member is infinitely far away.
        to_centres = white.square().sum(dim=2, keepdim=True) + c_squared - 2 * white @ c.mT
        distance = to_centres.amin(dim=2).clamp(min=0)
        if member:
            of_row = member[0], torch.arange(len(X), device=g.device)
            g, distance = g[of_row], distance[of_row]
        else:
            g, distance = g.mean(dim=0), distance.mean(dim=0)
        return torch.stack([torch.logsumexp(estimator.scale_ * g, dim=1), -distance], dim=1)

    rest = () if member is None else (member,)
    most = _MOST_DISTANCES // (len(whitening) * centres.shape[1])
    return infer_finite(estimator, view, X, *rest, chunk_size=most).double().numpy()


def _whitening(reference: Reference) -> NDArray[np.float64]:
    """Return L of each member: the length of (h - mean) L is the Mahalanobis distance."""
    scatter, width = reference["scatter"], reference["scatter"].shape[1]
    covariance = scatter / np.maximum(reference["counts"].sum(axis=1), 1e-30)[:, None, None]
    mean_variance = np.trace(covariance, axis1=1, axis2=2)[:, None, None] / width
    # A network with equal outputs for all rows of a class has no variance at all.
    covariance = covariance + np.maximum(_SHRINKAGE * mean_variance, 1e-12) * np.eye(width)
    return np.linalg.inv(np.linalg.cholesky(covariance)).transpose(0, 2, 1)


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
