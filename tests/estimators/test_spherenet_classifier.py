"""Laws of the spherical classifier: margins teach, and nothing that is predicted sees them."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import make_circles
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score

from sphereskl import MLP, SphereCNN, SphereMLP, SphereNetClassifier, load, save
from sphereskl.nn import (
    ANGULAR_LOSSES,
    AngularMarginLoss,
    Annealing,
    Regularizer,
    SphereLinear,
    make_angular_loss,
)

LOSSES = ["softmax", *sorted(ANGULAR_LOSSES)]
OF_NORM = ["a_softmax", "ga_softmax", "w_softmax"]


@pytest.fixture
def quick():
    """Make a classifier that learns iris in a fraction of a second."""

    def make(**params):
        defaults = {"backbone": SphereMLP((32,)), "max_epochs": 8, "lr": 1e-2, "random_state": 0}
        return SphereNetClassifier(**{**defaults, **params})

    return make


@pytest.fixture
def annealed():
    return AngularMarginLoss(multiplicative_margin=4.0, scale="norm", annealing=Annealing())


def step_of(clf):
    return int(clf.net_.criterion_.loss.step)


# Learning


def test_rings_are_told_apart_by_default():
    X, y = make_circles(400, noise=0.05, factor=0.6, random_state=0)
    clf = SphereNetClassifier(random_state=0).fit(X[:200], y[:200])
    assert clf.score(X[200:], y[200:]) >= 0.98


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_learns(loss, iris, quick):
    assert quick(loss=loss, max_epochs=20).fit(*iris).score(*iris) > 0.9


@pytest.mark.slow
def test_digits_are_learned_by_default(digits):
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    clf = SphereNetClassifier(input_shape=(8, 8), random_state=0)
    assert cross_val_score(clf, *digits, cv=folds, n_jobs=2).mean() >= 0.975


@pytest.mark.parametrize("backbone", ["cnn", "googlenet", "resnet", "vgg"])
@pytest.mark.slow
def test_every_named_network_trains(backbone, digits):
    X, y = digits[0][:200], digits[1][:200]
    params = {"input_shape": (8, 8), "max_epochs": 3, "batch_size": 32, "random_state": 0}
    clf = SphereNetClassifier(backbone=backbone, **params).fit(X, y)
    assert clf.loss_curve_[-1] < clf.loss_curve_[0]
    assert clf.embedding_dim_ == 256


# What is predicted


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("loss", LOSSES)
def test_labels_logits_and_probabilities_agree(loss, n_classes, iris, quick):
    X, y = (values[: 50 * n_classes] for values in iris)
    clf = quick(loss=loss, max_epochs=2).fit(X, y)
    logits, probabilities = clf.decision_function(X), clf.predict_proba(X)
    nearest = logits > 0 if n_classes == 2 else logits.argmax(axis=1)
    np.testing.assert_array_equal(clf.predict(X), clf.classes_[nearest.astype(int)])
    np.testing.assert_array_equal(clf.predict(X), clf.classes_[probabilities.argmax(axis=1)])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


@pytest.mark.parametrize("operator", ["linear", "cosine", "sigmoid"])
@pytest.mark.parametrize("loss", LOSSES)
def test_logits_are_those_of_the_loss_without_margin(loss, operator, iris, quick):
    clf = quick(loss=loss, operator=operator, dtype="float64", max_epochs=2).fit(*iris)
    with torch.no_grad():
        h = clf.module_.backbone(clf.encoder_.transform(iris[0])).numpy()
    norm = np.linalg.norm(h, axis=1, keepdims=True) if loss in OF_NORM else 1.0
    theta = np.arccos(np.clip(clf.transform(iris[0]) @ clf.prototypes_.T, -1, 1))
    g = {
        "linear": lambda: 1 - 2 * theta / np.pi,
        "cosine": lambda: np.cos(theta),
        # The paper's form, with k = 0.3.
        "sigmoid": lambda: (
            (1 + np.exp(-np.pi / 0.6)) / (1 - np.exp(-np.pi / 0.6))
            * (1 - np.exp(theta / 0.3 - np.pi / 0.6)) / (1 + np.exp(theta / 0.3 - np.pi / 0.6))
        ),
    }  # fmt: skip
    expected = norm * g[operator if loss in ("w_softmax", "ga_softmax") else "cosine"]()
    if loss == "softmax":
        expected = h @ clf.module_._prototypes.detach().numpy().T
    np.testing.assert_allclose(clf.decision_function(iris[0]), expected, atol=1e-9)


def test_an_operator_left_open_is_that_of_the_loss(iris, quick):
    for loss, expected in [("w_softmax", "cosine"), ("ga_softmax", "linear")]:
        clf = quick(loss=loss, max_epochs=1).fit(*iris)
        assert clf.module_.operator.name == expected
        assert clf.module_.backbone[0][0].operator.name == "sigmoid"


def test_probabilities_see_neither_margin_nor_lambda(iris, quick, annealed):
    clf = quick(loss=annealed).fit(*iris)
    before = clf.predict_proba(iris[0])
    clf.net_.criterion_.loss = make_angular_loss("arcface", 1.0)
    np.testing.assert_array_equal(clf.predict_proba(iris[0]), before)


@pytest.mark.parametrize("loss", [loss for loss in LOSSES if loss != "softmax"])
def test_class_directions_are_unit(loss, iris, quick):
    clf = quick(loss=loss).fit(*iris)
    np.testing.assert_allclose(np.linalg.norm(clf.prototypes_, axis=1), 1, rtol=1e-6)
    assert clf.prototypes_.shape == (3, clf.embedding_dim_)


def test_the_ordinary_softmax_learns_lengths(iris, quick):
    weight = quick(loss="softmax").fit(*iris).module_._prototypes
    assert (weight.norm(dim=1) - 1).abs().min() > 1e-4


@pytest.mark.parametrize("loss", ["cosface", "arcface"])
def test_no_margin_is_normface(loss, iris, quick):
    expected = quick(loss="normface").fit(*iris).predict_proba(iris[0])
    found = quick(loss=loss, margin=0.0).fit(*iris).predict_proba(iris[0])
    np.testing.assert_allclose(found, expected, atol=1e-4)


# Margins that come in slowly


def test_lambda_moves_with_the_steps_of_the_optimiser(iris, quick, annealed):
    # 135 rows in batches of 32: five steps an epoch; validation and prediction take none.
    clf = quick(loss=annealed, max_epochs=3, batch_size=32, early_stopping=True).fit(*iris)
    clf.predict_proba(iris[0])
    assert step_of(clf) == 15
    assert int(annealed.step) == 0


def test_lambda_survives_pickling_and_partial_fit(iris, quick, annealed):
    # In one batch: pickles do not hold the state of the generator that shuffles.
    clf = quick(loss=annealed, warm_start=True, batch_size=200, dtype="float64").fit(*iris)
    arrived = pickle.loads(pickle.dumps(clf))
    for model in (clf, arrived):
        model.partial_fit(*iris)
    assert step_of(clf) == step_of(arrived) == 8 + 1
    np.testing.assert_allclose(arrived.predict_proba(iris[0]), clf.predict_proba(iris[0]))


def test_lambda_survives_a_warm_start(iris, quick, annealed):
    clf = quick(loss=annealed, warm_start=True, batch_size=128).fit(*iris)
    assert step_of(clf.fit(*iris)) == 2 * 16
    assert step_of(clf.set_params(warm_start=False).fit(*iris)) == 16


def test_a_failing_fit_takes_lambda_back(iris, quick, annealed):
    clf = quick(loss=annealed, batch_size=128).fit(*iris)
    clf.net_.lr = 1e30
    with pytest.raises(ValueError, match="Training diverged"):
        clf.set_params(optimizer="sgd", lr=1e30, batch_size=16).partial_fit(*iris)
    assert step_of(clf) == 16


# Regularisers


@pytest.mark.parametrize("kind", ["orthogonal", "mhe", "half_space_mhe"])
def test_a_penalty_is_reported_beside_the_loss(kind, iris, quick):
    clf = quick(regularizer=kind).fit(*iris)
    last = clf.history_[-1, "train_penalty"]
    assert last == pytest.approx(Regularizer(kind)(clf.module_).item(), rel=0.2)
    assert "train_penalty" not in quick().fit(*iris).history_[-1]


def test_a_penalty_of_no_strength_changes_nothing(iris, quick):
    without = quick().fit(*iris)
    clf = quick(regularizer=Regularizer("mhe", 0.0)).fit(*iris)
    assert clf.loss_curve_ == without.loss_curve_
    assert clf.history_[:, "train_penalty"] == [0.0] * 8


def test_a_strong_penalty_is_minimised(iris, quick):
    params = {"backbone": SphereMLP((4,)), "max_epochs": 40}
    weak = quick(**params).fit(*iris)
    strong = quick(**params, regularizer=Regularizer("orthogonal", 1.0)).fit(*iris)
    penalty = Regularizer("orthogonal", 1.0)
    assert penalty(strong.module_) < 0.1 * penalty(weak.module_)


# Networks


def test_operator_and_k_are_set_on_a_copy_of_the_configuration(iris, quick):
    config = SphereMLP((8,), operator="cosine", k=0.7)
    clf = quick(backbone=config, operator="sigmoid", k=0.5, max_epochs=1).fit(*iris)
    layers = [layer for layer in clf.module_.modules() if isinstance(layer, SphereLinear)]
    assert [(layer.operator.name, float(layer.operator.k)) for layer in layers] == [
        ("sigmoid", 0.5)
    ] * 2
    assert (config.operator, config.k) == ("cosine", 0.7)


def test_an_own_network_is_copied(iris, quick):
    network = torch.nn.Sequential(torch.nn.BatchNorm1d(4), SphereLinear(4, 16, lift=True))
    before = copy.deepcopy(network.state_dict())
    clf = quick(backbone=network, max_epochs=30).fit(*iris)
    assert clf.score(*iris) > 0.8
    assert clf.embedding_dim_ == 16
    torch.testing.assert_close(network.state_dict(), before)


def test_a_network_can_be_made_for_the_shape(iris, quick):
    clf = quick(backbone=lambda shape: torch.nn.Linear(shape[0], 5), max_epochs=1)
    assert clf.fit(*iris).embedding_dim_ == 5


@pytest.mark.parametrize(
    ("shape", "params"),
    [
        ((-1, 64), {"input_shape": (8, 8)}),
        ((-1, 8, 8), {"input_shape": (8, 8)}),
        ((-1, 1, 8, 8), {}),
        ((-1, 8, 8, 1), {}),
        ((-1, 8, 8, 1), {"input_shape": (8, 8, 1)}),
    ],
)
def test_images_of_every_layout_are_the_same(shape, params, digits, quick):
    X, y = digits[0][:200], digits[1][:200]
    small = {"backbone": SphereCNN(depth=2, widths=(4, 8)), "max_epochs": 2}
    expected = quick(**small, input_shape=(8, 8)).fit(X, y).predict_proba(X)
    clf = quick(**small, **params).fit(X.reshape(shape), y)
    np.testing.assert_array_equal(clf.predict_proba(X.reshape(shape)), expected)


def test_the_form_of_the_samples_decides_on_the_network(digits, iris):
    X, y = digits[0][:100], digits[1][:100]
    image = SphereNetClassifier(input_shape=(8, 8), max_epochs=1).fit(X, y)
    kinds = {type(layer).__name__ for layer in image.module_.modules()}
    assert "SphereConv2d" in kinds
    table = SphereNetClassifier(max_epochs=1).fit(*iris)
    kinds = {type(layer).__name__ for layer in table.module_.modules()}
    assert "SphereLinear" in kinds
    assert not {name for name in kinds if "BatchNorm" in name or "Conv" in name}


# A scikit-learn estimator


def test_a_grid_tunes_operator_k_and_margin(iris, quick):
    grid = {
        "operator": ["linear", "sigmoid"],
        "k": [0.1, 0.5],
        "margin": [0.0, 0.3],
        "backbone__norm": ["sphere", None],
    }
    clf = quick(loss="cosface", max_epochs=2)
    search = GridSearchCV(clf, grid, cv=2, error_score="raise").fit(*iris)
    assert search.best_params_.keys() == grid.keys()
    scores = search.cv_results_["mean_test_score"]
    assert len(set(scores)) > 1


def test_the_same_seed_gives_the_same_model(iris, quick):
    clf = quick().fit(*iris)
    again = clone(clf).fit(*iris)
    np.testing.assert_array_equal(again.predict_proba(iris[0]), clf.predict_proba(iris[0]))
    other = quick(random_state=1).fit(*iris)
    assert not np.array_equal(other.predict_proba(iris[0]), clf.predict_proba(iris[0]))


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"loss": "softmax"},
        {"loss": "ga_softmax", "operator": "sigmoid", "k": 0.5, "regularizer": "mhe"},
        {"loss": make_angular_loss("a_softmax", 3.0, annealing=Annealing())},
        {"regularizer": Regularizer("orthogonal", 0.5, exact=True), "early_stopping": True},
        {"backbone": SphereCNN(2, (4, 8), norm="both"), "input_shape": (2, 2)},
    ],
    ids=str,
)
def test_a_file_holds_the_model(params, iris, quick, tmp_path):
    X, _ = iris
    clf = quick(**params).fit(*iris)
    save(clf, tmp_path / "clf.safetensors")
    loaded = load(tmp_path / "clf.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(X), clf.predict_proba(X))
    np.testing.assert_array_equal(loaded.transform(X), clf.transform(X))
    assert repr(loaded.get_params()["regularizer"]) == repr(clf.regularizer)
    if clf.loss != "softmax":
        assert step_of(loaded) == step_of(clf) > 0
        assert loaded.partial_fit(*iris).n_iter_ == clf.n_iter_ + 1


def test_the_recipe_of_the_authors_is_visible_and_can_be_changed():
    clf = SphereNetClassifier.parity(operator="linear", lr=1e-2)
    params = clf.get_params()
    assert params["backbone"] == SphereCNN(depth=9, widths=(128, 192, 256))
    assert params["regularizer"] == Regularizer("orthogonal", exact=True)
    assert params["loss"].label_smoothing == 0.01
    assert (params["optimizer"], params["lr_schedule"]) == ("adam", "step")
    assert (params["operator"], params["lr"], params["weight_decay"]) == ("linear", 1e-2, 5e-4)
    assert clone(clf).get_params()["max_epochs"] == 164


def test_the_recipe_of_the_authors_trains(digits):
    X, y = digits[0][:200], digits[1][:200]
    clf = SphereNetClassifier.parity(
        backbone=SphereCNN(3, (8, 8, 8)), input_shape=(8, 8), max_epochs=10, random_state=0
    )
    assert clf.fit(X, y).loss_curve_[-1] < clf.loss_curve_[0]


# Errors


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"loss": "hinge"}, "'loss' parameter .* Got 'hinge'"),
        ({"operator": "relu"}, "'operator' parameter .* Got 'relu'"),
        ({"k": 0.0}, "'k' parameter .* Got 0.0"),
        ({"margin": -0.1}, "'margin' parameter .* Got -0.1"),
        ({"margin": "wide"}, "'margin' parameter .* Got 'wide'"),
        ({"regularizer": "l2"}, "'regularizer' parameter .* Got 'l2'"),
        ({"backbone": "lenet"}, "'backbone' parameter .* Got 'lenet'"),
        (
            {"loss": "a_softmax", "margin": 0.5},
            "margin is 0.5 and loss is 'a_softmax': multiplicative_margin .* at least 1, got 0.5",
        ),
        ({"loss": "arcface", "margin": 4}, r"margin is 4 .* in \[0, 3.142\], got 4"),
        ({"loss": "normface", "margin": 0.3}, "margin is 0.3 .* has no margin.*leave it out"),
        ({"loss": "softmax", "margin": 0.3}, "margin is 0.3, .* 'softmax'.*leave margin='auto'"),
        (
            {"loss": AngularMarginLoss(), "margin": 0.3},
            "margin is 0.3, .* brings its own; leave margin='auto'",
        ),
        (
            {"backbone": torch.nn.Linear(4, 5), "operator": "linear"},
            "operator is 'linear', but backbone is Linear.*leave operator='auto'",
        ),
        ({"backbone": torch.nn.Linear(4, 5), "k": 0.5}, "k is 0.5, but backbone is Linear"),
        ({"backbone": MLP((4,)), "operator": "linear"}, "operator is 'linear', .* MLP.*no such"),
        (
            {"backbone": torch.nn.Linear(4, 5), "regularizer": "mhe"},
            "regularizer is 'mhe', but AngularModel has no layers .*layers='all'",
        ),
        ({"backbone": "cnn"}, "SphereCNN needs samples of shape .* input_shape"),
    ],
)
def test_bad_parameters(params, message, iris, quick):
    clf = quick(max_epochs=1).fit(*iris)
    before = clf.predict_proba(iris[0])
    with pytest.raises((ValueError, TypeError), match=message):
        clf.set_params(**params).fit(*iris)
    np.testing.assert_array_equal(clf.predict_proba(iris[0]), before)
