"""What fails leaves what was there."""

from types import SimpleNamespace

import pytest
import torch

from sphereskl.geometry import simplex
from sphereskl.nn import EmbeddingModel, squared_cosine
from sphereskl.training import Criterion, EmbeddingNet, TensorData, fit_net, unchanged_on_error

DATA = TensorData(torch.eye(3), torch.arange(3))


def _fitted():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = EmbeddingModel(torch.nn.Linear(3, 4), simplex(3, 4).float())
    net = EmbeddingNet(model, Criterion(squared_cosine), lr=0.01)
    fit_net(net, DATA, max_epochs=2, schedule="constant")
    return SimpleNamespace(net_=net, classes_=[1, 2, 3])


def _fail_after_training(estimator, error):
    with unchanged_on_error(estimator):
        fit_net(estimator.net_, DATA, max_epochs=3, schedule="constant")
        estimator.classes_, estimator.extra_ = [4], 5
        estimator.net_.lr = 7.0
        raise error


@pytest.mark.parametrize("error", [ValueError("wrong"), KeyboardInterrupt(), SystemExit()])
def test_attributes_weights_options_and_history_come_back(error):
    estimator = _fitted()
    before = estimator.net_.module_.embed(DATA.X)
    with pytest.raises(type(error)):
        _fail_after_training(estimator, error)
    assert vars(estimator).keys() == {"net_", "classes_"}
    assert estimator.classes_ == [1, 2, 3]
    assert estimator.net_.lr == 0.01
    assert len(estimator.net_.history) == 2
    assert torch.equal(estimator.net_.module_.embed(DATA.X), before)


def test_the_net_can_be_trained_on_after_a_failure():
    estimator = _fitted()
    with pytest.raises(ValueError, match="wrong"):
        _fail_after_training(estimator, ValueError("wrong"))
    fit_net(estimator.net_, DATA, max_epochs=1, schedule="constant", keeps_momentum=True)
    assert len(estimator.net_.history) == 3


def test_what_was_never_fitted_stays_so():
    estimator = SimpleNamespace()

    def fail():
        with unchanged_on_error(estimator):
            estimator.half_ = 1
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert vars(estimator) == {}


def test_success_is_kept():
    estimator = SimpleNamespace()
    with unchanged_on_error(estimator):
        estimator.whole_ = 1
    assert estimator.whole_ == 1
