"""Dropout whose noise is reproducible, in threads and under row weights."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn

from .._checks import check_probability

_ROWS: ContextVar[Tensor | None] = ContextVar("rows", default=None)


@contextmanager
def row_identity(rows: Tensor) -> Iterator[None]:
    """Tell `Dropout` layers which rows a batch holds.

    Parameters
    ----------
    rows : Tensor of shape (n_samples,)
        A number for every row of the batch, int64. Rows with equal numbers are dropped
        out alike.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import Dropout, row_identity
    >>> layer = Dropout(0.5)
    >>> with row_identity(torch.tensor([3, 7, 3])):
    ...     y = layer(torch.ones(3, 8))
    >>> bool((y[0] == y[2]).all())
    True
    """
    token = _ROWS.set(rows)
    try:
        yield
    finally:
        _ROWS.reset(token)


class Dropout(nn.Module):
    """Dropout with a generator of its own and one mask per row identity.

    Two things set it apart from ``torch.nn.Dropout``. Its noise comes from a private
    generator, so that models trained in parallel threads do not disturb one another or
    the caller's random state. And copies of a row share a mask (see `row_identity`), so
    that a row of weight 2 trains a model exactly as two copies of it do.

    Parameters
    ----------
    p : float, default=0.5
        Probability in [0, 1) that an input is set to zero, to the nearest multiple of
        2^-16; the others are divided by the probability of staying.

    Raises
    ------
    ValueError
        If `p` is outside [0, 1).

    Notes
    -----
    Input and output have shape (n_samples, ...). A step draws `n_masks` masks, not one a
    row: unrelated rows of a batch may share one, and drawing is as cheap as the gain in
    noise is small. Seeded from torch's global generator when it is built.

    References
    ----------
    .. [1] Srivastava et al. (2014), "Dropout: A Simple Way to Prevent Neural Networks from
       Overfitting", JMLR 15.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import Dropout
    >>> Dropout(0.5).eval()(torch.ones(2, 3))
    tensor([[1., 1., 1.],
            [1., 1., 1.]])
    """

    n_masks = 64

    def __init__(self, p: float = 0.5):
        super().__init__()
        self.p = check_probability("p", p)
        self.seed = int(torch.randint(2**62, ()))
        self._generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        rows = _ROWS.get()
        if rows is None:
            # Nobody told: every row is taken for another one.
            rows = torch.arange(len(x), device=x.device)
        # The mask is a constant to autograd: dL/dx = mask dL/dy.
        return x * self._draw_masks(x).index_select(0, rows % self.n_masks)

    def _draw_masks(self, x: Tensor) -> Tensor:
        """Draw masks of 0 and 1 / P(keep) in the shape of a row of `x`."""
        n_values = self.n_masks * math.prod(x.shape[1:])
        bits = torch.empty(-(-n_values // 4), dtype=torch.int64, device=x.device)
        bits.random_(-(2**63), None, generator=self._generator_on(x.device))
        # Four 16-bit numbers from every 64 bits drawn: five times as fast as bernoulli_.
        dropped = min(round(self.p * 2**16), 2**16 - 1)
        kept = bits.view(torch.int16)[:n_values] >= dropped - 2**15
        masks = kept.to(x.dtype).mul_(2**16 / (2**16 - dropped))
        return masks.view(self.n_masks, *x.shape[1:])

    def extra_repr(self) -> str:
        return f"p={self.p}"

    def _generator_on(self, device: torch.device) -> torch.Generator:
        if self._generator is None or self._generator.device != device:
            self._generator = torch.Generator(device).manual_seed(self.seed)
        return self._generator

    def __getstate__(self):
        # A generator holds 5 kB of state and is bound to its device. A copy that is trained
        # on begins the same noise anew.
        return {**super().__getstate__(), "_generator": None}
