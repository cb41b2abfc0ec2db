"""What is exported is documented, and the documentation tells the truth."""

import ast
import importlib
import inspect
import re
import textwrap
from dataclasses import is_dataclass
from importlib.metadata import version
from importlib.resources import files
from types import ModuleType

import pytest
import torch

import sphereskl

FOLDERS = [path for path in files(sphereskl).iterdir() if path.joinpath("__init__.py").is_file()]
NAMES = sorted(f"sphereskl.{path.name}" for path in FOLDERS)
PACKAGES = [sphereskl, *(importlib.import_module(name) for name in NAMES)]


def _public(kind):
    found = {}
    for package in PACKAGES:
        for name in package.__all__:
            if kind(getattr(package, name)):
                found[f"{package.__name__}.{name}"] = getattr(package, name)
    return found


def _methods(cls):
    """Public methods that are written in this package, with what documents them."""
    return {
        name: value
        for name, value in inspect.getmembers(cls, inspect.isfunction)
        if not name.startswith("_") and value.__module__.startswith("sphereskl")
    }


FUNCTIONS = _public(inspect.isfunction)
CLASSES = {
    name: cls
    for name, cls in _public(inspect.isclass).items()
    if not issubclass(cls, BaseException)
}
DOCUMENTED_METHODS = {
    f"{name}.{method}": value
    for name, cls in CLASSES.items()
    for method, value in _methods(cls).items()
    if "Parameters\n" in (value.__doc__ or "")
}
SIGNED = {**FUNCTIONS, **CLASSES, **DOCUMENTED_METHODS}
ESTIMATORS = {name: cls for name, cls in CLASSES.items() if hasattr(cls, "fit_transform")}


def _cases(objects):
    return pytest.mark.parametrize("documented", objects.values(), ids=objects.keys())


def _sections(documented):
    """Section titles of a numpydoc docstring, with their text."""
    pieces = re.split(r"^(\w[\w ]*)\n-{3,}\n", inspect.cleandoc(documented.__doc__), flags=re.M)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def _documented_parameters(documented):
    """Names in order, and the text after "default=" where there is one."""
    sections, parameters = _sections(documented), {}
    # Results that nobody but the package builds describe their attributes only.
    section = sections.get("Parameters", sections.get("Attributes", ""))
    section = section if is_dataclass(documented) else sections.get("Parameters", "")
    for names, kind in re.findall(r"^(\*{0,2}\w[\w, *]*)(?: : (.+))?$", section, re.M):
        default = re.search(r"default=(.+)$", kind)
        for name in names.split(", "):
            parameters[name] = default and default.group(1)
    return parameters


def _real_parameters(documented):
    """Parameters as the docstring should name them."""
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return {
        stars.get(parameter.kind, "") + name: parameter
        for name, parameter in inspect.signature(documented).parameters.items()
        if name != "self"
    }


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_exports_are_sorted(package):
    # Constants, classes, functions, as ruff sorts them.
    def key(name):
        return (not name.isupper(), not name[0].isupper(), name)

    assert package.__all__ == sorted(package.__all__, key=key)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_exports_are_complete(package):
    names = {
        name
        for name, value in vars(package).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert names == set(package.__all__)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_packages_say_what_they_are_for(package):
    assert package.__doc__


@_cases({**FUNCTIONS, **_public(inspect.isclass), **DOCUMENTED_METHODS})
def test_docstrings_begin_with_one_sentence(documented):
    first = documented.__doc__.strip().split("\n\n")[0]
    assert first.endswith(".")
    assert "\n" not in first


@_cases(SIGNED)
def test_documented_parameters_are_the_real_ones(documented):
    assert list(_documented_parameters(documented)) == list(_real_parameters(documented))


@_cases(SIGNED)
def test_documented_defaults_are_the_real_ones(documented):
    stated = {
        name: eval(text, {"torch": torch})
        for name, text in _documented_parameters(documented).items()
        if text is not None
    }
    real = {
        name: parameter.default
        for name, parameter in _real_parameters(documented).items()
        if parameter.default is not inspect.Parameter.empty
    }
    assert stated == real


def _source(documented):
    return ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(documented))))


@_cases({**FUNCTIONS, **DOCUMENTED_METHODS})
def test_what_is_returned_is_documented(documented):
    # A method that only raises speaks for those that override it.
    nodes, last = list(ast.walk(_source(documented))), _source(documented).body[0].body[-1]
    kinds = ast.Return | ast.Yield | ast.YieldFrom
    returns = any(isinstance(node, kinds) and node.value for node in nodes)
    found = {"Returns", "Yields"} & set(_sections(documented))
    assert bool(found) == (returns or isinstance(last, ast.Raise))


@_cases(FUNCTIONS)
def test_functions_say_what_they_raise(documented):
    raises = any(isinstance(node, ast.Raise) for node in ast.walk(_source(documented)))
    assert not raises or "Raises" in _sections(documented)


@_cases({name: value for name, value in FUNCTIONS.items() if re.search(r"geometry|nn", name)})
def test_functions_of_tensors_have_an_example(documented):
    assert ">>> " in _sections(documented)["Examples"]


@_cases(ESTIMATORS)
def test_estimators_document_their_public_methods(documented):
    bare = [
        name
        for name, method in _methods(documented).items()
        if _real_parameters(method) and "Parameters" not in _sections(method)
    ]
    assert bare == []


@_cases(ESTIMATORS)
def test_estimators_have_at_most_30_parameters_all_by_keyword(documented):
    parameters = _real_parameters(documented)
    assert len(parameters) <= 30
    assert {value.kind for value in parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}


@_cases(ESTIMATORS)
def test_estimators_declare_the_range_of_every_parameter(documented):
    assert set(documented._parameter_constraints) == set(_real_parameters(documented))


@_cases(ESTIMATORS)
def test_every_public_property_is_a_documented_attribute(documented):
    properties = {
        name
        for name, value in inspect.getmembers(documented, lambda v: isinstance(v, property))
        if name.endswith("_") and not name.startswith("_")
    }
    attributes = re.findall(r"^(\w+) :", _sections(documented)["Attributes"], re.M)
    assert properties <= set(attributes)


def test_version_is_that_of_the_distribution():
    assert sphereskl.__version__ == version("sphereskl")
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+|rc\d+)?", sphereskl.__version__)


def test_type_annotations_are_announced():
    assert files("sphereskl").joinpath("py.typed").is_file()
