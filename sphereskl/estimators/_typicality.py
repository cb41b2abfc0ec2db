"""How close outputs of the backbone are to those of the training samples, for novelty detection.

Scores are called on one thread: a forked process could wait for threads of torch that it does not
have. Samples are divided among threads all the same, see `infer`.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..geometry import normalize
from ..training import EncodedRows
from ._finite import infer_finite

# Distances from points, of all members, that are computed at a time.
_MOST_DISTANCES = 2**22
# Share of the mean variance added to every variance (shrinkage), so that each has an inverse.
_SHRINKAGE = 1e-3

Reference = dict[str, NDArray[Any]]


def unit(h: NDArray[Any]) -> NDArray[Any]:
    """Return rows of length 1."""
    return h / np.maximum(np.linalg.norm(h, axis=-1, keepdims=True), 1e-30)


def stored_embeddings(reference: Reference) -> NDArray[np.float64]:
    """Return the stored samples' means over members of unit outputs, (n_stored, width)."""
    return unit(reference["outputs"].astype(np.float64)).mean(axis=0)


def neighbor_scores(
    estimator: Any,
    reference: Reference,
    X: EncodedRows,
    member: Tensor | None = None,
    *,
    nth: int = 1,
) -> NDArray[np.float64]:
    """Return two measures of how typical encoded rows are, (n_samples, 2); higher is more typical.

    Parameters
    ----------
    estimator : BaseSphereClassifier
        Trained.
    reference : dict of str to ndarray
        Statistics of training samples, see `refer`.
    X : EncodedRows of shape (n_samples, ...)
        Encoded samples.
    member : Tensor of shape (n_samples,), default=None
        The member that judges each sample, int64; ``None`` means all, whose scores are averaged.
    nth : int, default=1
        Which of the nearest points counts; 2 for stored samples, which are their own neighbors.

    Returns
    -------
    scores : ndarray of shape (n_samples, 2), float64
        Cosine with the nearest point, and minus the Mahalanobis distance to the nearest. Points
        are the stored outputs of samples that a member was trained on and the means of the
        classes, without which a class could have no point where there are many.
    """
    w, c, p, z, z_squared, limit = _prepared(estimator, reference)

    def view(X: Tensor, *member: Tensor) -> Tensor:
        h = _by_member(estimator, X)
        cosine = _largest(torch.baddbmm(limit, normalize(h), p.mT), nth)
        a = (h - c) @ w
        # |a - z|^2, of which the smallest has the largest 2 a z - |z|^2.
        nearer = _largest(torch.baddbmm(z_squared, a, z.mT, beta=-1, alpha=2), nth)
        distance = (a.square().sum(dim=2) - nearer).clamp(min=0).sqrt()
        return torch.stack([_judged(cosine, *member), -_judged(distance, *member)], dim=1)

    rest = () if member is None else (member,)
    most = _MOST_DISTANCES // limit.numel()
    return infer_finite(estimator, view, X, *rest, chunk_size=most).double().numpy()


def mahalanobis_scores(estimator: Any, reference: Reference, X: EncodedRows) -> NDArray[np.float64]:
    """Return minus the squared Mahalanobis distance to the nearest class mean, (n_samples,)."""
    without = {**reference, "outputs": reference["outputs"][:, :0], "fold": reference["fold"][:0]}
    w, c, _, z, z_squared, _ = _prepared(estimator, without)

    def view(X: Tensor) -> Tensor:
        a = (_by_member(estimator, X) - c) @ w
        nearer = torch.baddbmm(z_squared, a, z.mT, beta=-1, alpha=2).amax(dim=2)
        return -(a.square().sum(dim=2) - nearer).clamp(min=0).mean(dim=0)[:, None]

    most = _MOST_DISTANCES // z_squared.numel()
    return infer_finite(estimator, view, X, chunk_size=most)[:, 0].double().numpy()


def _prepared(estimator: Any, reference: Reference) -> tuple[Tensor, ...]:
    """Return what distances from points are computed of, as tensors.

    Whitening matrices and a centre; directions of the points, (n_members, n_points, width), the
    white points and their squared lengths, (n_members, 1, n_points), infinite for points that a
    member may not see, and what is added to cosines with them, 0 or minus infinity.
    """
    members = np.arange(len(reference["means"]))[:, None]
    is_own, is_empty = reference["fold"] == members, reference["counts"] <= 0
    # A member without any row, of a short first part of a stream, sees those of the others.
    is_own &= ~(is_own.all(axis=1) & is_empty.all(axis=1))[:, None]
    is_hidden = np.concatenate([is_own, is_empty], axis=1)
    # White outputs are far from zero compared with distances between them: the difference of large
    # squares would lose digits.
    centre = reference["means"][reference["counts"] > 0].mean(axis=0)
    barred = np.where(is_hidden, np.inf, 0.0)[:, None]
    w, c, stored, means, barred = _on_device(
        estimator, _whitening(reference), centre, reference["outputs"], reference["means"], barred
    )
    points = torch.cat([stored, means], dim=1)
    z = (points - c) @ w
    z_squared = z.square().sum(dim=2)[:, None]
    return w, c, normalize(points), z, z_squared + barred, -barred


def _whitening(reference: Reference) -> NDArray[np.float64]:
    """Return L of each member: the length of (h - mean) L is the Mahalanobis distance."""
    scatter, width = reference["scatter"], reference["scatter"].shape[1]
    covariance = scatter / np.maximum(reference["counts"].sum(axis=1), 1e-30)[:, None, None]
    mean_variance = np.trace(covariance, axis1=1, axis2=2)[:, None, None] / width
    # A network with equal outputs for all rows of a class has no variance at all.
    covariance = covariance + np.maximum(_SHRINKAGE * mean_variance, 1e-12) * np.eye(width)
    return np.linalg.inv(np.linalg.cholesky(covariance)).transpose(0, 2, 1)


def _on_device(estimator: Any, *arrays: NDArray[Any]) -> list[Tensor]:
    """Return tensors of the network's type and device."""
    dtype = estimator.module_.prototypes.dtype
    return [torch.from_numpy(array).to(estimator.device_, dtype) for array in arrays]


def _by_member(estimator: Any, X: Tensor) -> Tensor:
    """Return outputs of the backbone, (n_members, n_samples, width)."""
    h: Tensor = estimator.module_.backbone(X)
    return h if h.ndim == 3 else h[None]


def _largest(values: Tensor, nth: int) -> Tensor:
    """Return the n-th largest of the last axis."""
    return values.amax(dim=-1) if nth == 1 else values.topk(nth).values[..., -1]


def _judged(values: Tensor, member: Tensor | None = None) -> Tensor:
    """Return means over members of (n_members, n_samples), or the values of each row's member."""
    return values.mean(dim=0) if member is None else values.gather(0, member[None])[0]
