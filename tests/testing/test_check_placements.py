"""Every placement of ours keeps the laws, and every law can be broken."""

from functools import partial

import pytest
import torch

from sphereskl.geometry import (
    arc,
    normalize,
    orthonormal,
    orthoplex,
    place_prototypes,
    polygon,
    simplex,
)
from sphereskl.testing import check_placement

OURS = {
    **{
        method: (partial(place_prototypes, method=method, effort="fast", random_state=0), sizes)
        for method, sizes in {
            "auto": [(2, 2), (7, 3), (24, 4), (5, 9)],
            "separated": [(9, 3), (13, 4)],
            "uniform": [(12, 3)],
            "random": [(2, 2), (50, 6)],
            "code": [(40, 16)],
            "antipodal": [(2, 5)],
        }.items()
    },
    "simplex": (simplex, [(2, 1), (4, 3), (5, 9)]),
    "orthoplex": (orthoplex, [(2, 2), (6, 3), (7, 5)]),
    "orthonormal": (orthonormal, [(2, 2), (3, 7)]),
    "polygon": (polygon, [(2, 2), (7, 2), (5, 4)]),
    "arc": (arc, [(2, 2), (5, 3)]),
}


@pytest.mark.parametrize(("place", "sizes"), OURS.values(), ids=OURS.keys())
def test_our_placements_keep_the_laws(place, sizes):
    check_placement(place, sizes)


def _random(n, d):
    return normalize(torch.randn(n, d, generator=torch.Generator().manual_seed(0)).double())


BROKEN = {
    "shape": (lambda n, d: _random(d, n), "the shape must be"),
    "length": (lambda n, d: 2 * _random(n, d), "rows must be unit"),
    "copies": (lambda n, d: _random(1, d).expand(n, d), "no two may be equal"),
}


@pytest.mark.parametrize(("place", "law"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_placement_is_told_which_law(place, law):
    with pytest.raises(AssertionError, match=rf"For 5 prototypes in 7 dim.* {law}.*, but .*; .*\."):
        check_placement(place, [(5, 7)])


def test_a_placement_that_draws_a_new_seed_is_told_so():
    generator = torch.Generator().manual_seed(0)
    with pytest.raises(AssertionError, match="two calls must give the same bits"):
        check_placement(lambda n, d: normalize(torch.randn(n, d, generator=generator).double()))


def test_a_placement_that_draws_from_the_global_generator_is_told_so():
    with torch.random.fork_rng(), pytest.raises(AssertionError, match="global generator"):
        check_placement(lambda n, d: normalize(torch.randn(n, d).double()))
