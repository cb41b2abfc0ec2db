"""Data augmentation of batches: samples are changed anew in every epoch, and mixed."""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ._data import TensorData


class Augmentation(Protocol):
    """Data augmentation of samples, such as `sphereskl.preprocessing.ImageAugmentation`."""

    @property
    def mixes(self) -> bool:
        """Whether samples are mixed."""
        ...

    def change(self, X: Tensor, parity: Tensor, epoch: int, generator: torch.Generator) -> Tensor:
        """Return samples, each changed independently."""
        ...

    def mix(
        self, X: Tensor, group: Tensor | None, rng: np.random.Generator, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, float]:
        """Return mixed samples, indices of the second ones, and the share of the first."""
        ...


def with_parity(data: TensorData, seed: int) -> TensorData:
    """Add a random bit to every sample, which decides on alternating changes.

    Parameters
    ----------
    data : TensorData
        Training samples.
    seed : int
        Random seed; nothing else matters.

    Returns
    -------
    data : TensorData
        The samples, with `parity`.
    """
    generator = torch.Generator().manual_seed(seed)
    parity = torch.randint(2, (len(data.X),), generator=generator, dtype=torch.uint8).bool()
    return data._replace(parity=parity.to(data.target.device))


def augmented(net: Any, batches: Iterable[TensorData]) -> Iterator[TensorData]:
    """Augment the samples of an epoch's batches.

    Parameters
    ----------
    net : EmbeddingNet
        With an `augmentation`, in an epoch.
    batches : iterable of TensorData
        With `parity`; they are not modified.

    Yields
    ------
    batch : TensorData
        New batches in their place.

    Notes
    -----
    Random numbers depend on seed, epoch and batch only: a resumed fit, and every process of
    data-parallel training, draws the same.
    """
    generator, epoch = torch.Generator(net.device), len(net.history) - 1
    for step, batch in enumerate(batches):
        source = np.random.SeedSequence((net.seed, epoch, step))
        generator.manual_seed(int(source.generate_state(1, np.uint64)[0] >> 1))
        X = net.augmentation.change(batch.X, batch.parity, epoch, generator)
        batch = batch._replace(X=X)
        if net.augmentation.mixes:
            batch = _mixed(net.augmentation, batch, np.random.default_rng(source), generator)
        yield batch


def _mixed(
    augmentation: Augmentation,
    batch: TensorData,
    rng: np.random.Generator,
    generator: torch.Generator,
) -> TensorData:
    # Within a fold: otherwise a member would be trained on its validation samples in mixtures.
    X, other, share = augmentation.mix(batch.X, batch.fold, rng, generator)
    if not batch.target.is_floating_point():
        shares = torch.full(other.shape, share, dtype=X.dtype, device=X.device)
        return batch._replace(X=X, other=other, share=shares)
    target, weight = (
        part if part is None else torch.lerp(part.index_select(0, other), part, share)
        for part in (batch.target, batch.weight)
    )
    return batch._replace(X=X, target=target, weight=weight)
