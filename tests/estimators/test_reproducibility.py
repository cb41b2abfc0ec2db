"""Same seed, same model; same row, same prediction; the caller's random state is theirs."""

import hashlib
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV, cross_val_predict

from sphereskl import ConvNet, HypersphericalPrototypeClassifier
from sphereskl.estimators._prototypes import _placed

SCRIPT = """
import hashlib
from sklearn.datasets import load_digits
from sphereskl import HypersphericalPrototypeClassifier
X, y = load_digits(return_X_y=True)
clf = HypersphericalPrototypeClassifier(max_epochs=3, random_state=0).fit(X, y)
print(hashlib.sha256(clf.predict_proba(X).tobytes()).hexdigest())
"""


@pytest.fixture(scope="module")
def default(digits):
    return HypersphericalPrototypeClassifier(max_epochs=3, random_state=0).fit(*digits)


@pytest.mark.parametrize("threads", ["1", "2"])
def test_processes_agree_whatever_their_threads(threads, default, digits, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    here = hashlib.sha256(default.predict_proba(digits[0]).tobytes()).hexdigest()
    assert run.stdout.strip() == here


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_jobs_agree(backend, digits):
    X, y = digits[0][:600], digits[1][:600]
    clf = HypersphericalPrototypeClassifier(max_epochs=2, random_state=0)
    alone = cross_val_predict(clf, X, y, cv=4, method="predict_proba", n_jobs=1)
    with joblib.parallel_backend(backend):
        together = cross_val_predict(clf, X, y, cv=4, method="predict_proba", n_jobs=2)
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("threads", [1, 2])
def test_searched_prototypes_do_not_depend_on_threads(threads, digits):
    torch.set_num_threads(threads)
    params = {"embedding_dim": 4, "max_epochs": 1, "random_state": 3}
    clf = HypersphericalPrototypeClassifier(**params).fit(*digits)
    torch.set_num_threads(1)
    _placed.cache_clear()
    again = HypersphericalPrototypeClassifier(**params).fit(*digits)
    np.testing.assert_array_equal(clf.prototypes_, again.prototypes_)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_convolutional_fit_does_not_depend_on_threads(threads, digits):
    X, y = digits[0][:200], digits[1][:200]
    params = {"backbone": ConvNet((8,)), "input_shape": (8, 8), "max_epochs": 2, "random_state": 0}
    torch.set_num_threads(threads)
    clf = HypersphericalPrototypeClassifier(**params).fit(X, y)
    assert torch.get_num_threads() == threads
    torch.set_num_threads(1)
    again = HypersphericalPrototypeClassifier(**params).fit(X, y)
    np.testing.assert_array_equal(clf.predict_proba(X), again.predict_proba(X))


@pytest.mark.parametrize("seed", [0, 1])
def test_seeds_differ(seed, default, digits):
    clf = HypersphericalPrototypeClassifier(max_epochs=3, random_state=seed).fit(*digits)
    same = np.array_equal(clf.predict_proba(digits[0]), default.predict_proba(digits[0]))
    assert same == (seed == 0)


@pytest.mark.parametrize("method", ["predict_proba", "decision_function", "transform"])
@pytest.mark.parametrize(
    "rows", [[5], [1700, 3], range(31), range(33), range(1500, 0, -7)], ids=len
)
def test_a_row_does_not_depend_on_its_batch(method, rows, default, digits):
    X, rows = digits[0], np.array(rows)
    predict = getattr(default, method)
    np.testing.assert_array_equal(predict(X[rows]), predict(X)[rows])


@pytest.mark.parametrize("backbone", ["auto", torch.nn.Sequential(torch.nn.Dropout(0.5))])
def test_global_random_states_are_neither_read_nor_changed(backbone, digits):
    def fit():
        clf = HypersphericalPrototypeClassifier(backbone=backbone, max_epochs=2, random_state=0)
        return clf.fit(*digits).predict_proba(digits[0])

    torch_state = torch.get_rng_state()
    numpy_state = np.random.get_state()  # noqa: NPY002
    first = fit()
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state[1])  # noqa: NPY002
    np.random.rand(7)  # noqa: NPY002
    torch.rand(7)
    np.testing.assert_array_equal(fit(), first)


@pytest.mark.parametrize("module", [pickle, joblib], ids=["pickle", "joblib"])
def test_pickles_predict_the_same_and_hold_no_data(module, default, digits, tmp_path):
    path = tmp_path / "clf.pkl"
    with path.open("wb") as file:
        module.dump(default, file)
    with path.open("rb") as file:
        loaded = module.load(file)
    np.testing.assert_array_equal(loaded.predict_proba(digits[0]), default.predict_proba(digits[0]))
    n_parameters = sum(p.numel() for p in default.module_.parameters())
    known = sum(array.nbytes for array in default._reference.values())
    assert path.stat().st_size < 4 * n_parameters + known + 30_000


def test_a_loaded_model_learns_on(default, digits):
    loaded = pickle.loads(pickle.dumps(default))
    assert loaded.partial_fit(*digits).n_iter_ == 4


def test_a_grid_finds_the_same_on_two_jobs(digits):
    X, y = digits[0][:400], digits[1][:400]
    clf = HypersphericalPrototypeClassifier(max_epochs=2, random_state=0)
    grid = {"embedding_dim": [4, 16], "loss": ["cosine", "cross_entropy"]}
    one, two = (GridSearchCV(clf, grid, cv=3, n_jobs=n).fit(X, y) for n in (1, 2))
    np.testing.assert_array_equal(
        one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"]
    )
