"""Imports point down: geometry < nn < training, preprocessing < estimators < display."""

import ast
import sys
from pathlib import Path

import pytest

import sphereskl

ROOT = Path(sphereskl.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

# What each layer may import of the others, and of other people's packages.
BELOW = {
    "geometry": set(),
    "nn": {"geometry"},
    "training": {"geometry", "nn"},
    "preprocessing": {"geometry", "nn"},
    "estimators": {"geometry", "nn", "training", "preprocessing"},
    "display": {"geometry", "nn", "training", "preprocessing", "estimators"},
}
FOREIGN = {
    "geometry": {"joblib", "numpy", "scipy", "torch", "tqdm"},
    "nn": {"torch", "numpy"},
    "training": {"numpy", "torch", "skorch", "tqdm", "safetensors"},
    "preprocessing": {"numpy", "pandas", "polars", "torch", "sklearn", "scipy"},
    "estimators": {"numpy", "safetensors", "scipy", "sklearn", "skorch", "torch"},
    "display": {"numpy", "sklearn", "scipy", "matplotlib"},
}


def _id(path):
    return path.relative_to(ROOT).as_posix()


def _imports(path, *, top_level=False):
    """Every import as (number of dots, module, imported name or None)."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level else ast.walk(tree)
    found = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [(0, alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(node.level, node.module or "", alias.name) for alias in node.names]
    return found


def _layer(path):
    parts = path.relative_to(ROOT).parts
    return parts[0] if len(parts) > 1 else None


LAYERED = [path for path in FILES if _layer(path)]


def test_every_folder_is_a_layer():
    assert {_layer(path) for path in LAYERED} <= set(BELOW)


def _crossings(path):
    """What is reached through two dots: ``..nn`` and ``from .. import nn`` alike."""
    return {module or name for dots, module, name in _imports(path) if dots == 2}


@pytest.mark.parametrize("path", LAYERED, ids=_id)
def test_imports_point_down_through_the_front_door(path):
    # A whole layer below: not its private modules, not the root, nothing above.
    assert _crossings(path) <= BELOW[_layer(path)]
    assert max((dots for dots, _, _ in _imports(path)), default=0) <= 2


@pytest.mark.parametrize("path", FILES, ids=_id)
def test_imports_inside_the_package_are_relative(path):
    assert not [module for _, module, _ in _imports(path) if module.split(".")[0] == "sphereskl"]


@pytest.mark.parametrize("path", LAYERED, ids=_id)
def test_layers_import_what_they_are_allowed_to(path):
    foreign = {module.split(".")[0] for dots, module, _ in _imports(path) if dots == 0}
    assert foreign <= FOREIGN[_layer(path)] | sys.stdlib_module_names


@pytest.mark.parametrize("path", LAYERED, ids=_id)
def test_optional_packages_are_imported_where_they_are_used(path):
    # Matplotlib is an extra: importing the package must not need it.
    top_level = {module.split(".")[0] for _, module, _ in _imports(path, top_level=True)}
    assert not top_level & {"matplotlib", "pandas", "polars", "rich"}


@pytest.mark.parametrize("path", FILES, ids=_id)
def test_private_helpers_of_scikit_learn_stay_in_one_module(path):
    private = [
        f"{module}.{name}"
        for _, module, name in _imports(path)
        if module.startswith("sklearn")
        and any(part.startswith("_") for part in (*module.split("."), name or ""))
    ]
    assert not private or _id(path) == "estimators/_base.py"


@pytest.mark.parametrize("path", FILES, ids=_id)
def test_skorch_is_known_to_training_and_composed_callbacks_only(path):
    names = {
        module for dots, module, _ in _imports(path) if dots == 0 and module.startswith("skorch")
    }
    allowed = {"estimators": {"skorch.callbacks", "skorch.utils"}, "training": names}
    assert names <= allowed.get(_layer(path), set())


@pytest.mark.parametrize("path", [path for path in FILES if path.name != "__init__.py"], ids=_id)
def test_modules_are_private(path):
    assert path.name.startswith("_")


@pytest.mark.parametrize("path", FILES, ids=_id)
def test_packages_only_re_export(path):
    tree = ast.parse(path.read_text())
    defined = [node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    assert path.name != "__init__.py" or not defined


@pytest.mark.parametrize("path", FILES, ids=_id)
def test_files_are_short(path):
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", LAYERED, ids=_id)
def test_nobody_seeds_or_draws_from_global_generators(path):
    # Seeding is training/_seed.py's; everyone else takes a generator.
    nodes = ast.walk(ast.parse(path.read_text()))
    calls = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
    assert not calls & {"np.random.seed", "random.seed", "torch.seed"}
    assert "torch.manual_seed" not in calls or _id(path) == "training/_seed.py"
