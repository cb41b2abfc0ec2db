"""Texts use the words of the field: phrases that stop a native reader are named with a better one.

A phrase is a regular expression in which a space also stands for a line break of a docstring, a
comment or a string.
"""

import re
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
# Folders that builds of the documentation fill.
_BUILT = {"_build", "gallery", "generated"}
ROOTS = ("sphereskl", "docs", "README.md", "examples")

# Phrase: (what to say, why).
PHRASES = {
    # Names that the field has.
    r"what is minimised": ("loss", "standard name"),
    r"longest gradient|largest gradient that": ("gradient clipping: maximum norm", "standard name"),
    r"(?:learn\w*|know\w*|rows) by heart": ("memorise, overfit", "standard name"),
    r"row weights?": ("sample weights", "standard name"),
    r"row numbers? of": ("index of", "standard name"),
    r"rows? (?:that|which|to) judges?|judges? (?:a|the|itself|every epoch) \w*\b": (
        "validation samples, validate",
        "standard name",
    ),
    r"judged by": ("validated on", "standard name"),
    r"(?:without|no|had|has|with|are) gaps|gaps (?:in|are|and)": (
        "missing values",
        "standard name",
    ),
    r"of even size|hold an even share": ("of (nearly) equal size", "standard name"),
    r"target mass": ("target probability", "standard name"),
    # Words that mean something else, or nothing, to a native reader.
    r"hears? of|(?:has|have|had) heard|told of": ("called during, receive", "private dialect"),
    r"(?:has|have) no say|no say about": ("is ignored, no longer tells", "private dialect"),
    r"counts? as met": ("is treated as zero", "private dialect"),
    r"(?:deal|deals|dealt|dealing) out": ("assign", "private dialect"),
    r"and (?:its|their|the) kin": ("and similar methods", "private dialect"),
    r"and (?:its|their|the) like": ("and similar ones, etc.", "private dialect"),
    r"networks? of ours": ("networks of this package", "private dialect"),
    r"(?:of the|a) user'?s? brought|user brought": ("your own network", "private dialect"),
    r"nobody (?:has )?(?:named|set|cut)": ("not known yet, not set", "private dialect"),
    r"stands? whole": ("is complete", "private dialect"),
    r"it stands in|stands wherever": ("works in, works wherever", "private dialect"),
    r"takes? (?:the|a) say|let (?:it|them|its|their) bend": ("fit", "private dialect"),
    r"sure by|as right as|least sure|too sure": ("confident, calibrated", "private dialect"),
    # Grammar of another language.
    r"shall": ("is, should, must", "not idiomatic"),
    r"beside": ("next to, compared with, in addition to", "wrong preposition"),
    r"as far as (?:they|it|these) (?:was|were|are|is)": ("those that were", "not idiomatic"),
    r"asked for": ("requested, required, target", "wrong verb"),
    r"hangs? on": ("depends on", "wrong verb"),
    r"goes for": ("minimises, applies to", "wrong verb"),
    r"(?:go|goes|going|went) on (?:from|with|after|where|learning|training|to|as|anew)": (
        "continue, resume",
        "wrong verb",
    ),
    r"at the (?:most|least)(?=[,.;:)]| of)": ("at most, at least", "needless article"),
    r"(?:that|which) (?:is|are|was|were) there": ("existing, present", "not idiomatic"),
    r"(?<!there\s)(?:is|are|was|were) no "
    r"(?:class|table|number|callback|file|pickle|estimator|column|mean|row|"
    r"image|label|weight|mistake|sample|network|Dataset|copy|copies|JSON)\w*\b(?! of)": (
        "is not a, are not",
        "wrong negation",
    ),
    r"one an? (?:epoch|step|batch|row|fit|layer|filter)": ("one per epoch", "wrong article"),
    r"will ever come": ("will ever occur", "not idiomatic"),
    r"what is left of|what there is to": ("the rest, everything", "not idiomatic"),
}


@cache
def _compiled(phrase):
    gap = r"""(?:[ \n]|(?<=\n)[ ]*#|["'] *\n *f?["'])+"""
    return re.compile(r"\b(?:" + phrase.replace(" ", gap) + r")\b", re.IGNORECASE)


def _files(root):
    path = PROJECT / root
    files = [path] if path.is_file() else sorted([*path.rglob("*.py"), *path.rglob("*.md")])
    return [file for file in files if not _BUILT & set(file.parts)]


TEXTS = [path for root in ROOTS for path in _files(root)]


def _id(path):
    return path.relative_to(PROJECT).as_posix()


@pytest.mark.parametrize("path", TEXTS, ids=_id)
def test_texts_say_what_the_field_says(path):
    text, name = path.read_text(), _id(path)
    found = [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: say {say!r}, not "
        f"{' '.join(match.group().split())!r} ({why})"
        for phrase, (say, why) in PHRASES.items()
        for match in _compiled(phrase).finditer(text)
    ]
    if found:
        pytest.fail("\n".join(found), pytrace=False)


@pytest.mark.parametrize("text", ["as far as they were", "as far as\n    # they were"])
def test_phrases_are_found_across_lines(text):
    assert any(_compiled(phrase).search(text) for phrase in PHRASES)
