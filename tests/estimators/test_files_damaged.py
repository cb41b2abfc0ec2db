"""A file that is not whole, or not ours, is refused in one sentence; none does any harm."""

import hashlib
import json
import pickle
import runpy
from pathlib import Path

import joblib
import numpy as np
import pytest
import skops.io
import torch
from safetensors.torch import save_file

from sphereskl import (
    MLP,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
    load,
    save,
)

PROGRAM = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "benchmarks" / "damages.py"))
SEAL = PROGRAM["SEAL"]


@pytest.fixture(scope="module")
def fitted(iris):
    backbone = MLP((2,), n_members=1, numeric_embedding=None)
    clf = HypersphericalPrototypeClassifier(
        backbone=backbone, embedding_dim=2, max_epochs=1, random_state=0
    )
    return clf.fit(*iris)


@pytest.fixture(scope="module")
def whole(fitted, tmp_path_factory):
    """Bytes of a file."""
    path = tmp_path_factory.mktemp("whole") / "clf"
    save(fitted, path)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "clf.safetensors"


def _parts(whole):
    """Header of a file, ours within it, and what comes after."""
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    return header, json.loads(header["__metadata__"]["sphereskl"]), whole[8 + length :]


def _forged(header, ours, rest):
    """Bytes of a file with a checksum that fits."""
    text = ours if isinstance(ours, str) else json.dumps(ours, separators=(",", ":"))
    header["__metadata__"]["sphereskl"] = text
    start = json.dumps(header, separators=(",", ":")).encode()
    content = bytearray(len(start).to_bytes(8, "little") + start + rest)
    content[SEAL] = b"0" * 64
    content[SEAL] = hashlib.blake2b(content, digest_size=32).hexdigest().encode()
    return bytes(content)


def _refusal(path, content):
    """The one sentence with which bytes are refused."""
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^'.*clf.safetensors' .*; .*\.$") as caught:
        load(path)
    assert type(caught.value) is ValueError
    return str(caught.value)


def test_a_forged_checksum_passes_where_nothing_was_changed(fitted, whole, path, iris):
    path.write_bytes(_forged(*_parts(whole)))
    np.testing.assert_array_equal(load(path).transform(iris[0]), fitted.transform(iris[0]))


@pytest.mark.parametrize("part", np.linspace(0, 1, 80, endpoint=False), ids="{:.2f}".format)
def test_any_changed_bit_is_noticed(part, whole, path):
    damaged = bytearray(whole)
    damaged[int(part * len(whole))] ^= 1 << int(100 * part) % 8
    _refusal(path, damaged)


@pytest.mark.parametrize("place", [*range(8), SEAL.start, SEAL.stop - 1])
@pytest.mark.parametrize("bit", [0, 5])
def test_the_length_and_the_checksum_itself_are_guarded(place, bit, whole, path):
    damaged = bytearray(whole)
    damaged[place] ^= 1 << bit
    _refusal(path, damaged)


@pytest.mark.parametrize(
    "length", [0, 1, 7, 8, 9, SEAL.start, SEAL.stop, 500, 3000, -200, -1], ids=str
)
def test_a_file_that_lost_its_end_is_refused(length, whole, path):
    _refusal(path, whole[:length])


@pytest.mark.parametrize("more", [b"\0", b"\n", b"x" * 5000])
def test_a_file_with_something_behind_its_end_is_refused(more, whole, path):
    assert "does not fit its checksum" in _refusal(path, whole + more)


@pytest.mark.parametrize("version", [6, 10**6])
def test_a_newer_format_is_named(version, whole, path):
    header, ours, rest = _parts(whole)
    said = _refusal(path, _forged(header, {**ours, "format": version}, rest))
    assert f"has format {version}, but this version of sphereskl reads format 5" in said


def test_a_newer_format_that_begins_in_another_way_is_named(path):
    save_file({"x": torch.zeros(1)}, path, metadata={"sphereskl": '{"format": 7}'})
    assert "has format 7, but" in _refusal(path, path.read_bytes())


def test_the_former_format_is_named_with_the_way_out(path):
    save_file({"x": torch.zeros(1)}, path, metadata={"sphereskl": '{"format": 4, "class": "X"}'})
    said = _refusal(path, path.read_bytes())
    assert "has format 4, but this version of sphereskl reads format 5; fit and save" in said


def _others(fitted, path):
    """Files of other kinds by the words that name them."""
    joblib.dump(fitted, path.parent / "joblib", compress=3)
    torch.save({"x": torch.zeros(2)}, path.parent / "torch")
    save_file({"x": torch.zeros(1)}, path.parent / "tensors")
    return {
        "is empty": b"",
        "is a pickle": pickle.dumps(fitted),
        "is a compressed pickle": (path.parent / "joblib").read_bytes(),
        "is a zip archive": skops.io.dumps(fitted),
        "is a zip archive; read it with skops.io.load or torch": (
            path.parent / "torch"
        ).read_bytes(),
        "does not hold an estimator": (path.parent / "tensors").read_bytes(),
        "does not hold an estimator, or its beginning": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "does not hold": np.random.default_rng(0).bytes(5000),
    }


@pytest.mark.parametrize("number", range(8))
def test_files_of_other_kinds_are_named(number, fitted, path):
    kind, content = list(_others(fitted, path).items())[number]
    assert kind in _refusal(path, content)


def test_a_folder_is_refused(path):
    path.mkdir()
    with pytest.raises(ValueError, match=r"is a folder or a device; name a file"):
        load(path)


def test_a_file_that_is_not_there_is_what_python_says(path):
    with pytest.raises(FileNotFoundError):
        load(path)


DEEP = '{"tuple":[' * 100_000 + "]}" * 100_000

HOSTILE = {
    "another class": ("class", "os.system"),
    "an abstract class": ("class", "BaseSphereEstimator"),
    "no class": ("class", None),
    "a configuration that is none": ("params.backbone", {"config": "__doc__", "fields": {}}),
    "a configuration that is a function": ("params.backbone", {"config": "cosines", "fields": {}}),
    "a field that is none": ("params.backbone", {"config": "MLP", "fields": {"__class__": 1}}),
    "an unknown parameter": ("params.__class__", "x"),
    "a network as large as the world": (
        "params.backbone",
        {"config": "MLP", "fields": {"hidden_layer_sizes": [10**9, 10**9]}},
    ),
    "a network beyond all numbers": (
        "params.backbone",
        {"config": "MLP", "fields": {"hidden_layer_sizes": [10**30]}},
    ),
    "members without end": ("params.backbone", {"config": "MLP", "fields": {"n_members": 10**12}}),
    "layers without end": (
        "params.backbone",
        {"config": "MLP", "fields": {"hidden_layer_sizes": [2] * 100_000, "n_members": 1}},
    ),
    "samples as large as the world": ("fitted._sample_shape", {"tuple": [10**12]}),
    "samples of no size": ("fitted._sample_shape", {"tuple": [-4]}),
    "a sample that is none": ("fitted._sample_shape", "abc"),
    "a width that is none": ("net.embedding_dim", 10**15),
    "a width of text": ("net.embedding_dim", "x" * 1000),
    "a method replaced": ("fitted.predict", 3),
    "a class replaced": ("fitted.__class__", "x"),
    "a private attribute": ("fitted._reader", []),
    "a scale that is no number": ("fitted.scale_", {"float": "nan"}),
    "a scale that is text": ("fitted.scale_", "1"),
    "no scale": ("fitted.scale_", ...),
    "no encoder": ("encoders.encoder_", ...),
    "no moments": ("encoders.encoder_.mean_", ...),
    "moments of another table": (
        "encoders.encoder_.mean_",
        {"array": "criterion.none", "dtype": "<f8", "shape": [4]},
    ),
    "an array of objects": (
        "encoders.encoder_.std_",
        {"array": "encoder_.std_", "dtype": "|O", "shape": [4]},
    ),
    "an array larger than its bytes": (
        "encoders.encoder_.std_",
        {"array": "encoder_.std_", "dtype": "<U1000000000", "shape": [10**9]},
    ),
    "an array of another shape": (
        "encoders.encoder_.std_",
        {"array": "encoder_.std_", "dtype": "<f8", "shape": [2, 2]},
    ),
    "fewer classes": ("encoders.target_encoder_.classes_", [0, 1]),
    "no classes": ("encoders.target_encoder_.classes_", ...),
    "a seed that is none": ("net.options.seed", "x"),
    "an optimiser that is none": ("net.options.optimizer", "os.system"),
    "a history that is none": ("net.history", 3),
    "a key that is none": ("params.class_weight", {"pairs": [[[], 1]]}),
    "a pair of three": ("params.class_weight", {"pairs": [[1, 2, 3]]}),
    "a date that is none": ("params.class_weight", {"date": "yesterday"}),
    "an unknown tag": ("params.class_weight", {"pickle": "gASVAAAA"}),
    "a section too many": ("more", 1),
    "a section too few": ("built_with", ...),
    "a section of another kind": ("params", []),
    "a number as code": ("code", [3]),
    "requests of no method": ("requests", {"__init__": {"x": True}}),
    "another library of frames": ("output", 3),
}


@pytest.mark.parametrize(("place", "value"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_header_by_another_hand_is_refused(place, value, whole, path):
    header, ours, rest = _parts(whole)
    *way, last = place.split(".")
    section = ours
    for name in way:
        section = section[name]
    section[last] = value
    if value is ...:
        del section[last]
    _refusal(path, _forged(header, ours, rest))


TEXTS = {
    "nested without end": lambda text: text.replace(
        '"class_weight":null', f'"class_weight":{DEEP}'
    ),
    "a key twice": lambda text: text.replace('"code":[]', '"code":[],"code":[]'),
    "NaN": lambda text: text.replace('"lr":0.008', '"lr":NaN'),
    "a number without end": lambda text: text.replace('"lr":0.008', '"lr":' + "9" * 100_000),
    "half of it": lambda text: text[: len(text) // 2],
    "a list": lambda text: text.replace('","format"', '"],"format"'),
}


@pytest.mark.parametrize("change", TEXTS.values(), ids=TEXTS.keys())
def test_a_header_that_is_no_json_is_refused(change, whole, path):
    header, ours, rest = _parts(whole)
    text = json.dumps(ours, separators=(",", ":"))
    assert change(text) != text
    assert "is damaged" in _refusal(path, _forged(header, change(text), rest))


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "F99"},
        {"dtype": "F16"},
        {"shape": [10**9, 10**9]},
        {"shape": [2**62, 4]},
        {"data_offsets": [0, 10**15]},
        {"data_offsets": [8, 0]},
    ],
    ids=str,
)
def test_tensors_that_do_not_fit_their_bytes_are_refused(change, whole, path):
    header, ours, rest = _parts(whole)
    header["module._prototypes"].update(change)
    assert "its tensors cannot be read" in _refusal(path, _forged(header, ours, rest))


@pytest.mark.parametrize("change", [{"shape": [6]}, {"shape": [2, 3]}, {"dtype": "I32"}], ids=str)
def test_tensors_of_another_kind_are_refused(change, whole, path):
    header, ours, rest = _parts(whole)
    header["module._prototypes"].update(change)
    _refusal(path, _forged(header, ours, rest))


def test_a_tensor_that_is_missing_is_refused(whole, path):
    header, ours, rest = _parts(whole)
    header["module.other"] = header.pop("module._prototypes")
    _refusal(path, _forged(header, ours, rest))


def test_weights_that_are_no_numbers_are_refused(fitted, path):
    fitted = pickle.loads(pickle.dumps(fitted))
    with torch.no_grad():
        fitted.module_.backbone[-1].bias.fill_(np.nan)
    save(fitted, path)
    assert "does not return finite numbers" in _refusal(path, path.read_bytes())


def test_the_program_of_damages_finds_none_that_passes(tmp_path):
    models = PROGRAM["fitted_models"](max_epochs=1)
    for name, model in models.items():
        save(model, tmp_path / name)
    contents = [(tmp_path / name).read_bytes() for name in models]
    counts, _ = PROGRAM["damage_all"](contents, 140, seed=0)
    refused = {kind: found["refused"] for kind, found in counts.items()}
    hostile = counts[PROGRAM["FORGED"]]
    assert hostile["refused"] + hostile["loaded"] == hostile.total() > 10
    assert {**refused, PROGRAM["FORGED"]: 20} == dict.fromkeys(counts, 20)


def test_prototypes_that_are_fewer_than_the_values_are_refused(path):
    model = HypersphericalRegressor(backbone=MLP((2,), n_members=1), max_epochs=1, random_state=0)
    X = np.random.default_rng(0).normal(size=(20, 4))
    save(model.fit(X, X[:, :2]), path)
    header, ours, rest = _parts(path.read_bytes())
    ours["encoders"]["target_encoder_"]["bounds_"]["shape"] = [1, 2]
    assert "another size than its shape" in _refusal(path, _forged(header, ours, rest))


@pytest.mark.parametrize("chosen", [[0], [0, 1, 1]], ids=str)
def test_values_that_are_not_as_many_as_the_prototypes_are_refused(chosen, path):
    model = HypersphericalRegressor(backbone=MLP((2,), n_members=1), max_epochs=1, random_state=0)
    X = np.random.default_rng(0).normal(size=(20, 4))
    encoder = model.fit(X, X[:, :2]).target_encoder_
    encoder.bounds_ = encoder.bounds_[chosen]
    save(model, path)
    told = f"has {len(chosen)} classes or values, but 2 prototypes"
    assert told in _refusal(path, path.read_bytes())
