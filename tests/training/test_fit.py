"""One call trains a net and leaves nothing of the call behind."""

import pytest
import torch
from skorch.callbacks import Callback

from sphereskl.geometry import simplex
from sphereskl.nn import EmbeddingModel, squared_cosine
from sphereskl.training import Criterion, EmbeddingNet, TensorData, fit_net, seeded


def _data(seed=0):
    X = torch.randn(60, 4, generator=torch.Generator().manual_seed(seed))
    return TensorData(X, X.argmax(dim=1) % 3)


def _net(layer=None, **options):
    with seeded(0):
        model = EmbeddingModel(layer or torch.nn.Linear(4, 8), simplex(3, 8).float())
    return EmbeddingNet(model, Criterion(squared_cosine), **{"lr": 0.01, **options})


def _weights(net):
    return torch.cat([p.detach().flatten() for p in net.module_.parameters()])


class _Threads(Callback):
    def on_epoch_end(self, net, **kwargs):
        self.n_threads_ = torch.get_num_threads()


def test_a_fit_computes_on_one_thread_and_restores_the_others():
    before, heard = torch.get_num_threads(), _Threads()
    torch.set_num_threads(3)
    try:
        fit_net(_net(), _data(), max_epochs=1, schedule="constant", callbacks=[heard])
        assert (heard.n_threads_, torch.get_num_threads()) == (1, 3)
    finally:
        torch.set_num_threads(before)


def test_callbacks_are_forgotten():
    net = fit_net(_net(), _data(), max_epochs=1, schedule="constant", callbacks=[_Threads()])
    assert net.callbacks_ == []
    assert net.callbacks is None


def test_patience_stops_and_goes_back_to_the_best_epoch():
    options = {"schedule": "constant", "max_epochs": 200}
    net = fit_net(_net(lr=0.3), _data(), _data(1), patience=3, **options)
    losses = net.history[:, "valid_loss"]
    assert len(losses) < 200
    assert torch.isfinite(_weights(net)).all()
    assert min(losses) == losses[-4]


@pytest.mark.parametrize("keeps_momentum", [False, True])
def test_momentum_is_kept_on_request(keeps_momentum):
    whole = fit_net(_net(), _data(), max_epochs=4, schedule="constant")
    parts, options = _net(), {"max_epochs": 2, "schedule": "constant"}
    for _ in range(2):
        fit_net(parts, _data(), keeps_momentum=keeps_momentum, **options)
    assert torch.equal(_weights(parts), _weights(whole)) == keeps_momentum


def test_networks_that_draw_from_global_generators_are_seeded_and_those_put_back():
    def fit():
        layer = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5))
        options = {"max_epochs": 2, "schedule": "constant", "draws_globally": True}
        return _weights(fit_net(_net(layer), _data(), **options))

    with seeded(1):
        layer_state = torch.random.get_rng_state()
    with torch.random.fork_rng():
        torch.random.set_rng_state(layer_state)
        first = fit()
        torch.random.set_rng_state(layer_state)
        assert torch.equal(fit(), first)
