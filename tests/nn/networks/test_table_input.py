"""Numbers, flags and categories each go through what suits them."""

import pytest
import torch

from sphereskl.nn import CategoryEmbedding, Columns, TableInput

COLUMNS = Columns(n_numeric=2, n_flags=1, cardinalities=(3, 50))


def _batch(n_samples=6):
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randn(n_samples, 3, generator=generator)
    codes = torch.stack([torch.arange(n_samples) % 3, torch.arange(n_samples) % 50], dim=1)
    return torch.cat([numbers, codes.float()], dim=1)


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize(("kind", "per_number"), [(None, 1), ("piecewise", 4), ("periodic", 4)])
def test_width_is_what_comes_out(kind, per_number, n_members):
    layer = TableInput(COLUMNS, kind, n_members=n_members).fit_edges(_batch())
    assert layer.width == 2 * per_number + 1 + 3 + 8
    shape = (6, layer.width) if n_members == 1 else (n_members, 6, layer.width)
    assert layer(_batch()).shape == shape


def test_parts_stand_in_the_order_of_columns():
    layer, X = TableInput(COLUMNS), _batch()
    y = layer(X)
    assert torch.equal(y[:, :3], X[:, :3])
    assert torch.equal(y[:, 3:], layer.categories(X[:, 3:].long())[0])


@pytest.mark.parametrize(
    "columns", [Columns(0, 0, (3,)), Columns(0, 2), Columns(3), Columns(0, 1, (2, 2))], ids=str
)
@pytest.mark.parametrize("kind", [None, "piecewise", "periodic"])
def test_any_kind_may_be_absent(columns, kind):
    layer = TableInput(columns, kind, n_members=2)
    X = torch.zeros(4, columns.n_columns)
    assert layer.fit_edges(X)(X).shape == (2, 4, layer.width)


def test_numbers_alone_pass_through():
    assert TableInput(Columns(3)).is_identity
    assert not TableInput(Columns(3), "piecewise").is_identity
    assert not TableInput(Columns(1, 0, (2,))).is_identity


def test_flags_get_no_curve():
    layer = TableInput(Columns(2, 1), "piecewise")
    assert layer.numeric.edges.shape[0] == 2


def test_categories_have_vectors_for_every_member():
    layer = TableInput(COLUMNS, n_members=3)
    assert isinstance(layer.categories, CategoryEmbedding)
    y = layer(_batch())
    assert not torch.equal(y[0, :, -8:], y[1, :, -8:])


def test_wrong_kind_is_refused():
    with pytest.raises(ValueError, match="numeric_embedding"):
        TableInput(COLUMNS, "fourier")
