"""Parameters set after a fit count from the next call on, or are refused; Ctrl-C loses nothing."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes

from sphereskl import (
    MLP,
    HypersphericalMultiTask,
    HypersphericalOrdinalClassifier,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
    SphereNetClassifier,
)
from sphereskl.estimators._components import is_same
from sphereskl.nn import AngularMarginLoss, Regularizer, SphereMLP

X, VALUE = load_diabetes(return_X_y=True)
STAGE = np.digitize(VALUE, [100, 200])
CASES = {
    "prototype": (HypersphericalPrototypeClassifier, STAGE),
    "regressor": (HypersphericalRegressor, VALUE),
    "ordinal": (HypersphericalOrdinalClassifier, STAGE),
    "multi-task": (HypersphericalMultiTask, (STAGE, VALUE)),
    "spherenet": (SphereNetClassifier, STAGE),
}
QUICK = {"max_epochs": 3, "random_state": 0, "lr_schedule": "constant"}
all_estimators = pytest.mark.parametrize(("cls", "y"), CASES.values(), ids=CASES.keys())


def _fitted(cls, y, **params):
    return cls(**{**QUICK, "warm_start": True, **params}).fit(X, y)


def _moved(estimator, y, method="fit", **params):
    """How far a second call moves the embeddings."""
    before = estimator.transform(X)
    getattr(estimator.set_params(**params), method)(X, y)
    return np.abs(estimator.transform(X) - before).max()


def _decays(net):
    # The groups in which weights decay, and in which nothing does.
    return {0.0} | {net.weight_decay} | {g["weight_decay"] for g in net.optimizer_.param_groups}


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@all_estimators
def test_a_smaller_step_is_taken(cls, y, method):
    assert _moved(_fitted(cls, y), y, method, lr=1e-9, weight_decay=0.0) < 1e-4
    assert _moved(_fitted(cls, y), y, method) > 1e-3


@pytest.mark.parametrize(
    ("params", "seen"),
    [
        ({"lr": 0.5}, lambda net: net.lr == 0.5),
        ({"batch_size": 7}, lambda net: net.batch_size == 7),
        ({"optimizer": "sgd"}, lambda net: isinstance(net.optimizer_, torch.optim.SGD)),
        (
            {"weight_decay": 0.25},
            lambda net: _decays(net) == {0.0, 0.25},
        ),
        ({"max_grad_norm": 1e-3}, lambda net: net.max_grad_norm == 1e-3),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@all_estimators
def test_options_of_training_reach_the_net(cls, y, method, params, seen):
    estimator = _fitted(cls, y, max_grad_norm=1.0, max_epochs=1).set_params(**params)
    assert seen(getattr(estimator, method)(X, y).net_)


def test_batches_have_the_new_size():
    clf = _fitted(*CASES["prototype"], max_epochs=1)
    clf.set_params(batch_size=50).partial_fit(X, STAGE)
    assert clf.history_[-1, "train_batch_count"] == 9


@pytest.mark.parametrize(
    ("case", "params", "changed"),
    [
        ("prototype", {"label_smoothing": 0.0}, {"label_smoothing": 0.4}),
        ("regressor", {"loss": "quantile", "quantile": 0.5}, {"quantile": 0.9}),
        ("ordinal", {}, {"cost": "squared"}),
        ("multi-task", {}, {"task_weight": 0.1}),
        ("spherenet", {"loss": "cosface"}, {"margin": 0.9}),
        ("spherenet", {}, {"regularizer": Regularizer("mhe", strength=100.0)}),
    ],
)
def test_what_is_minimised_may_change(case, params, changed):
    cls, y = CASES[case]
    kept, new = _fitted(cls, y, **params), _fitted(cls, y, **params)
    np.testing.assert_array_equal(kept.transform(X), new.transform(X))
    kept.fit(X, y)
    new.set_params(**changed).fit(X, y)
    assert np.abs(kept.transform(X) - new.transform(X)).max() > 1e-4


def test_annealing_goes_on_where_it_was():
    from sphereskl.nn import Annealing

    loss = AngularMarginLoss(cosine_margin=0.3, annealing=Annealing(10.0))
    clf = _fitted(*CASES["spherenet"], loss=loss)
    before = clf.net_.criterion_.loss.step.item()
    clf.partial_fit(X, STAGE)
    assert clf.net_.criterion_.loss.step.item() > before > 0


FIXED = [
    ("prototype", {"embedding_dim": 7}),
    ("prototype", {"prototypes": "random"}),
    ("prototype", {"prototypes": np.eye(3)}),
    ("prototype", {"prototypes": {0: [1.0, 0], 1: [0, 1.0], 2: [-1.0, 0]}}),
    ("prototype", {"loss": "squared_cosine"}),
    ("prototype", {"loss": "logits"}),
    ("prototype", {"scale": 4.0}),
    ("prototype", {"dtype": "float64"}),
    ("prototype", {"backbone": MLP((8,))}),
    ("prototype", {"backbone": torch.nn.Linear(10, 4)}),
    ("prototype", {"input_shape": (2, 5)}),
    ("regressor", {"loss": "absolute"}),
    ("regressor", {"bounds": (0, 1000)}),
    ("regressor", {"bounds_margin": 0.5}),
    ("regressor", {"embedding_dim": 3}),
    ("ordinal", {"categories": [2, 1, 0]}),
    ("ordinal", {"scale": 3.0}),
    ("multi-task", {"loss": "cosine"}),
    ("multi-task", {"bounds": (0, 1000)}),
    ("multi-task", {"prototypes": "random"}),
    ("spherenet", {"operator": "linear"}),
    ("spherenet", {"k": 0.5}),
    ("spherenet", {"loss": "arcface"}),
    ("spherenet", {"backbone": SphereMLP((8,))}),
]


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(("case", "params"), FIXED)
def test_what_a_network_is_built_from_is_refused(case, params, method):
    cls, y = CASES[case]
    estimator = _fitted(cls, y, max_epochs=1)
    before, name = estimator.transform(X), next(iter(params))
    old = getattr(estimator, name)
    with pytest.raises(ValueError, match=f"{name} is .*, but the network that is kept was built"):
        getattr(estimator.set_params(**params), method)(X, y)
    np.testing.assert_array_equal(estimator.transform(X), before)
    # Put back, it goes on; and without a warm start, anew.
    getattr(estimator.set_params(**{name: old}), method)(X, y)


@all_estimators
def test_equal_values_in_another_object_are_no_change(cls, y):
    backbone = {SphereNetClassifier: SphereMLP}.get(cls, MLP)
    estimator = _fitted(cls, y, max_epochs=1, backbone=backbone((16,)))
    estimator.set_params(backbone=backbone((16,))).fit(X, y)
    with pytest.raises(ValueError, match="backbone is "):
        estimator.set_params(backbone__hidden_layer_sizes=(8,)).fit(X, y)


def test_equal_arrays_are_no_change():
    vectors = np.eye(3)
    clf = _fitted(*CASES["prototype"], prototypes=vectors, max_epochs=1)
    clf.set_params(prototypes=vectors.tolist()).fit(X, STAGE)
    assert clf.n_iter_ == 2


def test_a_fresh_fit_takes_any_change():
    clf = _fitted(*CASES["prototype"], max_epochs=1)
    clf.set_params(warm_start=False, embedding_dim=5, loss="cosine").fit(X, STAGE)
    assert clf.embedding_dim_ == 5


@all_estimators
def test_values_out_of_range_are_refused_on_a_stream(cls, y):
    estimator = _fitted(cls, y, max_epochs=1)
    with pytest.raises(ValueError, match="'lr' parameter"):
        estimator.set_params(lr=-1.0).partial_fit(X, y)


class _CtrlC:
    """Stands for somebody who presses Ctrl-C while prototypes are placed."""

    def __call__(self, shape):
        raise KeyboardInterrupt


@all_estimators
def test_ctrl_c_before_training_leaves_the_last_model(cls, y):
    estimator = cls(**QUICK).fit(X, y)
    before = estimator.transform(X)
    fitted = {name for name in vars(estimator) if name.endswith("_")}
    renamed = (np.array(["p", "q", "r"])[STAGE], 1e6 * VALUE) if isinstance(y, tuple) else 1e6 * y
    with pytest.raises(KeyboardInterrupt):
        estimator.set_params(backbone=_CtrlC()).fit(X, renamed)
    np.testing.assert_array_equal(estimator.transform(X), before)
    assert {name for name in vars(estimator) if name.endswith("_")} == fitted
    assert np.isin(np.asarray(estimator.predict(X[:5]), dtype=float), y).all() or cls in (
        HypersphericalRegressor,
        HypersphericalMultiTask,
    )


@all_estimators
def test_ctrl_c_before_the_first_model_leaves_none(cls, y):
    estimator = cls(**QUICK, backbone=_CtrlC())
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X, y)
    assert not [name for name in vars(estimator) if name.endswith("_") and name[0] != "_"]


@pytest.mark.parametrize("where", ["fit_scale", "infer_finite"])
def test_ctrl_c_while_probabilities_are_calibrated_leaves_the_last_model(where, monkeypatch):
    from sphereskl.estimators import _calibration

    def press(*args, **options):
        raise KeyboardInterrupt

    clf = HypersphericalPrototypeClassifier(**QUICK, warm_start=True).fit(X, STAGE)
    before, n_epochs = clf.predict_proba(X), clf.n_iter_
    with monkeypatch.context() as patch:
        patch.setattr(_calibration, where, press)
        with pytest.raises(KeyboardInterrupt):
            clf.fit(X, STAGE)
    np.testing.assert_array_equal(clf.predict_proba(X), before)
    assert clf.n_iter_ == n_epochs
    assert clf.fit(X, STAGE).n_iter_ == 2 * n_epochs


@pytest.mark.parametrize(("n_samples", "expected"), [(30, 64), (3000, 64), (3001, 128)])
def test_small_data_are_given_small_batches(n_samples, expected, quick):
    X = np.random.RandomState(0).randn(n_samples, 2)
    model = quick(max_epochs=1, validation_fraction=0).fit(X, X[:, 0] > 0)
    assert model.net_.batch_size == expected
    assert model.set_params(batch_size=50).partial_fit(X, X[:, 0] > 0).net_.batch_size == 50


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_warm_starts_compare_prototypes_by_their_numbers(dtype):
    X, y = np.eye(3).repeat(20, axis=0), np.arange(60) // 20
    options = {"warm_start": True, "max_epochs": 1, "random_state": 0}
    model = HypersphericalPrototypeClassifier(prototypes=torch.eye(3, dtype=dtype), **options)
    net = model.fit(X, y).net_
    assert model.set_params(prototypes=torch.eye(3, dtype=dtype)).fit(X, y).net_ is net
    assert model.set_params(prototypes=np.eye(3)).fit(X, y).net_ is net
    with pytest.raises(ValueError, match=r"prototypes is tensor.* but the network that is kept"):
        model.set_params(prototypes=torch.eye(3, dtype=dtype).flip(0)).fit(X, y)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({"a": np.arange(3), "b": {"c": [1, 2]}}, True),
        ({"b": {"c": (1, 2)}, "a": [0, 1, 2]}, True),
        ({"a": np.arange(3), "b": {"c": [1, 3]}}, False),
        ({"a": np.arange(3), "d": {"c": [1, 2]}}, False),
        ({"a": np.arange(3)}, False),
        ([("a", 1), ("b", 2)], False),
    ],
)
def test_dictionaries_are_compared_by_content(other, expected):
    assert is_same({"a": np.arange(3), "b": {"c": [1, 2]}}, other) is expected
