"""The best scale is where a cross-entropy with a weak prior is least."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from sphereskl.training._best_scale import best_scale

RNG = np.random.default_rng(0)


def _labelled(scale, n_samples, n_classes):
    """Return cosines and one-hot labels that are drawn with a scale."""
    cosines = RNG.uniform(-1, 1, size=(n_samples, n_classes))
    drawn = (scale * cosines + RNG.gumbel(size=cosines.shape)).argmax(axis=1)
    return cosines, np.eye(n_classes)[drawn]


def _objective(scale, logits, expected, start):
    loss = -(expected * log_softmax(scale * logits, axis=1)).sum()
    return loss + math.log(scale / start) ** 2 / 2


@pytest.mark.parametrize("start", [1.0, 6.0, 30.0])
@pytest.mark.parametrize("true", [0.5, 4.0, 16.0])
@pytest.mark.parametrize("shape", [(1, 2), (12, 3), (300, 2), (300, 40)], ids=str)
def test_the_scale_is_the_minimiser_of_scipy(shape, true, start):
    logits, expected = _labelled(true, *shape)
    found = best_scale(logits, expected, start)
    value = _objective(found, logits, expected, start)
    oracle = minimize_scalar(
        lambda x: _objective(start * math.exp(x), logits, expected, start),
        bounds=(-3, 3),
        method="bounded",
        options={"xatol": 1e-6},
    )
    # Of a sum over samples: far below what one of them is worth.
    assert value - oracle.fun < 1e-3


@pytest.mark.parametrize("n_classes", [2, 7])
def test_soft_labels_that_a_scale_explains_give_it_back(n_classes):
    logits = RNG.uniform(-1, 1, size=(2000, n_classes))
    found = best_scale(logits, softmax(5.0 * logits, axis=1), start=4.0)
    assert found == pytest.approx(5.0, rel=2e-3)


def test_a_weight_counts_as_copies():
    logits, expected = _labelled(4.0, 60, 3)
    weight = np.arange(60) % 3 + 1
    weighted = best_scale(logits, expected * weight[:, None], 7.0)
    copied = best_scale(logits.repeat(weight, axis=0), expected.repeat(weight, axis=0), 7.0)
    assert weighted == pytest.approx(copied, rel=1e-9)


def test_what_all_logits_of_a_sample_share_does_not_count():
    logits, expected = _labelled(4.0, 60, 3)
    offset = 100 * RNG.normal(size=(60, 1))
    assert best_scale(logits + offset, expected, 7.0) == pytest.approx(
        best_scale(logits, expected, 7.0), rel=1e-6
    )


def test_confident_mistakes_make_the_scale_smaller_and_separation_larger():
    labels = np.eye(3)[np.arange(300) % 3]
    assert best_scale(-labels, labels, 5.0) == pytest.approx(5.0 * math.exp(-3))
    assert 5.0 < best_scale(labels, labels, 5.0) < 5.0 * math.exp(3)


@pytest.mark.parametrize(("start", "factor"), [(1e6, math.exp(-3)), (1e-6, 1.0)])
def test_a_start_that_is_far_off_is_left_by_a_factor_of_twenty_at_most(start, factor):
    # Where a scale is so small that it makes no difference, the prior keeps it.
    logits, expected = _labelled(4.0, 300, 3)
    assert best_scale(logits, expected, start) == pytest.approx(factor * start, rel=1e-3)


def test_without_information_the_start_is_kept():
    assert best_scale(np.zeros((5, 3)), np.eye(3)[[0, 1, 2, 0, 1]], 6.0) == pytest.approx(6.0)


def test_samples_without_weight_do_not_count():
    logits, expected = _labelled(4.0, 60, 3)
    more = np.concatenate([logits, logits[:5]]), np.concatenate([expected, np.zeros((5, 3))])
    assert best_scale(*more, 7.0) == pytest.approx(best_scale(logits, expected, 7.0), rel=1e-9)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_end_the_search(bad):
    logits, expected = _labelled(4.0, 60, 3)
    logits[3, 1] = bad
    assert math.isnan(best_scale(logits, expected, 7.0))
