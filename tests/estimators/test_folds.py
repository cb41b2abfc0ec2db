"""Members judge one another: no row is lost, and none is judged by who has seen it."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import AdaBoostClassifier
from sklearn.model_selection import train_test_split

from sphereskl import (
    MLP,
    HypersphericalOrdinalClassifier,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
)
from sphereskl.estimators import _learning
from sphereskl.nn import fit_scale


@pytest.fixture
def seen(monkeypatch):
    """What training was given last."""
    given, train = {}, _learning.fit_net

    def watch(net, data, valid, **options):
        given.update(train=data, valid=valid, **options)
        return train(net, data, valid, **options)

    monkeypatch.setattr(_learning, "fit_net", watch)
    return given


def _model(cls=HypersphericalPrototypeClassifier, n_members=4, **params):
    defaults = {"max_epochs": 4, "lr": 1e-2, "random_state": 0}
    return cls(backbone=MLP((16,), n_members=n_members), **{**defaults, **params})


X, Y = load_iris(return_X_y=True)


def test_all_rows_train_and_all_rows_judge(seen):
    _model().fit(X, Y)
    assert len(seen["train"].X) == len(seen["valid"].X) == len(X)
    sizes = np.bincount(seen["train"].fold)
    assert len(sizes) == 4
    # Copies of a row are in one fold, of which iris has few.
    assert sizes.max() - sizes.min() <= 3


def test_a_member_learns_nothing_from_the_rows_that_judge_it(monkeypatch):
    def trained():
        # A loss that learns no scale, which members would have in common.
        model = _model(loss="squared_cosine", early_stopping=False, max_epochs=2).fit(X, Y)
        return dict(model.module_.backbone.named_parameters())

    weights, train = trained(), _learning.fit_net

    def spoil(net, data, valid, **options):
        target = torch.where(data.fold == 2, (data.target + 1) % 3, data.target)
        return train(net, data._replace(target=target), valid, **options)

    monkeypatch.setattr(_learning, "fit_net", spoil)
    others = trained()
    for name in (name for name in weights if name.endswith("weight")):
        same = [torch.equal(a, b) for a, b in zip(weights[name], others[name], strict=True)]
        assert same == [False, False, True, False], name


@pytest.mark.parametrize(
    ("params", "stops", "judged"),
    [
        ({}, True, True),
        ({"early_stopping": False}, False, False),
        ({"early_stopping": True}, True, True),
        ({"n_members": 1}, False, False),
        ({"n_members": 1, "early_stopping": True}, True, True),
    ],
    ids=str,
)
def test_training_stops_by_itself_where_that_costs_no_row(seen, params, stops, judged):
    _model(**params).fit(X, Y)
    assert (seen["patience"] is not None) == stops
    assert (seen["valid"] is not None) == judged


def test_rows_that_the_user_gives_are_the_only_judges(seen):
    _model().fit(X, Y, X_val=X[::5], y_val=Y[::5])
    assert seen["train"].fold is None
    assert len(seen["valid"].X) == len(X[::5])
    assert seen["patience"] is not None


@pytest.mark.parametrize("params", [{"validation_fraction": 0}, {"n_members": 1}], ids=str)
def test_without_folds_every_member_learns_from_every_row(seen, params):
    _model(HypersphericalRegressor, **params).fit(X, Y.astype(float))
    assert seen["train"].fold is None
    assert len(seen["train"].X) == len(X)


def test_few_rows_judge_nobody(seen):
    _model().fit(X[::20], Y[::20])
    assert seen["train"].fold is None


def test_a_class_of_one_row_is_learned_by_all(seen):
    target = np.where(np.arange(len(X)) == 0, 9, Y)
    _model().fit(X, target)
    assert (seen["train"].fold == -1).sum() == 1
    assert len(seen["valid"].X) == len(X) - 1


def test_the_scale_is_that_of_rows_that_a_member_has_not_seen(seen):
    model = _model().fit(X, Y)
    valid = seen["valid"]
    with torch.inference_mode():
        single = model.module_.logits(valid.X, valid.fold)
    expected = fit_scale(
        single,
        valid.target,
        expected=model.module_.scale.item(),
        n_distinct=len(np.unique(X, axis=0)),
    )
    assert model.scale_ == pytest.approx(expected, rel=1e-5)


def test_the_mean_is_what_predictions_are_made_of():
    model = _model().fit(X, Y)
    z, length = model.transform(X), model.resultant_length(X)
    np.testing.assert_allclose(
        model.decision_function(X), length[:, None] * (z @ model.prototypes_.T), atol=1e-6
    )
    assert model.n_members_ == 4
    assert (length < 1).any()


def test_members_agree_less_far_from_the_data():
    model = HypersphericalPrototypeClassifier(random_state=0).fit(X, Y)
    middle = X.min(axis=0) + (X.max(axis=0) - X.min(axis=0)) * [0.1, 0.9, 0.9, 0.1]
    assert model.resultant_length(middle[None])[0] < np.median(model.resultant_length(X))


def test_several_values_have_a_length_each():
    model = _model(HypersphericalRegressor).fit(X[:, :2], X[:, 2:])
    assert model.resultant_length(X[:, :2]).shape == (len(X), 2)


def test_members_are_better_than_one():
    X, y = load_diabetes(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

    def score(n_members):
        models = (
            HypersphericalRegressor(
                backbone=MLP(n_members=n_members), early_stopping=True, random_state=seed
            )
            for seed in range(3)
        )
        return np.mean([model.fit(X_train, y_train).score(X_test, y_test) for model in models])

    assert score(8) > score(1)


def test_going_on_keeps_the_folds(seen):
    model = _model(warm_start=True).fit(X, Y)
    first = seen["train"].fold
    model.fit(X, Y)
    assert torch.equal(first, seen["train"].fold)


def test_weights_of_boosting_reach_the_members():
    boosted = AdaBoostClassifier(_model(max_epochs=30), n_estimators=2, random_state=0)
    assert boosted.fit(X, Y).score(X, Y) > 0.9


def test_folds_of_ordered_classes_are_those_of_ranks(seen):
    model = _model(HypersphericalOrdinalClassifier, categories=[2, 0, 1])
    model.fit(X, Y)
    one = seen["train"].fold
    names = np.array(["b", "c", "a"])[Y]
    model.set_params(categories=["a", "b", "c"]).fit(X, names)
    assert torch.equal(one, seen["train"].fold)
