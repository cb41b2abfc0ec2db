"""Ctrl-C means "enough" only to a single fit at a prompt."""

import sys
from types import SimpleNamespace

import pytest

from sphereskl.training import called_from_prompt


@pytest.fixture
def _prompt(monkeypatch):
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)


def _ask_through(*modules):
    """Ask from within functions of these modules, the outermost first."""
    call = called_from_prompt
    for module in reversed(modules):
        namespace = {"__name__": module, "call": call}
        exec("def relay():\n    return call()\n", namespace)
        call = namespace["relay"]
    return call()


@pytest.mark.usefixtures("_prompt")
@pytest.mark.parametrize(
    "between",
    [
        (),
        ("sphereskl.estimators._base",),
        ("sklearn.base", "contextlib", "sphereskl.estimators._classification"),
        ("sklearn.base", "sklearn.pipeline", "sklearn.base", "sphereskl.estimators._base"),
        ("sklearn.compose._target", "sklearn.utils._set_output", "functools"),
    ],
)
def test_one_fit_at_a_prompt_was_asked_for(between):
    assert _ask_through("__main__", *between)


@pytest.mark.usefixtures("_prompt")
@pytest.mark.parametrize(
    "between",
    [
        ("sklearn.model_selection._search", "joblib.parallel", "sklearn.utils.parallel"),
        ("sklearn.ensemble._stacking", "sphereskl.estimators._base"),
        ("threading", "concurrent.futures.thread", "sphereskl.estimators._base"),
        ("somebodys_library", "sphereskl.estimators._base"),
    ],
)
def test_what_fits_more_than_once_was_not_asked_for_one(between):
    assert not _ask_through("__main__", *between)


@pytest.mark.usefixtures("_prompt")
def test_code_below_no_prompt_was_not_asked_for():
    assert not _ask_through("sphereskl.estimators._base")


@pytest.mark.usefixtures("_prompt")
def test_a_stack_without_prompt_was_not_asked_for(monkeypatch):
    # As of a bare thread, whose frames end before any prompt.
    stack = SimpleNamespace(f_globals={"__name__": "sphereskl"}, f_back=None)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "_getframe", lambda: stack)
        found = called_from_prompt()
    assert found is False


@pytest.mark.parametrize("modules", [("__main__",), ("__main__", "sphereskl.estimators._base")])
def test_scripts_have_no_prompt(modules, monkeypatch):
    monkeypatch.delattr(sys, "ps1", raising=False)
    assert not _ask_through(*modules)
