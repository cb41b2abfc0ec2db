"""Dropout with noise that is reproducible in threads."""

from collections.abc import Sequence
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn

from .._checks import check_probability

# Layers by identity, for the operator that draws their noise in compiled graphs.
_LAYERS: WeakValueDictionary[int, "Dropout"] = WeakValueDictionary()


class Dropout(nn.Module):
    """Dropout with a random generator of its own.

    Unlike ``torch.nn.Dropout``, it neither affects other models trained in parallel threads nor
    the caller's random state.

    Parameters
    ----------
    p : float, default=0.5
        Dropout probability in [0, 1), to the nearest multiple of 2^-16; inputs that are kept
        are divided by the probability of being kept.

    Raises
    ------
    ValueError
        If `p` is outside [0, 1).

    Notes
    -----
    Seeded from torch's global generator when it is built. A row of weight 2 has one dropout mask,
    two copies of it have two: with dropout, weights equal repetition on average only.

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

    def __init__(self, p: float = 0.5):
        super().__init__()
        self.p = check_probability("p", p)
        self.seed = int(torch.randint(2**62, (), device="cpu"))
        self._generator: torch.Generator | None = None
        _LAYERS[id(self)] = self

    # Number of the noise stream derived from the seed; set on an instance only during training
    # with other processes.
    _stream = 0

    def branch(self, stream: int) -> None:
        """Draw other noise than copies of the layer that train on other rows of a batch.

        Parameters
        ----------
        stream : int
            Number of the copy; 0 is the noise of a layer without copies.
        """
        if stream != self._stream:
            self._stream, self._generator = stream, None

    def seed_copies(self, copies: Sequence["Dropout"]) -> None:
        """Seed the noise of copies that train on parts of a batch, from this layer's generator.

        Parameters
        ----------
        copies : sequence of Dropout
            On the CPU.
        """
        generator = self._generator_on(torch.device("cpu"))
        seeds = torch.empty(len(copies), dtype=torch.int64).random_(generator=generator)
        for layer, seed in zip(copies, seeds.tolist(), strict=True):
            layer._generator_on(torch.device("cpu")).manual_seed(seed)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        # The mask is a constant to autograd: dL/dx = mask dL/dy.
        return x * self._draw_mask(x)

    def _draw_mask(self, x: Tensor) -> Tensor:
        """Draw a mask of 0 and 1 / P(keep) in the shape of `x`."""
        bits = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device)
        if torch.compiler.is_compiling():
            # Compilers do not support generators; drawing is an opaque operation to them.
            _draw_bits(bits, id(self))
        else:
            self._draw(bits)
        # Four 16-bit numbers from every 64 bits drawn: five times as fast as bernoulli_.
        dropped = min(round(self.p * 2**16), 2**16 - 1)
        kept = bits.view(torch.int16)[: x.numel()] >= dropped - 2**15
        return kept.to(x.dtype).mul_(2**16 / (2**16 - dropped)).view(x.shape)

    def _draw(self, bits: Tensor) -> None:
        bits.random_(-(2**63), None, generator=self._generator_on(bits.device))

    def extra_repr(self) -> str:
        return f"p={self.p}"

    def _generator_on(self, device: torch.device) -> torch.Generator:
        if self._generator is None or self._generator.device != device:
            self._generator = torch.Generator(device).manual_seed(self.seed + self._stream)
        return self._generator

    def __getstate__(self):
        # A generator holds 5 kB of state and is bound to its device. A copy that is trained
        # further repeats the noise from its start.
        state = {**super().__getstate__(), "_generator": None}
        state.pop("_stream", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        _LAYERS[id(self)] = self


# Fills a tensor in place, so that compilers neither merge two draws nor repeat one in the
# backward pass.
@torch.library.custom_op(
    "sphereskl::draw_bits",
    mutates_args={"bits"},
    schema="(Tensor(a!) bits, int layer) -> ()",
    tags=(torch.Tag.nondeterministic_seeded,),  # torch before 2.13 takes no single tag
)
def _draw_bits(bits: Tensor, layer: int) -> None:
    _LAYERS[layer]._draw(bits)
