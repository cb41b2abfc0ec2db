"""Faults planted in the source reach the tests that judge them, doctests included."""

import argparse
import ast

import mutation
import pytest

FILE = "sphereskl/nn/losses/_annealing.py"
OPTIONS = argparse.Namespace(tests=[FILE], limit=60.0)


@pytest.mark.parametrize(
    ("source", "faults"),
    [
        ("x = a < b", ["a < b -> a <= b"]),
        ("x = -a", ["-a -> +a"]),
        ("x: 1 = True", ["True -> False"]),
        ("def f():\n    return a + b", ["return a + b -> return None", "a + b -> a - b"]),
        ("raise ValueError(1 + 1)", []),
        ("'text'", []),
    ],
)
def test_faults_are_planted_one_at_a_time(source, faults):
    found = list(mutation.mutants(source))
    assert [fault for _, fault, _ in found] == faults
    assert all(mutated != ast.unparse(ast.parse(source)) for _, _, mutated in found)


@pytest.mark.parametrize(
    ("source", "verdict"), [("raise ImportError", "killed"), (None, "survived")]
)
def test_doctests_judge_the_planted_source(source, verdict):
    with open(FILE) as file:
        assert mutation.judge(FILE, source or file.read(), OPTIONS) == verdict
