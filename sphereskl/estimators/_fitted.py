"""Attributes of a fitted estimator that need no samples."""

from operator import attrgetter
from typing import Any

from numpy.typing import NDArray

from ..training import EmbeddingNet


class Fitted:
    """Read access to the fitted net."""

    net_: EmbeddingNet

    # Implemented in C, without a Python call: every prediction reads some of them.
    module_ = property(attrgetter("net_.module_"), doc="The trained model.")
    device_ = property(attrgetter("net_.module_.device"), doc="Device of the model.")
    embedding_dim_ = property(
        attrgetter("net_.module_.embedding_dim"), doc="Width of the embedding."
    )
    _n_features_out = embedding_dim_
    history_ = property(attrgetter("net_.history"), doc="Training history, a dict for every epoch.")

    @property
    def prototypes_(self) -> NDArray[Any]:
        """Directions, unit except for added classes; shape (n_prototypes, embedding_dim)."""
        return self.module_.prototypes.detach().cpu().numpy()

    @property
    def n_iter_(self) -> int:
        """Number of epochs trained."""
        return len(self.history_)

    @property
    def loss_curve_(self) -> list[float]:
        """Training loss of every epoch, a list of float."""
        return [epoch["train_loss"] for epoch in self.history_]

    @property
    def validation_scores_(self) -> list[float]:
        """Validation score of every epoch that was validated."""
        return [epoch["valid_score"] for epoch in self.history_ if "valid_score" in epoch]
