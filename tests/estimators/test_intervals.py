"""Prediction intervals cover what they say, where errors are small and where they are large."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sphereskl import MLP, HypersphericalRegressor, load, save

RNG = np.random.default_rng(0)
X = RNG.uniform(0, 1, (1600, 1))
# Noise grows with the value.
Y = 4 * X[:, 0] + X[:, 0] * RNG.normal(0, 1, len(X))
FIT, NEW = slice(800), slice(800, None)
MODELS = {
    "members": HypersphericalRegressor(max_epochs=15, random_state=0),
    "one network": HypersphericalRegressor(
        backbone=MLP(n_members=1), early_stopping=True, max_epochs=15, random_state=0
    ),
}


@pytest.fixture(scope="module", params=sorted(MODELS))
def model(request):
    return clone(MODELS[request.param]).fit(X[FIT], Y[FIT])


def _covered(interval, y):
    return (interval[..., 0] <= y) & (y <= interval[..., 1])


@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_intervals_hold_the_share_of_values_that_is_asked_for(model, coverage):
    share = _covered(model.predict_interval(X[NEW], coverage), Y[NEW]).mean()
    # Three standard deviations of a quantile of the fewest held-out rows, 80.
    assert abs(share - coverage) < 3 * np.sqrt(coverage * (1 - coverage) / 80)


def test_intervals_are_wide_where_errors_are_large(model):
    width = np.ptp(model.predict_interval(X[NEW]), axis=1)
    assert width[X[NEW, 0] > 0.8].mean() > 2 * width[X[NEW, 0] < 0.2].mean()


def test_intervals_hold_the_prediction_in_their_middle(model):
    interval = model.predict_interval(X[NEW])
    np.testing.assert_allclose(interval.mean(axis=1), model.predict(X[NEW]), rtol=1e-5, atol=1e-5)


def test_more_coverage_needs_wider_intervals(model):
    narrow, wide = (model.predict_interval(X[NEW], coverage) for coverage in (0.6, 0.9))
    assert (wide[:, 0] < narrow[:, 0]).all()
    assert (wide[:, 1] > narrow[:, 1]).all()


def test_rows_do_not_know_of_each_other(model):
    together = model.predict_interval(X[NEW])
    alone = np.concatenate([model.predict_interval(X[k : k + 1]) for k in range(800, 810)])
    np.testing.assert_array_equal(together[:10], alone)


def test_another_unit_gives_the_same_intervals_in_it():
    celsius = clone(MODELS["members"]).fit(X[FIT], Y[FIT]).predict_interval(X[NEW])
    fahrenheit = clone(MODELS["members"]).fit(X[FIT], 1.8 * Y[FIT] + 32).predict_interval(X[NEW])
    np.testing.assert_allclose(fahrenheit, 1.8 * celsius + 32, rtol=1e-3, atol=1e-3)


def test_given_bounds_are_limits_of_intervals():
    model = clone(MODELS["members"]).set_params(bounds=(-4, 8)).fit(X[FIT], Y[FIT])
    interval = model.predict_interval(X[NEW], 0.99)
    assert interval.min() >= -4
    assert interval.max() <= 8


def test_values_beyond_bounds_that_nobody_gave_may_be_held():
    model = clone(MODELS["members"]).fit(X[FIT], Y[FIT])
    assert model.predict_interval(X[NEW], 0.98).min() < Y[FIT].min()


def test_every_target_has_its_intervals():
    many = np.stack([Y, -3 * Y], axis=1)
    model = clone(MODELS["members"]).fit(X[FIT], many[FIT])
    interval = model.predict_interval(X[NEW])
    assert interval.shape == (800, 2, 2)
    share = _covered(interval, many[NEW]).mean(axis=0)
    assert (abs(share - 0.9) < 0.06).all()


def test_judges_may_be_given():
    model = clone(MODELS["one network"])
    model.fit(X[FIT], Y[FIT], X_val=X[NEW][:400], y_val=Y[NEW][:400])
    assert abs(_covered(model.predict_interval(X[NEW][400:]), Y[NEW][400:]).mean() - 0.9) < 0.06


def test_values_that_do_not_vary_have_intervals_without_a_width():
    model = clone(MODELS["members"]).set_params(max_epochs=1).fit(X[FIT], np.full(800, 3.0))
    np.testing.assert_array_equal(model.predict_interval(X[:5]), np.full((5, 2), 3.0))


def test_a_stream_keeps_what_it_knew_of_errors_when_a_part_says_nothing():
    model = clone(MODELS["members"]).set_params(bounds=(-4, 12)).fit(X[FIT], Y[FIT])
    before = model._errors
    model.partial_fit(X[:3], Y[:3])
    assert model._errors is before
    assert model.partial_fit(X[NEW], Y[NEW])._errors is not before


def test_intervals_survive_a_file(model, tmp_path):
    save(model, tmp_path / "model.safetensors")
    loaded = load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict_interval(X[NEW]), model.predict_interval(X[NEW]))


def test_intervals_need_rows_that_were_held_out():
    model = clone(MODELS["one network"]).set_params(early_stopping=False, max_epochs=1)
    with pytest.raises(ValueError, match=r"needs .* not trained on.*early_stopping=True"):
        model.fit(X[FIT], Y[FIT]).predict_interval(X[NEW])


def test_a_new_fit_forgets_what_was_known_of_errors():
    model = clone(MODELS["one network"]).set_params(max_epochs=1).fit(X[FIT], Y[FIT])
    model.set_params(early_stopping=False).fit(X[FIT], Y[FIT])
    with pytest.raises(ValueError, match="needs at least ten samples"):
        model.predict_interval(X[NEW])


def test_coverage_that_no_rows_can_vouch_for_is_refused(model):
    with pytest.raises(ValueError, match=r"coverage is 0\.9999, but \d+ held-out samples support"):
        model.predict_interval(X[NEW], 0.9999)


@pytest.mark.parametrize("coverage", [0, 1, -0.1, 90, "0.9", None])
def test_coverage_is_a_share(model, coverage):
    with pytest.raises(ValueError, match="coverage must be a number between 0 and 1"):
        model.predict_interval(X[NEW], coverage)


def test_intervals_need_a_fit():
    with pytest.raises(NotFittedError):
        HypersphericalRegressor().predict_interval(X)
