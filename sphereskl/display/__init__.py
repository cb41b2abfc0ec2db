"""Displays of what estimators on the sphere have learnt; drawn with matplotlib."""

from ._prototype_display import PrototypeDisplay

__all__ = ["PrototypeDisplay"]
