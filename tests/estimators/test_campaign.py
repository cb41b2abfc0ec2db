"""A few hundred cases of examples/reliability: a correct result, or a refusal in words.

The program there plays them by the thousand; `verdict.py` tells what a case must end as.
"""

import re

import pytest
from cases import FAMILIES, Case, read_case
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from verdict import judge

# What is said in the words of numpy and torch: numbers of which some are near the largest, a loss
# that is made for other models, memory that nobody has, and an array that holds itself.
FOREIGN_WORDS = re.compile(
    r"warned: (RuntimeWarning: (overflow|invalid value)|UserWarning: Casting complex)|"
    r"refused without naming what is wrong: \w+: (math domain error|.* takes .* argument)|"
    r"raised (RecursionError|RuntimeError: (Boolean value|.*can't allocate memory))"
)


@pytest.mark.parametrize("family", list(FAMILIES))
@given(data=st.data())
@settings(
    max_examples=36,
    phases=[Phase.generate],
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_cases_end_well(family, data):
    case = data.draw(FAMILIES[family][0])
    faults = [fault for fault in judge(case).faults if not FOREIGN_WORDS.match(fault)]
    assert not faults, f"play it again: campaign.py --replay '{case}'"


def test_a_case_is_read_as_it_was_told():
    case = Case("parameters", "ordinal", 3, fitted=True, parameters=(("lr", 2),), calls=("fit a",))
    assert read_case(str(case)) == case
