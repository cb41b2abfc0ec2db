"""Gradients that are written out are those of autograd, in double precision."""

import math

import pytest
import torch
from torch import nn

from sphereskl.nn import (
    MLP,
    Columns,
    EmbeddingModel,
    PiecewiseLinearEmbedding,
    SphereLinear,
    TableInput,
    WrittenOut,
    cross_entropy,
    layer_pass,
    table_pass,
)
from sphereskl.training import seeded

N_ROWS, N_CLASSES = 20, 5


def _rows():
    return torch.randn(N_ROWS, 4, generator=torch.Generator().manual_seed(1)).double()


def _target(n_members=1):
    return (torch.arange(N_ROWS) % N_CLASSES).repeat(n_members)


def _model(hidden=(7, 6), n_members=1, embedding=None, **options):
    """Return a model, and its layers in the order in which they are passed."""
    with seeded(0):
        config = MLP(hidden, n_members=n_members, numeric_embedding=embedding)
        backbone = config.build((4,), 6, Columns(4))
        for layer in backbone.modules():
            if isinstance(layer, PiecewiseLinearEmbedding):
                layer.fit_edges(_rows().float())
                nn.init.normal_(layer.pieces)
        prototypes = torch.randn(N_CLASSES, 6)
    options = {"scale": 3.0, "learn_scale": True, **options}
    return EmbeddingModel(backbone, prototypes, **options).double()


def _written_out(model, label_smoothing=0.1):
    tables = [part for part in model.backbone if isinstance(part, TableInput)]
    dense = [part for part in model.backbone.modules() if hasattr(part, "bias")]
    dense = [layer_pass(part) for part in dense if not isinstance(part, PiecewiseLinearEmbedding)]
    first = table_pass(tables[0]) if tables else None
    return WrittenOut(first, dense, model.prototypes, model.log_scale, label_smoothing)


def _gradients(model):
    parameters = dict(model.named_parameters())
    return {name: p.grad.clone() for name, p in parameters.items() if p.grad is not None}


def _by_autograd(model, X, target, weight):
    model.zero_grad()
    outputs = model.train()(X).flatten(0, -2)
    loss = cross_entropy(outputs, target, weight, scale=model.scale, label_smoothing=0.1)
    loss.backward()
    return loss.detach(), _gradients(model)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("embedding", [None, "piecewise"])
@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("hidden", [(7,), (7, 6)])
def test_they_are_those_of_autograd(hidden, n_members, embedding, weighted):
    model, X, target = _model(hidden, n_members, embedding), _rows(), _target(n_members)
    X[0] = 0.0
    weight = torch.rand(len(target)).double() if weighted else None
    expected = _by_autograd(model, X, target, weight)
    model.zero_grad()
    written = _written_out(model)
    cosines = written.forward(X)
    torch.testing.assert_close(cosines, model(X).detach())
    found = written.backward(target, weight), _gradients(model)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-13)


# Columns and their input: levels are indices, negative if unseen in training.
_TABLES = {
    "flags": Columns(2, 2),
    "one-hot": Columns(2, 1, (3, 5)),
    "vectors": Columns(2, 0, (40, 3, 33)),
    "categories alone": Columns(0, 0, (3, 4)),
    "vectors alone": Columns(0, 0, (40, 50)),
}


@pytest.mark.parametrize("columns", _TABLES.values(), ids=_TABLES)
@pytest.mark.parametrize("embedding", [None, "piecewise"])
@pytest.mark.parametrize("n_members", [1, 3])
def test_they_are_those_of_autograd_for_tables_with_categories(n_members, embedding, columns):
    levels = [torch.arange(N_ROWS)[:, None] % n - 1 for n in columns.cardinalities]
    numbers = _rows()[:, : columns.n_numeric + columns.n_flags]
    X, target = torch.cat([numbers, *levels], dim=1), _target(n_members)
    with seeded(0):
        config = MLP((7,), n_members=n_members, numeric_embedding=embedding)
        backbone = config.build((columns.n_columns,), 6, columns)
        for layer in backbone.modules():
            if isinstance(layer, TableInput):
                layer.fit_edges(X.float())
            if isinstance(layer, PiecewiseLinearEmbedding):
                nn.init.normal_(layer.pieces)
        prototypes = torch.randn(N_CLASSES, 6)
    model = EmbeddingModel(backbone, prototypes, scale=3.0, learn_scale=True).double()
    expected = _by_autograd(model, X, target, None)
    model.zero_grad()
    written = _written_out(model)
    torch.testing.assert_close(written.forward(X), model(X).detach())
    found = written.backward(target), _gradients(model)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-13)


def test_periodic_embeddings_and_frozen_curves_are_left_to_autograd():
    assert table_pass(TableInput(Columns(3), "periodic")) is None
    assert table_pass(TableInput(Columns(3), "piecewise").requires_grad_(False)) is None
    assert table_pass(TableInput(Columns(3), "piecewise")) is not None


def test_they_are_slopes_of_the_loss():
    # Against finite differences, without a word of autograd's.
    model, written = _model(), None
    written = _written_out(model)
    with torch.no_grad():
        written.forward(_rows())
        written.backward(_target())
        directions = [torch.randn_like(p) for p in model.parameters()]
        pairs = zip(model.parameters(), directions, strict=True)
        slope = sum(float((p.grad * d).sum()) for p, d in pairs)
        ends = []
        for step in (1e-6, -2e-6):
            for p, d in zip(model.parameters(), directions, strict=True):
                p.add_(step * d)
            cosines = model(_rows())
            ends.append(
                cross_entropy(cosines, _target(), scale=model.scale, label_smoothing=0.1).item()
            )
    assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(slope, rel=1e-6)


def test_a_row_without_a_direction_passes_its_gradient_on_unchanged():
    with seeded(0):
        layer, log_scale = nn.Linear(3, 2).double(), torch.zeros((), dtype=torch.float64)
    nn.init.zeros_(layer.bias)
    prototypes = torch.eye(2).double()
    written = WrittenOut(None, [layer_pass(layer)], prototypes, log_scale, 0.0)
    written.forward(torch.zeros(1, 3).double())
    loss = written.backward(torch.tensor([0]))
    assert loss.item() == pytest.approx(math.log(2))
    assert layer.bias.grad.tolist() == pytest.approx([-0.5, 0.5])


def test_a_fixed_scale_has_no_gradient():
    model = _model(learn_scale=False)
    written = _written_out(model)
    written.forward(_rows())
    written.backward(_target())
    assert model.log_scale.grad is None


def test_gradients_take_the_place_of_the_last_ones():
    model = _model()
    written = _written_out(model)
    written.forward(_rows())
    written.backward(_target())
    first = _gradients(model)
    written.forward(_rows())
    written.backward(_target())
    torch.testing.assert_close(_gradients(model), first, rtol=0, atol=0)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(3, 2).requires_grad_(False),
        nn.Tanh(),
        SphereLinear(3, 2),
        TableInput(Columns(3)),
        nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_other_layers_are_left_to_autograd(layer):
    assert layer_pass(layer) is None
