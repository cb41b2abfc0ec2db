"""A fit that was cut off goes on to the bits of one that was not, or is refused in a sentence."""

import os
import pickle
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    Freezer,
    LoadInitState,
    LRScheduler,
    PrintLog,
)

from sphereskl import (
    MLP,
    ConvNet,
    HypersphericalMultiTask,
    HypersphericalOrdinalClassifier,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
    SphereNetClassifier,
)
from sphereskl.nn import AngularMarginLoss, Annealing, SphereMLP
from sphereskl.training import SCHEDULES, ReassignPrototypes, Resume
from sphereskl.training._fit_files import read_fit
from sphereskl.training._sealed_files import _draft_names

X, VALUE = (part[:150] for part in load_diabetes(return_X_y=True))
STAGE = np.digitize(VALUE, [100, 200])
WEIGHT = np.linspace(1, 3, 150)


class Cut(Callback):
    """Raise an error at the beginning of an epoch, as long as there is one."""

    error: BaseException | None = None
    at = 4
    n_epochs = 0

    def on_epoch_begin(self, net, **kwargs):
        Cut.n_epochs += 1
        if Cut.error is not None and len(net.history) == Cut.at:
            raise Cut.error


@pytest.fixture(autouse=True)
def _whole(monkeypatch):
    monkeypatch.setattr(Cut, "error", None)
    monkeypatch.setattr(Cut, "n_epochs", 0)


def _own_network(input_shape):
    return torch.nn.Sequential(
        torch.nn.Linear(10, 8),
        torch.nn.BatchNorm1d(8),
        torch.nn.ReLU(),
        torch.nn.Dropout(0.5),
        torch.nn.Linear(8, 8),
    )


def _make(cls=HypersphericalPrototypeClassifier, *callbacks, **params):
    spherical = cls is SphereNetClassifier
    defaults = {
        "backbone": SphereMLP((8,)) if spherical else MLP((8,), n_members=2, dropout=0.2),
        "max_epochs": 6,
        "batch_size": 64,
        "random_state": 0,
    }
    return cls(callbacks=[*callbacks, Cut()], **{**defaults, **params})


def _fit(model, path=None, y=STAGE, **rows):
    model = clone(model)
    if path is not None:
        model.callbacks = [*model.callbacks, Resume(path)]
    return model.fit(X, y, **rows)


def _outcome(model):
    """Weights, the state of the loss, the optimiser's, and the history without times."""
    net = model.net_
    tensors = [*net.module_.state_dict().values(), *net.criterion_.state_dict().values()]
    for state in net.optimizer_.state_dict()["state"].values():
        tensors += [value for value in state.values() if isinstance(value, torch.Tensor)]
    bits = [tensor.numpy().tobytes() for tensor in tensors]
    history = [{k: v for k, v in epoch.items() if k != "dur"} for epoch in model.history_]
    return bits, history, net.generator_.get_state().tolist(), getattr(model, "scale_", None)


def _cut(model, path, error=OSError, at=4, **rows):
    """Fit until an error comes at the beginning of an epoch."""
    Cut.error, Cut.at = error("cut off"), at
    with pytest.raises(error):
        _fit(model, path, **rows)
    Cut.error = None


CASES = {
    "prototype": (HypersphericalPrototypeClassifier, STAGE, {}),
    "ordinal": (HypersphericalOrdinalClassifier, STAGE, {}),
    "regressor": (HypersphericalRegressor, VALUE, {}),
    "multi-task": (HypersphericalMultiTask, (STAGE, VALUE), {}),
    "spherenet": (SphereNetClassifier, STAGE, {}),
    "one network": (
        HypersphericalPrototypeClassifier,
        STAGE,
        {"backbone": MLP((8,), dropout=0.3, n_members=1), "early_stopping": True},
    ),
    "own network": (HypersphericalPrototypeClassifier, STAGE, {"backbone": _own_network}),
    "annealed margin": (
        SphereNetClassifier,
        STAGE,
        {"loss": AngularMarginLoss(multiplicative_margin=2, annealing=Annealing())},
    ),
    "penalty": (SphereNetClassifier, STAGE, {"regularizer": "mhe"}),
    "float64": (HypersphericalRegressor, VALUE, {"dtype": "float64", "max_grad_norm": 0.1}),
    "learned": (HypersphericalPrototypeClassifier, STAGE, {"prototypes": "learned"}),
    "images": (
        HypersphericalPrototypeClassifier,
        STAGE,
        {"backbone": ConvNet((8,)), "input_shape": (2, 5)},
    ),
}


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "fit.safetensors")


@pytest.mark.parametrize("case", CASES)
def test_a_fit_that_was_cut_off_ends_in_the_same_bits(case, path):
    cls, y, params = CASES[case]
    model = _make(cls, **params)
    expected = _outcome(_fit(model, y=y))
    _cut(model, path, y=y)
    Cut.n_epochs = 0
    assert _outcome(_fit(model, path, y=y)) == expected
    assert Cut.n_epochs == 3
    # And one that was finished is not trained again.
    assert _outcome(_fit(model, path, y=y)) == expected
    assert Cut.n_epochs == 3


RMSPROP = partial(torch.optim.RMSprop, momentum=0.5, centered=True)


@pytest.mark.parametrize(
    ("optimizer", "schedule"),
    [*(("adamw", name) for name in SCHEDULES), *((o, "step") for o in ("adam", "sgd", RMSPROP))],
)
def test_schedules_and_optimisers_go_on(optimizer, schedule, path):
    options = {"backbone": MLP((4,), n_members=1), "weight_decay": 0.01}
    model = _make(optimizer=optimizer, lr_schedule=schedule, **options)
    _cut(model, path)
    assert _outcome(_fit(model, path)) == _outcome(_fit(model))


CALLBACKS = {
    "assignment": lambda: ReassignPrototypes(),
    "score": lambda: EpochScoring("accuracy", lower_is_better=False),
    "rate": lambda: LRScheduler("ReduceLROnPlateau", monitor="train_loss", patience=0),
    "steps": lambda: LRScheduler("StepLR", step_size=2),
    "frozen": lambda: Freezer("*backbone*"),
}


@pytest.mark.parametrize("kind", CALLBACKS)
def test_callbacks_go_on(kind, path):
    model = _make(HypersphericalPrototypeClassifier, CALLBACKS[kind](), lr_schedule="constant")
    _cut(model, path)
    assert _outcome(_fit(model, path)) == _outcome(_fit(model))


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("at", [2, 4, 7])
def test_early_stopping_goes_on_and_goes_back_to_the_best_epoch(at, ours, path):
    stopping = [] if ours else [EarlyStopping(patience=4, load_best=True, sink=str)]
    options = {"early_stopping": ours, "n_iter_no_change": 4, "lr": 0.05, "max_epochs": 30}
    options["lr_schedule"] = "constant"
    model = _make(HypersphericalPrototypeClassifier, *stopping, **options)
    rows = {"X_val": X[:50], "y_val": STAGE[:50]}
    expected = _fit(model, **rows)
    assert 7 < expected.n_iter_ < 30
    _cut(model, path, at=at, **rows)
    assert _outcome(_fit(model, path, **rows)) == _outcome(expected)
    Cut.n_epochs = 0
    assert _outcome(_fit(model, path, **rows)) == _outcome(expected)
    assert Cut.n_epochs == 0


@pytest.mark.parametrize("error", [SystemExit, MemoryError, ZeroDivisionError])
def test_whatever_cuts_a_fit_off(error, path):
    model = _make()
    _cut(model, path, error, sample_weight=WEIGHT)
    expected = _outcome(_fit(model, sample_weight=WEIGHT))
    assert _outcome(_fit(model, path, sample_weight=WEIGHT)) == expected


def test_ctrl_c_leaves_a_file_to_go_on_from(path, monkeypatch):
    model, steps = _make(), iter([False] * 10 + [True])
    expected, step = _outcome(_fit(model)), torch.optim.AdamW.step

    def pressed(optimizer):
        if next(steps):
            raise KeyboardInterrupt
        return step(optimizer)

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", pressed)
        with pytest.raises(KeyboardInterrupt):
            _fit(model, path)
    assert len(read_fit(path, "cpu")["state"]["history"]) == 3
    assert _outcome(_fit(model, path)) == expected


def test_a_callback_that_stops_is_asked_again(path):
    # It cannot be told from Ctrl-C while it computes, after which the fit has to go on.
    model = _make()
    Cut.error, Cut.at = KeyboardInterrupt(), 4
    stopped = _outcome(_fit(model, path))
    assert _outcome(_fit(model, path)) == stopped
    Cut.error = None
    assert _outcome(_fit(model, path)) == _outcome(_fit(model))


def test_warm_starts_go_on(tmp_path):
    stored = pickle.dumps(_fit(_make(warm_start=True)))

    def go_on(*callbacks):
        model = pickle.loads(stored).set_params(callbacks=[Cut(), *callbacks])
        return model.fit(X[:120], STAGE[:120])

    expected = _outcome(go_on())
    Cut.error, Cut.at = OSError("cut off"), 6 + 4
    with pytest.raises(OSError, match="cut off"):
        go_on(Resume(tmp_path))
    Cut.error, Cut.n_epochs = None, 0
    assert _outcome(go_on(Resume(tmp_path))) == expected
    assert Cut.n_epochs == 3


# What is another fit.


class Keeper(Callback):
    """Remember the losses under a name of the test's choice."""

    def __init__(self, name="losses_", change=lambda loss: loss):
        self.name, self.change = name, change

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        setattr(self, self.name, [])

    def on_epoch_end(self, net, **kwargs):
        kept = getattr(self, self.name)
        setattr(self, self.name, [*kept, self.change(net.history[-1, "train_loss"])])
        net.history.record("n_kept", len(kept))


class Judge(Keeper):
    """Say itself what to carry."""

    def state_dict(self):
        return {"n": len(self.losses_)}

    def load_state_dict(self, state):
        self.losses_ = [None] * state["n"]


@pytest.mark.parametrize("kept", [Keeper(), Keeper("plain"), Keeper(change=np.float32), Judge()])
def test_own_callbacks_go_on(kept, path):
    model = _make(HypersphericalPrototypeClassifier, kept)
    _cut(model, path)
    assert _outcome(_fit(model, path)) == _outcome(_fit(model))


def test_an_own_callback_that_cannot_go_on_is_refused_before_it_matters(path):
    model = _make(HypersphericalPrototypeClassifier, Keeper(change=lambda loss: object()))
    told = r"cannot write the callback Keeper, .* of type object in 'losses_', .* state_dict"
    with pytest.raises(ValueError, match=told):
        _fit(model, path)
    assert Cut.n_epochs == 1


class Counting(torch.nn.Linear):
    """A layer that keeps a number outside of its state."""

    n_calls = 0.0

    def forward(self, x):
        self.n_calls += 1
        return super().forward(x) * self.n_calls


def test_numbers_that_layers_keep_outside_of_their_state_go_on(path):
    model = _make(backbone=_counting)
    _cut(model, path)
    assert _outcome(_fit(model, path)) == _outcome(_fit(model))


def _counting(input_shape):
    return Counting(10, 8)


def _tanh(input_shape):
    return torch.nn.Sequential(torch.nn.Linear(10, 8), torch.nn.Tanh())


def _relu(input_shape):
    return torch.nn.Sequential(torch.nn.Linear(10, 8), torch.nn.ReLU())


OTHERS = {
    "lr": ({"lr": 0.5}, {}, r"lr was 0\.\d+ and is 0\.5; delete it, or give Resume"),
    "epochs": ({"max_epochs": 7}, {}, "max_epochs was 6 and is 7"),
    "batches": ({"batch_size": 32}, {}, "batch_size was 64 and is 32"),
    "decay": ({"weight_decay": 0.5}, {}, r"weight_decay was \S+ and is 0\.5"),
    "schedule": ({"lr_schedule": "step"}, {}, "lr_schedule was 'one_cycle' and is 'step'"),
    "optimizer": ({"optimizer": "sgd"}, {}, "optimizer was 'adamw' and is 'sgd'"),
    "clipping": ({"max_grad_norm": 1}, {}, "max_grad_norm was None and is 1"),
    "seed": ({"random_state": 1}, {}, "the initial weights differ, .*seed .*random_state was"),
    "patience": ({"n_iter_no_change": 3}, {}, "n_iter_no_change was 10 and is 3"),
    "smoothing": (
        {"label_smoothing": 0.2},
        {},
        r"label_smoothing of the loss was 0 and is 0\.2",
    ),
    "loss": (
        {"loss": "squared_cosine"},
        {},
        r"loss was \['.*cross_entropy', \.\.\. and is \['.*squared_co",
    ),
    "network": ({"backbone": MLP((8,), n_members=2)}, {}, "the layers of the network differ"),
    "weights": ({}, {"sample_weight": WEIGHT}, "the training weights differ"),
    "targets": ({}, {"y": STAGE[::-1]}, "the training targets differ"),
    "judges": ({}, {"X_val": X[:50], "y_val": STAGE[:50]}, "the validation samples differ"),
    "samples": ({"categorical_features": [1]}, {}, "the training samples differ"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_another_fit_is_refused_and_told_in_what_it_differs(case, path):
    params, rows, told = OTHERS[case]
    _fit(_make(max_epochs=6), path)
    before = Path(path).read_bytes()
    with pytest.raises(ValueError, match=rf"fit\.safetensors' is of another fit: .*{told}"):
        _fit(_make(**params), path, **rows)
    assert Path(path).read_bytes() == before


@pytest.mark.parametrize(
    ("callbacks", "told"),
    [
        ([], "the callback Keeper was '.*Keeper' and is None"),
        ([Keeper("others_")], "name of the callback Keeper was 'losses_' and is 'others_'"),
    ],
)
def test_other_callbacks_are_another_fit(callbacks, told, path):
    _fit(_make(HypersphericalPrototypeClassifier, Keeper()), path)
    with pytest.raises(ValueError, match=told):
        _fit(_make(HypersphericalPrototypeClassifier, *callbacks), path)


def test_networks_that_differ_in_no_weight_are_told_apart(path):
    _fit(_make(backbone=_tanh), path)
    with pytest.raises(ValueError, match=r"another fit: the layers of the network"):
        _fit(_make(backbone=_relu), path)


def _loss_of(margin):
    return lambda outputs, target, weight: ((outputs - margin) ** 2).mean()


def test_functions_are_told_apart_by_what_they_close_over(path):
    _fit(_make(loss=_loss_of(0.5)), path)
    with pytest.raises(ValueError, match=r"another fit: loss was \['.*_loss_of"):
        _fit(_make(loss=_loss_of(0.6)), path)


def test_what_only_says_something_may_change(path, capsys):
    expected = _outcome(_fit(_make(), path))
    Cut.n_epochs = 0
    shown = _fit(_make(HypersphericalPrototypeClassifier, PrintLog(), verbose=True), path)
    assert _outcome(shown) == expected
    assert Cut.n_epochs == 0


def test_another_torch_is_warned_of(path, monkeypatch):
    _cut(_make(), path)
    monkeypatch.setattr(torch, "__version__", "0.1")
    with pytest.warns(UserWarning, match=r"though torch was '2.* and is '0.1'; its last bits may"):
        _fit(_make(), path)


# Files.


@pytest.mark.parametrize("seed", range(6))
def test_damaged_files_are_refused(seed, path):
    _cut(_make(), path)
    content, rng = bytearray(Path(path).read_bytes()), np.random.default_rng(seed)
    content[rng.integers(len(content))] ^= 1 << rng.integers(8)
    Path(path).write_bytes(content)
    with pytest.raises(ValueError, match=r"fit\.safetensors' is .*; delete it, or pass another"):
        _fit(_make(), path)


@pytest.mark.parametrize("content", [b"", b"PK" * 99, b"\x80\x05" * 99])
def test_other_files_are_refused_and_stay(content, path):
    Path(path).write_bytes(content)
    with pytest.raises(ValueError, match=r"fit\.safetensors' is not a file of Resume, or its"):
        _fit(_make(), path)
    assert Path(path).read_bytes() == content


def test_what_is_no_file_is_refused(path):
    os.mkfifo(path)
    with pytest.raises(ValueError, match=r"fit\.safetensors' is a folder or a device; pass"):
        _fit(_make(), path)


def test_another_format_is_refused(path, monkeypatch):
    monkeypatch.setattr("sphereskl.training._fit_files.FORMAT", 99)
    _fit(_make(), path)
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"has format 99, but .* from format 1; end the fit with"):
        _fit(_make(), path)


def test_a_write_that_fails_leaves_the_former_file(path, monkeypatch):
    model = _make()
    expected = _outcome(_fit(model))
    replace, n_left = os.replace, iter([True, True, False])

    def full(source, target):
        if not next(n_left):
            raise OSError(28, "No space left on device")
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match=r"No space left on device: '.*fit\.safetensors'"):
            _fit(model, path)
    assert os.listdir(Path(path).parent) == ["fit.safetensors"]
    assert _outcome(_fit(model, path)) == expected


def test_a_folder_that_is_not_there_is_told_before_the_first_epoch(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        _fit(_make(), tmp_path / "nowhere" / "fit.safetensors")
    assert Cut.n_epochs == 0


def test_what_killed_writers_left_is_removed_but_not_what_others_write(path):
    folder, beginning = _draft_names(path)
    old, new = (Path(folder, f"{beginning}{name}.tmp") for name in ("old", "new"))
    for draft in (old, new):
        draft.write_bytes(b"half")
    os.utime(old, (0, 0))
    _fit(_make(), path)
    assert (old.exists(), new.exists()) == (False, True)


def test_files_hold_no_rows(path):
    _fit(_make(), path)
    content = Path(path).read_bytes()
    assert X[0].tobytes() not in content
    assert X[0].astype(np.float32).tobytes() not in content


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0, 1, 2, 3, 4, 5, 6, 6]),
        ({"every_epochs": 4}, [0, 4, 6]),
        ({"every_epochs": None, "every_seconds": 1e9}, [0, 6]),
        ({"every_epochs": 5, "every_seconds": 1e-9}, [0, 1, 2, 3, 4, 5, 6, 6]),
    ],
)
def test_when_files_are_written(options, expected, path, monkeypatch):
    written, replace = [], os.replace

    def watch(source, target):
        replace(source, target)
        written.append(len(read_fit(target, "cpu")["state"]["history"]))

    monkeypatch.setattr(os, "replace", watch)
    model = _make()
    model.set_params(callbacks=[Resume(path, **options)]).fit(X, STAGE)
    assert written == expected


@pytest.mark.parametrize(
    ("resume", "told"),
    [
        (Resume("x", every_epochs=0), "every_epochs must be an integer of at least 1 or None"),
        (Resume("x", every_epochs=1.5), r"every_epochs must be .*, got 1\.5"),
        (Resume("x", every_seconds=-1), "every_seconds must be a positive number or None, got -1"),
        (Resume("x", every_epochs=None), "every_epochs and every_seconds are None"),
        (Resume(3), "path must be a file or a folder, .* got 3"),
    ],
)
def test_wrong_parameters_are_told(resume, told):
    with pytest.raises(ValueError, match=told):
        _make(HypersphericalPrototypeClassifier, resume).fit(X, STAGE)


def test_what_does_not_go_together_is_told(path):
    loads = LoadInitState(Checkpoint())
    with pytest.raises(ValueError, match="hold a Resume and a LoadInitState"):
        _fit(_make(HypersphericalPrototypeClassifier, loads), path)
    with pytest.raises(ValueError, match="hold several Resume"):
        _fit(_make(HypersphericalPrototypeClassifier, Resume(path)), path)
    with pytest.raises(ValueError, match="hold a Resume, but partial_fit"):
        _make(HypersphericalPrototypeClassifier, Resume(path)).partial_fit(X, STAGE, [0, 1, 2])


def test_parameters_are_those_of_the_estimator(path):
    model = _make(HypersphericalPrototypeClassifier, ("keep", Resume(path)))
    model.set_params(callbacks__keep__every_epochs=3)
    assert clone(model).get_params()["callbacks__keep__every_epochs"] == 3
    assert clone(model).fit(X, STAGE).get_params()["callbacks__keep__path"] == path


def test_a_model_that_was_resumed_is_pickled(path):
    model = _fit(_make(), path)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


# Searches.


def _search(folder, n_jobs=1):
    model = _make(backbone=MLP((4,), n_members=1), max_epochs=3)
    # Other processes need not know the classes of a test.
    model.callbacks = [Resume(folder)]
    return GridSearchCV(model, {"lr": [0.01, 0.1]}, cv=2, n_jobs=n_jobs, error_score="raise")


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_search_that_was_killed_goes_on(n_jobs, tmp_path):
    expected = _search(str(tmp_path / "whole") + os.sep).fit(X, STAGE)
    files = sorted(os.listdir(tmp_path / "whole"))
    assert len(files) == 5
    folder = tmp_path / "cut"
    folder.mkdir()
    for name in files[:2]:
        (folder / name).write_bytes((tmp_path / "whole" / name).read_bytes())
    before = [(folder / name).stat().st_mtime_ns for name in files[:2]]
    search = _search(folder, n_jobs).fit(X, STAGE)
    assert [(folder / name).stat().st_mtime_ns for name in files[:2]] == before
    assert sorted(os.listdir(folder)) == files
    for key in ("mean_test_score", "params"):
        np.testing.assert_array_equal(search.cv_results_[key], expected.cv_results_[key])
    assert _outcome(search.best_estimator_) == _outcome(expected.best_estimator_)


def test_kills_at_random_moments():
    program = (
        "import random, resume; resume.N_EPOCHS = 6; "
        "counts = resume.row(resume.HypersphericalRegressor, 3, random.Random(0)); "
        "print(list(counts.values()))"
    )
    folder = Path(__file__).parents[2] / "examples" / "reliability"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True
    )
    n_kills, _, _, *wrong = eval(done.stdout)
    assert (n_kills, wrong) == (3, [0, 0, 0])


class Averaging(torch.nn.Linear):
    """A layer with a buffer that is no part of its state."""

    def __init__(self, *widths):
        super().__init__(*widths)
        self.register_buffer("mean", torch.zeros(widths[0]), persistent=False)

    def forward(self, x):
        if self.training:
            self.mean.lerp_(x.detach().mean(dim=0), 0.1)
        return super().forward(x - self.mean)


def _averaging(input_shape):
    return Averaging(10, 8)


def test_buffers_outside_of_the_state_go_on(path):
    model = _make(backbone=_averaging)
    _cut(model, path)
    assert _outcome(_fit(model, path)) == _outcome(_fit(model))


def test_only_the_first_process_writes(path, monkeypatch):
    monkeypatch.setattr("sphereskl.training._resume._is_first_process", lambda: False)
    model = _make()
    assert _outcome(_fit(model, path)) == _outcome(_fit(model))
    assert not os.path.exists(path)
