"""What README shows is what happens."""

import contextlib
import io
import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_example_prints_what_readme_says():
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    (output,) = re.findall(r"```text\n(.*?)```", README, flags=re.DOTALL)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {"__name__": "__main__"})
    assert printed.getvalue() == output


def test_links_lead_somewhere():
    root = Path(__file__).parents[1]
    targets = re.findall(r"\]\(([^)]+)\)", README)
    assert [target for target in targets if not (root / target).exists()] == []


def test_the_table_is_that_of_the_benchmarks():
    measured = (Path(__file__).parents[1] / "docs" / "benchmarks" / "tables.md").read_text()
    plain = README.replace("**", "")
    rows = re.findall(r"^\| \w+ \| [\d.]+ \|.*\|$", plain, flags=re.MULTILINE)
    assert len(rows) == 4
    assert [row for row in rows if row not in measured] == []
    (accuracy, loss, seconds) = re.search(
        r"MLPClassifier.*?([\d.]{6}).*?([\d.]{6}).*?([\d.]+) s", plain, flags=re.DOTALL
    ).groups()
    assert re.search(rf"\| MLP \| \S+ \| {accuracy} \| {loss} \| \S+ \| {seconds} \|", measured)
