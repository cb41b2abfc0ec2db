"""What a release says of itself in several places is the same everywhere."""

import re
import tomllib
from pathlib import Path

import pytest

import sphereskl
from sphereskl.estimators import _file_format
from sphereskl.training import _fit_files

ROOT = Path(__file__).parents[1]
CITATION = (ROOT / "CITATION.cff").read_text()
CHANGELOG = (ROOT / "docs/changelog.md").read_text()
RELEASING = (ROOT / "docs/releasing.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

RELEASED = re.sub(r"\.dev\d+$", "", sphereskl.__version__)


def test_the_newest_entry_of_the_changelog_is_this_version():
    headings = re.findall(r"^## (\S+)", CHANGELOG, re.M)
    assert headings[:2] == ["Unreleased", RELEASED]


def test_the_citation_is_of_this_version():
    assert re.findall(r"^version: (\S+)$", CITATION, re.M) == [RELEASED]


def test_the_citation_has_the_licence_of_the_package():
    assert re.findall(r"^license: (\S+)$", CITATION, re.M) == [PROJECT["project"]["license"]]


@pytest.mark.parametrize(
    ("kind", "number"), [("`save`, `load`", _file_format.FORMAT), ("`Resume`", _fit_files.FORMAT)]
)
def test_formats_of_files_are_those_that_are_told(kind, number):
    rows = re.findall(rf"^\| {kind} \| (\d+) \| (.+) \|$", RELEASING, re.M)
    assert [int(found) for found, _ in rows][-1] == number
    assert rows[-1][1].split(", ")[-1] == RELEASED


def test_readme_leads_nowhere_that_an_index_of_packages_has_not():
    text = (ROOT / "README.md").read_text()
    hook = PROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    for rule in hook["substitutions"]:
        text = re.sub(rule["pattern"], rule["replacement"], text)
    assert [link for link in re.findall(r"\]\(([^)]+)\)", text) if ":" not in link] == []
    assert "![" not in text
    assert "](docs/" not in text
