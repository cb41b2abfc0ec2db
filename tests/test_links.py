"""Every relative link and image of the Markdown pages leads to a file and to a heading in it."""

import importlib.util
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if not {"_build", "gallery", "generated"} & set(page.parts)]

_FENCED = re.compile(r"^( *)(```+|~~~+|:::+\{eval-rst\}).*?^\1\2`*$", re.DOTALL | re.MULTILINE)
_TARGET = re.compile(r"\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
_HEADING = re.compile(r"^#{1,4} +(.+?)\s*$", re.MULTILINE)
_LABEL = re.compile(r"^\(([\w-]+)\)=$", re.MULTILINE)


@cache
def _prose(page):
    """Return the text of a page without its blocks of code."""
    return _FENCED.sub("", page.read_text(encoding="utf-8"))


def _slug(heading):
    """Return GitHub's anchor of a heading, which MyST makes as well."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


@cache
def _anchors(page):
    return {_slug(heading) for heading in _HEADING.findall(_prose(page))} | set(
        _LABEL.findall(_prose(page))
    )


def _targets(page):
    found = _TARGET.findall(re.sub(r"`[^`\n]*`", "", _prose(page)))
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def _is_built(path):
    """Return whether a page is written by the build: API pages and the gallery."""
    return bool({"gallery", "generated"} & set(path.relative_to(ROOT).parts))


def _fault(page, target):
    """Return what is wrong with a link, or None."""
    name, _, anchor = target.partition("#")
    path = (page.parent / name).resolve() if name else page
    if _is_built(path):
        return None
    if not path.exists():
        return f"{target}: no such file"
    if anchor and (path.suffix != ".md" or anchor not in _anchors(path)):
        return f"{target}: no such heading"
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files_and_headings(page):
    faults = [_fault(page, target) for target in _targets(page)]
    assert [fault for fault in faults if fault] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_images_have_a_text_for_those_who_do_not_see_them(page):
    assert re.findall(r"!\[\s*\]\([^)]*\)", _prose(page)) == []


def test_every_page_is_in_a_table_of_contents():
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    blocks = re.findall(r"```\{toctree\}(.*?)```", text, flags=re.DOTALL)
    listed = {line.strip() for block in blocks for line in block.splitlines()}
    names = [page.relative_to(ROOT / "docs").with_suffix("") for page in PAGES[1:]]
    wanted = {name.as_posix() for name in names if name.parts[0] != "benchmarks"}
    assert wanted - listed == {"index"}


def test_the_program_finds_files_and_anchors_that_are_missing(tmp_path):
    path = ROOT / "docs" / "programs" / "check_links.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    (tmp_path / "index.html").write_text(
        '<a id="top" href="#top"></a><a href="sub/a%20b.html#here"></a><a href="https://x.y/z"></a>'
        '<img src="gone.png"><a href="sub/a%20b.html#there"></a><a href="#bottom"></a>'
    )
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a b.html").write_text('<h1 id="here"></h1><a href="../index.html"></a>')
    assert program.check(tmp_path) == [
        "index.html: #bottom: no such anchor",
        "index.html: gone.png: no such file",
        "index.html: sub/a%20b.html#there: no such anchor",
    ]
