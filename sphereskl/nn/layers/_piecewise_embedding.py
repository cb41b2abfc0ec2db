"""Piecewise-linear numeric embedding: learned curves for every number of a row."""

import torch
from torch import Tensor, nn

from .._checks import check_count


class PiecewiseLinearEmbedding(nn.Module):
    """Numeric embedding by piecewise-linear curves between quantiles of the training data.

    A dense layer sees a column as one straight line; a threshold in it (a price, an hour, a
    code) costs several hidden units. Here every column gets a few curves that are
    linear between quantiles of the column, with a learned slope for every piece.

    Parameters
    ----------
    n_columns : int
        Number of columns C.
    width : int, default=4
        Embedding width of a column.
    n_bins : int, default=16
        Maximum number of pieces per column; fewer if quantiles coincide.
    n_members : int, default=1
        Number of networks k, each with its own curves.

    Attributes
    ----------
    edges : Tensor of shape (n_columns, n_bins + 1)
        Where pieces meet, ascending; the last edge is repeated if there are fewer.

    Notes
    -----
    Input (n_samples, C); output (n_members, n_samples, C * width), column by column:
    ``e_j(x) = w_j x + b_j + V_j p_j(x)``, where ``p_jt(x) = clamp((x - edge_{t-1}) /
    (edge_t - edge_{t-1}), 0, 1)`` [1]_. V is 0 initially, so that training starts from
    straight lines, as in TabM [2]_. Deviation: their outer pieces continue beyond the edges, ours
    end there; the straight line continues.

    Before `fit_edges`, there are no pieces, and the curves are straight. Exactly on an edge the
    gradient with respect to x adds the pieces on both sides; that of the weights has no kink.

    References
    ----------
    .. [1] Gorishniy, Rubachev and Babenko (2022), "On Embeddings for Numerical Features in
       Tabular Deep Learning", NeurIPS, section 3.2.
    .. [2] Gorishniy, Kotelnikov and Babenko (2025), "TabM: Advancing Tabular Deep Learning
       with Parameter-Efficient Ensembling", ICLR, appendix D.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import PiecewiseLinearEmbedding
    >>> X = torch.randn(100, 3)
    >>> embedding = PiecewiseLinearEmbedding(3).fit_edges(X)
    >>> embedding(X).shape
    torch.Size([1, 100, 12])
    """

    edges: Tensor

    def __init__(self, n_columns: int, width: int = 4, *, n_bins: int = 16, n_members: int = 1):
        super().__init__()
        self.n_members, self.width = (
            check_count("n_members", n_members),
            check_count("width", width),
        )
        n_bins = check_count("n_bins", n_bins)
        n_curves = n_members * width
        self.register_buffer("edges", torch.zeros(n_columns, n_bins + 1))
        self.slopes = nn.Parameter(torch.empty(n_columns, 1, n_curves).uniform_(-1, 1))
        self.bias = nn.Parameter(torch.empty(n_columns, 1, n_curves).uniform_(-1, 1))
        self.pieces = nn.Parameter(torch.zeros(n_columns, n_bins, n_curves))

    @torch.no_grad()
    def fit_edges(self, X: Tensor, weight: Tensor | None = None) -> "PiecewiseLinearEmbedding":
        """Set the edges of the pieces to quantiles of the columns.

        Parameters
        ----------
        X : Tensor of shape (n_samples, n_columns)
            Training samples.
        weight : Tensor of shape (n_samples,), default=None
            Sample weights; ``None`` means equal weights.

        Returns
        -------
        self : PiecewiseLinearEmbedding
            The layer.
        """
        weight = torch.ones(len(X), device=X.device) if weight is None else weight
        X, weight = X[weight > 0], weight[weight > 0]
        n_edges = self.edges.shape[1]
        share = torch.linspace(0, 1, n_edges, dtype=torch.float64, device=X.device)
        for column, edges in zip(X.T, self.edges, strict=True):
            values, order = column.sort()
            below = weight[order].double().cumsum(0)
            # Quantiles are values of the column: a row of weight 2 equals two rows. The factor
            # is for sums of weights that rounding left slightly below their share.
            position = torch.searchsorted(below, share * below[-1] * (1 - 1e-12))
            distinct = values[position.clamp_max(len(values) - 1)].unique()
            edges.copy_(torch.cat([distinct, distinct[-1:].expand(n_edges - len(distinct))]))
        return self

    def forward(self, X: Tensor) -> Tensor:
        n_samples, n_columns = X.shape
        low, extent = self.edges[:, None, :-1], self.edges.diff(dim=1)[:, None]
        # Pieces of zero width are empty and have no effect.
        steepness = torch.where(extent > 0, 1 / extent, 0.0)
        column = X.T[:, :, None]
        place = ((column - low) * steepness).clamp(0, 1)
        curves = torch.baddbmm(self.bias + column * self.slopes, place, self.pieces)
        by_member = curves.view(n_columns, n_samples, self.n_members, self.width)
        return by_member.permute(2, 1, 0, 3).flatten(2)

    def extra_repr(self) -> str:
        n_columns, n_bins, _ = self.pieces.shape
        return f"{n_columns}, width={self.width}, n_bins={n_bins}, n_members={self.n_members}"
