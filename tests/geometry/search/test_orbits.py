"""Sets with a symmetry: invariance, short orbits, and an objective that is the full one."""

import pytest
import torch

from sphereskl.geometry._separation import max_cosines
from sphereskl.geometry.search._groups import FiniteGroup, layouts_of
from sphereskl.geometry.search._orbits import SymmetricSets, apply
from sphereskl.geometry.search._potentials import soft_max_cosine
from sphereskl.geometry.search._representations import random_representations

# Groups with numbers of points that leave some for short orbits, the last layout having most
# of them.
SYMMETRIC = [
    (FiniteGroup((1,)), 11, 4),
    (FiniteGroup((4,)), 26, 6),
    (FiniteGroup((6,)), 35, 7),
    (FiniteGroup((2, 4)), 30, 9),
    (FiniteGroup((3,), True), 26, 6),
    (FiniteGroup((4,), True), 28, 8),
]


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(params=SYMMETRIC, ids=lambda case: f"{case[0]}-{case[1]}-{case[2]}")
def sets(request):
    group, n_points, embedding_dim = request.param
    layout = layouts_of(group, n_points, 6)[-1]
    return SymmetricSets(
        layout, random_representations(layout, 30, embedding_dim, 0.9, _generator())
    )


def test_a_set_is_permuted_by_its_group(sets):
    points = sets.expand(sets.draw(_generator(1)))
    turned = apply(sets.representation, points)
    assert points.shape[1] == sum(k.count * len(k.cosets) for k in sets.layout.orbits)
    assert torch.cdist(turned, points[:, None]).amin(dim=3).max() < 1e-6
    torch.testing.assert_close(points.norm(dim=2), torch.ones_like(points[..., 0]))


def test_representatives_of_short_orbits_are_left_alone(sets):
    rows = sets.draw(_generator(1)).split([kind.count for kind in sets.layout.orbits], dim=1)
    images = [
        apply(sets.representation.at(kind.stabiliser), row)
        for kind, row in zip(sets.layout.orbits, rows, strict=True)
    ]
    moves = [(image - row[:, None]).abs().max() for image, row in zip(images, rows, strict=True)]
    assert max(moves) < 1e-12


def test_the_objective_is_that_of_the_whole_set(sets):
    rows = sets.draw(_generator(1))
    sharpness = torch.tensor([3.0, 30.0, 300.0], dtype=torch.float64).repeat(len(rows))
    sharpness = sharpness[: len(rows), None, None]
    value, gradient = sets.soft_max_cosine(sharpness)(rows)
    full_value, full_gradient = soft_max_cosine(sharpness)(sets.expand(rows))
    torch.testing.assert_close(value, full_value)
    # Moving a representative moves its whole orbit.
    length = len(sets.layout.orbits[0].cosets)
    torch.testing.assert_close(gradient[:, 0], length * full_gradient[:, 0])


def test_the_gradient_is_that_of_the_value(sets):
    rows = sets.draw(_generator(1))[:2].requires_grad_()
    points = sets.pick(torch.arange(2)).expand(rows / rows.norm(dim=2, keepdim=True))
    i, j = torch.triu_indices(points.shape[1], points.shape[1], offset=1)
    value = torch.logsumexp(20.0 * (points @ points.mT)[:, i, j], dim=1) / 20.0
    (expected,) = torch.autograd.grad(value.sum(), rows)
    sharpness = torch.full((2, 1, 1), 20.0, dtype=torch.float64)
    pair = sets.pick(torch.arange(2))
    _, gradient = pair.soft_max_cosine(sharpness)(rows.detach())
    # Representatives of short orbits stay in their subspace: so does their gradient.
    torch.testing.assert_close(gradient, pair._project(expected))


def test_max_cosines_ignore_a_point_itself():
    square = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    line = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.6, 0.8], [-0.6, -0.8]])
    expected = torch.tensor([0.0, 0.6])
    torch.testing.assert_close(max_cosines(torch.stack([square, line])), expected)
