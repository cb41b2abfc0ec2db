"""Whatever goes wrong during a fit, nothing is lost: the estimator is what it was, or says so."""

import os
import pickle
import subprocess
import sys
import textwrap
import warnings
from copy import deepcopy

import numpy as np
import pytest
import torch
from faults import ESTIMATORS, LABELS, OTHER_LABELS, OTHER_X, Fault, X
from joblib.externals.loky.process_executor import TerminatedWorkerError
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from torch import nn

from sphereskl import MLP, HypersphericalPrototypeClassifier, SphereNetClassifier


def _fitted(cls, y):
    backbone = "auto" if cls is SphereNetClassifier else MLP((8,), n_members=2)
    return cls(backbone=backbone, max_epochs=2, random_state=0).fit(X, y)


@pytest.mark.parametrize("place", np.linspace(0.01, 0.99, 8).round(2))
@pytest.mark.parametrize("error", [MemoryError, OSError, KeyboardInterrupt])
@pytest.mark.parametrize("cls", ESTIMATORS, ids=lambda cls: cls.__name__)
@pytest.mark.filterwarnings("ignore:y holds labels that are not numbers")
def test_an_error_at_any_place_of_a_fit(cls, error, place):
    y, other_y = ESTIMATORS[cls]
    model = _fitted(cls, y)
    embedded, predicted = model.transform(X), model.predict(X)
    counter = Fault()
    assert counter.during(lambda: clone(model).fit(OTHER_X, other_y)) is None
    fault = Fault(error(), at=int(place * counter.n_calls))
    raised = fault.during(lambda: model.fit(OTHER_X, other_y))
    # Ctrl-C at the end of training asks callbacks to stop, and there is nothing left to stop.
    assert type(raised) is error or (raised is None and error is KeyboardInterrupt)
    if model.n_features_in_ == 4:
        np.testing.assert_array_equal(model.transform(X), embedded)
        np.testing.assert_array_equal(model.predict(X), predicted)
    else:
        # Ctrl-C while the network trained: the best model so far, complete.
        assert error is KeyboardInterrupt
        assert model.transform(OTHER_X).shape == (200, model.embedding_dim_)
        assert np.isfinite(model.transform(OTHER_X)).all()
        assert len(np.array(model.predict(OTHER_X), dtype=object).T) in (2, 200)


class Deadly:
    """A network that takes its process with it, but not the main one."""

    def __init__(self, main):
        self.main = main

    def __call__(self, input_shape):
        if os.getpid() != self.main:
            os._exit(1)
        return MLP((8,), n_members=1).build(input_shape, 8)


def test_a_worker_that_dies_ends_a_search_with_an_error():
    model = HypersphericalPrototypeClassifier(backbone=Deadly(os.getpid()), max_epochs=1)
    search = GridSearchCV(model, {"lr": [1e-2, 1e-3]}, n_jobs=2, cv=2)
    with pytest.raises(TerminatedWorkerError):
        search.fit(X, LABELS)
    assert not hasattr(search, "best_score_")
    # The next search has workers again.
    found = search.set_params(estimator__backbone=MLP((8,))).fit(X, LABELS)
    assert 0 <= found.best_score_ <= 1


class Break(nn.Module):
    """Passes this many batches of a training, and then gives NaN."""

    def __init__(self, n_left):
        super().__init__()
        self.n_left = n_left

    def forward(self, x):
        self.n_left -= self.training
        return x * torch.nan if self.training and self.n_left < 0 else x


class Breaking:
    def __init__(self, n_left):
        self.n_left = n_left

    def __call__(self, input_shape):
        return nn.Sequential(MLP((8,), n_members=1).build(input_shape, 8), Break(self.n_left))


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("cls", ESTIMATORS, ids=lambda cls: cls.__name__)
def test_a_fit_that_diverges_keeps_its_last_good_epoch(cls, early_stopping):
    options = {
        "lr_schedule": "constant",
        "early_stopping": early_stopping,
        "batch_size": 50,
        "random_state": 0,
    }
    whole = cls(backbone=Breaking(1000), max_epochs=2, **options).fit(X, ESTIMATORS[cls][0])
    n_batches = whole.history_[-1, "train_batch_count"]
    model = cls(backbone=Breaking(2 * n_batches + 1), max_epochs=6, **options)
    message = r"diverged: train_loss is nan in epoch 3, .* kept"
    with pytest.warns(ConvergenceWarning, match=message) as told:
        model.fit(X, ESTIMATORS[cls][0])
    assert {w.filename for w in told if w.category is ConvergenceWarning} == {__file__}
    assert model.n_iter_ == 2
    np.testing.assert_array_equal(model.transform(X), whole.transform(X))
    np.testing.assert_array_equal(model.predict(X), whole.predict(X))
    twin = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(twin.predict(X), whole.predict(X))


def test_a_search_scores_candidates_that_diverge_by_their_good_epochs():
    model = HypersphericalPrototypeClassifier(backbone=Breaking(40), batch_size=50, random_state=0)
    search = GridSearchCV(model, {"max_epochs": [2, 30]}, cv=3)
    with pytest.warns(ConvergenceWarning, match="Training diverged"):
        search.fit(X, LABELS)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def _in_a_process(code, **environment):
    """Run code in a fresh process; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_memory_that_runs_out_leaves_the_model():
    found = _in_a_process(
        """
        import resource
        import numpy as np
        from sphereskl import MLP, HypersphericalPrototypeClassifier
        X = np.random.RandomState(0).randn(200, 4)
        y = np.arange(200) % 3
        model = HypersphericalPrototypeClassifier(max_epochs=1, random_state=0).fit(X, y)
        before = model.predict_proba(X)
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, resource.RLIM_INFINITY))
        # A layer of 4 GB.
        model.set_params(backbone=MLP((32000, 32000), n_members=1))
        try:
            model.fit(X, y)
        except ValueError as error:
            print("backbone" in str(error))
        print(np.array_equal(model.predict_proba(X), before))
        """
    )
    assert found == ["True", "True"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_of_a_process_with_threads_predicts_and_fits():
    found = _in_a_process(
        """
        import os, warnings
        import numpy as np, torch
        from sphereskl import HypersphericalPrototypeClassifier
        torch.set_num_threads(2)
        X = np.random.RandomState(0).randn(20000, 4)
        y = (X[:, 0] > 0).astype(int)
        few = X[:500], y[:500]
        model = HypersphericalPrototypeClassifier(max_epochs=1, random_state=0).fit(*few)
        torch.ones(10**6).exp()  # on two threads
        before = model.predict_proba(X)
        warnings.simplefilter("ignore")
        child = os.fork()
        if not child:
            same = np.array_equal(model.predict_proba(X), before)
            again = model.fit(*few).predict_proba(X)
            os._exit(0 if same and np.array_equal(again, before) else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """
    )
    assert found == ["0"]


def test_nothing_is_written_to_a_home(tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    code = """
        import numpy as np
        from sphereskl import HypersphericalPrototypeClassifier
        X = np.random.RandomState(0).randn(200, 4)
        model = HypersphericalPrototypeClassifier(max_epochs=1, random_state=0)
        print(model.fit(X, np.arange(200) % 3).predict(X).shape)
        """
    places = {"HOME": str(home), "XDG_CACHE_HOME": str(home), "XDG_CONFIG_HOME": str(home)}
    assert _in_a_process(code, **places) == ["(200,)"]
    assert list(home.iterdir()) == []


def test_a_failed_fit_warns_of_nothing_later():
    model = _fitted(HypersphericalPrototypeClassifier, LABELS)
    with pytest.raises(ValueError, match="y_val"):
        model.fit(OTHER_X, OTHER_LABELS, X_val=OTHER_X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(X)


@pytest.mark.parametrize("place", np.linspace(0.02, 0.98, 16).round(2))
def test_ctrl_c_at_any_place_of_a_warm_start(place):
    model = _fitted(HypersphericalPrototypeClassifier, LABELS).set_params(warm_start=True)
    counter, again = Fault(), deepcopy(model)
    assert counter.during(lambda: again.fit(X, LABELS)) is None
    fault = Fault(KeyboardInterrupt(), int(place * counter.n_calls))
    assert type(fault.during(lambda: model.fit(X, LABELS))) in (KeyboardInterrupt, type(None))
    assert np.isfinite(model.transform(X)).all()
    assert model.n_iter_ in (2, 3, 4)
    assert model.fit(X, LABELS).n_iter_ > 2
