"""Faults planted in the source reach the tests that judge them, doctests included."""

import ast
import subprocess
import sys

import mutation
import pytest

FILE = "sphereskl/nn/losses/_annealing.py"


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


def _run(tests, out):
    # In a process of its own: here the package is loaded already, as it is.
    command = [sys.executable, mutation.__file__, FILE, "--tests", tests, "--out", out]
    return subprocess.run([*command, "--sample", "0"], capture_output=True, text=True)


def test_doctests_judge_the_planted_source(tmp_path):
    ended = _run(FILE, str(tmp_path / "rows.csv"))
    assert ended.returncode == 0, ended.stderr


def test_tests_that_do_not_load_the_file_are_refused(tmp_path):
    idle = tmp_path / "test_idle.py"
    idle.write_text("def test_idle():\n    pass\n")
    ended = _run(str(idle), str(tmp_path / "rows.csv"))
    assert f"The tests must import {FILE}." in ended.stderr
