"""Tests for your own losses, layers and placements: checks of the laws of each kind."""

from ._layers import check_layer
from ._losses import check_loss
from ._placements import check_placement

__all__ = ["check_layer", "check_loss", "check_placement"]
