"""What is printed of a layer names its sizes."""

import pytest

from sphereskl.nn import (
    CategoryEmbedding,
    MemberLinear,
    PeriodicEmbedding,
    PiecewiseLinearEmbedding,
    SphereNorm,
)

TEXTS = {
    "CategoryEmbedding([3, 4], n_members=2)": lambda: CategoryEmbedding([3, 4], n_members=2),
    "MemberLinear(n_members=8, in_features=3, out_features=5)": lambda: MemberLinear(8, 3, 5),
    "PeriodicEmbedding(6, width=4, n_frequencies=16, n_members=2)": lambda: PeriodicEmbedding(
        6, n_members=2
    ),
    "PiecewiseLinearEmbedding(6, width=4, n_bins=16, n_members=2)": lambda: (
        PiecewiseLinearEmbedding(6, n_members=2)
    ),
    "SphereNorm(4, fan_in=9, affine=False)": lambda: SphereNorm(4, 9, affine=False),
}


@pytest.mark.parametrize(("text", "make"), TEXTS.items(), ids=TEXTS)
def test_a_layer_names_its_sizes(text, make):
    layer = make()
    assert f"{type(layer).__name__}({layer.extra_repr()})" == text
