"""Assignments are permutations, and the best of them."""

import math

import numpy as np
import pytest
import torch

from sphereskl.geometry import (
    assign_prototypes,
    assign_semantically,
    place_prototypes,
    sample_uniform,
    triplet_accuracy,
)


def draw(n_points, embedding_dim, seed):
    generator = torch.Generator().manual_seed(seed)
    return sample_uniform(n_points, embedding_dim, generator=generator)


@pytest.mark.parametrize(("n_classes", "embedding_dim"), [(2, 2), (5, 3), (26, 4)])
def test_prototypes_as_means_keep_their_places(n_classes, embedding_dim):
    prototypes = draw(n_classes, embedding_dim, 0)
    order = assign_prototypes(prototypes, prototypes)
    assert torch.equal(order, torch.arange(n_classes))


def test_permutation_of_means_is_found():
    prototypes, order = draw(7, 3, 0), torch.tensor([3, 6, 0, 5, 1, 2, 4])
    assert torch.equal(assign_prototypes(5 * prototypes[order], prototypes), order)


@pytest.mark.parametrize("seed", range(4))
def test_no_exchange_of_two_classes_is_better(seed):
    means, prototypes = draw(8, 3, seed), draw(8, 3, seed + 10)
    agreement = means @ prototypes[assign_prototypes(means, prototypes)].T
    kept = agreement.diagonal()
    assert (kept[:, None] + kept - agreement - agreement.T).min() >= -1e-12
    assert kept.sum() >= (means * prototypes).sum()


def test_length_of_means_does_not_count():
    means, prototypes = draw(9, 3, 1), draw(9, 3, 2)
    scaled = means * torch.logspace(-3, 3, 9)[:, None]
    assert torch.equal(assign_prototypes(scaled, prototypes), assign_prototypes(means, prototypes))


@pytest.mark.parametrize("value", [0.0, math.nan])
def test_class_without_mean_gets_what_is_left(value):
    prototypes = torch.eye(3)
    means = torch.tensor([[value] * 3, [1.0, 0.1, 0.0], [0.0, 0.1, 1.0]])
    assert assign_prototypes(means, prototypes).tolist() == [1, 0, 2]


@pytest.mark.parametrize("shape", [(4, 3), (2, 2)])
def test_every_mean_needs_a_prototype_of_its_width(shape):
    with pytest.raises(ValueError, match=rf"\({shape[0]}, {shape[1]}\) and \(3, 3\)"):
        assign_prototypes(torch.ones(shape), torch.eye(3))


def test_prototypes_may_be_left_over():
    means = torch.tensor([[0.0, 0.1, 1.0], [0.9, 0.0, 1.0]])
    assert assign_prototypes(means, torch.eye(3)).tolist() == [2, 0]


@pytest.mark.parametrize("n_classes", [4, 30, 160])
def test_semantic_assignment_follows_similarity(n_classes):
    prototypes, vectors = draw(n_classes, 4, 0), draw(n_classes, 4, 1)
    similarity = vectors @ vectors.T
    order = assign_semantically(prototypes, similarity, random_state=0)
    assert order.sort().values.tolist() == list(range(n_classes))
    before = triplet_accuracy(prototypes, similarity)
    assert triplet_accuracy(prototypes[order], similarity) > before


def test_the_global_generator_is_not_looked_at():
    # Once it was seeded, scipy warns where it would be read.
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[2]  # noqa: NPY002
    order = assign_semantically(draw(4, 3, 0), torch.eye(4), random_state=0)
    assert sorted(order.tolist()) == [0, 1, 2, 3]
    assert np.random.get_state()[2] == before  # noqa: NPY002


def test_semantic_assignment_recovers_a_shuffle():
    prototypes, shuffle = place_prototypes(9, 2), torch.tensor([5, 2, 7, 0, 8, 3, 1, 6, 4])
    similarity = prototypes[shuffle] @ prototypes[shuffle].T
    order = assign_semantically(prototypes, similarity, random_state=0)
    gram = prototypes[order] @ prototypes[order].T
    torch.testing.assert_close(gram, similarity)


def test_semantic_assignment_needs_a_prototype_for_each_class():
    with pytest.raises(ValueError, match="3 rows for 2 prototypes"):
        assign_semantically(torch.eye(2), torch.eye(3))
