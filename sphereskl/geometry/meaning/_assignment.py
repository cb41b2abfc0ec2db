"""Assignment of given prototypes to classes."""

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment, quadratic_assignment
from torch import Tensor

from .._sphere import cosines, normalize
from ._ranking import check_similarity, normal_scores

# Above this, exchanging pairs one by one takes too long for its benefit.
_LARGEST_TWO_OPT = 150


def assign_prototypes(means: Tensor, prototypes: Tensor) -> Tensor:
    """Assign existing prototypes to classes, one each and close to the class means.

    Parameters
    ----------
    means : Tensor of shape (n_classes, embedding_dim)
        Mean embedding of every class, of any length. A class whose row is zero or NaN
        is ignored, and gets one of the remaining prototypes.
    prototypes : Tensor of shape (n_prototypes, embedding_dim)
        Unit rows, at least one for every class.

    Returns
    -------
    order : Tensor of shape (n_classes,), int64
        All different: ``prototypes[order]`` has the prototype of class k in row k. The
        sum of cosines between means and prototypes is the largest possible.

    Raises
    ------
    ValueError
        If there are fewer prototypes than classes, or widths differ.

    References
    ----------
    .. [1] Kuhn (1955), "The Hungarian method for the assignment problem".
    .. [2] Saadabadi et al. (2024), "Hyperspherical Classification with Dynamic
       Label-to-Prototype Assignment" (DL2PA), CVPR.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.geometry import assign_prototypes
    >>> assign_prototypes(torch.tensor([[0.1, 3.0], [2.0, 0.5]]), torch.eye(2))
    tensor([1, 0])
    """
    if means.shape[1:] != prototypes.shape[1:] or len(means) > len(prototypes):
        raise ValueError(
            f"means and prototypes must have the same width, and every mean a prototype, got "
            f"shapes {tuple(means.shape)} and {tuple(prototypes.shape)}."
        )
    known = means.detach().double().nan_to_num(nan=0.0)
    agreement = cosines(normalize(known), prototypes.detach().double()).cpu()
    return torch.from_numpy(linear_sum_assignment(agreement.numpy(), maximize=True)[1])


def assign_semantically(
    prototypes: Tensor, similarity: ArrayLike, *, random_state: int | None = None
) -> Tensor:
    """Assign existing prototypes so that similar classes have a large cosine.

    Parameters
    ----------
    prototypes : Tensor of shape (n_classes, embedding_dim)
        Unit rows.
    similarity : array-like of shape (n_classes, n_classes)
        Row i holds the similarities of the others to class i; only the order in a row matters.
    random_state : int, default=None
        Seed of the exchange search.

    Returns
    -------
    order : Tensor of shape (n_classes,), int64
        A permutation: ``prototypes[order]`` has the prototype of class k in row k.

    Raises
    ------
    ValueError
        If `similarity` is not a square matrix with a row for every prototype.

    Notes
    -----
    The quadratic assignment problem of maximising the sum over pairs of cosine times
    normal score of the similarity's rank, solved approximately by the Frank-Wolfe method
    of [1]_ and, for up to 150 classes, by exchanging pairs until none helps.

    References
    ----------
    .. [1] Vogelstein et al. (2015), "Fast Approximate Quadratic Programming for Graph
       Matching", PLOS ONE 10(4).

    Examples
    --------
    >>> import torch
    >>> from sphereskl.geometry import assign_semantically, polygon
    >>> similarity = [[1, 0, 3, 2], [0, 1, 2, 3], [3, 2, 1, 0], [2, 3, 0, 1]]
    >>> order = assign_semantically(polygon(4), similarity, random_state=0)
    >>> square = polygon(4)[order]
    >>> round(float(square[0] @ square[1]), 4)
    -1.0
    """
    scores = normal_scores(check_similarity(similarity)).numpy()
    if len(scores) != len(prototypes):
        raise ValueError(
            f"similarity has {len(scores)} rows for {len(prototypes)} prototypes; each class "
            "needs one prototype."
        )
    points = prototypes.detach().double().cpu()
    gram = (points @ points.T).fill_diagonal_(0).numpy()
    # It draws nothing for the first method, but otherwise scipy reads NumPy's global generator.
    options = {"maximize": True, "rng": np.random.default_rng(random_state)}
    order = quadratic_assignment(scores, gram, options=options)["col_ind"]
    if len(order) <= _LARGEST_TWO_OPT:
        options["partial_guess"] = np.stack([np.arange(len(order)), order], axis=1)
        order = quadratic_assignment(scores, gram, method="2opt", options=options)["col_ind"]
    return torch.from_numpy(order.astype(np.int64))
