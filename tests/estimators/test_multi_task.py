"""A class and a value at once: single-task limits, missing targets, forms, errors."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score

from sphereskl import (
    MLP,
    HypersphericalMultiTask,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
)


@pytest.fixture(scope="module")
def flowers():
    frame = load_iris(as_frame=True).frame
    y = frame[["target", "petal width (cm)"]]
    return frame.iloc[:, :3], y.set_axis(["species", "width"], axis=1)


def quick(**params):
    defaults = {
        "backbone": MLP((32,), n_members=1),
        "max_epochs": 40,
        "lr": 1e-2,
        "random_state": 0,
    }
    return HypersphericalMultiTask(**{**defaults, **params})


def test_learns_both(flowers):
    X, y = flowers
    model = HypersphericalMultiTask(random_state=0).fit(X, y)
    assert accuracy_score(y["species"], model.predict_class(X)) > 0.93
    assert r2_score(y["width"], model.predict_value(X)) > 0.9


def test_score_is_the_mean_of_accuracy_and_r2(flowers):
    X, y = flowers
    model = quick().fit(X, y)
    found = model.predict(X)
    weight = np.linspace(0, 1, len(X))
    expected = (
        accuracy_score(y["species"], found["species"], sample_weight=weight)
        + r2_score(y["width"], found["width"], sample_weight=weight)
    ) / 2
    assert model.score(X, y, weight) == pytest.approx(expected)


def _last_axes(embedding_dim):
    """A network whose rows carry an axis for the value in front of those of the classes."""

    def build(input_shape):
        network = MLP((16,), n_members=1).build(input_shape, embedding_dim)
        return torch.nn.Sequential(network, _Drop())

    return build


class _Drop(torch.nn.Module):
    def forward(self, z):
        return z[:, 1:]


SAME = {
    "max_epochs": 3,
    "validation_fraction": 0,
    "dtype": "float64",
    "random_state": 0,
    "embedding_dim": 5,
}


def test_without_the_class_it_is_the_regressor(flowers):
    X, y = flowers
    backbone = MLP((16,))
    joint = HypersphericalMultiTask(backbone=backbone, task_weight=0, **SAME).fit(X, y)
    alone = HypersphericalRegressor(backbone=backbone, loss="gaussian", **SAME).fit(X, y["width"])
    np.testing.assert_allclose(joint.predict_value(X), alone.predict(X), rtol=1e-10)


def test_without_the_value_it_is_the_classifier(flowers):
    X, y = flowers

    def whole(input_shape):
        return MLP((16,), n_members=1).build(input_shape, 5)

    joint = HypersphericalMultiTask(backbone=whole, task_weight=1, **SAME).fit(X, y)
    same = {**SAME, "embedding_dim": 4}
    alone = HypersphericalPrototypeClassifier(backbone=_last_axes(5), **same).fit(X, y["species"])
    np.testing.assert_allclose(joint.predict_proba(X), alone.predict_proba(X), rtol=1e-9)


def test_rows_that_lack_one_target_train_the_other(flowers):
    X, y = flowers
    gaps = y.astype({"species": object})
    gaps.loc[::2, "species"], gaps.loc[1::2, "width"] = None, np.nan
    model = quick(max_epochs=80).fit(X, gaps)
    assert accuracy_score(y["species"], model.predict_class(X)) > 0.9
    assert r2_score(y["width"], model.predict_value(X)) > 0.8
    assert np.isfinite(model.score(X, gaps))


def test_rows_that_lack_both_are_left_out(flowers):
    X, y = flowers
    gaps = y.astype({"species": object})
    gaps.loc[:9] = [None, np.nan]
    some = quick(max_epochs=3).fit(X, gaps)
    fewer = quick(max_epochs=3).fit(X[10:], y[10:])
    np.testing.assert_array_equal(some.predict_proba(X), fewer.predict_proba(X))


def test_repetition_equals_weight_in_one_batch(flowers):
    X, y = flowers[0][::5], flowers[1][::5]
    params = {
        "dtype": "float64",
        "max_epochs": 5,
        "batch_size": 100,
        "backbone": MLP((8,), n_members=1),
    }
    times = np.arange(len(X)) % 3
    weighted = quick(**params).fit(X, y, sample_weight=times)
    index = np.repeat(np.arange(len(X)), times)
    repeated = quick(**params).fit(X.iloc[index], y.iloc[index])
    np.testing.assert_allclose(weighted.predict_value(X), repeated.predict_value(X), rtol=1e-9)
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-9)


def test_a_pair_of_arrays_gives_a_pair(flowers):
    X, y = flowers
    model = quick(max_epochs=2).fit(X, (y["species"].to_numpy(), y["width"].to_numpy()))
    label, value = model.predict(X)
    np.testing.assert_array_equal(label, quick(max_epochs=2).fit(X, y).predict(X)["species"])
    np.testing.assert_array_equal(value, model.predict_value(X))


def test_labels_may_be_words(flowers):
    X, y = flowers
    words = y.assign(species=np.array(["setosa", "versicolor", "virginica"])[y["species"]])
    assert set(quick().fit(X, words).predict(X)["species"]) <= set(words["species"])


def test_value_and_class_are_read_off_one_embedding(flowers):
    X, y = flowers
    model = quick(embedding_dim=3).fit(X, y)
    z = model.transform(X).astype(np.float64)
    low, high = model.bounds_[0]
    np.testing.assert_allclose(model.predict_value(X), low + (high - low) * (1 + z[:, 0]) / 2)
    nearest = (z[:, 1:] @ model.prototypes_.T).argmax(axis=1)
    np.testing.assert_array_equal(model.predict_class(X), model.classes_[nearest])
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    assert model.embedding_dim_ == len(model.get_feature_names_out()) == 3


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_cosine", "cosine"])
def test_every_loss_learns(flowers, loss):
    X, y = flowers
    assert quick(loss=loss).fit(X, y).score(X, y) > 0.85


def test_cross_validation_and_search(flowers):
    X, y = flowers
    order = np.random.default_rng(0).permutation(len(X))
    X, y = X.iloc[order], y.iloc[order]
    assert cross_val_score(quick(), X, y, cv=3).min() > 0.7
    search = GridSearchCV(quick(max_epochs=3), {"task_weight": [0.1, 0.5]}, cv=2).fit(X, y)
    assert clone(search.best_estimator_).task_weight in (0.1, 0.5)


def test_early_stopping_and_warm_start(flowers):
    X, y = flowers
    model = quick(early_stopping=True, warm_start=True).fit(X, y)
    assert len(model.validation_scores_) == len(model.history_)
    epochs = model.n_iter_
    assert model.fit(X, y).n_iter_ > epochs
    judged = quick(early_stopping=True).fit(X[::2], y[::2], X_val=X[1::2], y_val=y[1::2])
    assert judged.validation_scores_[-1] > 0.8


BAD = {
    "one class": (lambda y: y.assign(species=1), "needs at least 2 classes"),
    "no value": (lambda y: y.assign(width=np.nan), "y holds no value in any row"),
    "one column": (lambda y: y[["species"]], "with two columns or as a pair"),
    "a vector": (lambda y: y["width"].to_numpy(), "with two columns or as a pair"),
    "order of columns": (lambda y: y.assign(width="wide"), "y_value must hold numbers"),
    "infinity": (lambda y: y.assign(width=np.inf), "y_value must be finite"),
    "too few rows": (lambda y: y[:-1], "inconsistent numbers of samples"),
}


@pytest.mark.parametrize(("spoil", "message"), BAD.values(), ids=BAD.keys())
def test_bad_targets_leave_the_last_fit(flowers, spoil, message):
    X, y = flowers
    model = quick(max_epochs=2).fit(X, y)
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match=message):
        model.fit(X, spoil(y))
    np.testing.assert_array_equal(model.predict_proba(X), before)


BAD_PARAMETERS = {
    "task weight": ({"task_weight": 1.5}, "'task_weight' parameter"),
    "dimension": ({"embedding_dim": 2}, "embedding_dim must be at least 3, got 2"),
    "bounds": ({"bounds": (0, 1)}, r"bounds are \(0.0, 1.0\), but y reaches from 0.1 to 2.5"),
    "loss": ({"loss": "logits"}, "'loss' parameter"),
}


@pytest.mark.parametrize(("params", "message"), BAD_PARAMETERS.values(), ids=BAD_PARAMETERS.keys())
def test_bad_parameters(flowers, params, message):
    with pytest.raises(ValueError, match=message):
        quick(**params).fit(*flowers)


def test_unknown_labels_of_validation_rows(flowers):
    X, y = flowers
    with pytest.raises(ValueError, match=r"y_val has the labels \[9\], which are not among"):
        quick().fit(X, y, X_val=X, y_val=y.assign(species=9))


@pytest.fixture
def shuffled():
    X = pd.DataFrame(np.random.RandomState(0).randn(90, 3), columns=list("abc"))
    return X.sample(frac=1, random_state=1)


def _small(**params):
    return HypersphericalMultiTask(backbone=MLP((8,)), max_epochs=2, random_state=0, **params)


def test_a_frame_that_is_predicted_has_the_index_of_the_samples(shuffled):
    y = pd.DataFrame({"sign": np.where(shuffled.a > 0, "p", "n"), "value": shuffled.a})
    model = _small().fit(shuffled, y)
    predicted = model.predict(shuffled)
    assert predicted.index.equals(shuffled.index)
    assert predicted.columns.equals(y.columns)
    np.testing.assert_array_equal(predicted["value"], model.predict_value(shuffled))
    bare = _small().fit(shuffled.to_numpy(), y).predict(shuffled.to_numpy())
    assert bare.index.equals(pd.RangeIndex(90))


def test_names_of_targets_may_be_tuples(shuffled):
    y = pd.DataFrame({("a", 1): np.arange(90) % 2, ("a", 2): shuffled.a.to_numpy()})
    assert (
        _small().fit(shuffled.to_numpy(), y).predict(shuffled.to_numpy()).columns.equals(y.columns)
    )


def test_numbers_come_back_as_numbers(shuffled):
    y = np.c_[np.arange(90) % 3, shuffled.a]
    predicted = _small().fit(shuffled, y).predict(shuffled)
    assert predicted.dtype == np.float64
    assert set(predicted[:, 0]) <= {0.0, 1.0, 2.0}
    # What came as objects comes back as objects, whose classes have their own type.
    words = np.c_[np.array(["u", "v"], object)[np.arange(90) % 2], shuffled.a]
    assert set(_small().fit(shuffled, words).predict(shuffled)[:, 0]) <= {"u", "v"}


def test_values_in_place_of_classes_are_an_error(shuffled):
    with pytest.raises(ValueError, match=r"y_class holds values such as .*class comes first"):
        _small().fit(shuffled, np.c_[shuffled.a, np.arange(90) % 3])


def test_classes_of_weight_0_are_none(shuffled):
    label, weight = np.arange(90) % 3, (np.arange(90) % 3 != 2).astype(float)
    model = _small().fit(shuffled, (label, shuffled.a), sample_weight=weight)
    assert model.classes_.tolist() == [0, 1]
    kept = weight > 0
    expected = _small().fit(shuffled[kept], (label[kept], shuffled.a[kept]))
    np.testing.assert_array_equal(model.transform(shuffled), expected.transform(shuffled))


def test_a_score_is_that_of_the_half_that_is_there(shuffled):
    label = np.arange(90) % 3
    model = _small().fit(shuffled, (label, shuffled.a))
    none = [None] * 90
    accuracy = np.mean(model.predict_class(shuffled) == label)
    assert model.score(shuffled, (label, none)) == pytest.approx(accuracy)
    r2 = r2_score(shuffled.a, model.predict_value(shuffled))
    assert model.score(shuffled, (none, shuffled.a)) == pytest.approx(r2)
    assert model.score(shuffled, (label, shuffled.a)) == pytest.approx((accuracy + r2) / 2)
    with pytest.raises(ValueError, match="neither a class nor a value"):
        model.score(shuffled, (none, none))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.score(shuffled, (label[:5], shuffled.a[:5]))


def test_judges_without_a_class_have_no_accuracy(shuffled):
    given = (np.arange(90) % 3, shuffled.a)
    model = _small().fit(shuffled, given, X_val=shuffled[:9], y_val=([None] * 9, shuffled.a[:9]))
    assert np.isnan(model.validation_scores_).all()


@pytest.mark.parametrize(
    "method", ["predict", "predict_class", "predict_value", "predict_proba", "predict_log_proba"]
)
def test_before_fit_it_says_so(method, shuffled):
    with pytest.raises(NotFittedError, match="HypersphericalMultiTask instance is not fitted"):
        getattr(_small(), method)(shuffled)
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        _small().score(shuffled, (np.arange(90), shuffled.a))


@pytest.mark.parametrize("form", [np.array, np.ndarray.tolist, torch.tensor, torch.Tensor])
def test_the_embedding_follows_given_prototypes_and_has_an_axis_more(form):
    X, label = load_iris(return_X_y=True)
    given = np.array([[3.0, 0, 0], [0, 2, 0], [0, 0, 1]])
    model = HypersphericalMultiTask(prototypes=form(given), max_epochs=5, random_state=0)
    model.fit(X, (label, X[:, 0]))
    assert model.transform(X).shape == (150, 4)
    np.testing.assert_allclose(model.prototypes_, np.eye(3), atol=1e-7)
    model.set_params(embedding_dim=4).fit(X, (label, X[:, 0]))
    with pytest.raises(ValueError, match=r"embedding_dim is 3, .* have 3 columns, which"):
        model.set_params(embedding_dim=3).fit(X, (label, X[:, 0]))
