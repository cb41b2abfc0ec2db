"""Semantic placement keeps its cap and follows the order of the similarities."""

import math

import pandas as pd
import pytest
import torch

from sphereskl.geometry import (
    max_cosine,
    normalize,
    place_prototypes,
    place_ranked,
    place_semantic,
    rank_correlation,
    rank_loss,
    sample_uniform,
    similarity_from_costs,
    similarity_from_vectors,
    triplet_accuracy,
)


def class_vectors(n_groups, group_size, *, seed=0):
    """Vectors of classes in two levels: groups, and classes within them."""
    generator = torch.Generator().manual_seed(seed)
    groups = sample_uniform(n_groups, 50, generator=generator)
    members = sample_uniform(n_groups * group_size, 50, generator=generator)
    return groups.repeat_interleave(group_size, dim=0) + 0.8 * members


def similarity_of(n_groups, group_size):
    return similarity_from_vectors(class_vectors(n_groups, group_size))


@pytest.fixture(scope="module")
def two_levels():
    """Similarities of 10 groups of 10 classes, and their default placement in 50 dimensions."""
    similarity = similarity_of(10, 10)
    return similarity, place_semantic(similarity, 50, random_state=0)


def naive_rank_loss(points, similarity):
    """Formula of Mettes et al. 2019, section 3.1, term by term, with 1/2 for ties."""
    n, terms = len(points), []
    for i, j, k in torch.cartesian_prod(*[torch.arange(n)] * 3).tolist():
        if len({i, j, k}) == 3:
            o = points[i] @ points[j] - points[i] @ points[k]
            target = (torch.sign(similarity[i, j] - similarity[i, k]) + 1) / 2
            terms.append(
                -target * torch.log(torch.sigmoid(o))
                - (1 - target) * torch.log(1 - torch.sigmoid(o))
            )
    return torch.stack(terms).mean()


@pytest.mark.parametrize("tied", [False, True])
def test_rank_loss_and_gradient_match_the_formula(tied):
    similarity = similarity_of(2, 3)
    similarity = similarity.round() if tied else similarity
    points = sample_uniform(6, 3, generator=torch.Generator().manual_seed(1)).requires_grad_()
    expected, actual = naive_rank_loss(points, similarity), rank_loss(points, similarity)
    (wanted,) = torch.autograd.grad(expected, points)
    (got,) = torch.autograd.grad(actual, points)
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("measure", [rank_loss, triplet_accuracy, rank_correlation])
def test_measures_ignore_the_diagonal(measure):
    # Triplets have three distinct classes.
    similarity, points = similarity_of(2, 4), place_prototypes(8, 4)
    other = similarity.clone().fill_diagonal_(-7.0)
    assert float(measure(points, similarity)) == float(measure(points, other))


@pytest.mark.parametrize("measure", [rank_loss, triplet_accuracy, rank_correlation])
def test_measures_do_not_see_rotations(measure):
    similarity = similarity_of(3, 3)
    generator = torch.Generator().manual_seed(2)
    points = sample_uniform(9, 4, generator=generator)
    turn = torch.linalg.qr(torch.randn(4, 4, generator=generator, dtype=torch.float64))[0]
    turned = measure(points @ turn, similarity)
    assert float(turned) == pytest.approx(float(measure(points, similarity)), abs=1e-12)


def test_rank_loss_of_coinciding_prototypes_is_log_2():
    points = torch.ones(5, 2) / math.sqrt(2)
    assert float(rank_loss(points, similarity_of(5, 1))) == pytest.approx(math.log(2))


@pytest.mark.parametrize("decimals", [1, 12])
def test_triplet_accuracy_counts_triplets(decimals):
    similarity = similarity_of(3, 4).round(decimals=decimals)
    points = sample_uniform(12, 3, generator=torch.Generator().manual_seed(3))
    gram = points @ points.T
    i, j, k = torch.cartesian_prod(*[torch.arange(12)] * 3).T
    counted = (i != j) & (i != k) & (j != k) & (similarity[i, j] > similarity[i, k])
    right = (gram[i, j] > gram[i, k])[counted].double().mean()
    assert triplet_accuracy(points, similarity) == pytest.approx(float(right), abs=1e-12)


def test_vectors_in_place_of_prototypes_are_perfect():
    vectors = normalize(class_vectors(3, 4))
    similarity = similarity_from_vectors(vectors)
    assert triplet_accuracy(vectors, similarity) == 1.0
    assert rank_correlation(vectors, similarity) == pytest.approx(1.0)


def test_two_levels_are_found_at_a_small_loss_of_separation(two_levels):
    similarity, points = two_levels
    assert triplet_accuracy(points, similarity) >= 0.9
    assert max_cosine(points) <= 0.1  # 0 is the optimum of 100 points in 50 dimensions


def test_beats_the_published_recipe_at_its_own_largest_cosine():
    similarity = similarity_of(5, 6)
    ranked = place_ranked(similarity, 10, n_steps=200, random_state=0)
    points = place_semantic(similarity, 10, max_cosine=max_cosine(ranked), random_state=0)
    assert triplet_accuracy(points, similarity) > triplet_accuracy(ranked, similarity) + 0.05


@pytest.mark.parametrize(
    ("n_groups", "group_size", "embedding_dim"), [(2, 1, 2), (3, 1, 2), (4, 3, 3)]
)
@pytest.mark.parametrize("room", [0.0, 0.02, 0.3])
def test_unit_rows_keep_the_cap(n_groups, group_size, embedding_dim, room):
    separated = place_prototypes(n_groups * group_size, embedding_dim, random_state=0)
    cap = max_cosine(separated) + room
    similarity = similarity_of(n_groups, group_size)
    points = place_semantic(similarity, embedding_dim, max_cosine=cap, random_state=0)
    assert (points.norm(dim=1) - 1).abs().max() < 1e-12
    assert max_cosine(points) <= cap + 1e-6


def test_two_classes_stand_opposite():
    points = place_semantic([[1.0, 0.3], [0.3, 1.0]], 2)
    assert max_cosine(points) == pytest.approx(-1)


def test_more_room_means_more_meaning():
    similarity = similarity_of(4, 5)
    tight, wide = (
        place_semantic(similarity, 10, max_cosine=cap, random_state=0) for cap in (0.05, 0.4)
    )
    assert triplet_accuracy(wide, similarity) > triplet_accuracy(tight, similarity)


def test_classes_alike_in_everything_do_not_coincide():
    similarity = torch.block_diag(*[torch.ones(4, 4)] * 3)
    points = place_semantic(similarity, 4, random_state=0)
    assert max_cosine(points) < 0.5
    assert triplet_accuracy(points, similarity) > 0.9


@pytest.mark.parametrize("transform", [torch.exp, lambda s: s**3])
def test_only_the_order_of_similarities_counts(transform):
    similarity = similarity_of(3, 4)
    expected = place_semantic(similarity, 6, random_state=0)
    assert torch.equal(place_semantic(transform(similarity), 6, random_state=0), expected)


def test_permuted_classes_get_permuted_prototypes():
    similarity, order = similarity_of(3, 3), torch.tensor([4, 0, 8, 2, 6, 1, 3, 7, 5])
    points = place_semantic(similarity, 5, random_state=0)
    permuted = place_semantic(similarity[order][:, order], 5, random_state=0)
    gram = points[order] @ points[order].T
    torch.testing.assert_close(permuted @ permuted.T, gram, atol=1e-4, rtol=0)


def test_equal_seeds_give_equal_bits_and_leave_the_global_state():
    before = torch.random.get_rng_state()
    first, second = (place_semantic(similarity_of(2, 4), 3, random_state=5) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("cap", [-0.5, 1.0, math.nan])
def test_impossible_cap_is_refused(cap):
    with pytest.raises(ValueError, match=f"separated prototypes reach .* got {cap}"):
        place_semantic(similarity_of(3, 2), 4, max_cosine=cap)


@pytest.mark.parametrize("kind", [dict, pd.DataFrame])
def test_vectors_are_found_by_label(kind):
    vectors = class_vectors(2, 2)
    rows = dict(zip("cabd", vectors.tolist(), strict=True))
    given = rows if kind is dict else pd.DataFrame.from_dict(rows, orient="index")
    expected = similarity_from_vectors(vectors[[1, 2, 0, 3]])
    torch.testing.assert_close(similarity_from_vectors(given, labels=list("abcd")), expected)


def test_missing_label_is_named():
    with pytest.raises(ValueError, match=r"no row for \['bird'\]"):
        similarity_from_vectors({"cat": [1.0, 0.0]}, labels=["cat", "bird"])


@pytest.mark.parametrize("row", [[0.0, 0.0], [math.nan, 1.0]])
def test_vectors_need_a_direction(row):
    with pytest.raises(ValueError, match="finite and have a direction"):
        similarity_from_vectors([[1.0, 0.0], row])


def test_dear_mistakes_mean_unlike_classes():
    costs = torch.tensor([[0.0, 1.0, 9.0], [3.0, 0.0, 5.0], [7.0, 5.0, 0.0]])
    similarity = similarity_from_costs(costs)
    assert torch.equal(similarity, similarity.T)
    assert triplet_accuracy(place_semantic(similarity, 3, random_state=0), similarity) == 1.0


@pytest.mark.parametrize("similarity", [torch.ones(2, 3), torch.ones(1, 1)])
def test_similarity_must_be_square(similarity):
    with pytest.raises(ValueError, match="must be a square matrix"):
        place_semantic(similarity, 3)


def test_similarity_must_be_finite():
    with pytest.raises(ValueError, match="similarity must be finite"):
        place_semantic(torch.full((3, 3), math.nan), 3)


def test_indifferent_similarities_leave_measures_undefined():
    points = place_semantic(torch.ones(4, 4), 3)
    assert max_cosine(points) == pytest.approx(-1 / 3)
    assert math.isnan(triplet_accuracy(points, torch.ones(4, 4)))
    assert math.isnan(rank_correlation(points, torch.ones(4, 4)))


@pytest.mark.slow
def test_thousand_classes():
    similarity = similarity_of(20, 50)
    points = place_semantic(similarity, 64, random_state=0)
    assert triplet_accuracy(points, similarity) > 0.75


def test_a_method_of_place_prototypes():
    similarity = [[3.0, 2.0, 0.0], [2.0, 3.0, 1.0], [0.0, 1.0, 3.0]]
    points = place_prototypes(3, 2, method="semantic", similarity=similarity, random_state=0)
    assert torch.equal(points, place_semantic(similarity, 2, random_state=0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "semantic"}, "similarity and method='semantic' belong together"),
        ({"similarity": [[1.0]]}, "belong together, got method='auto'"),
        ({"method": "semantic", "similarity": [[1.0, 0.0]] * 2}, "each of the 3 prototypes, got 2"),
    ],
)
def test_meaning_needs_similarities(arguments, message):
    with pytest.raises(ValueError, match=message):
        place_prototypes(3, 2, **arguments)
