"""Periodic numeric embedding: cosines of learned frequencies for every number of a row."""

import math

import torch
from torch import Tensor, nn

from .._checks import check_count, check_range


class PeriodicEmbedding(nn.Module):
    """Numeric embedding by cosines of learned frequencies, plus the number itself.

    Parameters
    ----------
    n_columns : int
        Number of columns C.
    width : int, default=4
        Embedding width of a column, at least 2; the last number is the column itself.
    n_frequencies : int, default=16
        Number of cosines per column.
    frequency_scale : float, default=0.1
        Initial standard deviation of the frequencies, positive, in periods per unit.
    n_members : int, default=1
        Number of networks k, each with its own frequencies.

    Notes
    -----
    Input (n_samples, C); output (n_members, n_samples, C * width): a dense layer of
    ``cos(2 pi w x + b)`` with w ~ N(0, frequency_scale^2) and b ~ U(-pi, pi), then x, the "PBLD"
    form of Holzmüller et al. [1]_.

    References
    ----------
    .. [1] Holzmüller, Grinsztajn and Steinwart (2024), "Better by Default: Strong Pre-Tuned
       MLPs and Boosted Trees on Tabular Data", NeurIPS, section 3.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import PeriodicEmbedding
    >>> PeriodicEmbedding(3)(torch.randn(100, 3)).shape
    torch.Size([1, 100, 12])
    """

    def __init__(
        self,
        n_columns: int,
        width: int = 4,
        *,
        n_frequencies: int = 16,
        frequency_scale: float = 0.1,
        n_members: int = 1,
    ):
        super().__init__()
        self.n_members, self.width = (
            check_count("n_members", n_members),
            check_count("width", width),
        )
        if width < 2:
            raise ValueError(f"width must be at least 2, got {width}: one number is the column.")
        n_waves = check_count("n_frequencies", n_frequencies) * n_members
        check_range("frequency_scale", frequency_scale, 1e-6, math.inf)
        self.frequencies = nn.Parameter(torch.randn(n_columns, 1, n_waves) * frequency_scale)
        self.phases = nn.Parameter(torch.empty(n_columns, 1, n_waves).uniform_(-math.pi, math.pi))
        bound = 1 / math.sqrt(n_frequencies)
        shape = n_columns, n_members, n_frequencies, width - 1
        self.mixing = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        self.bias = nn.Parameter(
            torch.empty(n_columns, n_members, 1, width - 1).uniform_(-bound, bound)
        )

    def forward(self, X: Tensor) -> Tensor:
        n_samples, n_columns = X.shape
        column = X.T[:, :, None]
        waves = torch.cos(2 * math.pi * column * self.frequencies + self.phases)
        # (C, n, k * f) -> (C, k, n, f), a product for every column and member.
        waves = waves.view(n_columns, n_samples, self.n_members, -1).transpose(1, 2)
        mixed = waves @ self.mixing + self.bias
        plain = X.T[:, None, :, None].expand(-1, self.n_members, -1, -1)
        return torch.cat([mixed, plain], dim=3).permute(1, 2, 0, 3).flatten(2)

    def extra_repr(self) -> str:
        n_columns, n_members, n_frequencies, _ = self.mixing.shape
        return f"{n_columns}, width={self.width}, n_frequencies={n_frequencies}, {n_members=}"
