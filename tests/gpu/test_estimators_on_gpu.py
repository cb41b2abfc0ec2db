"""What holds on a CPU holds on a GPU: the same laws, the same models, nothing lost on the way."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits
from sklearn.model_selection import GridSearchCV

from sphereskl import (
    HypersphericalMultiTask,
    HypersphericalOrdinalClassifier,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
    ImageAugmentation,
    SphereNetClassifier,
    load,
    save,
)
from sphereskl.estimators._stored_samples import lazy_rows
from sphereskl.preprocessing import StoredRows
from sphereskl.training import LazyRows, ShuffledBatches, TensorData

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here"),
]

X, VALUE = load_diabetes(return_X_y=True)
STAGE = np.digitize(VALUE, [100, 200])
CASES = {
    "prototype": (HypersphericalPrototypeClassifier, STAGE),
    "regressor": (HypersphericalRegressor, VALUE),
    "ordinal": (HypersphericalOrdinalClassifier, STAGE),
    "multi-task": (HypersphericalMultiTask, (STAGE, VALUE)),
    "spherenet": (SphereNetClassifier, STAGE),
}
all_estimators = pytest.mark.parametrize(("cls", "y"), CASES.values(), ids=CASES.keys())
QUICK = {"max_epochs": 5, "random_state": 0}


def _fit(cls, y, **params):
    return cls(**{**QUICK, "device": "cuda", **params}).fit(X, y)


@all_estimators
def test_auto_takes_the_gpu(cls, y):
    assert cls(**QUICK).fit(X, y).device_.type == "cuda"


@pytest.mark.parametrize(
    "arithmetic", [("float32", "full"), ("float64", "full"), ("float32", "bf16")]
)
@all_estimators
def test_the_same_seed_gives_the_same_bits(cls, y, arithmetic):
    dtype, precision = arithmetic
    first, second = (_fit(cls, y, dtype=dtype, precision=precision) for _ in range(2))
    np.testing.assert_array_equal(first.transform(X), second.transform(X))
    assert first.loss_curve_ == second.loss_curve_


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
@all_estimators
def test_the_same_weights_say_the_same_on_a_cpu(cls, y, dtype, tolerance, tmp_path):
    on_gpu = _fit(cls, y, dtype=dtype)
    save(on_gpu, tmp_path / "model")
    on_cpu = load(tmp_path / "model", device="cpu")
    assert on_cpu.device_.type == "cpu"
    np.testing.assert_allclose(on_cpu.transform(X), on_gpu.transform(X), atol=tolerance)


@all_estimators
def test_the_same_start_learns_the_same_on_both(cls, y):
    # One epoch in one batch in float64: other kernels, the same arithmetic.
    options = {"max_epochs": 1, "batch_size": 1000, "dtype": "float64", "lr": 1e-4}
    backbone = {"backbone": torch.nn.Linear(10, 16)}
    found = [_fit(cls, y, device=d, **options, **backbone).transform(X) for d in ("cpu", "cuda")]
    np.testing.assert_allclose(*found, atol=1e-8)


@all_estimators
def test_rows_do_not_depend_on_their_batch(cls, y):
    model = _fit(cls, y)
    np.testing.assert_allclose(model.transform(X[:7]), model.transform(X)[:7], atol=2e-6)


@all_estimators
def test_copies_are_the_same_model(cls, y):
    model = _fit(cls, y)
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        np.testing.assert_array_equal(other.transform(X), model.transform(X))
    assert not hasattr(clone(model), "net_")


@all_estimators
def test_streams_and_warm_starts_go_on(cls, y):
    model = _fit(cls, y, warm_start=True)
    assert model.fit(X, y).n_iter_ == 10
    assert model.partial_fit(X, y).n_iter_ == 11


@all_estimators
def test_a_network_that_is_kept_moves_to_the_device_that_was_set(cls, y):
    model = _fit(cls, y, device="cpu", warm_start=True)
    assert model.set_params(device="cuda").fit(X, y).device_.type == "cuda"
    assert model.set_params(device="cpu").partial_fit(X, y).device_.type == "cpu"
    assert np.isfinite(model.transform(X)).all()


@all_estimators
def test_weights_and_early_stopping_work(cls, y):
    weight = np.random.RandomState(0).randint(0, 3, len(X))
    model = cls(**QUICK, device="cuda", early_stopping=True).fit(X, y, sample_weight=weight)
    assert len(model.validation_scores_) == model.n_iter_


@all_estimators
def test_the_callers_generators_are_left_alone(cls, y):
    backbone = torch.nn.Sequential(torch.nn.Linear(10, 16), torch.nn.Dropout(0.2))
    before = torch.cuda.get_rng_state(), torch.random.get_rng_state()
    _fit(cls, y, backbone=backbone)
    after = torch.cuda.get_rng_state(), torch.random.get_rng_state()
    assert all(map(torch.equal, before, after))


@pytest.mark.parametrize("cls", [HypersphericalPrototypeClassifier, SphereNetClassifier])
def test_images_learn(cls):
    images, labels = load_digits(return_X_y=True)
    clf = cls(device="cuda", input_shape=(8, 8), max_epochs=10, random_state=0)
    assert clf.fit(images[:1200], labels[:1200]).score(images[1200:], labels[1200:]) > 0.93


@pytest.mark.parametrize("cls", [HypersphericalPrototypeClassifier, SphereNetClassifier])
def test_an_epoch_waits_for_the_gpu_once(cls):
    # Any other host synchronisation raises in this mode.
    clf = _fit(cls, STAGE, batch_size=64)
    net = clf.net_
    rows = clf.encoder_.transform(X).cuda()
    batch = TensorData(rows, torch.from_numpy(STAGE).cuda())
    net.initialize_optimizer()
    net.scheduler_ = None
    net.module_.train()
    net._step(batch)
    torch.cuda.set_sync_debug_mode("error")
    try:
        net._step(batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@all_estimators
def test_mixed_precision_learns_and_predicts_in_float32(cls, y, tmp_path):
    full, mixed = (_fit(cls, y, precision=precision) for precision in ("full", "bf16"))
    assert mixed.loss_curve_ != full.loss_curve_
    np.testing.assert_allclose(mixed.loss_curve_, full.loss_curve_, rtol=0.1, atol=0.02)
    save(mixed, tmp_path / "model")
    on_cpu = load(tmp_path / "model", device="cpu")
    np.testing.assert_allclose(on_cpu.transform(X), mixed.transform(X), atol=1e-5)


def test_auto_precision_is_mixed_for_images_only():
    images, labels = load_digits(return_X_y=True)
    options = {"device": "cuda", "precision": "auto", "max_epochs": 1, "random_state": 0}
    of_images = HypersphericalPrototypeClassifier(input_shape=(8, 8), **options).fit(images, labels)
    of_table = HypersphericalPrototypeClassifier(**options).fit(images, labels)
    assert (of_images.net_.precision, of_table.net_.precision) == ("bf16", "full")


@pytest.mark.filterwarnings("ignore")  # of compilers
@pytest.mark.parametrize("precision", ["full", "bf16"])
def test_compiled_training_learns_the_same(precision):
    images, labels = load_digits(return_X_y=True)
    options = {"device": "cuda", "input_shape": (8, 8), "max_epochs": 3, "random_state": 0}
    plain, compiled = (
        SphereNetClassifier(precision=precision, compile=compiles, **options).fit(images, labels)
        for compiles in (False, True)
    )
    np.testing.assert_allclose(compiled.loss_curve_, plain.loss_curve_, rtol=0.05)


def test_samples_without_room_are_moved_batch_by_batch_with_the_same_bits(monkeypatch):
    resident = _fit(*CASES["prototype"])
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 100))
    streamed = _fit(*CASES["prototype"])
    np.testing.assert_array_equal(streamed.transform(X), resident.transform(X))


def _bytes(n_images=500):
    digits, labels = load_digits(return_X_y=True)
    return np.uint8(digits[:n_images] * 15.9).reshape(-1, 1, 8, 8), labels[:n_images]


def test_images_of_bytes_stay_bytes_on_the_gpu():
    images, labels = _bytes(1)
    images, labels = np.tile(images, (40_000, 1, 1, 1)), np.arange(40_000) % 2
    clf = HypersphericalPrototypeClassifier(
        backbone=torch.nn.Flatten(), batch_size=64, max_epochs=1, device="cuda", random_state=0
    )
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    clf.fit(images, labels)
    # Targets, weights and indices take 24 bytes an image; as numbers, an image would take 256.
    assert torch.cuda.max_memory_allocated() - before < 130 * len(images) + 2**22


def test_images_of_bytes_learn_as_those_without_room_and_as_on_a_cpu(monkeypatch):
    images, labels = _bytes()
    options = {"max_epochs": 2, "random_state": 0}
    resident = HypersphericalPrototypeClassifier(device="cuda", **options).fit(images, labels)
    on_cpu = HypersphericalPrototypeClassifier(device="cpu", **options).fit(images, labels)
    assert resident.loss_curve_ == pytest.approx(on_cpu.loss_curve_, rel=0.02)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 100))
    streamed = HypersphericalPrototypeClassifier(device="cuda", **options).fit(images, labels)
    np.testing.assert_array_equal(streamed.transform(images), resident.transform(images))


@pytest.mark.parametrize("kind", ["bytes on the device", "bytes on the host", "stored"])
def test_batches_are_gathered_without_a_wait(kind):
    images, labels = _bytes()
    clf = HypersphericalPrototypeClassifier(max_epochs=1, device="cuda", random_state=0)
    clf.fit(images, labels)
    rows = lazy_rows(clf, images)
    if kind == "bytes on the device":
        rows = rows.to(torch.device("cuda"))
    if kind == "stored":
        stored = StoredRows(images, images.dtype)
        rows = LazyRows(stored, clf.encoder_.transform)
    data = TensorData(rows, torch.from_numpy(labels).cuda())
    batches = ShuffledBatches(data, 64, torch.Generator().manual_seed(0))
    list(batches)  # page-locked memory is allocated, which waits
    index = torch.randperm(len(images)).to(rows.device).split(64)
    torch.cuda.set_sync_debug_mode("error")
    try:
        gathered = list(data.batches(index))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    X = torch.cat([batch.X for batch in gathered]).cpu()
    assert torch.allclose(X, clf.encoder_.transform(images)[torch.cat(index).cpu()], atol=1e-6)


def test_predictions_come_in_smaller_chunks_where_memory_runs_out(monkeypatch):
    clf = _fit(*CASES["prototype"])
    expected, view = clf.decision_function(X), clf.module_.logits

    def runs_out(rows):
        if len(rows) > 64:
            raise torch.OutOfMemoryError("out of memory")
        return view(rows)

    monkeypatch.setattr(clf.module_, "logits", runs_out)
    np.testing.assert_allclose(clf.decision_function(X), expected, atol=1e-5)


def test_memory_that_runs_out_leaves_the_last_model():
    clf = _fit(*CASES["prototype"])
    before = clf.transform(X)
    clf.set_params(
        backbone=lambda shape: torch.nn.Linear(shape[0], 2**34, device="meta").to("cuda")
    )
    with pytest.raises(torch.OutOfMemoryError):
        clf.fit(X, STAGE)
    np.testing.assert_array_equal(clf.transform(X), before)


def test_a_search_shares_the_gpu():
    clf = HypersphericalPrototypeClassifier(**QUICK, device="cuda")
    search = GridSearchCV(clf, {"lr": [1e-3, 1e-2]}, cv=2).fit(X, STAGE)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_a_gpu_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"device is 'cuda:99', but torch finds \d+ GPUs"):
        HypersphericalPrototypeClassifier(device="cuda:99").fit(X, STAGE)


def test_augmented_images_are_the_same_in_every_fit():
    images, labels = load_digits(return_X_y=True)
    augmentation = ImageAugmentation("alternate", 1, 0.6, 10.0, 0.5, 0.4, 1.0)
    options = {"input_shape": (8, 8), "augmentation": augmentation, "device": "cuda", **QUICK}
    first, second = (
        HypersphericalPrototypeClassifier(**options).fit(images, labels) for _ in range(2)
    )
    assert first.loss_curve_ == pytest.approx(second.loss_curve_, rel=1e-3)
    assert np.isfinite(first.loss_curve_).all()
