"""Constructions: closed forms, arcs, binary codes, lattices, and their catalogue."""

from ._arc import arc
from ._closed_form import orthonormal, orthoplex, pad, polygon, simplex
from ._structured import binary_code, cap_of_code, record_code, structured_codes

__all__ = [
    "arc",
    "binary_code",
    "cap_of_code",
    "orthonormal",
    "orthoplex",
    "pad",
    "polygon",
    "record_code",
    "simplex",
    "structured_codes",
]
