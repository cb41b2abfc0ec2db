"""Early stopping validates and keeps an average over about the last tenth of the steps."""

import numpy as np
import pytest
import torch
from scipy.special import gammaln
from sklearn.datasets import load_iris
from skorch.callbacks import Callback

from sphereskl import MLP, HypersphericalPrototypeClassifier
from sphereskl.training._averaged_weights import AveragedWeights

DECAY = 9
IRIS = load_iris(return_X_y=True)


class Net:
    """As much of a net as is averaged."""

    def __init__(self, module):
        self.module_ = module


class Watcher(Callback):
    """Note the weights after every step and at the end of every epoch."""

    def on_train_begin(self, net, **kwargs):
        self.steps, self.epochs, self.n_steps = [weights(net.module_)], [], []

    def on_batch_end(self, net, training, **kwargs):
        if training:
            self.steps.append(weights(net.module_))

    def on_epoch_end(self, net, **kwargs):
        self.epochs.append(weights(net.module_))
        self.n_steps.append(len(self.steps) - 1)


def weights(module):
    return torch.cat([p.detach().flatten() for p in module.parameters() if p.requires_grad])


def shares(n_steps):
    """Return the shares of the initial weights and of every step, in closed form."""
    s, t, c = np.arange(1, n_steps + 1), n_steps, DECAY
    ends = gammaln(t + 1) - gammaln(t + c + 1)
    of_steps = c * np.exp(gammaln(s + c) - gammaln(s + 1) + ends)
    return torch.from_numpy(np.append(np.exp(gammaln(c + 1) + ends), of_steps))


def expected(steps):
    return shares(len(steps) - 1) @ torch.stack(steps).double()


@pytest.mark.parametrize("n_steps", [1, 2, 10, 1000])
def test_shares_of_steps_add_up_to_one(n_steps):
    assert shares(n_steps).sum().item() == pytest.approx(1, rel=1e-9)


@pytest.mark.parametrize("n_steps", [1, 2, 50])
def test_the_average_has_the_shares_of_the_closed_form(n_steps):
    layer = torch.nn.Linear(3, 2, dtype=torch.float64)
    average, steps = AveragedWeights(Net(layer)), [weights(layer)]
    generator = torch.Generator().manual_seed(0)
    for _ in range(n_steps):
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.normal_(generator=generator)
        average.update()
        steps.append(weights(layer))
    average.show()
    torch.testing.assert_close(weights(layer), expected(steps), rtol=1e-12, atol=1e-12)
    average.hide()
    assert torch.equal(weights(layer), steps[-1])


def test_most_of_the_average_is_of_the_last_fifth_of_the_steps():
    of_steps = shares(1000)[1:]
    assert 0.8 < of_steps[-200:].sum() < 0.9
    assert 0.6 < of_steps[-100:].sum() < 0.7


def test_frozen_parameters_stay():
    layer = torch.nn.Linear(3, 2)
    layer.bias.requires_grad_(False)
    assert [a.shape for a in AveragedWeights(Net(layer)).average] == [layer.weight.shape]


@pytest.fixture
def watched():
    watcher = Watcher()
    model = HypersphericalPrototypeClassifier(
        dtype="float64", callbacks=[watcher], n_iter_no_change=3, random_state=0
    )
    return model.fit(*IRIS), watcher


def test_every_epoch_ends_with_the_average_of_its_steps_and_goes_on_without_it(watched):
    _, watcher = watched
    for n_steps, shown in zip(watcher.n_steps, watcher.epochs, strict=True):
        told = expected(watcher.steps[: n_steps + 1])
        torch.testing.assert_close(shown, told, rtol=1e-9, atol=1e-12)
    # A step of Adam moves no weight by much more than the learning rate.
    moved = torch.stack(watcher.steps).diff(dim=0).abs().amax()
    assert moved < 2 * watched[0].lr


def test_the_best_average_is_kept(watched):
    model, watcher = watched
    losses = [epoch["valid_loss"] for epoch in model.history_]
    assert torch.equal(weights(model.module_), watcher.epochs[int(np.argmin(losses))])
    assert len(losses) < model.max_epochs


def test_the_average_is_what_the_last_epoch_leaves():
    watcher = Watcher()
    model = HypersphericalPrototypeClassifier(max_epochs=4, callbacks=[watcher], random_state=0)
    model.fit(*IRIS)
    assert torch.equal(weights(model.module_), watcher.epochs[3])


@pytest.mark.parametrize(
    "options",
    [
        {"early_stopping": False},
        {"backbone": MLP((8,), n_members=1)},
        {"backbone": MLP((8,), n_members=1, norm="batch"), "early_stopping": True},
        {"backbone": MLP((8,), n_members=1), "early_stopping": True, "validation_fraction": 0},
    ],
    ids=["members that do not stop", "one network", "running statistics", "no validation rows"],
)
def test_others_keep_the_weights_of_the_last_step(options):
    watcher = Watcher()
    model = HypersphericalPrototypeClassifier(
        max_epochs=3, callbacks=[watcher], random_state=0, **options
    )
    model.fit(*IRIS)
    assert torch.equal(watcher.epochs[-1], watcher.steps[-1])


class Halving(Callback):
    """Halve all weights between two epochs."""

    def __init__(self, event):
        self.event = event

    def on_epoch_begin(self, net, **kwargs):
        if self.event == "begin" and len(net.history) == 3:
            self._halve(net)

    def on_epoch_end(self, net, **kwargs):
        if self.event == "end" and len(net.history) == 2:
            self._halve(net)

    def _halve(self, net):
        with torch.no_grad():
            for parameter in net.module_.parameters():
                parameter.mul_(0.5)
        self.left = weights(net.module_)


@pytest.mark.parametrize("event", ["begin", "end"])
def test_what_callbacks_make_of_weights_is_trained_on(event):
    halving, watcher = Halving(event), Watcher()
    model = HypersphericalPrototypeClassifier(
        max_epochs=4, callbacks=[halving, watcher], random_state=0
    )
    model.fit(*IRIS)
    first = watcher.steps[watcher.n_steps[1] + 1]
    assert (first - halving.left).abs().max() < 2 * model.lr
    # And the average begins anew.
    told = expected([halving.left, *watcher.steps[watcher.n_steps[1] + 1 :]])
    torch.testing.assert_close(watcher.epochs[3].double(), told, rtol=1e-4, atol=1e-5)
