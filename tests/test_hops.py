"""One call stays in few places: frames of the package, files, and jumps between files."""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

import sphereskl
from sphereskl import (
    HypersphericalMultiTask,
    HypersphericalOrdinalClassifier,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
    SphereNetClassifier,
)
from sphereskl.nn import ANGULAR_LOSSES, LOSSES, make_angular_loss

ROOT = str(Path(sphereskl.__file__).parent)

X = np.random.RandomState(0).randn(60, 4)
LABELS = np.arange(60) % 3


def _hops(call):
    """Run a call twice, so that caches are filled, and count (frames, files, jumps)."""
    entered = []

    def on_event(frame, event, _):
        if event == "call" and frame.f_code.co_filename.startswith(ROOT):
            entered.append(frame.f_code.co_filename)

    call()
    sys.setprofile(on_event)
    try:
        call()
    finally:
        sys.setprofile(None)
    jumps = sum(a != b for a, b in pairwise(entered))
    return np.array([len(entered), len(set(entered)), jumps])


def _estimator(cls):
    # A network of the user's own, of which no frame is the package's. One epoch in one batch.
    options = {"backbone": torch.nn.Linear(4, 8), "max_epochs": 1, "device": "cpu"}
    return cls(random_state=0, **options)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_a_class_loss_is_one_function(name):
    cosines, target = torch.rand(8, 5), torch.arange(8) % 5
    assert _hops(lambda: LOSSES[name](cosines, target)).tolist() == [1, 1, 0]


@pytest.mark.parametrize("name", sorted(ANGULAR_LOSSES))
def test_an_angular_loss_stays_in_three_files(name):
    cosines, target, norm = torch.rand(8, 5), torch.arange(8) % 5, torch.ones(8)
    loss = make_angular_loss(name)
    assert (_hops(lambda: loss(cosines, target, None, norm)) <= [6, 3, 3]).all()


@pytest.mark.parametrize(
    ("cls", "y"),
    [
        (HypersphericalPrototypeClassifier, LABELS),
        (HypersphericalRegressor, X[:, 0]),
        (SphereNetClassifier, LABELS),
    ],
)
def test_a_prediction_is_easy_to_follow(cls, y):
    estimator = _estimator(cls).fit(X, y)
    # Of the jumps, eight are the guard of threads around encoding and inference.
    assert (_hops(lambda: estimator.predict(X)) <= [36, 15, 21]).all()


# Of the jumps, some 20 are guards: of threads, of what the caller has switched in torch, of
# labels of other libraries, of weights. Some 30 of a classifier's look back at its rows, some 5 go
# between the net and its loop of epochs, some 25 read rows in parts, wherever they are stored, and
# some 20 choose the shortest way through a step, in shards or as a whole; some 6 see to it that
# weights and outputs are finite.
@pytest.mark.parametrize(
    ("cls", "y", "most"),
    [
        (HypersphericalPrototypeClassifier, LABELS, 211),
        (HypersphericalRegressor, X[:, 0], 161),
        (HypersphericalOrdinalClassifier, LABELS, 210),
        (SphereNetClassifier, LABELS, 226),
        (HypersphericalMultiTask, (LABELS, X[:, 0]), 202),
    ],
)
def test_a_fit_jumps_less_often_than_it_did(cls, y, most):
    assert _hops(lambda: _estimator(cls).fit(X, y))[2] <= most
