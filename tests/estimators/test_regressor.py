"""The regressor: laws of the arc, shapes, losses, errors, and real data."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_linnerud
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sphereskl import MLP, ConvNet, HypersphericalRegressor


@pytest.fixture(scope="module")
def diabetes():
    return load_diabetes(return_X_y=True)


@pytest.fixture(scope="module")
def exercise():
    return load_linnerud(return_X_y=True)


def quick(**params):
    defaults = {"backbone": MLP((32,)), "max_epochs": 8, "lr": 1e-2, "random_state": 0}
    return HypersphericalRegressor(**{**defaults, **params})


def test_learns_real_data_about_as_well_as_ridge(diabetes):
    ours = cross_val_score(HypersphericalRegressor(random_state=0), *diabetes, cv=5).mean()
    assert ours > cross_val_score(Ridge(), *diabetes, cv=5).mean() - 0.05


@pytest.mark.parametrize(("factor", "shift"), [(3.0, 0.0), (1e-6, 5.0), (1e5, -1e6)])
def test_predictions_follow_unit_and_origin(diabetes, factor, shift):
    X, y = diabetes
    first = quick().fit(X, y).predict(X)
    other = quick().fit(X, factor * y + shift).predict(X)
    np.testing.assert_allclose(
        other, factor * first + shift, rtol=1e-4, atol=1e-4 * factor * np.ptp(y)
    )


def test_a_negative_factor_swaps_the_poles(diabetes):
    # Negating the first output of the last layer mirrors the sphere; nothing else differs.
    X, y = diabetes
    params = {"dtype": "float64", "max_epochs": 1, "batch_size": len(X)}
    up, down = quick(**params).fit(X, y), quick(**params).fit(X, -y)
    assert up.bounds_.tolist() == (-down.bounds_[:, ::-1]).tolist()
    np.testing.assert_allclose(
        up.target_encoder_.encode(y), -down.target_encoder_.encode(-y), atol=1e-14
    )


@pytest.mark.parametrize("bounds", ["minmax", (0.0, 400.0)])
def test_predictions_stay_within_the_bounds(diabetes, bounds):
    X, y = diabetes
    model = quick(bounds=bounds).fit(X, y)
    low, high = model.bounds_[0]
    far = model.predict(50 * X)
    assert (low <= far).all()
    assert (far <= high).all()


def test_margin_moves_the_bounds_apart(diabetes):
    X, y = diabetes
    width = np.ptp(y)
    model = quick(bounds_margin=0.5, max_epochs=1).fit(X, y)
    np.testing.assert_allclose(
        model.bounds_, [[y.min() - 0.5 * width, y.max() + 0.5 * width]], rtol=1e-12
    )


def test_rows_of_weight_zero_do_not_count_in_the_bounds(diabetes):
    X, y = diabetes
    weight = (y < 200).astype(float)
    assert quick(max_epochs=1).fit(X, y, weight).bounds_[0, 1] == y[y < 200].max()


@pytest.mark.parametrize("value", [0.1, -1e9])
def test_a_constant_is_predicted_exactly(diabetes, value):
    X = diabetes[0]
    y = np.full(len(X), value)
    model = quick().fit(X, y)
    np.testing.assert_array_equal(model.predict(3 * X), y)
    assert np.isfinite(model.loss_curve_).all()


def test_values_beyond_the_bounds_can_be_scored(diabetes):
    X, y = diabetes
    inner = (y > 100) & (y < 200)
    assert np.isfinite(quick().fit(X[inner], y[inner]).score(X, y))


def test_output_has_the_shape_of_y(diabetes):
    X, y = diabetes
    flat = quick().fit(X, y).predict(X)
    column = quick().fit(X, y[:, None]).predict(X)
    several = quick().fit(X, np.stack([y, -y, y**2], axis=1)).predict(X)
    assert flat.shape == (len(X),)
    np.testing.assert_array_equal(column, flat[:, None])
    assert several.shape == (len(X), 3)


def test_several_values_have_a_sphere_each(exercise):
    X, y = exercise
    model = HypersphericalRegressor(random_state=0, embedding_dim=12).fit(X, y)
    assert model.prototypes_.shape == (3, 4)
    assert model.embedding_dim_ == 12
    norms = np.linalg.norm(model.transform(X).reshape(len(X), 3, 4), axis=2)
    np.testing.assert_allclose(norms, 1, rtol=1e-6)
    assert len(model.get_feature_names_out()) == 12


def test_several_values_are_learned_as_well_as_one_by_one(diabetes):
    X, y = diabetes
    Y = np.stack([y, X[:, 2] ** 2 + X[:, 8], X[:, 0] * X[:, 3] - X[:, 9]], axis=1)
    model = HypersphericalRegressor(random_state=0)
    together = cross_val_predict(model, X, Y, cv=2)
    alone = [cross_val_predict(model, X, column, cv=2) for column in Y.T]
    assert r2_score(Y, together) > 0.95 * r2_score(Y, np.stack(alone, axis=1))


@pytest.mark.parametrize("loss", ["squared", "gaussian", "absolute", "huber", "quantile"])
def test_every_loss_learns(diabetes, loss):
    X, y = diabetes
    assert quick(loss=loss, max_epochs=20).fit(X, y).score(X, y) > 0.3


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_the_quantile_loss_leaves_its_share_below(diabetes, quantile):
    X, y = diabetes
    model = quick(loss="quantile", quantile=quantile, max_epochs=60).fit(X, y)
    assert np.mean(y <= model.predict(X)) == pytest.approx(quantile, abs=0.08)


def test_own_loss(diabetes):
    X, y = diabetes

    def fourth_power(cosines, target, weight):
        return (cosines - target).pow(4).mean()

    assert quick(loss=fourth_power, max_epochs=30).fit(X, y).score(X, y) > 0.2


def test_skewed_values_through_a_transformed_target(diabetes):
    X, y = diabetes
    model = TransformedTargetRegressor(quick(max_epochs=30), func=np.log, inverse_func=np.exp)
    assert model.fit(X, np.exp(y / 30)).score(X, np.exp(y / 30)) > 0.1


def test_pipeline_search_and_frames(diabetes):
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), quick())
    grid = {
        "hypersphericalregressor__bounds_margin": [0.0, 0.1],
        "hypersphericalregressor__backbone__dropout": [0.0, 0.2],
    }
    search = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
    assert search.best_estimator_[-1].feature_names_in_.tolist() == X.columns.tolist()


def test_images_and_own_networks():
    X = np.random.default_rng(0).uniform(size=(60, 8, 8)).astype(np.float32)
    y = X.mean(axis=(1, 2))
    small = ConvNet(widths=(8,), n_blocks=1)
    assert quick(backbone=small, input_shape=(8, 8)).fit(X, y).predict(X).shape == (60,)
    own = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 6))
    model = quick(backbone=own, input_shape=(8, 8)).fit(X, np.stack([y, -y], axis=1))
    assert model.prototypes_.shape == (2, 3)


def test_early_stopping_watches_held_out_rows(diabetes):
    X, y = diabetes
    model = quick(early_stopping=True, max_epochs=40, n_iter_no_change=3).fit(X, y)
    assert len(model.validation_scores_) == model.n_iter_
    judged = quick(early_stopping=True).fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
    assert judged.validation_scores_[-1] > 0.2


def test_validation_score_is_r2(diabetes):
    rng = np.random.default_rng(0)
    target, found = rng.normal(size=(2, 30, 2))
    weight = rng.uniform(size=30)
    score = HypersphericalRegressor._score(*map(torch.from_numpy, (found, target, weight)))
    assert score.item() == pytest.approx(r2_score(target, found, sample_weight=weight))
    constant = torch.ones(4, 1)
    assert HypersphericalRegressor._score(constant, constant, None).item() == 1


def test_partial_fit_goes_on_within_its_bounds(diabetes):
    X, y = diabetes
    model = quick(bounds=(0.0, 400.0))
    for _ in range(20):
        model.partial_fit(X[:200], y[:200]).partial_fit(X[200:], y[200:])
    assert model.score(X, y) > 0.3


def test_warm_start_goes_on(diabetes):
    X, y = diabetes
    model = quick(warm_start=True, max_epochs=2).fit(X, y)
    first = model.loss_curve_[0]
    assert model.fit(X, y).n_iter_ == 4
    assert model.loss_curve_[-1] < first


BAD = {
    "order": ({"bounds": (5.0, 1.0)}, r"bounds must be finite with low < high, got \(5.0, 1.0\)"),
    "nan": ({"bounds": (np.nan, 1.0)}, "bounds must be finite"),
    "word": ({"bounds": "widest"}, "'bounds' parameter.*'minmax'"),
    "exceeded": ({"bounds": (0.0, 100.0)}, r"bounds are \(0.0, 100.0\), but y reaches from 25.0"),
    "margin": ({"bounds_margin": -0.1}, "'bounds_margin' parameter"),
    "quantile": ({"loss": "quantile", "quantile": 1.0}, "'quantile' parameter"),
    "dimension": ({"embedding_dim": 1}, "embedding_dim must be a multiple.* got 1"),
}


@pytest.mark.parametrize(("params", "message"), BAD.values(), ids=BAD.keys())
def test_bad_parameters_leave_the_last_fit(diabetes, params, message):
    X, y = diabetes
    model = quick(max_epochs=2).fit(X, y)
    before = model.predict(X)
    with pytest.raises(ValueError, match=message):
        model.set_params(**params).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), before)


def test_spheres_must_share_the_embedding_evenly(exercise):
    with pytest.raises(ValueError, match=r"multiple of the number of targets, 3, .* got 8"):
        quick(embedding_dim=8).fit(*exercise)


def test_wrong_number_of_targets(exercise):
    X, y = exercise
    model = quick(max_epochs=1).partial_fit(X, y)
    with pytest.raises(ValueError, match="y has 2 targets, but the fitted model has 3"):
        model.partial_fit(X, y[:, :2])
    with pytest.raises(ValueError, match="y_val has 1 targets"):
        quick().fit(X, y, X_val=X, y_val=y[:, 0])


def test_missing_values_in_y_are_refused(diabetes):
    X, y = diabetes
    with pytest.raises(ValueError, match="y contains NaN"):
        quick().fit(X, pd.Series(y).where(y > 100))


@pytest.mark.parametrize("cls", [HypersphericalRegressor])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_values_beyond_settled_bounds_are_told(method, cls):
    X = np.random.RandomState(0).randn(90, 4)
    model = cls(backbone=MLP((8,)), warm_start=True, max_epochs=2, random_state=0)
    getattr(model, method)(X, X[:, 0] / 10)
    getattr(model, method)(X, X[:, 0] / 20)
    with pytest.warns(UserWarning, match="y has values beyond the bounds -0.2.* pass bounds"):
        getattr(model, method)(X, X[:, 0])
    with pytest.warns(UserWarning, match="beyond the bounds 1 and 1 of the first fit"):
        cls(backbone=MLP((8,))).partial_fit(X, np.ones(90)).partial_fit(X, X[:, 0])


def test_rows_of_weight_0_have_no_say_in_bounds():
    X, weight = np.random.RandomState(0).randn(90, 4), np.arange(90) % 2
    y = np.where(weight, X[:, 0], 1e6)
    model = HypersphericalRegressor(backbone=MLP((8,)), max_epochs=1, random_state=0)
    assert model.fit(X, y, sample_weight=weight).bounds_.max() < 5


@pytest.mark.parametrize("factor", [2.0**1022, 2.0**-1000])
def test_values_may_be_of_any_size(factor):
    X = np.random.RandomState(0).randn(90, 4)
    y = np.sign(X[:, 0]) * (1 + (X[:, 1] > 0) * 0.5)
    model = HypersphericalRegressor(backbone=MLP((8,)), max_epochs=3, random_state=0)
    expected = model.fit(X, y).predict(X)
    np.testing.assert_allclose(model.fit(X, y * factor).predict(X) / factor, expected, rtol=0.1)


def test_a_margin_beyond_the_largest_number_is_an_error():
    X = np.random.RandomState(0).randn(90, 4)
    with pytest.raises(ValueError, match=r"bounds_margin is 2.0, which moves the bounds beyond"):
        HypersphericalRegressor(bounds_margin=2.0).fit(X, np.sign(X[:, 0]) * 1e308)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_scores_of_small_floats_near_their_largest_are_those_of_doubles(dtype):
    X, y = load_diabetes(return_X_y=True)
    y = (y * (np.finfo(dtype).max / (2 * y.max()))).astype(dtype)
    model = HypersphericalRegressor(max_epochs=3, random_state=0).fit(X, y)
    assert model.score(X, y) == pytest.approx(model.score(X, y.astype(np.float64)), rel=1e-6)
