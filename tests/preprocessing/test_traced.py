"""Encoders as modules of torch encode as they do outside of it."""

import numpy as np
import pytest
import torch

from sphereskl.preprocessing import ImageEncoder, TableEncoder
from sphereskl.preprocessing._traced import traced

RNG = np.random.default_rng(0)
CODES = RNG.integers(0, 3, (30, 2)).astype(float) + 5
NUMBERS = np.where(RNG.random((30, 3)) < 0.2, np.nan, RNG.normal(size=(30, 3)))
IMAGES = RNG.integers(0, 256, (9, 3, 6, 5)).astype(np.uint8)


@pytest.mark.parametrize("standardize", [True, False])
def test_images(standardize):
    encoder = ImageEncoder((3, 6, 5), standardize=standardize).fit(IMAGES)
    found = traced(encoder, None)(torch.from_numpy(IMAGES))
    torch.testing.assert_close(found, encoder.transform(IMAGES))


@pytest.mark.parametrize(
    ("X", "is_category"),
    [
        (NUMBERS, [False] * 3),
        (CODES, [True] * 2),
        (np.hstack([CODES, NUMBERS]), [True] * 2 + [False] * 3),
    ],
    ids=["numbers", "categories", "both"],
)
def test_tables(X, is_category):
    encoder = TableEncoder(categorical_features=is_category).fit(X)
    found = traced(encoder, encoder.levels_)(torch.from_numpy(X))
    torch.testing.assert_close(found, encoder.transform(X))
