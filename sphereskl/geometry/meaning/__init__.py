"""Placements that follow the meaning of the classes: by similarity, rank or assignment."""

from ._assignment import assign_prototypes, assign_semantically
from ._ranked import place_ranked
from ._ranking import rank_correlation, rank_loss, triplet_accuracy
from ._semantic import place_semantic, similarity_from_costs, similarity_from_vectors

__all__ = [
    "assign_prototypes",
    "assign_semantically",
    "place_ranked",
    "place_semantic",
    "rank_correlation",
    "rank_loss",
    "similarity_from_costs",
    "similarity_from_vectors",
    "triplet_accuracy",
]
