"""Imports point down: between layers, between the rooms of a layer, and nowhere in a circle."""

import ast
import statistics
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import sphereskl

ROOT = Path(sphereskl.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

# What each layer may import of the others.
BELOW = {
    "geometry": set(),
    "metrics": set(),
    "nn": {"geometry"},
    "testing": {"geometry", "nn"},
    "training": {"geometry", "nn"},
    "preprocessing": {"geometry", "nn"},
    "estimators": {"geometry", "nn", "training", "preprocessing"},
    "display": {"geometry", "metrics", "nn", "training", "preprocessing", "estimators"},
}

# The rooms of a layer, lowest first. Those of one row know nothing of each other; a name with
# an underscore is a module of the layer's ground.
ROOMS = {
    "geometry": [
        {"_sphere", "_threads", "_bounds", "_lbfgs", "_von_mises_fisher"},
        {"_separation"},
        {"codes"},
        {"search"},
        {"_apart"},
        {"meaning"},
        {"_placement", "_report"},
    ],
    "nn": [{"_checks"}, {"_operators"}, {"layers", "losses", "models"}, {"networks"}],
}

# Other people's packages that each room imports: no more, and no fewer.
FOREIGN = {
    "geometry": {"numpy", "scipy", "torch"},
    "geometry/codes": {"numpy", "torch"},
    "geometry/meaning": {"numpy", "scipy", "torch"},
    "geometry/search": {"numpy", "scipy", "torch", "tqdm"},
    "metrics": {"numpy", "scipy", "sklearn"},
    "nn": {"torch"},
    "nn/layers": {"torch"},
    "nn/losses": {"torch"},
    "nn/models": {"torch"},
    "nn/networks": {"torch"},
    "testing": {"torch"},
    "training": {"IPython", "numpy", "safetensors", "skorch", "torch", "tqdm"},
    "preprocessing": {"narwhals", "numpy", "pandas", "sklearn", "torch"},
    "estimators": {"numpy", "onnx", "onnxscript", "safetensors", "scipy", "sklearn", "torch"},
    "display": {"matplotlib", "numpy", "pandas", "plotly", "scipy", "sklearn"},
}


def _id(path):
    return path.relative_to(ROOT).as_posix()


@cache
def _tree(path):
    return ast.parse(path.read_text())


def _imports(path, *, top_level=False):
    """Every import as (number of dots, module, imported name or None), functions' included."""
    nodes = _tree(path).body if top_level else ast.walk(_tree(path))
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


def _room(path):
    """Folder of a file, relative to the package: "nn/layers"."""
    return path.parent.relative_to(ROOT).as_posix()


def _target(path, dots, module, name):
    """File that a relative import reaches."""
    folder = path.parents[dots - 1]
    for part in module.split(".") if module else []:
        folder = folder / part
    candidates = [folder / name, folder] if name else [folder]
    for candidate in candidates:
        if candidate.with_suffix(".py").is_file():
            return candidate.with_suffix(".py")
        if (candidate / "__init__.py").is_file():
            return candidate / "__init__.py"
    raise AssertionError(f"{_id(path)} imports {module}.{name}, which is no file")


def _reached(path):
    return {_target(path, *found) for found in _imports(path) if found[0]}


LAYERED = [path for path in FILES if _layer(path)]
ROOMED = [path for path in LAYERED if _layer(path) in ROOMS and path.parent != ROOT]


def test_every_folder_is_a_layer():
    assert {_layer(path) for path in LAYERED} == set(BELOW)


@pytest.mark.parametrize("layer", sorted(ROOMS))
def test_every_module_and_folder_of_a_layer_with_rooms_has_its_place(layer):
    found = {path.stem for path in (ROOT / layer).iterdir() if path.suffix == ".py"}
    found |= {path.parent.name for path in (ROOT / layer).glob("*/__init__.py")}
    assert found - {"__init__"} == set().union(*ROOMS[layer])


@pytest.mark.parametrize("path", LAYERED, ids=_id)
def test_imports_of_other_layers_point_down_through_the_front_door(path):
    # A whole layer below: not its private modules, not the root, nothing above.
    others = {target for target in _reached(path) if _layer(target) != _layer(path)}
    assert {_layer(target) for target in others} <= BELOW[_layer(path)]
    assert {target.name for target in others} <= {"__init__.py"}
    assert {len(target.relative_to(ROOT).parts) for target in others} <= {2}


def _place(path):
    """Name under which a file stands in ROOMS: its folder, or itself on the ground."""
    parts = path.relative_to(ROOT).parts
    return parts[1] if len(parts) > 2 else path.stem


def _height(path):
    return next(i for i, row in enumerate(ROOMS[_layer(path)]) if _place(path) in row)


@pytest.mark.parametrize("path", [path for path in ROOMED if _place(path) != "__init__"], ids=_id)
def test_imports_of_other_rooms_point_down_through_their_doors(path):
    inside = {target for target in _reached(path) if _layer(target) == _layer(path)}
    others = {target for target in inside if _place(target) != _place(path)}
    assert all(_height(target) < _height(path) for target in others)
    assert all(target.name == "__init__.py" or target.parent.parent == ROOT for target in others)


def test_nothing_is_imported_in_a_circle():
    order = TopologicalSorter({path: _reached(path) for path in FILES}).static_order()
    assert len(list(order)) == len(FILES)


@pytest.mark.parametrize("path", FILES, ids=_id)
def test_imports_inside_the_package_are_relative(path):
    assert not [module for _, module, _ in _imports(path) if module.split(".")[0] == "sphereskl"]


@pytest.mark.parametrize("room", sorted(FOREIGN))
def test_rooms_import_exactly_the_packages_of_their_list(room):
    found = {
        module.split(".")[0]
        for path in LAYERED
        if _room(path) == room
        for dots, module, _ in _imports(path)
        if dots == 0
    }
    assert found - sys.stdlib_module_names == FOREIGN[room]


def test_every_room_has_its_list():
    assert {_room(path) for path in LAYERED} == set(FOREIGN)


@pytest.mark.parametrize("path", LAYERED, ids=_id)
def test_optional_packages_are_imported_where_they_are_used(path):
    # Matplotlib and plotly are extras: importing the package must not need them.
    top_level = {module.split(".")[0] for _, module, _ in _imports(path, top_level=True)}
    extras = {"IPython", "matplotlib", "onnx", "onnxscript", "pandas", "plotly", "polars", "rich"}
    assert not top_level & extras


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
def test_callbacks_of_scikit_learn_stay_in_one_module(path):
    # They are experimental, and not there before scikit-learn 1.9.
    found = [module for _, module, _ in _imports(path) if module.startswith("sklearn.callback")]
    assert not found or _id(path) == "estimators/_sklearn_callbacks.py"


@pytest.mark.parametrize("path", [path for path in FILES if path.name != "__init__.py"], ids=_id)
def test_modules_are_private(path):
    assert path.name.startswith("_")


@pytest.mark.parametrize("path", FILES, ids=_id)
def test_packages_only_re_export(path):
    defined = [n for n in _tree(path).body if isinstance(n, ast.ClassDef | ast.FunctionDef)]
    assert path.name != "__init__.py" or not defined


@pytest.mark.parametrize("path", FILES, ids=_id)
def test_files_are_short(path):
    assert len(path.read_text().splitlines()) <= 400


def _length(function):
    """Lines of a function without its signature and its docstring."""
    has_docstring = ast.get_docstring(function) is not None
    body = function.body[1:] if has_docstring else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_functions_are_short():
    lengths = [
        _length(node)
        for path in FILES
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert statistics.median(lengths) <= 6


@pytest.mark.parametrize("path", LAYERED, ids=_id)
def test_nobody_seeds_or_draws_from_global_generators(path):
    # Seeding is training/_seed.py's; everyone else takes a generator.
    nodes = ast.walk(_tree(path))
    calls = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
    assert not calls & {"np.random.seed", "random.seed", "torch.seed"}
    assert "torch.manual_seed" not in calls or _id(path) == "training/_seed.py"
