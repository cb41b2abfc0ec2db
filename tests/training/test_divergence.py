"""Training that diverges ends with the last finite epoch."""

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from sphereskl.geometry import simplex
from sphereskl.nn import EmbeddingModel, squared_cosine
from sphereskl.training import Criterion, EmbeddingNet, Resume, TensorData, fit_net, seeded

BATCHES = 4  # of 60 rows in batches of 15


def _data(seed=0):
    X = torch.randn(60, 4, generator=torch.Generator().manual_seed(seed))
    return TensorData(X, X.argmax(dim=1) % 3)


class Breaking(torch.nn.Module):
    """The loss of the paper; one step's value, or its gradient, is not finite."""

    def __init__(self, step=None, *, in_gradient=False):
        super().__init__()
        self.step, self.in_gradient, self.n_steps = step, in_gradient, 0

    def forward(self, cosines, target, weight):
        value = squared_cosine(cosines, target, weight)
        if cosines.requires_grad:
            self.n_steps += 1
        if self.n_steps == self.step and self.in_gradient and cosines.requires_grad:
            cosines.register_hook(lambda gradient: gradient * torch.nan)
        return value * torch.nan if self.n_steps == self.step and not self.in_gradient else value


def _linear():
    return torch.nn.Linear(4, 8)


def _with_statistics():
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8))


def _net(loss=None, make_layer=_linear, **options):
    with seeded(0):
        model = EmbeddingModel(make_layer(), simplex(3, 8).float())
    criterion = Criterion(loss or Breaking())
    return EmbeddingNet(model, criterion, **{"lr": 0.01, "batch_size": 15, **options})


def _fit(net, max_epochs=6, valid=None, **options):
    return fit_net(net, _data(), valid, max_epochs=max_epochs, schedule="constant", **options)


def _state(net):
    return {name: value.clone() for name, value in net.module_.state_dict().items()}


def _assert_same(net, other):
    for name, value in _state(other).items():
        torch.testing.assert_close(_state(net)[name], value, rtol=0, atol=0)
    assert len(net.history) == len(other.history)
    losses = net.history[:, "train_loss"]
    assert losses == other.history[:, "train_loss"]


@pytest.mark.parametrize("layer", [_linear, _with_statistics])
@pytest.mark.parametrize("step_of_epoch", [1, 2, BATCHES])
@pytest.mark.parametrize("n_finished", [1, 2, 3])
def test_the_model_is_that_of_the_epoch_before(n_finished, step_of_epoch, layer):
    net = _fit(_net(Breaking(n_finished * BATCHES + step_of_epoch), layer))
    _assert_same(net, _fit(_net(make_layer=layer), n_finished))
    assert net.diverged_.startswith(
        f"Training diverged: train_loss is nan in epoch {n_finished + 1}, and the weights of epoch "
        f"{n_finished} are kept; lower lr, which is 0.01, "
    )


@pytest.mark.parametrize("n_finished", [1, 2, 3])
def test_weights_that_the_last_step_of_an_epoch_broke_are_not_kept(n_finished):
    """The epoch in which they broke has a finite loss; the next has not."""
    net = _fit(_net(Breaking((n_finished + 1) * BATCHES, in_gradient=True)))
    _assert_same(net, _fit(_net(), n_finished))
    assert f"in epoch {n_finished + 2}, and the weights of epoch {n_finished} " in net.diverged_


@pytest.mark.parametrize("stops", [False, True])
def test_weights_that_the_very_last_step_broke_are_not_kept(stops):
    class Stop(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 3:
                raise KeyboardInterrupt

    loss = Breaking(3 * BATCHES, in_gradient=True)
    callbacks, max_epochs = ([Stop()], 6) if stops else ([], 3)
    net = _fit(_net(loss), max_epochs, callbacks=callbacks)
    _assert_same(net, _fit(_net(), 2))
    assert "weights are not finite after epoch 3, and the weights of epoch 2 " in net.diverged_


def test_early_stopping_goes_back_to_the_best_epoch():
    whole = _fit(_net(lr=0.3), 12, _data(1), patience=20)
    losses = whole.history[:, "valid_loss"]
    best = int(np.argmin(losses[:10])) + 1
    assert best < 10
    net = _fit(_net(Breaking(10 * BATCHES + 2), lr=0.3), 12, _data(1), patience=20)
    expected = _fit(_net(lr=0.3), best, _data(1), patience=20)
    for name, value in _state(expected).items():
        assert torch.equal(_state(net)[name], value)
    assert f"in epoch 11, and the weights of epoch {best} are kept" in net.diverged_
    assert len(net.history) == 10


def test_early_stopping_does_not_go_back_to_broken_weights():
    # By the training loss, which fell in the epoch that ended with broken weights.
    net = _fit(_net(Breaking(3 * BATCHES, in_gradient=True)), 3, patience=20)
    assert torch.isfinite(torch.cat([v.flatten() for v in _state(net).values()])).all()
    assert "the weights of epoch 2 are kept" in net.diverged_


@pytest.mark.parametrize("step", [1, BATCHES])
def test_without_a_finite_epoch_it_is_an_error(step):
    with pytest.raises(
        ValueError, match=r"^Training diverged: train_loss is nan in epoch 1; lower"
    ):
        _fit(_net(Breaking(step)))
    with pytest.raises(
        ValueError, match=r"^Training diverged: weights are not finite after epoch 1"
    ):
        _fit(_net(Breaking(BATCHES, in_gradient=True)), 1)


def test_ctrl_c_is_not_hidden_by_weights_that_broke_before_it():
    class Pressed(Breaking):
        def forward(self, cosines, target, weight):
            if self.n_steps == 2:
                raise KeyboardInterrupt
            return super().forward(cosines, target, weight)

    with pytest.raises(KeyboardInterrupt):
        _fit(_net(Pressed(1, in_gradient=True)))


def test_training_goes_on_without_the_broken_momentum():
    net = _fit(_net(Breaking(2 * BATCHES, in_gradient=True)), 3)
    assert net.optimizer_ is None
    _fit(net, 2, keeps_momentum=True)
    assert net.diverged_ == ""
    assert len(net.history) == 3
    assert torch.isfinite(torch.cat([v.flatten() for v in _state(net).values()])).all()


def test_a_broken_epoch_is_not_written_to_the_file_of_resume(tmp_path):
    def fit():
        # The count of steps is an attribute of the loss, which is resumed with it.
        loss = Breaking(3 * BATCHES, in_gradient=True)
        return _fit(_net(loss), callbacks=[Resume(tmp_path / "fit.safetensors")])

    first, again = fit(), fit()
    assert "not finite after epoch 3, and the weights of epoch 2 are kept" in first.diverged_
    assert again.diverged_ == first.diverged_
    assert len(again.history) == 2
    _assert_same(again, first)
