"""Reassignment of prototypes to classes during training."""

from typing import Any

import torch
from skorch.callbacks import Callback
from torch import Tensor

from ..geometry import assign_prototypes
from ._data import TensorData
from ._inference import infer


class ReassignPrototypes(Callback):
    """Callback that reassigns prototypes to the classes nearest to them, once per epoch.

    Prototypes are placed without regard to the data; with many classes in few
    dimensions, the assignment of classes to prototypes matters. After each epoch the mean
    embedding of every class is updated, and the assignment with the largest sum of cosines
    is made. Prototypes change their classes, not their positions.

    Parameters
    ----------
    momentum : float, default=0.9
        Weight of a class's running mean after an epoch, in [0, 1).
    until_epoch : int, default=None
        Number of epochs after which the assignment is fixed; ``None`` never stops.

    Notes
    -----
    Every epoch's history gets ``n_reassigned``, the number of classes whose prototype
    changed. The additional pass over the training samples costs about a third of an epoch.

    References
    ----------
    .. [1] Saadabadi et al. (2024), "Hyperspherical Classification with Dynamic
       Label-to-Prototype Assignment" (DL2PA), CVPR.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sphereskl import HypersphericalPrototypeClassifier
    >>> from sphereskl.training import ReassignPrototypes
    >>> X, y = load_digits(return_X_y=True)
    >>> classifier = HypersphericalPrototypeClassifier(
    ...     embedding_dim=4, max_epochs=5, callbacks=[ReassignPrototypes()], random_state=0
    ... )
    >>> classifier.fit(X, y).score(X, y) > 0.9
    True
    """

    def __init__(self, momentum: float = 0.9, until_epoch: int | None = None):
        self.momentum = momentum
        self.until_epoch = until_epoch

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must be in [0, 1), got {self.momentum}.")
        if net.module_.learn_prototypes:
            raise ValueError(
                "ReassignPrototypes needs fixed prototypes, got prototypes='learned', which "
                "follow their classes by themselves; leave out one of the two."
            )
        self.means_ = torch.zeros_like(net.module_.prototypes)
        self.epoch_ = 0

    def on_epoch_end(
        self, net: Any, dataset_train: Any = None, dataset_valid: Any = None, **kwargs: Any
    ) -> None:
        self.epoch_ += 1
        if self.until_epoch is not None and self.epoch_ > self.until_epoch:
            return
        module = net.module_.eval()
        z = infer(module.embed, dataset_train.X, device=net.device).to(self.means_.device)
        # Deviation from DL2PA: its queue adds 0.9 of a mean to the mean itself, and lets
        # the last sample of a class in a batch represent all of them.
        fresh = class_means(z, dataset_train, len(self.means_))
        seen = self.means_.any(dim=1, keepdim=True)
        kept = torch.where(seen, self.momentum, 0.0).to(fresh.dtype)
        self.means_ = kept * self.means_ + (1 - kept) * fresh
        order = assign_prototypes(self.means_, module.prototypes)
        order = order.to(module.prototypes.device)
        with torch.no_grad():
            module.prototypes.copy_(module.prototypes[order])
        moved = order.cpu() != torch.arange(len(order))
        net.history.record("n_reassigned", int(moved.sum()))


def class_means(z: Tensor, data: TensorData, n_classes: int) -> Tensor:
    """Weighted mean embedding of every class, zero for a class without samples."""
    target = data.target.to(z.device)
    weight = torch.ones(len(z)) if data.weight is None else data.weight
    weight = weight.to(z.device, z.dtype)
    sums = z.new_zeros(n_classes, z.shape[1]).index_add_(0, target, weight[:, None] * z)
    total = z.new_zeros(n_classes).index_add_(0, target, weight)
    return sums / total.masked_fill(total == 0, 1.0)[:, None]
