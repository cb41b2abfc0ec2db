"""Values to cosines and back."""

import re

import numpy as np
import pytest

from sphereskl.preprocessing import Values, from_cosines, resolve_bounds, to_cosines

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("bounds", [(-1.0, 1.0), (0.1, 0.3), (1000.0, 1932.0), (-1e300, 1e300)])
def test_bounds_are_the_poles_exactly(bounds):
    y, bounds = np.array(bounds)[:, None], np.array([bounds])
    if bounds[0, 1] < 1e200:
        np.testing.assert_array_equal(to_cosines(y, bounds), [[-1.0], [1.0]])
    np.testing.assert_array_equal(from_cosines(np.array([[-1.0], [1.0]]), bounds), y)


def test_the_way_there_and_back_ends_where_it_began():
    y = RNG.normal(size=(200, 3)) * [1, 1e-5, 1e4] + [0, 7, -1e5]
    bounds = resolve_bounds("minmax", 0.2, y)
    back = from_cosines(to_cosines(y, bounds), bounds)
    np.testing.assert_allclose(back, y, rtol=1e-12, atol=1e-12 * np.ptp(y, axis=0).max())


def test_cosines_do_not_depend_on_unit_and_origin():
    y = RNG.normal(size=(50, 1))
    first = to_cosines(y, resolve_bounds("minmax", 0.0, y))
    other = to_cosines(8 * y + 3, resolve_bounds("minmax", 0.0, 8 * y + 3))
    np.testing.assert_allclose(other, first, rtol=0, atol=1e-14)


def test_a_negative_factor_swaps_the_poles():
    y = RNG.normal(size=(50, 1))
    first = to_cosines(y, resolve_bounds("minmax", 0.0, y))
    np.testing.assert_allclose(
        to_cosines(-y, resolve_bounds("minmax", 0.0, -y)), -first, rtol=0, atol=1e-14
    )


def test_values_beyond_the_bounds_are_beyond_the_poles():
    np.testing.assert_allclose(to_cosines(np.array([[3.0]]), np.array([[0.0, 2.0]])), [[2.0]])


def test_a_single_value_is_half_way_and_comes_back():
    y = np.full((4, 1), 0.1)
    bounds = resolve_bounds("minmax", 0.5, y)
    np.testing.assert_array_equal(to_cosines(y, bounds), np.zeros((4, 1)))
    np.testing.assert_array_equal(from_cosines(np.array([[-0.7], [0.0], [1.0]]), bounds), y[:3])


def test_missing_values_do_not_count():
    y = np.array([[1.0], [np.nan], [3.0]])
    np.testing.assert_array_equal(resolve_bounds("minmax", 0.0, y), [[1.0, 3.0]])
    assert np.isnan(to_cosines(y, np.array([[1.0, 3.0]]))[1, 0])


def test_a_pair_holds_for_all_targets_and_pairs_for_one_each():
    y = RNG.uniform(size=(5, 2))
    np.testing.assert_array_equal(resolve_bounds((0, 1), 0.0, y), [[0, 1], [0, 1]])
    np.testing.assert_array_equal(resolve_bounds([(0, 1), (-1, 3)], 0.5, y), [[-0.5, 1.5], [-3, 5]])


BAD = {
    "order": ((2.0, 1.0), r"low < high, got \(2.0, 1.0\)"),
    "equal": ((1.0, 1.0), r"low < high, got \(1.0, 1.0\)"),
    "nan": ((np.nan, 1.0), r"finite with low < high, got \(nan, 1.0\)"),
    "infinite": ((0.0, np.inf), r"finite with low < high, got \(0.0, inf\)"),
    "three numbers": ((0.0, 1.0, 2.0), "pair .low, high. or one pair for each of the 1 targets"),
    "no numbers": (("a", "b"), "bounds must be 'minmax', a pair"),
    "exceeded": ((0.2, 1.0), r"bounds are \(0.2, 1.0\), but y reaches from 0.0 to 0.9; widen"),
}


@pytest.mark.parametrize(("bounds", "message"), BAD.values(), ids=BAD.keys())
def test_bad_bounds(bounds, message):
    with pytest.raises(ValueError, match=message):
        resolve_bounds(bounds, 0.0, np.array([[0.0], [0.9]]))


def test_bad_bounds_name_their_target():
    with pytest.raises(ValueError, match=r"got \(2.0, 1.0\) for target 1"):
        resolve_bounds([(0, 1), (2, 1)], 0.0, np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"y of target 1 reaches from 5.0 to 5.0"):
        resolve_bounds([(0, 9), (0, 1)], 0.0, np.full((3, 2), 5.0))


def test_another_number_of_targets_is_refused():
    one, two = Values().fit(np.arange(3.0)), Values().fit(np.eye(3, 2))
    with pytest.raises(ValueError, match=r"y has 2 .*1"):
        one.check_same(two)


@pytest.mark.parametrize(("far", "bounds"), [(1e300, [0.0, 2.0]), (-1.7e308, [0.0, 2.0])])
@pytest.mark.filterwarnings("ignore:y has values beyond the bounds")
@pytest.mark.parametrize("name", ["y", "y_val"])
def test_values_whose_loss_would_overflow_are_refused(far, bounds, name):
    encoder = Values(bounds).fit(np.array([0.0, 1.0, 2.0]))
    y = np.array([0.5, far, 1.0])
    message = rf"{name} has {far:g} in row 1, so far beyond the bounds 0 and 2 of the first fit"
    with pytest.raises(ValueError, match=re.escape(message)):
        encoder.encode(y, name)


@pytest.mark.parametrize("size", [1e-300, 1.0, 1e300])
def test_values_somewhat_beyond_the_bounds_are_encoded_in_any_unit(size):
    encoder = Values([0.0, 2 * size]).fit(np.array([0.0, 2.0]) * size)
    cosines = encoder.encode(np.array([-1.0, 1.0, 1e6]) * size, "y_val")
    np.testing.assert_allclose(cosines[:, 0], [-2.0, 0.0, 1e6 - 1], rtol=1e-6)
