"""Laws of the classifier. Numbers in brackets: Mettes et al. 2019 and the limits around it."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sphereskl import MLP, ConvNet, HypersphericalPrototypeClassifier
from sphereskl.geometry import place_prototypes, sample_uniform

LOSSES = ["cross_entropy", "squared_cosine", "cosine", "logits"]


def calibration_error(probabilities, y, n_bins=15):
    """Expected calibration error (Guo et al. 2017, equation 3) for labels 0 ... K - 1."""
    confidence, hit = probabilities.max(axis=1), probabilities.argmax(axis=1) == y
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    gaps = np.bincount(bins, weights=confidence - hit, minlength=n_bins)
    return np.abs(gaps).sum() / len(y)


@pytest.fixture(scope="module")
def digits_halves(digits):
    """Probabilities on half of digits with defaults, and those of a softmax MLP."""
    X, X_test, y, y_test = train_test_split(
        *digits, test_size=0.5, stratify=digits[1], random_state=0
    )
    softmax = make_pipeline(
        StandardScaler(), MLPClassifier((256, 256), max_iter=50, random_state=0, tol=0)
    )
    sphere = HypersphericalPrototypeClassifier(random_state=0)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        rival = softmax.fit(X, y).predict_proba(X_test)
    return sphere.fit(X, y).predict_proba(X_test), rival, y_test


def test_digits_are_learned(digits_halves):
    sphere, _, y = digits_halves
    assert (sphere.argmax(axis=1) == y).mean() >= 0.97


def test_digits_are_calibrated(digits_halves):
    sphere, _, y = digits_halves
    assert calibration_error(sphere, y) <= 0.03


def test_digits_likelihood_matches_softmax(digits_halves):
    sphere, rival, y = digits_halves
    assert log_loss(y, sphere) <= 1.1 * log_loss(y, rival)


@pytest.mark.parametrize("loss", LOSSES)
def test_binary_problem_is_learned(loss, cancer):
    X, y = cancer
    clf = HypersphericalPrototypeClassifier(loss=loss, max_epochs=20, random_state=0)
    assert clf.fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.94


def test_26_classes_are_learned():
    X, y = make_classification(
        2600, 16, n_informative=16, n_redundant=0, n_classes=26, class_sep=3.0,
        n_clusters_per_class=1, random_state=0,
    )  # fmt: skip
    clf = HypersphericalPrototypeClassifier(max_epochs=20, random_state=0)
    assert clf.fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.9


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_labels_scores_and_probabilities_agree(loss, dtype, digits, quick):
    X, y = digits
    clf = quick(loss=loss, dtype=dtype, max_epochs=2).fit(X, y)
    labels, probabilities = clf.predict(X), clf.predict_proba(X)
    np.testing.assert_array_equal(labels, clf.classes_[clf.decision_function(X).argmax(axis=1)])
    np.testing.assert_array_equal(labels, clf.classes_[probabilities.argmax(axis=1)])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_ties_go_to_the_first_class(quick):
    X, y = np.zeros((20, 2)), np.repeat([3, 1], 10)
    clf = quick(prototypes=[[1, 0], [-1, 0]], backbone=torch.nn.Identity()).fit(X, y)
    np.testing.assert_array_equal(clf.predict(X), np.ones(20))


def test_binary_decision_is_the_cosine_with_the_second_class(cancer, quick):
    X, y = cancer
    clf = quick().fit(X, y)
    cosine = clf.transform(X) @ clf.prototypes_[1]
    np.testing.assert_allclose(clf.decision_function(X), cosine, atol=1e-6)
    np.testing.assert_array_equal(clf.predict(X), (cosine > 0).astype(int))


@pytest.mark.parametrize(
    "rename",
    [
        lambda y: np.array(["ant", "bee", "cat"])[y],
        lambda y: np.array([-7, 5, 300])[y],
        lambda y: np.array([0.0, 1.0, 2.0])[y],
        lambda y: pd.Series(pd.Categorical.from_codes(y, ["a", "b", "c"])),
        lambda y: np.array(["ant", "bee", "cat"], dtype=object)[y],
    ],
    ids=["strings", "gaps", "floats", "categorical", "objects"],
)
def test_order_preserving_names_do_not_matter(rename, iris, quick):
    X, y = iris
    clf, renamed = quick().fit(X, y), quick().fit(X, rename(y))
    np.testing.assert_array_equal(renamed.predict(X), np.unique(rename(y))[clf.predict(X)])


def test_boolean_labels(cancer, quick):
    X, y = cancer
    np.testing.assert_array_equal(
        quick().fit(X, y.astype(bool)).predict(X), quick().fit(X, y).predict(X).astype(bool)
    )


def test_permuted_names_with_permuted_prototypes_do_not_matter(iris, quick):
    X, y = iris
    order = np.array([2, 0, 1])
    prototypes = place_prototypes(3, 8, method="random", random_state=0).numpy()
    params = {"dtype": "float64", "validation_fraction": 0}
    clf = quick(prototypes=prototypes, **params).fit(X, y)
    permuted = quick(prototypes=prototypes[np.argsort(order)], **params).fit(X, order[y])
    np.testing.assert_array_equal(permuted.predict(X), order[clf.predict(X)])


def test_rows_of_given_prototypes_follow_classes(iris, quick):
    X, y = iris
    given = sample_uniform(3, 5, generator=torch.Generator().manual_seed(0)).numpy()
    names = np.array(["c", "a", "b"])
    by_name = dict(zip(names, given, strict=True))
    clf = quick(prototypes=by_name).fit(X, names[y])
    np.testing.assert_allclose(clf.prototypes_, given[np.argsort(names)], rtol=1e-6)
    array = quick(prototypes=3.7 * given[np.argsort(names)]).fit(X, names[y])
    np.testing.assert_array_equal(array.predict(X), clf.predict(X))


def test_learned_prototypes_move_and_stay_unit(digits, quick):
    clf, fixed = quick(prototypes="learned").fit(*digits), quick().fit(*digits)
    assert np.abs(clf.prototypes_ - fixed.prototypes_).max() > 1e-3
    np.testing.assert_allclose(np.linalg.norm(clf.prototypes_, axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, 64),
        ({"embedding_dim": 5}, 5),
        ({"loss": "logits"}, 2),
        ({"prototypes": "polygon"}, 2),
        ({"prototypes": np.eye(3, 7)}, 7),
        ({"backbone": torch.nn.Linear(4, 11)}, 11),
        ({"backbone": lambda shape: torch.nn.Linear(shape[0], 9)}, 9),
    ],
)
def test_embedding_dim(params, expected, iris, quick):
    clf = quick(**params).fit(*iris)
    assert clf.embedding_dim_ == expected == clf.transform(iris[0]).shape[1]


def test_embeddings_are_unit_and_named(iris, quick):
    X = pd.DataFrame(iris[0], columns=list("abcd"))
    clf = quick(embedding_dim=3).fit(X, iris[1])
    np.testing.assert_allclose(np.linalg.norm(clf.transform(X), axis=1), 1, rtol=1e-6)
    names = [f"hypersphericalprototypeclassifier{i}" for i in range(3)]
    assert list(clf.get_feature_names_out()) == names
    assert list(clf.set_output(transform="pandas").transform(X).columns) == names
    assert clf.set_output(transform="polars").transform(X).columns == names


@pytest.mark.parametrize(
    "convert",
    [pd.DataFrame, pl.DataFrame, torch.from_numpy, np.asfortranarray, lambda X: X.tolist()],
    ids=["pandas", "polars", "torch", "fortran", "lists"],
)
def test_containers_do_not_matter(convert, iris, quick):
    X, y = iris
    X_like = convert(X)
    clf = quick().fit(X_like, y)
    np.testing.assert_array_equal(clf.predict_proba(X_like), quick().fit(X, y).predict_proba(X))


def test_a_zero_weight_removes_a_row(iris, quick):
    X, y = iris
    weight = np.arange(len(X)) % 2
    weighted = quick(dtype="float64").fit(X, y, sample_weight=weight)
    removed = quick(dtype="float64").fit(X[1::2], y[1::2])
    np.testing.assert_array_equal(weighted.predict_proba(X), removed.predict_proba(X))


@pytest.mark.parametrize("factor", [1e-3, 1.0, 1e3])
def test_only_ratios_of_weights_matter(factor, iris, quick):
    X, y = iris
    weight = np.random.default_rng(0).uniform(0.5, 2, len(X))
    clf, scaled = (
        quick(dtype="float64").fit(X, y, sample_weight=f * weight) for f in (1.0, factor)
    )
    np.testing.assert_allclose(scaled.predict_proba(X), clf.predict_proba(X), rtol=1e-6)


def test_balanced_equals_explicit_class_weights(iris, quick):
    X, y = iris[0][:120], iris[1][:120]
    balanced = quick(class_weight="balanced").fit(X, y)
    explicit = quick(class_weight={0: 0.8, 1: 0.8, 2: 2.0}).fit(X, y)
    np.testing.assert_allclose(explicit.predict_proba(X), balanced.predict_proba(X), rtol=1e-3)


def test_class_weight_moves_the_boundary(cancer, quick):
    X, y = cancer
    low, high = (quick(class_weight={0: 1.0, 1: w}).fit(X, y) for w in (0.01, 100.0))
    assert low.predict(X).sum() < high.predict(X).sum()


def test_partial_fit_learns_from_batches_without_every_class(digits, quick):
    X, y = digits
    clf = quick()
    order = np.argsort(y[:1000] % 3, kind="stable")
    for rows in np.array_split(np.tile(order, 10), 60):
        clf.partial_fit(X[rows], y[rows], classes=np.arange(10))
    assert clf.score(X[1000:], y[1000:]) > 0.85


def test_labels_named_beforehand_are_classes(quick):
    X, y = np.random.default_rng(0).normal(size=(20, 3)), np.repeat(["b", "d"], 10)
    clf = quick().partial_fit(X, y, classes=["a", "b", "c", "d"])
    assert clf.predict_proba(X).shape == (20, 4)


def test_warm_start_goes_on(digits, quick):
    X, y = digits
    clf = quick(warm_start=True, max_epochs=3).fit(X, y)
    first = clf.loss_curve_[0]
    clf.fit(X, y)
    assert clf.n_iter_ == 6
    assert clf.loss_curve_[3] < first


def test_fitting_anew_forgets(iris, quick):
    clf = quick().fit(*iris)
    again = clone(clf).fit(*iris)
    clf.fit(iris[0][:, :2], iris[1]).fit(*iris)
    np.testing.assert_array_equal(clf.predict_proba(iris[0]), again.predict_proba(iris[0]))


@pytest.mark.parametrize(
    "arrange",
    [
        lambda X: (X, {"input_shape": (8, 8)}),
        lambda X: (X.reshape(-1, 8, 8), {"input_shape": (8, 8)}),
        lambda X: (X.reshape(-1, 1, 8, 8), {}),
        lambda X: (X.reshape(-1, 8, 8, 1), {}),
        lambda X: (X, {"input_shape": (8, 8, 1)}),
    ],
    ids=["rows", "grey", "channels first", "channels last", "rows of channels last"],
)
def test_image_layouts_agree(arrange, digits, quick):
    X, shape = arrange(digits[0][:300])
    params = {"backbone": ConvNet((4, 8), n_blocks=1), "max_epochs": 2}
    clf = quick(**params, **shape).fit(X, digits[1][:300])
    reference = quick(**params, input_shape=(8, 8)).fit(digits[0][:300], digits[1][:300])
    np.testing.assert_array_equal(clf.predict_proba(X), reference.predict_proba(digits[0][:300]))


def test_bytes_count_in_255ths(digits, quick):
    images = (digits[0] * 15).astype(np.uint8)
    params = {"backbone": ConvNet((4, 8), n_blocks=1), "input_shape": (8, 8), "max_epochs": 2}
    clf = quick(**params, validation_fraction=0).fit(images, digits[1])
    np.testing.assert_allclose(clf.encoder_.mean_, images.mean() / 255)
    with pytest.raises(ValueError, match="X holds images of float64, but images of uint8"):
        clf.predict(images / 255)


def test_images_are_learned(digits):
    X, y = digits
    clf = HypersphericalPrototypeClassifier(
        backbone=ConvNet((16, 32)), input_shape=(8, 8), max_epochs=8, random_state=0
    )
    assert clf.fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.95


def test_own_network_stays_as_it_was(iris, quick):
    own = torch.nn.Linear(4, 3)
    before = own.weight.detach().clone()
    clf = quick(backbone=own).fit(*iris)
    assert torch.equal(own.weight, before)
    assert not torch.equal(clf.module_.backbone.weight, before)


def test_loss_may_be_a_callable(iris, quick):
    def squared(cosines, target, weight):
        return (1 - cosines[torch.arange(len(target)), target]).square().mean()

    X, y = iris
    own, named = quick(loss=squared).fit(X, y), quick(loss="squared_cosine").fit(X, y)
    np.testing.assert_allclose(own.transform(X), named.transform(X), atol=1e-4)


@pytest.mark.parametrize("optimizer", ["adam", "sgd", torch.optim.RMSprop])
@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "step", "constant"])
def test_optimizers_and_schedules_learn(optimizer, schedule, iris, quick):
    clf = quick(optimizer=optimizer, lr_schedule=schedule, max_epochs=30, max_grad_norm=1.0)
    assert clf.fit(*iris).score(*iris) > 0.8


@pytest.mark.parametrize("n_classes", [2, 3, 20])
def test_one_sample_per_class(n_classes, quick):
    X = np.random.default_rng(0).normal(size=(n_classes, 50))
    clf = quick(max_epochs=100).fit(X, np.arange(n_classes))
    assert clf.score(X, np.arange(n_classes)) == 1


def test_nested_parameters_can_be_tuned():
    clf = clone(HypersphericalPrototypeClassifier(backbone=MLP()).set_params(backbone__dropout=0.4))
    assert clf.get_params()["backbone__dropout"] == 0.4


@pytest.mark.parametrize(
    ("n_classes", "prototypes", "expected"),
    [(3, "auto", 64), (100, "auto", 100), (300, "auto", 256), (300, "simplex", 300)],
)
def test_default_dimension_stays_small_for_many_classes(n_classes, prototypes, expected, quick):
    X = np.random.RandomState(0).randn(3 * n_classes, 4)
    y = np.arange(3 * n_classes) % n_classes
    clf = quick(prototypes=prototypes, max_epochs=1).fit(X, y)
    assert clf.embedding_dim_ == expected
    # Half of them may be opposite, none is closer than a right angle.
    cosines = clf.prototypes_ @ clf.prototypes_.T - 2 * np.eye(n_classes)
    assert cosines.max() < 1e-5
