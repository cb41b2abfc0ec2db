"""Files of ONNX give what the estimators give, for samples as users have them."""

import importlib.util
import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.error import HTTPError

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_digits, load_wine
from sklearn.exceptions import NotFittedError

from sphereskl import (
    MLP,
    ConvNet,
    HypersphericalMultiTask,
    HypersphericalOrdinalClassifier,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
    SphereNetClassifier,
)
from sphereskl.estimators._served_columns import ServedColumn, served_columns
from sphereskl.nn import SphereCNN, SphereGoogLeNet, SphereMLP, SphereResNet, SphereVGG

X, Y = load_wine(return_X_y=True)
IMAGES = load_digits().images[:60]
OF_IMAGES = load_digits().target[:60]
OPTIONS = {"max_epochs": 2, "random_state": 0}
ON_IMAGES = {"max_epochs": 1, "random_state": 0, "input_shape": (8, 8)}
SERVING = Path(__file__).parents[2] / "examples" / "serving"


def _frame():
    frame = pd.DataFrame(X[:, :4], columns=["label", "a", "b", "c"])
    frame["k"] = pd.Categorical(np.array(["u", "v", "w"])[(X[:, 5] * 2).astype(int) % 3])
    frame.loc[::7, "a"] = np.nan
    frame.loc[::9, "k"] = np.nan
    frame["truth"] = X[:, 1] > 2
    frame["s"] = np.array(["x", "yy"])[(X[:, 7] * 10).astype(int) % 2]
    frame["many"] = pd.Categorical([f"level {j % 50}" for j in range(len(X))])  # learned vectors
    frame["label_"] = X[:, 2]
    frame["number"] = pd.Categorical((X[:, 8] * 10).astype(int) % 4 + 5)
    return frame


def _fed(session, rows):
    """Return rows as the inputs of a file want them."""
    inputs = session.get_inputs()
    if [one.name for one in inputs] == ["X"]:
        kinds = {"double": np.float64, "float": np.float32, "uint8": np.uint8}
        return {"X": np.asarray(rows, dtype=kinds[inputs[0].type[7:-1]])}
    columns = {}
    for one in inputs:
        column = rows[one.name]
        if one.type == "tensor(string)":
            values = column.astype(object).where(column.notna(), "").astype(str).to_numpy(object)
        else:
            values = column.astype(object).where(column.notna(), np.nan).to_numpy(np.float64)
        columns[one.name] = values[:, None]
    return columns


def _served(path, rows):
    session = onnxruntime.InferenceSession(path)
    values = session.run(None, _fed(session, rows))
    about = session.get_modelmeta().custom_metadata_map
    shown = json.loads(about["outputs"])
    found = dict(zip([one.name for one in session.get_outputs()], values, strict=True))
    return {name: found[as_shown] for name, as_shown in shown.items()}


def _expected(model, rows):
    if isinstance(model, HypersphericalRegressor):
        return {"value": model.predict(rows), "embedding": model.transform(rows)}
    joint = isinstance(model, HypersphericalMultiTask)
    result = {
        "label": (model.predict_class if joint else model.predict)(rows),
        "probabilities": model.predict_proba(rows),
        "embedding": model.transform(rows),
    }
    return {**result, "value": model.predict_value(rows)} if joint else result


def _compare(model, rows, path):
    model.to_onnx(path)
    repeated = np.arange(1000) % len(rows)
    for chosen in ([1], repeated):
        some = rows.iloc[chosen] if isinstance(rows, pd.DataFrame) else rows[chosen]
        served, expected = _served(path, some), _expected(model, some)
        assert served.keys() == expected.keys()
        if "label" in served:
            np.testing.assert_array_equal(served.pop("label"), expected.pop("label"))
        for name, values in served.items():
            np.testing.assert_allclose(values, expected[name], rtol=1e-5, atol=1e-5)


TABLES = {
    "strings": (HypersphericalPrototypeClassifier(**OPTIONS), np.array(["a", "b", "cc"])[Y]),
    "two classes": (HypersphericalPrototypeClassifier(**OPTIONS), Y == 1),
    "median": (HypersphericalOrdinalClassifier(prediction="median", **OPTIONS), Y),
    "two values": (HypersphericalRegressor(**OPTIONS), X[:, :2] + 1e6),
    "multi-task": (HypersphericalMultiTask(**OPTIONS), (Y, X[:, 0])),
    "spherical": (SphereNetClassifier(**OPTIONS), np.array(["a", "b", "cc"], dtype=object)[Y]),
}


# Exports take seconds each: the others have parts that these and the tests below have as well.
SLOW_TABLES = {"two classes", "median", "two values"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] if n in SLOW_TABLES else []) for n in TABLES],
)
def test_arrays_are_served_as_they_are_predicted(name, tmp_path):
    model, y = TABLES[name]
    _compare(model.fit(X, y), X, tmp_path / "model.onnx")


def test_numbers_with_a_large_mean_keep_their_digits(tmp_path):
    far = X + 1e9
    model = HypersphericalPrototypeClassifier(**OPTIONS).fit(far, Y)
    _compare(model, far, tmp_path / "model.onnx")


def test_frames_are_served_with_categories_and_gaps_and_levels_of_no_row(tmp_path):
    frame, path = _frame(), tmp_path / "model.onnx"
    model = HypersphericalPrototypeClassifier(**OPTIONS).fit(frame, Y)
    _compare(model, frame, path)
    _check_metadata(path)
    strange = frame.assign(s="zzz", b=np.nan)
    np.testing.assert_allclose(
        _served(path, strange)["probabilities"], model.predict_proba(strange), atol=1e-5
    )


def _check_metadata(path):
    about = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
    assert json.loads(about["classes"]) == [0, 1, 2]
    assert about["estimator"] == "HypersphericalPrototypeClassifier"
    assert json.loads(about["outputs"])["label"] == "label__"  # columns have the other names
    assert str(Path.cwd()).encode() not in path.read_bytes()


def test_images_of_bytes_are_served_as_bytes(tmp_path):
    images = (IMAGES * 15).astype(np.uint8)
    model = HypersphericalPrototypeClassifier(backbone=ConvNet((4, 8)), **ON_IMAGES)
    _compare(model.fit(images, OF_IMAGES), images, tmp_path / "model.onnx")


@pytest.mark.slow  # in double precision below
def test_spherical_convolutions_are_served(tmp_path):
    model = SphereNetClassifier(backbone=SphereCNN(3, (4, 8, 8)), **ON_IMAGES).fit(
        IMAGES, OF_IMAGES
    )
    _compare(model, IMAGES, tmp_path / "model.onnx")


@pytest.mark.parametrize(
    "model",
    [
        SphereNetClassifier(backbone=SphereCNN(3, (4, 8, 8)), dtype="float64", **ON_IMAGES),
        pytest.param(
            HypersphericalPrototypeClassifier(
                backbone=ConvNet((4, 8)), dtype="float64", **ON_IMAGES
            ),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_networks_of_double_precision_are_served_though_the_runtime_lacks_it(model, tmp_path):
    model.fit(IMAGES, OF_IMAGES)
    _compare(model, IMAGES, tmp_path / "model.onnx")
    assert _served(tmp_path / "model.onnx", IMAGES)["embedding"].dtype == np.float64


@pytest.mark.slow
@pytest.mark.parametrize(
    "backbone",
    [
        ConvNet(),
        SphereResNet(8, (8, 8, 8)),
        SphereVGG(),
        SphereGoogLeNet(0.25),
        SphereCNN(operator="cosine", widths=(8, 8, 8)),
        SphereCNN(operator="linear", widths=(8, 8, 8)),
        SphereCNN(operator="sigmoid", learn_k="layer", widths=(8, 8, 8)),
    ],
    ids=repr,
)
def test_networks_for_images_are_served(backbone, tmp_path):
    images = np.random.default_rng(0).normal(size=(20, 32, 32)).astype(np.float32)
    options = {**ON_IMAGES, "input_shape": (32, 32)}
    model = SphereNetClassifier(backbone=backbone, **options).fit(images, np.arange(20) % 2)
    _compare(model, images, tmp_path / "model.onnx")


@pytest.mark.slow
@pytest.mark.parametrize(
    "backbone",
    [
        MLP(16, n_members=1),
        MLP(numeric_embedding="periodic"),
        MLP((16, 16), norm="layer", residual=True),
        MLP(n_members=1, norm="batch", activation="gelu", dropout=0.2),
        SphereMLP(),
        torch.nn.Sequential(torch.nn.Linear(13, 8), torch.nn.Tanh(), torch.nn.Linear(8, 4)),
    ],
    ids=repr,
)
def test_networks_for_tables_are_served(backbone, tmp_path):
    model = HypersphericalPrototypeClassifier(backbone=backbone, **OPTIONS).fit(X, Y)
    _compare(model, X, tmp_path / "model.onnx")


def test_before_fit_it_says_so(tmp_path):
    with pytest.raises(NotFittedError):
        HypersphericalPrototypeClassifier().to_onnx(tmp_path / "model.onnx")


def test_what_writes_onnx_may_not_be_there(tmp_path, monkeypatch):
    model = HypersphericalPrototypeClassifier(**OPTIONS).fit(X, Y)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ImportError, match=r'pip install "sphereskl\[onnx\]"'):
        model.to_onnx(tmp_path / "model.onnx")


def test_labels_without_a_tensor_are_refused_and_a_former_file_stands(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"former")
    days = np.datetime64("2020-01-01") + Y
    model = HypersphericalPrototypeClassifier(**OPTIONS).fit(X, days)
    with pytest.raises(ValueError, match="for which ONNX has no tensor"):
        model.to_onnx(path)
    assert path.read_bytes() == b"former"


def _with_levels(levels, dtype=object):
    frame = pd.DataFrame(X[:, :2], columns=["a", "b"])
    return frame.assign(k=pd.Categorical(np.array(levels, dtype=dtype)[Y]))


COLUMNS = {
    "an empty name": (
        pd.DataFrame(X[:, :2], columns=["", "b"]),
        r"X was fitted with a column named '', which cannot name an input; give the column a name",
    ),
    "strings and numbers": (
        _with_levels(["u", 3, 4.5]),
        r"column 'k', which holds strings such as 'u' and 3, .*; make all its values strings",
    ),
    "more digits than float64 has": (
        _with_levels([2**60 + 1, 2**60, 7], np.int64),
        rf"category 'k', whose level {2**60 + 1} has more digits than float64 holds; make its",
    ),
}


def test_categories_that_are_numbers_in_a_frame_are_columns_of_numbers():
    frame = pd.DataFrame({"k": Y + 5, "a": X[:, 0], "l": np.where(Y, 2.5, np.nan)})
    small = {"backbone": MLP((2,), n_members=1), "max_epochs": 1}
    model = HypersphericalPrototypeClassifier(categorical_features=["k", "l"], **small)
    columns, levels = served_columns(model.fit(frame, Y))
    assert columns == [ServedColumn("k"), ServedColumn("a"), ServedColumn("l")]
    assert levels == [[5, 6, 7], pytest.approx([2.5, np.nan], nan_ok=True)]


def test_a_missing_value_has_a_string_that_is_no_level():
    frame = pd.DataFrame({"k": np.array(["", "<missing>", None], dtype=object)[Y], "a": X[:, 0]})
    small = {"backbone": MLP((2,), n_members=1), "max_epochs": 1}
    model = HypersphericalPrototypeClassifier(categorical_features=["k"], **small)
    column, _ = served_columns(model.fit(frame, Y))[0]
    assert column.missing == "<missing<missing>>"
    assert set(column.places) == {"", "<missing>", column.missing}


@pytest.mark.parametrize(("frame", "told"), COLUMNS.values(), ids=COLUMNS)
def test_columns_without_a_tensor_are_refused(frame, told, tmp_path):
    small = {"backbone": MLP((2,), n_members=1), "max_epochs": 1}
    model = HypersphericalPrototypeClassifier(**small).fit(frame, Y)
    with pytest.raises(ValueError, match=told):
        model.to_onnx(tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_networks_beyond_the_limit_of_a_file_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("sphereskl.estimators._exporting._LARGEST", 999)
    model = HypersphericalPrototypeClassifier(**OPTIONS).fit(X, Y)
    size = sum(t.nbytes for t in (*model.module_.parameters(), *model.module_.buffers()))
    # And the moments of the encoder.
    with pytest.raises(ValueError, match=r"module_ has [\d,]+ bytes of weights") as caught:
        model.to_onnx(tmp_path / "model.onnx")
    assert size <= int(str(caught.value).split()[2].replace(",", "")) <= 2 * size


class _Branching(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(13, 4)

    def forward(self, x):
        return self.layer(x) if float(x.sum()) > 0 else -self.layer(x)


def test_networks_that_torch_cannot_follow_are_refused(tmp_path, capfd):
    model = HypersphericalPrototypeClassifier(backbone=_Branching(), **OPTIONS).fit(X, Y)
    with pytest.raises(ValueError, match=r"backbone cannot be exported to ONNX, since torch"):
        model.to_onnx(tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", TABLES)
def test_a_model_that_torch_exports_gives_the_same_bits(name):
    model, y = TABLES[name]
    module = model.fit(X, y).module_
    rows = model.encoder_.transform(X)
    shapes = ({0: torch.export.Dim.DYNAMIC},)
    program = torch.export.export(module, (rows[:3],), dynamic_shapes=shapes).module()
    with torch.no_grad():
        expected, exported = module(rows), program(rows)
    torch.testing.assert_close(exported, expected, rtol=0, atol=0)


def test_a_service_answers_without_torch(tmp_path):
    """The two programs of examples/serving, as a user would run them."""
    path = str(tmp_path / "model.onnx")
    spec = importlib.util.spec_from_file_location("_export_program", SERVING / "export.py")
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    X_train, X_test, y_train, _ = program.load()
    model = HypersphericalRegressor(**OPTIONS).fit(X_train, y_train)
    model.to_onnx(path)
    # Nothing but what the program imports by itself may be there.
    without = "import sys; sys.modules.update(torch=None, sklearn=None, sphereskl=None); "
    run = f"import runpy; runpy.run_path({str(SERVING / 'serve.py')!r}, run_name='__main__')"
    service = subprocess.Popen(
        [sys.executable, "-c", without + run, path, "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        address = service.stdout.readline().strip()
        rows = json.loads(X_test.to_json(orient="records"))
        answer = _post(address, {"rows": rows})["predictions"]
        values = [row["value"] for row in answer]
        np.testing.assert_allclose(values, model.predict(X_test), rtol=1e-5)
        with pytest.raises(HTTPError, match="400"):
            _post(address, {"rows": [{"agee": 1}]})
    finally:
        service.kill()
        service.communicate()


def _post(address, content):
    request = urllib.request.Request(address, json.dumps(content).encode())
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)
