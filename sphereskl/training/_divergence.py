"""Training that diverges: the weights of the last finite epoch are kept."""

from collections import deque
from typing import Any

import torch
from torch import Tensor, nn

# One call for all tensors, which torch exports without listing it.
_torch: Any = torch


class Diverged(Exception):
    """A loss or a weight is not finite.

    Parameters
    ----------
    what : str
        What was found, and where, such as "train_loss is nan in epoch 3".
    remedy : str
        What may be done about it.
    """

    def __init__(self, what: str, remedy: str):
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy

    def told(self, kept: str = "") -> str:
        """Return the sentence of an error, or of a warning that says what was kept."""
        return f"Training diverged: {self.what}{kept}; {self.remedy}"


class FiniteEpochs:
    """Weights of the last two epochs, of which the later one may be broken already.

    Parameters
    ----------
    net : TrainingLoop
        Its network and its loss are copied, and restored in place.

    Notes
    -----
    Whether weights are finite is asked only if training diverges: for a small network it takes
    longer than a copy. The loss of an epoch is computed before its last step, so that this step
    may have broken the weights of an epoch with a finite loss. Those of the epoch before have
    passed through all its losses.
    """

    def __init__(self, net: Any):
        self.net = net
        self.tensors: list[Tensor] = []
        self.kept: deque[list[Tensor]] = deque(maxlen=2)

    @torch.no_grad()
    def keep(self, *, anew: bool) -> None:
        """Copy the weights at the end of an epoch.

        Parameters
        ----------
        anew : bool
            Whether tensors may have been replaced since the last call.
        """
        if anew or not self.tensors:
            self.tensors = _changing(self.net)
            if self.kept and not _fit(self.kept[-1], self.tensors):
                self.kept.clear()
        if len(self.kept) < 2:
            self.kept.append([tensor.clone() for tensor in self.tensors])
            return
        _torch._foreach_copy_(self.kept[0], self.tensors)
        self.kept.rotate(-1)

    @torch.no_grad()
    def restore(self) -> int | None:
        """Return to the last epoch with finite weights.

        Returns
        -------
        n_lost : int or None
            Number of finished epochs that are lost; ``None`` if nothing finite was kept.
        """
        tensors = _changing(self.net)
        for n_lost, copies in enumerate(reversed(self.kept)):
            if _fit(copies, tensors):
                for copy, tensor in zip(copies, tensors, strict=True):
                    tensor.copy_(copy)
                if has_finite_weights(self.net.module_):
                    return n_lost
        return None


def has_finite_weights(module: nn.Module) -> bool:
    """Whether all numbers that are trained are finite, with a single wait for their device."""
    finite = [p.isfinite().all() for p in module.parameters() if p.requires_grad]
    return not finite or bool(torch.stack(finite).all())


def _changing(net: Any) -> list[Tensor]:
    """Return what training changes: parameters that are not frozen, and buffers."""
    parts: tuple[nn.Module, ...] = (net.module_, net.criterion_)
    weights = (p for part in parts for p in part.parameters() if p.requires_grad)
    return [*weights, *(buffer for part in parts for buffer in part.buffers())]


def _fit(copies: list[Tensor], tensors: list[Tensor]) -> bool:
    """Whether copies belong to these tensors: callbacks may have frozen or replaced some."""
    return [copy.shape for copy in copies] == [tensor.shape for tensor in tensors]
