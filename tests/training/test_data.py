"""Batches are a fair and repeatable partition of the rows."""

import pytest
import torch

from sphereskl.training import ShuffledBatches, TensorData


def _data(n_samples):
    rows = torch.arange(n_samples)
    return TensorData(rows[:, None].double(), rows % 3, rows.double() / 7, rows + 100)


def _batches(n_samples, batch_size, seed=0):
    return ShuffledBatches(_data(n_samples), batch_size, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("batch_size", [1, 7, 32, 99, 100, 101])
@pytest.mark.parametrize("n_samples", [1, 100, 129])
def test_every_row_comes_once(n_samples, batch_size):
    rows = torch.cat([batch.X[:, 0] for batch in _batches(n_samples, batch_size)])
    assert torch.equal(rows.sort().values, torch.arange(n_samples).double())


@pytest.mark.parametrize("batch_size", [1, 7, 32, 99, 100, 101])
@pytest.mark.parametrize("n_samples", [1, 100, 129])
def test_batches_are_of_one_size(n_samples, batch_size):
    batches = _batches(n_samples, batch_size)
    sizes = [len(batch.X) for batch in batches]
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1
    assert len(sizes) == len(batches) == -(-n_samples // batch_size)


def test_what_belongs_to_a_row_stays_with_it():
    batch = next(iter(_batches(100, 10)))
    row = batch.X[:, 0]
    assert torch.equal(batch.target, row.long() % 3)
    assert torch.equal(batch.weight, row / 7)
    assert torch.equal(batch.fold, row.long() + 100)


def test_equal_seeds_give_equal_epochs():
    first, second = _batches(100, 10, seed=3), _batches(100, 10, seed=3)
    assert torch.equal(*(torch.cat([batch.X for batch in b]) for b in (first, second)))


def test_epochs_differ_in_their_order():
    batches = _batches(100, 10)
    first, second = (torch.cat([batch.X for batch in batches]) for _ in range(2))
    assert not torch.equal(first, second)


def test_shuffling_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    list(_batches(100, 10))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_single_batch_is_not_shuffled():
    # Full-batch training then depends on no seed but that of the weights.
    (batch,) = _batches(100, 100)
    assert torch.equal(batch.X, _data(100).X)


def test_selection_of_bare_data_is_bare():
    bare = TensorData(torch.arange(5.0)[:, None], torch.arange(5))
    selected = bare.select(torch.tensor([3, 1, 1]))
    assert selected.X.flatten().tolist() == [3, 1, 1]
    assert selected.target.tolist() == [3, 1, 1]
    assert set(selected[2:]) == {None}


@pytest.mark.parametrize(("most", "kept"), [(20, 10), (10, 10), (9, 9), (3, 3), (1, 1)])
def test_thinned_rows_are_a_sample_in_order_and_no_more_than_asked_for(most, kept):
    data = TensorData(torch.arange(10.0)[:, None], torch.arange(10))
    thinned = data.thinned(most)
    assert len(thinned.target) == kept
    assert torch.equal(thinned.X[:, 0].long(), thinned.target)
    assert (thinned.target.diff() > 0).all()
    assert torch.equal(data.thinned(most).target, thinned.target)


def test_thinned_rows_are_of_all_classes_that_alternate():
    alternating = TensorData(torch.zeros(3000, 1), torch.arange(3000) % 3)
    shares = alternating.thinned(1000).target.bincount(minlength=3) / 1000
    torch.testing.assert_close(shares, torch.full((3,), 1 / 3), rtol=0.1, atol=0.0)
