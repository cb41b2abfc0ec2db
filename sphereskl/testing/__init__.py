"""Laws as a tool: hold a loss, a layer or a placement, ours or a user's, to those of its kind."""

from ._layers import check_layer
from ._losses import check_loss
from ._placements import check_placement

__all__ = ["check_layer", "check_loss", "check_placement"]
