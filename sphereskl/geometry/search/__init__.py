"""The search algorithm: symmetric starts, annealing, screening, tightening."""

from ._separated import search_separated
from ._uniform import search_uniform

__all__ = ["search_separated", "search_uniform"]
