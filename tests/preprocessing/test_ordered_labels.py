"""An order of labels, kept apart from the order of columns."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from sphereskl.preprocessing import OrderedLabels

STAGES = ["low", "middle", "high"]
Y = np.array(["high", "low", "middle", "low"])


def test_ranks_lead_from_sorted_classes_to_the_order():
    encoder = OrderedLabels(STAGES).fit(Y)
    assert encoder.classes_.tolist() == sorted(STAGES)
    assert encoder.categories_[encoder.ranks_].tolist() == encoder.classes_.tolist()
    assert encoder.strata(encoder.encode(Y)).tolist() == [2, 0, 1, 0]


@pytest.mark.parametrize(
    "given",
    [
        pd.Categorical(Y, STAGES, ordered=True),
        pd.Series(pd.Categorical(Y, STAGES, ordered=True)),
        pl.Series(Y.tolist(), dtype=pl.Enum(STAGES)),
    ],
    ids=["categorical", "series", "enum"],
)
def test_a_declared_order_is_taken(given):
    assert OrderedLabels().fit(Y, given=given).categories_.tolist() == STAGES


@pytest.mark.parametrize("y", [[3, 1, 2, 1], [0.0, -1.0, 5.0, 5.0], [True, False, True, False]])
def test_numbers_are_in_their_order(y):
    encoder = OrderedLabels().fit(np.array(y))
    assert encoder.categories_.tolist() == encoder.classes_.tolist() == sorted(set(y))


def test_two_names_need_no_order():
    assert OrderedLabels().fit(np.array(["yes", "no"])).categories_.tolist() == ["no", "yes"]


def test_codes_of_the_sorted_labels_are_translated():
    encoder = OrderedLabels(STAGES).fit(np.array([0, 1, 2, 0]))
    assert encoder.categories_.tolist() == [1, 2, 0]
    assert [sorted(STAGES)[code] for code in encoder.categories_] == STAGES


@pytest.mark.parametrize("y", [[0, 3], [-1, 1], [7, 8]])
def test_numbers_that_are_no_codes_are_refused(y):
    with pytest.raises(ValueError, match="which are not among categories"):
        OrderedLabels(STAGES).fit(np.array(y))


def test_numbers_as_categories_are_labels_not_codes():
    assert OrderedLabels([2, 0, 1]).fit(np.array([0, 1, 2])).categories_.tolist() == [2, 0, 1]


def test_the_order_of_classes_named_for_a_stream_is_kept():
    encoder = OrderedLabels().fit(Y[:1], classes=[*STAGES, "low"])
    assert encoder.categories_.tolist() == STAGES
