"""The ordinal classifier: order, soft labels, predictions, errors, and real data."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_diabetes
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score

from sphereskl import MLP, HypersphericalOrdinalClassifier, HypersphericalPrototypeClassifier
from sphereskl.geometry import arc

STAGES = ["low", "middle", "high", "extreme"]


@pytest.fixture(scope="module")
def stages():
    X, y = load_diabetes(return_X_y=True)
    return X, np.digitize(y, [90, 150, 230])


def quick(**params):
    defaults = {
        "backbone": MLP((32,), n_members=1),
        "max_epochs": 15,
        "lr": 1e-2,
        "random_state": 0,
    }
    return HypersphericalOrdinalClassifier(**{**defaults, **params})


def test_mistakes_are_smaller_than_without_the_order(stages):
    def error(estimator):
        found = [cross_val_predict(estimator(random_state=seed), *stages, cv=4) for seed in (0, 1)]
        return np.mean([mean_absolute_error(stages[1], y) for y in found])

    ordered = error(HypersphericalOrdinalClassifier)
    assert ordered < error(HypersphericalPrototypeClassifier) + 0.01
    assert ordered < 0.75


def test_prototypes_stand_on_the_arc_in_order(stages):
    model = quick(dtype="float64").fit(*stages)
    np.testing.assert_allclose(model.prototypes_, arc(4, 64), atol=1e-15)


def test_predictions_agree_with_probabilities_and_cosines(stages):
    X, y = stages
    model = quick().fit(X, y)
    np.testing.assert_array_equal(model.predict(X), model.predict_proba(X).argmax(axis=1))
    np.testing.assert_array_equal(model.predict(X), model.decision_function(X).argmax(axis=1))


def test_the_median_has_the_least_expected_distance_in_ranks(stages):
    X, y = stages
    names = np.array(STAGES)[y]
    model = quick(prediction="median", categories=STAGES).fit(X, names)
    in_order = model.predict_proba(X)[:, np.searchsorted(model.classes_, STAGES)]
    distance = np.abs(np.subtract.outer(np.arange(4), np.arange(4)))
    best = (in_order @ distance).argmin(axis=1)
    np.testing.assert_array_equal(model.predict(X), np.array(STAGES)[best])
    assert (model.predict(X) != model.classes_[model.predict_proba(X).argmax(axis=1)]).any()


def test_categories_say_the_order(stages):
    X, y = stages
    names = np.array(STAGES)[y]
    model = quick(categories=STAGES).fit(X, names)
    assert model.categories_.tolist() == STAGES
    numbered = quick().fit(X, y)
    np.testing.assert_array_equal(model.predict(X), np.array(STAGES)[numbered.predict(X)])
    in_order = model.predict_proba(X)[:, np.searchsorted(model.classes_, STAGES)]
    np.testing.assert_allclose(in_order, numbered.predict_proba(X), rtol=1e-4)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda names: pd.Series(pd.Categorical(names, STAGES, ordered=True)),
        lambda names: pd.Categorical(names, STAGES, ordered=True),
        lambda names: pl.Series(names.tolist(), dtype=pl.Enum(STAGES)),
    ],
    ids=["pandas series", "pandas categorical", "polars enum"],
)
def test_ordered_columns_bring_their_order(stages, wrap):
    X, y = stages
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = quick(max_epochs=1).fit(X, wrap(np.array(STAGES)[y]))
    assert model.categories_.tolist() == STAGES
    assert model.classes_.tolist() == sorted(STAGES)


def test_reversing_the_order_mirrors_nothing_but_the_labels(stages):
    X, y = stages
    # Other initial weights, as it were: one member fits noise in its own way, the mean does not.
    forth = quick(backbone=MLP((32,))).fit(X, y)
    back = quick(backbone=MLP((32,)), categories=[3, 2, 1, 0]).fit(X, y)
    assert np.mean(forth.predict(X) == back.predict(X)) > 0.8


def test_a_class_without_rows_keeps_its_place(stages):
    X, y = stages
    some = y != 1
    model = quick(categories=[0, 1, 2, 3]).fit(X[some], y[some])
    assert model.classes_.tolist() == [0, 1, 2, 3]
    assert model.predict_proba(X).shape == (len(X), 4)


def test_strings_without_an_order_are_warned_of(stages):
    X, y = stages
    with pytest.warns(UserWarning, match=r"\['extreme', 'high', 'low', 'middle'\]; pass categor"):
        quick(max_epochs=1).fit(X, np.array(STAGES)[y])


COSTS = {
    "squared": "squared",
    "absolute": "absolute",
    "log": "log",
    "matrix": np.abs(np.subtract.outer(range(4), range(4))) ** 1.5,
    "nested list": [[0, 1, 2, 3], [1, 0, 1, 2], [2, 1, 0, 1], [3, 2, 1, 0]],
}


@pytest.mark.parametrize("cost", COSTS.values(), ids=COSTS.keys())
def test_soft_labels_learn(stages, cost):
    X, y = stages
    assert mean_absolute_error(y, quick(cost=cost).fit(X, y).predict(X)) < 0.7


def test_a_cost_matrix_of_absolute_differences_is_the_named_one(stages):
    X, y = stages
    named = quick(cost="absolute", max_epochs=3).fit(X, y).predict_proba(X)
    given = quick(cost=COSTS["nested list"], max_epochs=3).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(given, named, rtol=1e-5)


def test_search_over_cost_and_prediction(stages):
    grid = {"cost": [None, "squared"], "prediction": ["argmax", "median"]}
    search = GridSearchCV(quick(max_epochs=3), grid, cv=2, scoring="neg_mean_absolute_error").fit(
        *stages
    )
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_two_classes_are_the_poles(stages):
    X, y = stages
    model = quick().fit(X, y > 1)
    np.testing.assert_allclose(model.prototypes_[0], -model.prototypes_[1], atol=1e-7)
    np.testing.assert_array_equal(model.predict(X), model.decision_function(X) > 0)


def _unordered(y):
    return pd.Series(pd.Categorical(np.array(STAGES)[y]))


BAD = {
    "unordered": ({}, _unordered, r"y is categorical without an order; pass categories=\[...\]"),
    "missing label": ({"categories": [0, 1, 2]}, None, r"y has the labels \[3\], .* name all"),
    "twice": ({"categories": [0, 1, 2, 3, 3]}, None, "categories must list every label once"),
    "shape": ({"cost": np.eye(3)}, None, r"cost must be a finite matrix of shape \(4, 4\)"),
    "nan": ({"cost": np.full((4, 4), np.nan)}, None, "cost must be a finite matrix"),
    "set": ({"cost": {1, 2}}, None, "cost must be a matrix of numbers"),
    "ragged": ({"cost": [[0, 1], [0]]}, None, "cost must be a matrix of numbers"),
    "diagonal": ({"cost": np.eye(4)}, None, "cost must be least on the diagonal, but row 0"),
    "name": ({"cost": "cubic"}, None, "'cost' parameter"),
    "prediction": ({"prediction": "mean"}, None, "'prediction' parameter"),
    "dimension": ({"embedding_dim": 1}, None, "embedding_dim must be at least 2"),
}


@pytest.mark.parametrize(("params", "change", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_leaves_the_last_fit(stages, params, change, message):
    X, y = stages
    model = quick(max_epochs=2).fit(X, y)
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match=message):
        model.set_params(**params).fit(X, y if change is None else change(y))
    np.testing.assert_array_equal(model.predict_proba(X), before)


def _named(y):
    return np.array(STAGES)[y]


@pytest.mark.parametrize(
    "scoring",
    ["neg_log_loss", "roc_auc_ovr", "roc_auc_ovo_weighted", "neg_brier_score", "d2_log_loss_score"],
)
def test_scorers_of_probabilities_see_named_labels_as_they_see_ranks(stages, scoring):
    # Scikit-learn takes columns to follow the sorted labels: alphabetical here, not by rank.
    X, y = stages
    ranked = cross_val_score(quick(max_epochs=5), X, y, cv=3, scoring=scoring)
    named = quick(max_epochs=5, categories=STAGES)
    found = cross_val_score(named, X, _named(y), cv=3, scoring=scoring)
    np.testing.assert_allclose(found, ranked, rtol=1e-3)


def test_two_named_classes_score_as_two_numbers(stages):
    X, y = stages
    low_high = np.array(["low", "high"])[(y > 1).astype(int)]
    clf = quick(categories=["low", "high"])
    assert cross_val_score(clf, X, low_high, cv=3, scoring="roc_auc").min() > 0.7
    fitted = clf.fit(X, low_high)
    towards_low = fitted.decision_function(X) > 0
    np.testing.assert_array_equal(towards_low, fitted.predict(X) == fitted.classes_[1])


@pytest.mark.parametrize("categories", ["auto", STAGES, np.array(STAGES)])
def test_columns_are_sorted_and_the_order_is_kept_apart(stages, categories):
    X, y = stages
    labels = pd.Series(pd.Categorical(_named(y), STAGES, ordered=True))
    model = quick(max_epochs=2, categories=categories).fit(X, labels)
    assert model.classes_.tolist() == sorted(STAGES)
    assert model.categories_.tolist() == STAGES
    in_order = model.prototypes_[np.searchsorted(model.classes_, STAGES)]
    np.testing.assert_allclose(in_order, arc(4, 64), atol=1e-6)
    np.testing.assert_array_equal(
        model.predict(X), model.classes_[model.predict_proba(X).argmax(axis=1)]
    )


def test_probabilities_of_cross_validation_have_sorted_columns(stages):
    X, y = stages
    clf = quick(max_epochs=5, categories=STAGES)
    columns = cross_val_predict(clf, X, _named(y), cv=3, method="predict_proba")
    ranked = cross_val_predict(quick(max_epochs=5), X, y, cv=3, method="predict_proba")
    np.testing.assert_allclose(columns[:, np.argsort(np.argsort(STAGES))], ranked, atol=1e-3)


META = {
    "voting": lambda clf: VotingClassifier([("o", clf)], voting="soft"),
    "stacking": lambda clf: StackingClassifier([("o", clf)], cv=2),
    "bagging": lambda clf: BaggingClassifier(clf, n_estimators=2, random_state=0),
    "calibration": lambda clf: CalibratedClassifierCV(clf, cv=2, ensemble=False),
    "sigmoid": lambda clf: CalibratedClassifierCV(clf, cv=2),
}


@pytest.mark.parametrize("wrap", META.values(), ids=META.keys())
def test_meta_estimators_that_encode_labels_keep_the_order(stages, wrap):
    # They hand over the places of the sorted labels: 0 is "extreme", 2 is "low".
    X, y = stages
    model = wrap(quick(categories=STAGES)).fit(X, _named(y))
    assert np.mean(model.predict(X) == _named(y)) > 0.45
    assert mean_absolute_error(y, pd.Index(STAGES).get_indexer(model.predict(X))) < 0.8


def test_voting_trains_the_order_that_was_named(stages):
    X, y = stages
    voting = META["voting"](quick(categories=STAGES)).fit(X, _named(y))
    inner = voting.estimators_[0]
    assert [voting.classes_[code] for code in inner.categories_] == STAGES
    alone = quick(categories=STAGES).fit(X, _named(y))
    np.testing.assert_array_equal(voting.predict(X), alone.predict(X))


@pytest.mark.parametrize(
    ("categories", "classes"),
    [
        (STAGES, None),
        (STAGES, STAGES),
        (STAGES, sorted(STAGES)),
        ("auto", STAGES),
        ("auto", pd.Categorical(STAGES, STAGES, ordered=True)),
        ("auto", pd.Series(pd.Categorical(sorted(STAGES), STAGES, ordered=True))),
    ],
    ids=["categories", "both", "sorted", "classes", "categorical", "series"],
)
def test_streams_keep_the_order(stages, categories, classes):
    X, y = stages
    model = quick(categories=categories).partial_fit(X[:50], _named(y)[:50], classes=classes)
    assert model.categories_.tolist() == STAGES
    assert model.classes_.tolist() == sorted(STAGES)
    assert model.partial_fit(X[50:], _named(y)[50:]).categories_.tolist() == STAGES


def test_a_stream_without_order_or_classes_asks_for_them(stages):
    X, y = stages
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        quick().partial_fit(X, y)


def test_another_order_does_not_slip_into_a_warm_start(stages):
    X, y = stages
    model = quick(warm_start=True, max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match=r"categories is \[3, 2, 1, 0\], but the network"):
        model.set_params(categories=[3, 2, 1, 0]).fit(X, y)
    turned = pd.Series(pd.Categorical(y, [3, 2, 1, 0], ordered=True))
    with pytest.raises(ValueError, match=r"y has the order \[3, 2, 1, 0\], but"):
        model.set_params(categories="auto").fit(X, turned)


def test_costs_follow_ranks_not_names(stages):
    # Mistaking "low" for "extreme" is dear, though their names are far apart in no alphabet.
    X, y = stages
    cost = COSTS["matrix"]
    named = quick(categories=STAGES, cost=cost, dtype="float64", max_epochs=3).fit(X, _named(y))
    ranked = quick(cost=cost, dtype="float64", max_epochs=3).fit(X, y)
    in_order = named.predict_proba(X)[:, np.searchsorted(named.classes_, STAGES)]
    np.testing.assert_allclose(in_order, ranked.predict_proba(X), rtol=1e-8)
