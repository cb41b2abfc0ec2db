"""A compiled fit is the fit, compiled once for each network."""

import copy
import pickle
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, ShuffleSplit
from torch._dynamo.testing import CompileCounterWithBackend

from sphereskl import MLP, ConvNet, HypersphericalPrototypeClassifier, SphereNetClassifier
from sphereskl.nn import SphereCNN

X, y = load_digits(return_X_y=True)
pytestmark = pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")

SMALL = ConvNet(widths=(8,), n_blocks=1, dropout=0.2)


@pytest.fixture
def counter(monkeypatch):
    """Compile without a C++ compiler, and count graphs."""
    torch.compiler.reset()
    count = CompileCounterWithBackend("aot_eager")
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=count, fullgraph=True))
    yield count
    torch.compiler.reset()


def _classifier(cls=HypersphericalPrototypeClassifier, backbone=SMALL, **params):
    params = {"max_epochs": 2, "random_state": 0, "input_shape": (8, 8), "device": "cpu", **params}
    return cls(backbone=backbone, **params)


@pytest.mark.parametrize(
    "estimator",
    [
        _classifier(),
        _classifier(precision="bf16"),
        _classifier(SphereNetClassifier, SphereCNN(3, (8, 8, 8)), loss="arcface"),
        _classifier(SphereNetClassifier, SphereCNN(3, (8, 8, 8)), regularizer="orthogonal"),
    ],
    ids=["dropout", "bf16", "margin", "regularizer"],
)
def test_the_fit_is_the_same(counter, estimator):
    # Of 300 images, batches of 54: no shards, which have statistics of their own.
    plain = copy.deepcopy(estimator).set_params(batch_size=30).fit(X[:300], y[:300])
    fitted = estimator.set_params(compile=True, batch_size=30).fit(X[:300], y[:300])
    assert counter.frame_count == 1
    np.testing.assert_allclose(fitted.loss_curve_, plain.loss_curve_, rtol=1e-4)
    np.testing.assert_allclose(fitted.transform(X), plain.transform(X), atol=2e-3)


def test_batches_of_all_sizes_and_later_fits_share_a_compilation(counter):
    clf = _classifier(compile=True, batch_size=64, warm_start=True).fit(X[:500], y[:500])
    clf.fit(X[:1000], y[:1000]).partial_fit(X[1000:], y[1000:])
    assert counter.frame_count == 1


def test_a_search_compiles_every_network(counter):
    # Torch gives up on a function after eight compilations.
    backbone = MLP((4,), n_members=1, numeric_embedding=None)
    clf = _classifier(backbone=backbone, input_shape=None, compile=True, max_epochs=1)
    grid, split = {"backbone__hidden_layer_sizes": [(n,) for n in range(4, 14)]}, ShuffleSplit(1)
    GridSearchCV(clf, grid, cv=split, refit=False).fit(X[:200], y[:200])
    assert counter.frame_count == 10


def test_what_was_compiled_is_not_carried(counter):
    clf = _classifier(compile=True, warm_start=True).fit(X[:200], y[:200])
    twin, plain = pickle.loads(pickle.dumps(clf)), pickle.loads(pickle.dumps(clf))
    assert twin.net_.forward_ is None
    twin.fit(X[:200], y[:200])
    assert counter.frame_count == 2
    plain.set_params(compile=False).fit(X[:200], y[:200])
    np.testing.assert_allclose(twin.transform(X), plain.transform(X), atol=2e-3)


def test_a_compiler_that_fails_is_told_with_the_way_out(monkeypatch):
    def fails(graph, inputs):
        raise OSError("no compiler")

    torch.compiler.reset()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=fails))
    with pytest.raises(RuntimeError, match=r"compile=True, .*: .*no compiler; train with"):
        _classifier(compile=True).fit(X[:200], y[:200])


@pytest.mark.slow
# Torch's compiler imports what torch deprecates.
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method`:DeprecationWarning")
def test_compiled_by_the_default_compiler():
    plain, fitted = (
        _classifier(batch_size=30, compile=compiles).fit(X[:300], y[:300])
        for compiles in (False, True)
    )
    np.testing.assert_allclose(fitted.loss_curve_, plain.loss_curve_, rtol=1e-4)
