"""The gallery: every example asks one question, has a place in the order, and runs."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from sphereskl.display._drawing import OKABE_ITO

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("plot_*.py"))
IN_ORDER = re.findall(r'"(plot_\w+\.py)"', (ROOT / "docs" / "conf.py").read_text())
HEADER = (ROOT / "examples" / "GALLERY_HEADER.rst").read_text()

every_example = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)


def test_every_example_has_a_place_in_the_order_and_a_link_above_it():
    names = {path.name for path in EXAMPLES}
    assert set(IN_ORDER) == names
    assert re.findall(r"sphx_glr_gallery_(plot_\w+\.py)", HEADER) == IN_ORDER


@every_example
def test_the_title_is_one_question_and_the_text_says_more(path):
    title, rule, empty, *text = (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n")
    assert title.count("?") == 1
    assert title.endswith("?")
    assert rule == "=" * len(title)
    assert not empty
    assert len(" ".join(text)) > 100


@every_example
def test_it_compiles(path):
    compile(path.read_text(), path.name, "exec")


@every_example
def test_drawings_have_the_common_style(path):
    code = path.read_text()
    assert ("import matplotlib" in code) == ("sphereskl.display.gallery" in code)


def test_the_common_style_has_the_colours_of_the_displays():
    with plt.style.context("sphereskl.display.gallery"):
        colours = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    assert [f"#{colour.removeprefix('#')}" for colour in colours] == list(OKABE_ITO)


@pytest.mark.slow
@every_example
def test_it_runs_as_a_script(path, tmp_path):
    environment = {**os.environ, "MPLBACKEND": "agg", "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-W", "error", path], cwd=tmp_path, env=environment,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
