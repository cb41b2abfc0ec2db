"""Dense layers of several networks (ensemble members) in parallel."""

import math

import torch
from torch import Tensor, nn

from .._checks import check_count


class MemberLinear(nn.Module):
    """A dense layer for each of several ensemble members, computed in one product.

    Parameters
    ----------
    n_members : int
        Number of members k, at least 1.
    in_features, out_features : int
        Widths.

    Notes
    -----
    Input (n_members, n_samples, in_features), output (n_members, n_samples, out_features):
    ``y_i = x_i W_i + b_i``. Members share nothing, and are initialised like ``torch.nn.Linear``
    from the uniform distribution on ±1 / sqrt(in_features), by torch's global generator.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import MemberLinear
    >>> MemberLinear(8, 3, 5)(torch.zeros(8, 10, 3)).shape
    torch.Size([8, 10, 5])
    """

    def __init__(self, n_members: int, in_features: int, out_features: int):
        super().__init__()
        shape = [
            check_count(name, value)
            for name, value in (
                ("n_members", n_members),
                ("in_features", in_features),
                ("out_features", out_features),
            )
        ]
        bound = 1 / math.sqrt(in_features)
        self.weight = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(shape[0], 1, shape[2]).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, x, self.weight)

    def extra_repr(self) -> str:
        n_members, n_in, n_out = self.weight.shape
        return f"n_members={n_members}, in_features={n_in}, out_features={n_out}"
