"""A row's result does not depend on the batch it came in, to the last bit."""

import pytest
import torch
from torch import nn

from sphereskl.geometry import simplex
from sphereskl.nn import MLP, ConvNet, EmbeddingModel
from sphereskl.training import infer, seeded

# (configuration, shape of a sample): the widths at which kernels of matrix products differ.
CASES = [
    *[(MLP(), (n_features,)) for n_features in (1, 2, 20, 64, 784)],
    *[(MLP((300, 100, 37)), (n_features,)) for n_features in (7, 100)],
    (ConvNet(), (1, 8, 8)),
    (ConvNet((8, 16)), (3, 12, 10)),
]
IDS = [f"{type(config).__name__}-{'x'.join(map(str, shape))}" for config, shape in CASES]


def _model(config, shape, dtype=torch.float32):
    with seeded(0):
        return EmbeddingModel(config.build(shape, 64), simplex(10, 64)).to(dtype).eval()


def _rows(n_samples, shape, dtype=torch.float32):
    return torch.randn(n_samples, *shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


@pytest.mark.parametrize(("config", "shape"), CASES, ids=IDS)
def test_size_of_the_batch_does_not_matter(config, shape):
    model, X = _model(config, shape), _rows(100, shape)
    expected = infer(model, X)
    assert all(torch.equal(infer(model, X[:n]), expected[:n]) for n in range(1, 101))


@pytest.mark.parametrize(("config", "shape"), CASES, ids=IDS)
def test_rows_alone_are_as_in_a_batch(config, shape):
    model, X = _model(config, shape), _rows(70, shape)
    alone = torch.cat([infer(model, row) for row in X.split(1)])
    assert torch.equal(alone, infer(model, X))


@pytest.mark.parametrize(("config", "shape"), CASES, ids=IDS)
def test_order_of_rows_does_not_matter(config, shape):
    model, X = _model(config, shape), _rows(150, shape)
    order = torch.randperm(150, generator=torch.Generator().manual_seed(1))
    assert torch.equal(infer(model, X[order]), infer(model, X)[order])


@pytest.mark.parametrize(("config", "shape"), CASES[:-2], ids=IDS[:-2])
def test_many_rows_are_as_few(config, shape):
    model, X = _model(config, shape), _rows(5000, shape)
    whole = infer(model, X)
    assert torch.equal(infer(model, X[:60]), whole[:60])
    assert torch.equal(infer(model, X[-60:]), whole[-60:])


@pytest.mark.parametrize("n_features", [20, 64, 784])
def test_double_precision_does_not_depend_on_the_batch_either(n_features):
    shape, dtype = (n_features,), torch.float64
    model, X = _model(MLP(), shape, dtype), _rows(5000, shape, dtype)
    whole = infer(model, X)
    assert all(torch.equal(infer(model, X[:n]), whole[:n]) for n in (1, 5, 33, 64, 100, 600))


@pytest.mark.parametrize("view", ["forward", "embed", "logits"])
def test_views_agree_with_the_model(view):
    model, X = _model(MLP(), (20,)), _rows(50, (20,))
    view = getattr(model, view)
    torch.testing.assert_close(infer(view, X), view(X).detach())


@pytest.mark.parametrize("chunk_size", [32, 64, 4096])
def test_chunks_do_not_show(chunk_size):
    model, X = _model(MLP(), (20,)), _rows(200, (20,))
    assert torch.equal(infer(model, X, chunk_size=chunk_size), infer(model, X))


@pytest.mark.parametrize("n_threads", [2, 4])
def test_number_of_threads_does_not_matter(n_threads):
    model, X = _model(MLP(), (20,)), _rows(5000, (20,))
    expected = infer(model, X)
    torch.set_num_threads(n_threads)
    try:
        assert torch.equal(infer(model, X), expected)
        assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize("shape", [(20,), (3, 4, 4)])
def test_no_rows_give_no_rows(shape):
    view = nn.Sequential(nn.Flatten(), nn.LazyLinear(5))
    view(_rows(1, shape))
    assert infer(view, _rows(0, shape)).shape == (0, 5)


def test_no_gradients_are_kept():
    assert not infer(_model(MLP(), (20,)), _rows(5, (20,))).requires_grad


@pytest.mark.parametrize("most", [32, 64, 128])
def test_chunks_that_exceed_the_memory_are_halved(most):
    model, sizes = EmbeddingModel(nn.Linear(3, 4), simplex(5, 4).float()).eval(), []

    def view(X):
        sizes.append(len(X))
        if len(X) > most:
            raise torch.OutOfMemoryError("out of memory")
        return model.logits(X)

    X = torch.randn(1000, 3)
    assert torch.equal(infer(view, X, chunk_size=256), infer(model.logits, X))
    assert max(size for size in sizes if size <= most) == most


def test_memory_that_does_not_suffice_for_the_least_chunk_is_an_error():
    def view(X):
        raise torch.OutOfMemoryError("out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        infer(view, torch.randn(1000, 3))
