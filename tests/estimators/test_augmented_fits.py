"""Fits with augmentation: the same from the same seed, whatever happens, and only fits."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from joblib import parallel_config
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_val_score
from skorch.callbacks import Callback

from sphereskl import (
    MLP,
    ConvNet,
    HypersphericalMultiTask,
    HypersphericalOrdinalClassifier,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
    ImageAugmentation,
    SphereCNN,
    SphereNetClassifier,
    load,
    save,
)
from sphereskl.nn import MirroredBackbone, cross_entropy
from sphereskl.training import Resume, TensorData
from sphereskl.training._by_member import by_member

IMAGES, LABELS = (part[:120] for part in (load_digits().images, load_digits().target))
VALUES = IMAGES.mean(axis=(1, 2))
ALL = ImageAugmentation("alternate", 1, 0.6, 10, 0.5, 0.4, 1.0)
NONE = {"mirror": None, "shift": 0}


def _make(cls=HypersphericalPrototypeClassifier, augmentation=ALL, **params):
    spherical = cls is SphereNetClassifier
    defaults = {
        "backbone": SphereCNN(depth=1, widths=(4,)) if spherical else ConvNet((4,), n_blocks=1),
        "input_shape": (8, 8),
        "max_epochs": 3,
        "batch_size": 50,
        "random_state": 0,
        "device": "cpu",
    }
    return cls(**{**defaults, "augmentation": augmentation, **params})


def _bits(estimator):
    return {k: v.clone() for k, v in estimator.module_.state_dict().items()}


def _same(first, second):
    a, b = _bits(first), _bits(second)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def fitted():
    return _make().fit(IMAGES, LABELS)


class Seen(Callback):
    """Keep the images of every batch."""

    def __init__(self):
        self.batches = []

    def on_batch_begin(self, net, batch=None, training=False, **kwargs):
        if training:
            self.batches.append((batch[0].clone(), np.array(batch[1])))


class Cut(Callback):
    """Raise an error at the beginning of an epoch."""

    at = 3

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == Cut.at:
            raise RuntimeError("cut")


def _seen(augmentation, **params):
    seen = Seen()
    _make(augmentation=augmentation, callbacks=[seen], **params).fit(IMAGES, LABELS)
    return seen.batches


CASES = [
    (HypersphericalPrototypeClassifier, LABELS, ALL),
    (HypersphericalOrdinalClassifier, LABELS, ALL),
    (SphereNetClassifier, LABELS, ALL),
    (HypersphericalRegressor, VALUES, ALL),
    (HypersphericalMultiTask, (LABELS, VALUES), ImageAugmentation("random", 1, 0.6, 10, 0.5)),
]


@pytest.mark.parametrize(("cls", "y", "augmentation"), CASES)
def test_the_same_seed_makes_the_same_model_and_another_augmentation_another(cls, y, augmentation):
    first, second = (_make(cls, augmentation).fit(IMAGES, y) for _ in range(2))
    assert _same(first, second)
    assert not _same(first, _make(cls, None).fit(IMAGES, y))
    assert np.isfinite(first.loss_curve_).all()


def test_listeners_threads_and_what_the_caller_draws_change_nothing(fitted):
    with ThreadPoolExecutor(2) as pool:
        fits = list(pool.map(lambda _: _make().fit(IMAGES, LABELS), range(2)))
    torch.rand(3)
    before = torch.get_rng_state()
    fits.append(_make(callbacks=[Seen()]).fit(IMAGES, LABELS))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(_same(fitted, other) for other in fits)


@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_workers_score_alike(backend):
    scores = []
    for n_jobs in (1, 2):
        with parallel_config(backend, n_jobs=n_jobs):
            scores.append(cross_val_score(_make(max_epochs=2), IMAGES, LABELS, cv=2).tolist())
    assert scores[0] == scores[1]


@pytest.mark.parametrize("copied", [clone, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_copies_fit_the_same(fitted, copied):
    assert _same(fitted, copied(_make()).fit(IMAGES, LABELS))


def test_streams_go_on_the_same_after_a_pickle():
    first = _make().partial_fit(IMAGES, LABELS, classes=range(10))
    second = pickle.loads(pickle.dumps(first))
    # Under warm_start alone the momentum travels.
    for estimator in (first, second):
        estimator.net_.optimizer_ = None
        estimator.partial_fit(IMAGES, LABELS)
    assert first.n_iter_ == 2
    assert first.net_.augmentation == second.net_.augmentation == ALL


def test_a_fit_that_was_cut_off_goes_on_to_the_same_bits(tmp_path, fitted, monkeypatch):
    estimator = _make(callbacks=[Resume(tmp_path / "fit"), Cut()])
    with pytest.raises(RuntimeError, match=r"cut"):
        estimator.fit(IMAGES, LABELS)
    monkeypatch.setattr(Cut, "at", None)
    assert _same(fitted, estimator.fit(IMAGES, LABELS))
    other = clone(estimator).set_params(augmentation__shift=2)
    with pytest.raises(ValueError, match=r"is of another fit: .*augmentation"):
        other.fit(IMAGES, LABELS)


def test_only_what_is_trained_on_is_changed(fitted):
    plain = _make(augmentation=None).fit(IMAGES, LABELS)
    plain.module_.load_state_dict(fitted.module_.state_dict())
    assert np.array_equal(plain.decision_function(IMAGES), fitted.decision_function(IMAGES))
    seen = []

    class Judges(Callback):
        def on_batch_begin(self, net, batch=None, training=False, **kwargs):
            if not training:
                seen.append(batch[0].clone())

    _make(callbacks=[Judges()]).fit(IMAGES, LABELS, X_val=IMAGES, y_val=LABELS)
    assert all(torch.equal(X, seen[0]) for X in seen)
    expected = _make().fit(IMAGES, LABELS).encoder_.transform(IMAGES)
    assert torch.equal(seen[0], expected)


def test_two_epochs_show_both_sides_of_every_image():
    augmentation = ImageAugmentation(mirror="alternate", shift=0)
    first, second = _seen(augmentation, batch_size=200, max_epochs=2)
    assert torch.equal(first[0].flip(-1), second[0])
    plain = _seen(None, batch_size=200, max_epochs=1)[0][0]
    kept = (first[0] == plain).flatten(1).all(dim=1).sum()
    assert 30 < kept < 80


def test_callbacks_hear_of_as_many_targets_as_images():
    assert all(len(X) == len(y) for X, y in _seen(ALL))


def test_options_of_nothing_leave_every_bit():
    nothing = ImageAugmentation(**NONE)
    plain = _make(augmentation=None).fit(IMAGES, LABELS)
    assert _same(plain, _make(augmentation=nothing).fit(IMAGES, LABELS))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_members", [1, 3])
def test_the_loss_of_a_mixture_is_that_of_soft_targets(weighted, n_members):
    generator = torch.Generator().manual_seed(0)
    options = {"generator": generator, "dtype": torch.float64}
    outputs = torch.randn(n_members, 12, 5, **options).requires_grad_()
    target, other = torch.arange(12) % 5, torch.randperm(12, generator=generator)
    share, weight = torch.rand(12, **options), torch.rand(12, **options) if weighted else None
    given = outputs[0] if n_members == 1 else outputs
    batch = TensorData(outputs, target, weight, other=other, share=share)
    loss = cross_entropy(*by_member(given, batch), scale=3.0, label_smoothing=0.1)
    of_row = torch.ones(12, dtype=torch.float64) if weight is None else weight
    soft = torch.nn.functional.one_hot(target, 5).double() * 0.9 + 0.02
    soft = (share * of_row)[:, None] * soft + ((1 - share) * of_row[other])[:, None] * soft[other]
    expected = -(soft * torch.log_softmax(3 * outputs, dim=-1)).sum(dim=-1).mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
    gradients = [torch.autograd.grad(value, outputs)[0] for value in (loss, expected)]
    assert torch.allclose(*gradients, atol=1e-14)


def test_no_member_learns_from_either_half_of_its_fold():
    outputs = torch.zeros(2, 4, 3)
    fold, other = torch.tensor([0, 0, 1, 1]), torch.tensor([1, 0, 3, 2])
    batch = TensorData(
        outputs, torch.arange(4), None, fold, other=other, share=torch.full((4,), 0.3)
    )
    rows, target, weight = by_member(outputs, batch)
    assert len(rows) == len(target) == len(weight) == 16
    assert weight.view(2, 2, 4)[0, :, :2].abs().sum() == 0
    assert weight.view(2, 2, 4)[1, :, 2:].abs().sum() == 0
    assert weight.mean().item() == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_members_learn_from_mixtures(kind):
    augmentation = ImageAugmentation(**NONE, **{kind: 0.5})
    flat = _make(backbone=MLP((16,), n_members=2), augmentation=augmentation, max_epochs=20)
    assert flat.fit(IMAGES, LABELS).score(IMAGES, LABELS) > 0.6


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_on_disk_of_bytes_are_augmented_like_rows_in_memory(tmp_path, dtype, monkeypatch):
    monkeypatch.setattr("sphereskl.estimators._stored_samples._MOST_BYTES", 0)
    pictures = IMAGES.astype(np.uint8)
    np.save(tmp_path / "x.npy", pictures)
    on_disk = np.load(tmp_path / "x.npy", mmap_mode="r")
    first, second = (_make(dtype=dtype).fit(X, LABELS) for X in (pictures, on_disk))
    assert _same(first, second)


def test_channels_of_oblong_images_are_learned_from():
    X = np.random.RandomState(0).rand(40, 7, 6, 9)
    layout = {"height": 6, "channels": 7, "width": 9}
    estimator = _make(input_shape=layout, batch_size=20).fit(X.transpose(0, 2, 1, 3), LABELS[:40])
    assert np.isfinite(estimator.loss_curve_).all()


def test_weights_count_in_mixtures():
    weight = np.where(LABELS < 5, 1.0, 3.0)
    augmentation = ImageAugmentation(**NONE, mixup=1.0)
    losses = [
        _make(augmentation=augmentation, max_epochs=1).fit(IMAGES, LABELS, w).loss_curve_[0]
        for w in (None, weight, 2 * weight)
    ]
    assert losses[0] != losses[1]
    assert losses[1] == losses[2]


def test_a_grid_tunes_it():
    grid = {"augmentation__shift": [0, 1], "augmentation__erase": [0.5]}
    search = GridSearchCV(_make(max_epochs=1), grid, cv=2).fit(IMAGES, LABELS)
    assert search.best_estimator_.augmentation.erase == 0.5
    assert ALL.erase == 0.5
    whole = {"augmentation": [None, ImageAugmentation()]}
    assert GridSearchCV(_make(max_epochs=1), whole, cv=2).fit(IMAGES, LABELS)


def test_it_may_change_while_a_network_is_kept():
    estimator = _make(warm_start=True, max_epochs=1).fit(IMAGES, LABELS)
    for augmentation in (None, ImageAugmentation(shift=2), copy.copy(ALL)):
        estimator.set_params(augmentation=augmentation).fit(IMAGES, LABELS)
        assert estimator.net_.augmentation == augmentation
    estimator.set_params(augmentation__shift=2).partial_fit(IMAGES, LABELS)
    assert estimator.n_iter_ == 5
    estimator.set_params(augmentation=ImageAugmentation(mirror_predictions=True))
    with pytest.raises(ValueError, match=r"augmentation is ImageAugmentation.* built with"):
        estimator.fit(IMAGES, LABELS)


@pytest.mark.parametrize("cls", [HypersphericalPrototypeClassifier, SphereNetClassifier])
def test_mirrored_predictions_do_not_know_left_from_right(cls, tmp_path):
    augmentation = ImageAugmentation(mirror_predictions=True)
    estimator = _make(cls, augmentation).fit(IMAGES, LABELS)
    assert isinstance(estimator.module_.backbone, MirroredBackbone)
    z = estimator.transform(IMAGES)
    assert np.allclose(estimator.transform(IMAGES[:, :, ::-1]), z, atol=1e-6)
    plain = _make(cls, ImageAugmentation()).fit(IMAGES, LABELS)
    trained = estimator.module_.backbone.backbone.state_dict()
    assert all(torch.equal(trained[k], v) for k, v in plain.module_.backbone.state_dict().items())
    save(estimator, tmp_path / "file.safetensors")
    for other in (load(tmp_path / "file.safetensors"), pickle.loads(pickle.dumps(estimator))):
        assert np.array_equal(other.transform(IMAGES), z)
        assert other.augmentation == augmentation
        other.partial_fit(IMAGES, LABELS)


def test_files_hold_it(tmp_path, fitted):
    save(fitted, tmp_path / "file.safetensors")
    loaded = load(tmp_path / "file.safetensors", device="cpu")
    assert loaded.augmentation == ALL
    assert _same(loaded, fitted)


@pytest.mark.parametrize(
    ("params", "y", "told"),
    [
        ({"input_shape": None, "backbone": "mlp"}, LABELS, r"are rows of a table; leave"),
        ({"augmentation": ImageAugmentation(shift=9)}, LABELS, r"shift=9, but images are of 8 x 8"),
        ({"augmentation": ImageAugmentation}, LABELS, r"'augmentation' parameter"),
        ({"augmentation": {"shift": 2}}, LABELS, r"'augmentation' parameter"),
        ({"cls": HypersphericalMultiTask}, (LABELS, VALUES), r"mixup=0.4 and cutmix=1.0, but a"),
    ],
    ids=str,
)
def test_what_does_not_suit_is_refused(params, y, told):
    X = IMAGES.reshape(120, 64)
    with pytest.raises(ValueError, match=told):
        _make(**params).fit(X, y)


def test_parameters_of_none_cannot_be_set():
    with pytest.raises(ValueError, match=r"such as augmentation=ImageAugmentation\(\)"):
        _make(augmentation=None).set_params(augmentation__shift=1)
