"""Two processes fit one model: its curve is that of one process, its bits are the same in both."""

import contextlib
import io
import os
import signal
from datetime import timedelta

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback, Checkpoint, EarlyStopping, PrintLog
from torch import distributed, multiprocessing

from sphereskl import (
    HypersphericalMultiTask,
    HypersphericalOrdinalClassifier,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
    ImageAugmentation,
    SphereNetClassifier,
)
from sphereskl.geometry import simplex
from sphereskl.nn import MLP, Dropout, EmbeddingModel, squared_cosine
from sphereskl.training import (
    Criterion,
    EmbeddingNet,
    ProcessGroup,
    Resume,
    TensorData,
    _process_group,
    fit_net,
    joined,
    seeded,
)

# An odd number of rows, in batches of 51 or 50: neither can be split evenly.
X, LABELS = (part[:202] for part in load_digits(return_X_y=True))
X, LABELS = X[:-1], LABELS[:-1]
VALUES = X[:, 10] + X[:, 20]
OPTIONS = {
    "backbone": MLP((16,), n_members=2),
    "max_epochs": 3,
    "dtype": "float64",
    "device": "cpu",
    "random_state": 0,
}


def _fit(cls, y=LABELS, rows=slice(None), **options):
    estimator = cls(**{**OPTIONS, **options})
    return estimator.fit(X[rows], y[rows] if isinstance(y, np.ndarray) else y)


def _cls(y=LABELS, **options):
    return _fit(HypersphericalPrototypeClassifier, y, **options)


def _small(**options):
    with seeded(0):
        network = torch.nn.Linear(64, 16)
    return _cls(backbone=network, **{"early_stopping": False, **options})


def _weighted():
    weight = np.linspace(0, 2, len(X))
    estimator = HypersphericalPrototypeClassifier(class_weight="balanced", **OPTIONS)
    return estimator.fit(X, LABELS, sample_weight=weight)


def _two_tasks():
    labels = [None if i % 5 == 0 else label for i, label in enumerate(LABELS.tolist())]
    values = np.where(np.arange(len(X)) % 3, VALUES, np.nan)
    return _fit(HypersphericalMultiTask, (labels, values), early_stopping=False)


def _of_batch(outputs, target, weight):
    """A loss that is no mean over rows: distances between all rows of a batch."""
    z = torch.nn.functional.one_hot(target, outputs.shape[1]).to(outputs)
    return torch.cdist(outputs, z).mean() + torch.logsumexp(outputs.flatten(), 0)


def _spherical():
    options = {"regularizer": "orthogonal", "max_grad_norm": 0.1, "loss": "sphereface"}
    return _fit(SphereNetClassifier, backbone="auto", **options)


def _stream():
    estimator = HypersphericalPrototypeClassifier(**OPTIONS)
    for part in (slice(0, 90), slice(90, None)):
        estimator.partial_fit(X[part], LABELS[part], classes=range(10))
    return estimator


def _judged():
    estimator = HypersphericalRegressor(**{**OPTIONS, "max_epochs": 30}, lr=0.1, n_iter_no_change=2)
    return estimator.fit(X[:100], VALUES[:100], X_val=X[100:], y_val=VALUES[100:])


# Fits whose loss curves and predictions are those of one process.
FITS = {
    "members": _cls,
    "weights": _weighted,
    "two tasks": _two_tasks,
    "values": lambda: _fit(HypersphericalRegressor, VALUES),
    "orders": lambda: _fit(HypersphericalOrdinalClassifier, max_epochs=2),
    "regularised": _spherical,
    "a loss of the batch": lambda: _small(loss=_of_batch, batch_size=51),
    "learned prototypes": lambda: _small(prototypes="learned"),
    "batches of a row": lambda: _small(rows=slice(0, 40), batch_size=1),
    "stream": _stream,
    "early stopping": _judged,
    "single precision": lambda: _small(dtype="float32"),
    "augmented": lambda: _cls(
        input_shape=(8, 8), augmentation=ImageAugmentation("alternate", 1, 0.6, 9, 0.5, 0.4, 1.0)
    ),
    "held-out rows": lambda: _small(early_stopping=True),
}


class _StopsEpochs(Callback):
    def on_epoch_end(self, net, **kwargs):
        if distributed.get_rank() == 1 and len(net.history) == 2:
            raise KeyboardInterrupt


class _StopsBatches(Callback):
    def on_batch_end(self, net, **kwargs):
        if distributed.get_rank() == 1 and len(net.history) == 2:
            raise KeyboardInterrupt


def _failing(error):
    """Return an optimiser that fails in the fifth step of process 1."""

    class Failing(torch.optim.SGD):
        n_steps = 0

        def step(self, closure=None):
            self.n_steps += 1
            if distributed.get_rank() == 1 and self.n_steps == 5:
                raise error
            return super().step(closure)

    return Failing


class _Dies(Callback):
    def on_epoch_end(self, net, **kwargs):
        if distributed.get_rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def _unseeded(rank):
    # Weights of the user's own that differ between processes, and no seed.
    torch.manual_seed(rank)
    network = torch.nn.Sequential(torch.nn.Linear(64, 8), torch.nn.BatchNorm1d(8), Dropout(0.5))
    return _cls(backbone=network, random_state=None, batch_size=64)


def _noise(rank):
    layer = next(m for m in _unseeded(rank).module_.modules() if isinstance(m, Dropout))
    return layer.train()(torch.ones(1, 64))


def _n_epochs(callback):
    return lambda rank: len(_small(callbacks=[callback]).history_)


def _reports(rank):
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        callbacks = [PrintLog(), EarlyStopping("train_loss", patience=1, threshold=10)]
        _small(verbose=True, callbacks=callbacks)
    return told.getvalue()


def _best_of_checkpoint(rank):
    folder = os.environ["FOLDER_OF_RANK_0"] if rank == 0 else "/nowhere"
    saved = Checkpoint("train_loss_best", dirname=folder, load_best=True)
    return _small(callbacks=[saved], lr=1.0, lr_schedule="constant")


def _resumed(rank):
    path = os.environ["FOLDER_OF_RANK_0"] + " resumed"
    with contextlib.suppress(ZeroDivisionError):
        _small(callbacks=[Resume(path), _FailsOnce()])
    os.environ["HAS_FAILED"] = "yes"
    again = _small(callbacks=[Resume(path), _FailsOnce()])
    return (again.transform(X) == _small().transform(X)).all()


class _FailsOnce(Callback):
    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2 and "HAS_FAILED" not in os.environ:
            raise ZeroDivisionError


def _search(rank):
    search = GridSearchCV(_small(), {"lr": [0.001, 0.01]}, cv=2, refit=False)
    return search.fit(X, LABELS).cv_results_["mean_test_score"]


def _failure(fit):
    """Return what a fit raises, and what is left of the fit before it."""
    estimator = _small()
    before = estimator.predict_proba(X)
    estimator.set_params(warm_start=True, max_epochs=3)
    try:
        fit(estimator)
    except BaseException as error:
        kept = np.array_equal(estimator.predict_proba(X), before)
        return type(error).__name__, str(error), kept
    raise AssertionError("it went well")


def _other_rows(rank):
    return _failure(lambda e: e.fit(X + rank, LABELS))


def _other_parameters(rank):
    return _failure(lambda e: e.set_params(lr=0.1 + rank, n_iter_no_change=5 + rank).fit(X, LABELS))


def _bad_rows(rank):
    return _failure(lambda e: e.fit(np.where(rank, np.inf, X), LABELS))


def _raises(error):
    return lambda rank: _failure(lambda e: e.set_params(optimizer=_failing(error)).fit(X, LABELS))


def _death(rank):
    return _failure(lambda e: e.set_params(callbacks=[_Dies()]).fit(X, LABELS))


# What is done by both processes, with the number of the process.
DEEDS = {
    **{name: (lambda rank, fit=fit: _told(fit())) for name, fit in FITS.items()},
    "no seed": lambda rank: _told(_unseeded(rank)),
    "noise": _noise,
    "stop after an epoch": _n_epochs(_StopsEpochs()),
    "stop after a batch": _n_epochs(_StopsBatches()),
    "reports": _reports,
    "checkpoint": lambda rank: _told(_best_of_checkpoint(rank)),
    "resumed": _resumed,
    "search": _search,
    "other rows": _other_rows,
    "other parameters": _other_parameters,
    "bad rows": _bad_rows,
    "error": _raises(ZeroDivisionError("of rank 1")),
    "Ctrl-C": _raises(KeyboardInterrupt()),
    "afterwards": lambda rank: _told(_small()),
    "death": _death,
}


def _told(estimator):
    model = estimator.module_.state_dict().values()
    return {
        "bits": b"".join(tensor.numpy().tobytes() for tensor in model),
        "train": np.array(estimator.loss_curve_),
        "valid": np.array([epoch.get("valid_loss", 0.0) for epoch in estimator.history_]),
        "penalty": np.array([epoch.get("train_penalty", 0.0) for epoch in estimator.history_]),
        "z": estimator.transform(X),
        "history": list(estimator.history_),
    }


def _run(rank, folder):
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meeting",
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=60),
    )
    os.environ["FOLDER_OF_RANK_0"] = f"{folder}/checkpoint"
    for name, deed in DEEDS.items():
        torch.save(deed(rank), f"{folder}/{name} {rank}")


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """Return what a process made of a deed; the last one kills process 1."""
    folder = tmp_path_factory.mktemp("group")
    # Not joined by torch, which would end process 0 as soon as process 1 is dead.
    processes = multiprocessing.spawn(_run, (str(folder),), nprocs=2, join=False).processes
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, -signal.SIGKILL]
    return lambda name, rank: torch.load(folder / f"{name} {rank}", weights_only=False)


@pytest.mark.parametrize("name", [*FITS, "no seed", "checkpoint", "afterwards"])
def test_all_processes_end_with_the_same_bits(outcome, name):
    first, second = outcome(name, 0), outcome(name, 1)
    assert first["bits"] == second["bits"]
    assert first["history"] == second["history"]
    assert np.array_equal(first["z"], second["z"])


@pytest.mark.parametrize("name", FITS)
def test_a_fit_is_that_of_one_process_to_rounding(outcome, name):
    alone, together = _told(FITS[name]()), outcome(name, 0)
    rounding = 1e-5 if name == "single precision" else 1e-10
    assert together["train"] == pytest.approx(alone["train"], abs=rounding)
    assert together["valid"] == pytest.approx(alone["valid"], abs=rounding)
    assert together["penalty"] == pytest.approx(alone["penalty"], abs=rounding)
    assert together["z"] == pytest.approx(alone["z"], abs=rounding)


def test_masks_of_dropout_differ_between_processes(outcome):
    assert not torch.equal(outcome("noise", 0), outcome("noise", 1))


@pytest.mark.parametrize(("event", "n_epochs"), [("an epoch", 2), ("a batch", 1)])
def test_all_processes_stop_if_a_callback_of_one_does(outcome, event, n_epochs):
    assert [outcome(f"stop after {event}", rank) for rank in range(2)] == [n_epochs] * 2


def test_process_0_alone_reports(outcome):
    assert all(word in outcome("reports", 0) for word in ("train_loss", "Stopping", "taken, loss"))
    assert outcome("reports", 1) == ""


def test_all_go_back_to_the_checkpoint_that_process_0_wrote(outcome):
    losses = outcome("checkpoint", 1)["train"]
    assert losses.argmin() == len(losses) - 1


@pytest.mark.parametrize("rank", [0, 1])
def test_all_go_on_from_the_file_that_process_0_wrote(outcome, rank):
    assert outcome("resumed", rank)


def test_a_search_is_that_of_one_process(outcome):
    scores = [_search(0), outcome("search", 0), outcome("search", 1)]
    assert scores[1].tolist() == scores[2].tolist()
    assert scores[1] == pytest.approx(scores[0], abs=0.01)


@pytest.mark.parametrize(
    ("name", "differs"),
    [("other rows", "another X than"), ("other parameters", "another lr, another n_iter")],
)
@pytest.mark.parametrize("rank", [0, 1])
def test_different_fits_are_refused_by_all_processes(outcome, name, differs, rank):
    kind, said, is_kept = outcome(name, rank)
    assert (kind, is_kept) == ("ValueError", True)
    assert f"process 1 has {differs}" in said


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("bad rows", "ValueError", "infinity"),
        ("error", "ZeroDivisionError", "of rank 1"),
        ("Ctrl-C", "KeyboardInterrupt", ""),
    ],
)
def test_what_fails_in_one_process_fails_in_all_and_leaves_the_last_fit(outcome, name, kind, said):
    own, other = outcome(name, 1), outcome(name, 0)
    assert (own[0], own[2], other[0], other[2]) == (kind, True, "RuntimeError", True)
    assert said in own[1]
    assert "another one failed, died" in other[1]


def test_a_process_that_is_killed_is_an_error_in_the_others(outcome):
    kind, said, is_kept = outcome("death", 0)
    assert (kind, is_kept) == ("RuntimeError", True)
    assert "another one failed, died, did not come to the same fit or was silent" in said
    assert "timeout of 60 s" in said


def test_a_group_of_one_process_is_none(tmp_path):
    options = {"init_method": f"file://{tmp_path}/meeting", "rank": 0, "world_size": 1}
    distributed.init_process_group("gloo", **options)
    try:
        with joined() as group:
            assert group is None
    finally:
        distributed.destroy_process_group()


@pytest.fixture
def group(tmp_path):
    """Return a group of this process alone."""
    options = {"init_method": f"file://{tmp_path}/meeting", "rank": 0, "world_size": 1}
    distributed.init_process_group("gloo", **options)
    group = ProcessGroup()
    yield group
    group.leave()
    distributed.destroy_process_group()


def _net(loss=squared_cosine):
    with seeded(0):
        model = EmbeddingModel(torch.nn.Linear(64, 16), simplex(10, 16).float())
    return EmbeddingNet(model, Criterion(loss), lr=0.01)


ROWS = TensorData(torch.from_numpy(X).float(), torch.from_numpy(LABELS))


def _trained(net, **options):
    net = fit_net(net, ROWS, max_epochs=2, schedule="constant", **options)
    return torch.cat([p.detach().flatten() for p in net.module_.parameters()])


def test_a_frozen_network_stays_as_it_is_in_a_group(group):
    net = _net()
    net.module.requires_grad_(False)
    scale = torch.nn.Parameter(torch.zeros(1))  # an optimiser needs one
    net.module.register_parameter("unused", scale)
    before = _net().module.backbone.weight.clone()
    _trained(net, group=group)
    assert torch.equal(net.module_.backbone.weight, before)
    assert len(net.history) == 2


def test_a_group_of_one_trains_as_no_group(group):
    torch.testing.assert_close(_trained(_net(), group=group), _trained(_net()))


def test_ctrl_c_in_a_group_is_no_end_of_a_fit(group):
    def interrupted(outputs, target, weight):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _trained(_net(interrupted), group=group)


def test_after_a_failure_nothing_is_exchanged(group):
    group.leave()
    with pytest.raises(RuntimeError, match="A fit that failed in a process group cannot go on"):
        group.wait()
    group.leave()  # a second time does nothing


def _fails(tensor, group):
    raise RuntimeError("No backend type associated with device type cuda")


def test_a_device_without_a_backend_is_named(group, monkeypatch):
    monkeypatch.setattr(distributed, "all_reduce", _fails)
    told = "exchanges nothing on the device of the fit: No backend type .*; give init_process_group"
    with pytest.raises(ValueError, match=told):
        group.sum(torch.zeros(1))


def _fails_otherwise():
    raise RuntimeError("Connection closed by peer")


def test_a_backend_that_tells_no_timeout_has_none():
    group = ProcessGroup.__new__(ProcessGroup)
    group.rank, group._timeout = 0, _process_group._timeout(object())
    with pytest.raises(RuntimeError, match="Process 0 of the process group cannot") as caught:
        group._translated(_fails_otherwise)
    assert "timeout of" not in str(caught.value)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("n_rows", [0, 1, 4, 7])
def test_shares_are_even_and_in_order(n_rows, size):
    group = ProcessGroup.__new__(ProcessGroup)
    group.size = size
    parts = [group.part_of(n_rows, rank) for rank in range(size)]
    assert [row for part in parts for row in part] == list(range(n_rows))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
