"""Displays of fitted estimators, drawn with matplotlib."""

from ._angle_display import AngleDisplay
from ._arc_display import ArcDisplay
from ._embedding_display import EmbeddingDisplay
from ._novelty_display import NoveltyDisplay
from ._prototype_display import PrototypeDisplay
from ._reliability_display import ReliabilityDisplay
from ._risk_coverage_display import RiskCoverageDisplay
from ._training_history_display import TrainingHistoryDisplay

__all__ = [
    "AngleDisplay",
    "ArcDisplay",
    "EmbeddingDisplay",
    "NoveltyDisplay",
    "PrototypeDisplay",
    "ReliabilityDisplay",
    "RiskCoverageDisplay",
    "TrainingHistoryDisplay",
]
