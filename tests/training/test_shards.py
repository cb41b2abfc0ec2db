"""Shards of a batch on threads are the batch: gradients, statistics, noise, and what sees them."""

import copy
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from sphereskl import ConvNet, HypersphericalPrototypeClassifier
from sphereskl.geometry import place_prototypes
from sphereskl.nn import Dropout, EmbeddingModel, SphereCNN, cross_entropy
from sphereskl.preprocessing import ImageAugmentation
from sphereskl.training import Criterion, EmbeddingNet, TensorData, seeded
from sphereskl.training import _shards as shards_module
from sphereskl.training._data_parallel import _add_up
from sphereskl.training._shards import Shards, least_rows

N_ROWS, N_SHARDS = 37, 2  # of 18 and 19 rows


def _data(weighted=False):
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(N_ROWS, 1, 6, 6, generator=generator, dtype=torch.float64)
    weight = torch.rand(N_ROWS, generator=generator, dtype=torch.float64) if weighted else None
    return TensorData(X, torch.arange(N_ROWS) % 3, weight)


def _net(*layers, regularizer=None, executor=None, **options):
    with seeded(0):
        backbone = nn.Sequential(
            nn.Conv2d(1, 4, 3), *layers, nn.Tanh(), nn.Flatten(), nn.Linear(64, 5)
        )
    prototypes = torch.as_tensor(place_prototypes(3, 5))
    model = EmbeddingModel(backbone, prototypes, scale=4.0, learn_scale=True, **options).double()
    criterion = Criterion(cross_entropy, uses_scale=True)
    net = EmbeddingNet(model, criterion, regularizer=regularizer, verbose=0).initialize()
    net.module_.train()
    net.shards_ = Shards(net, 16, executor)
    return net


def _gradients(net):
    return [None if p.grad is None else p.grad.clone() for p in net.module_.parameters()]


def _length(model):
    return 0.1 * sum(p.square().sum() for p in model.parameters())


@pytest.mark.parametrize("regularizer", [None, _length])
@pytest.mark.parametrize("options", [{}, {"learn_prototypes": True}, {"free_norm": True}], ids=repr)
def test_gradients_are_those_of_the_whole_batch(options, regularizer):
    net, batch = _net(regularizer=regularizer, **options), _data(weighted=True)
    values, outputs = net._backward(batch)
    found = _gradients(net)
    net.shards_ = None
    whole_values, whole = net._backward(batch)
    torch.testing.assert_close(values, [value.detach() for value in whole_values])
    torch.testing.assert_close(outputs, whole.detach())
    torch.testing.assert_close(found, _gradients(net))


def test_batch_normalisation_goes_by_shards():
    net, batch = _net(nn.BatchNorm2d(4, momentum=0.3)), _data()
    whole = copy.deepcopy(net.module_)
    net._backward(batch)
    parts = batch.X.tensor_split(N_SHARDS)
    loss = cross_entropy(
        torch.cat([whole(part) for part in parts]), batch.target, scale=whole.log_scale.exp()
    )
    expected = torch.autograd.grad(loss, list(whole.parameters()))
    torch.testing.assert_close(_gradients(net), list(expected))
    convolved = [net.module_.backbone[0](part).transpose(0, 1).flatten(1) for part in parts]
    for name, of_part in {"mean": lambda x: x.mean(dim=1), "var": lambda x: x.var(dim=1)}.items():
        start = 0.0 if name == "mean" else 1.0
        expected = 0.7 * start + 0.3 * sum(map(of_part, convolved)) / N_SHARDS
        torch.testing.assert_close(getattr(net.module_.backbone[1], f"running_{name}"), expected)
    assert net.module_.backbone[1].num_batches_tracked == 1


def test_noise_differs_between_shards_and_steps_and_is_the_same_again():
    torch.manual_seed(0)
    X = torch.ones(4, 1, 6, 6, dtype=torch.float64).repeat(N_ROWS, 1, 1, 1)[: 2 * 16]
    batch = TensorData(X, torch.zeros(32, dtype=torch.int64))
    net = _net(Dropout(0.5))
    again = copy.deepcopy(net.module_)
    outputs = torch.stack([net._backward(batch)[1] for _ in range(2)])
    assert len(torch.unique(outputs.flatten(0, 1), dim=0)) == 2 * 32
    net = _net()
    net.module_ = again.train()
    torch.testing.assert_close(net._backward(batch)[1], outputs[0], rtol=0, atol=0)


@pytest.mark.parametrize("layers", [(), (nn.BatchNorm2d(4),), (Dropout(0.3),)], ids=repr)
def test_threads_change_no_bit(layers):
    found = []
    for executor in (None, ThreadPoolExecutor(2)):
        net = _net(*copy.deepcopy(layers), executor=executor)
        outputs = [net._backward(_data())[1] for _ in range(3)]
        found.append([*outputs, *_gradients(net), *net.module_.buffers()])
    executor.shutdown()
    torch.testing.assert_close(*found, rtol=0, atol=0)


def test_frozen_parameters_get_no_gradient():
    net = _net()
    net.module_.backbone[0].requires_grad_(False)
    net._backward(_data())
    assert [g is None for g in _gradients(net)] == [False, True, True, False, False]
    net.module_.requires_grad_(False)
    net.module_.log_scale.requires_grad_()
    for parameter in net.module_.parameters():
        parameter.grad = None
    net._backward(_data())
    assert [g is None for g in _gradients(net)] == [False, True, True, True, True]


def test_prototypes_that_are_put_in_place_between_steps_are_seen():
    net = _net()
    before = net._backward(_data())[1]
    net.module_.set_prototypes(net.module_.prototypes.flip(0))
    torch.testing.assert_close(net._backward(_data())[1], before.flip(1))


class _NoiseLater(Callback):
    def __init__(self, p):
        self.p = p

    def on_epoch_begin(self, net, **kwargs):
        (layer,) = (m for m in net.module_.modules() if isinstance(m, Dropout))
        layer.p = self.p


class _NoiseOfBatches(_NoiseLater):
    def on_epoch_begin(self, net, **kwargs):
        pass

    def on_batch_begin(self, net, **kwargs):
        super().on_epoch_begin(net)


@pytest.mark.parametrize("changing", [_NoiseLater(0.2), _NoiseOfBatches(0.2)])
def test_layers_that_callbacks_change_are_seen(changing, monkeypatch):
    monkeypatch.setattr(shards_module, "_LEAST_PRODUCTS", 1)
    X, y = np.random.default_rng(0).random((96, 8, 8), dtype=np.float32), np.arange(96) % 2

    def fit(dropout, *callbacks):
        clf = HypersphericalPrototypeClassifier(
            backbone=ConvNet((8,), dropout=dropout),
            input_shape=(8, 8),
            max_epochs=2,
            random_state=0,
            callbacks=list(callbacks),
        )
        return clf.fit(X, y).module_.state_dict()

    torch.testing.assert_close(fit(0.5, changing), fit(0.2), rtol=0, atol=0)


def test_hooks_see_all_rows_in_order_and_change_nothing():
    with ThreadPoolExecutor(2) as executor:
        net = _net(executor=executor)
        unheard = net._backward(_data())[1]
        seen = []
        hook = net.module_.backbone[0].register_forward_hook(lambda m, X, y: seen.append(*X))
        heard = net._backward(_data())[1]
        hook.remove()
        net._backward(_data())
    torch.testing.assert_close(torch.cat(seen), _data().X, rtol=0, atol=0)
    torch.testing.assert_close(heard, unheard, rtol=0, atol=0)


def test_an_error_in_a_shard_is_raised_and_the_net_goes_on():
    with ThreadPoolExecutor(2) as executor:
        net = _net(executor=executor)
        with pytest.raises(RuntimeError):
            net._backward(_data()._replace(X=torch.zeros(N_ROWS, 2, 6, 6, dtype=torch.float64)))
        net._backward(_data())
    assert None not in _gradients(net)


class _Own(nn.Module):
    def forward(self, X):
        return X - X.mean(dim=0)  # rows of a batch may know of one another


@pytest.mark.parametrize(
    "layer",
    [nn.Dropout(), nn.Dropout2d(), nn.RReLU(), nn.MultiheadAttention(4, 2), _Own()],
    ids=repr,
)
def test_networks_that_may_be_more_than_a_function_of_rows_stay_whole(layer):
    backbone = nn.Sequential(nn.Conv2d(1, 4, 3), layer)
    assert least_rows(backbone, torch.zeros(1, 1, 8, 8)) is None
    assert least_rows(backbone[:1], torch.zeros(1, 1, 8, 8)) is not None


def test_tables_stay_whole():
    assert least_rows(nn.Linear(4, 2), torch.zeros(1, 4)) is None


@pytest.mark.parametrize(
    "config", [ConvNet(), ConvNet((8,), 1), SphereCNN(widths=(8, 16, 32))], ids=repr
)
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 8, 8)])
def test_small_networks_have_large_shards(config, shape):
    model = config.build(shape, 4).train()
    X = torch.zeros(1, *shape)
    model.eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(X)
    model.train()
    products = counter.get_total_flops() / 2
    if isinstance(config, SphereCNN):  # lengths of patches are sums of squares
        products = shards_module._count_products(model, X)
    n_rows = least_rows(model, X)
    assert n_rows == max(16, -(-(2**26) // products))
    assert model.training


class _Nets(Callback):
    def on_epoch_end(self, net, **kwargs):
        self.n_shards = len(net.shards_.copies)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"loss": "cosine", "prototypes": "learned"},
        {"augmentation": ImageAugmentation(shift=1, mixup=0.5)},
    ],
    ids=repr,
)
def test_a_fit_is_the_same_on_one_thread_and_on_two(params, monkeypatch):
    monkeypatch.setattr(shards_module, "_LEAST_PRODUCTS", 1)
    X = np.random.default_rng(0).integers(0, 256, (120, 8, 8), dtype=np.uint8)
    y = X[:, :4].mean(axis=(1, 2)) > X[:, 4:].mean(axis=(1, 2))
    fits = []
    for n_threads in (1, 2):
        torch.set_num_threads(n_threads)
        nets = _Nets()
        clf = HypersphericalPrototypeClassifier(
            backbone=ConvNet((8, 8)),
            input_shape=(8, 8),
            max_epochs=3,
            random_state=0,
            callbacks=[nets],
        )
        fits.append(clf.set_params(**params).fit(X, y))
        assert nets.n_shards == 3  # of 54 rows
        assert torch.get_num_threads() == n_threads
    torch.set_num_threads(1)
    states = [fit.module_.state_dict() for fit in fits]
    torch.testing.assert_close(*states, rtol=0, atol=0)


class _AloneGroup:
    def sum(self, flat):
        pass


def test_gradients_are_laid_out_as_parameters_are():
    layer = nn.Conv2d(3, 5, 2).to(memory_format=torch.channels_last)
    parameters = list(layer.parameters())
    expected = [torch.randn(5, 3, 2, 2), torch.randn(5)]
    for parameter, gradient in zip(parameters, expected, strict=True):
        parameter.grad = gradient.clone()
    _add_up(_AloneGroup(), parameters)
    torch.testing.assert_close([p.grad for p in parameters], expected)
    assert layer.weight.grad.stride() == layer.weight.stride()
