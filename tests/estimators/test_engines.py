"""Searches on the engines of joblib: workers elsewhere, the same scores to the bit."""

import os
import signal

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_val_score
from skorch.callbacks import Callback

from sphereskl import HypersphericalPrototypeClassifier, HypersphericalRegressor
from sphereskl.nn import MLP

X, LABELS = (part[:200] for part in load_digits(return_X_y=True))


def _classifier(**options):
    options = {"backbone": MLP((16,), n_members=2), "max_epochs": 2, "device": "cpu", **options}
    return HypersphericalPrototypeClassifier(random_state=0, **options)


def _search():
    search = GridSearchCV(_classifier(), {"lr": [0.002, 0.01]}, cv=2, n_jobs=2)
    return search.fit(X, LABELS)


def _scores():
    regressor = HypersphericalRegressor(backbone=MLP((16,)), max_epochs=2, random_state=0)
    return cross_val_score(regressor, X, X[:, 20], cv=2, n_jobs=2)


class _DiesOnce(Callback):
    """Kills its process, but only if a file is missing, which it leaves."""

    def __init__(self, path):
        self.path = path

    def on_epoch_end(self, net, **kwargs):
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(scope="module")
def dask():
    """A worker of two threads on this machine: a cluster of one thread would do nothing."""
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 1, "threads_per_worker": 2, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster):
        yield "dask"


@pytest.fixture(scope="module")
def ray():
    """Two processes of ray on this machine."""
    ray = pytest.importorskip("ray")
    from ray.util.joblib import register_ray

    register_ray()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield "ray"
    ray.shutdown()


ENGINES = ["dask", pytest.param("ray", marks=pytest.mark.slow)]


@pytest.fixture(params=ENGINES)
def engine(request):
    return request.getfixturevalue(request.param)


def test_scores_are_those_of_this_process(engine):
    here = _search()
    with parallel_config(backend=engine):
        there = _search()
    scores = [search.cv_results_["mean_test_score"].tolist() for search in (here, there)]
    assert scores[0] == scores[1]
    assert np.array_equal(here.predict_proba(X), there.predict_proba(X))


def test_cross_validation_is_that_of_this_process(engine):
    here = _scores()
    with parallel_config(backend=engine):
        assert _scores().tolist() == here.tolist()


@pytest.mark.slow
def test_what_a_worker_that_died_left_is_done_by_another(tmp_path):
    distributed = pytest.importorskip("distributed")
    classifier = _classifier(callbacks=[_DiesOnce(str(tmp_path / "died"))])
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster):
        with parallel_config(backend="dask"):
            scores = cross_val_score(classifier, X, LABELS, cv=2, n_jobs=2)
    assert (tmp_path / "died").exists()
    assert scores.tolist() == cross_val_score(_classifier(), X, LABELS, cv=2).tolist()
