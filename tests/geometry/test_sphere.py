"""Maps on the sphere obey the laws of its geometry."""

import math

import pytest
import torch

from sphereskl.geometry import angle, cosines, exp_map, log_map, normalize, sample_uniform

DTYPES = [torch.float32, torch.float64]


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


def _gaussian(*shape, dtype=torch.float64, seed=0):
    return torch.randn(shape, generator=_generator(seed), dtype=dtype)


def _tangent(base, length, seed=1):
    raw = _gaussian(*base.shape, dtype=base.dtype, seed=seed)
    return length * normalize(raw - (raw * base).sum(dim=-1, keepdim=True) * base)


def _rotation(dim, dtype=torch.float64):
    return torch.linalg.qr(_gaussian(dim, dim, seed=7))[0].to(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_normalize_returns_unit_rows(dtype):
    length = normalize(_gaussian(100, 7, dtype=dtype)).norm(dim=1)
    torch.testing.assert_close(length, torch.ones(100, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_normalize_is_idempotent(dtype):
    once = normalize(_gaussian(100, 7, dtype=dtype))
    eps = torch.finfo(dtype).eps
    torch.testing.assert_close(normalize(once), once, rtol=2 * eps, atol=0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1e-15, 1e-8, 1e-3, 1e3, 1e8, 1e15])
def test_normalize_ignores_the_scale_of_a_row(scale, dtype):
    x = _gaussian(50, 5, dtype=dtype)
    eps = torch.finfo(dtype).eps
    torch.testing.assert_close(normalize(scale * x), normalize(x), rtol=8 * eps, atol=0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_normalize_leaves_a_zero_row_and_its_gradient_alone(dtype):
    # The contract of the docstring; official HPN code has gradients of 2e9 here.
    x = torch.zeros(1, 3, dtype=dtype, requires_grad=True)
    incoming = torch.tensor([[1.0, -2.0, 3.0]], dtype=dtype)
    z = normalize(x)
    z.backward(incoming)
    assert not z.any()
    assert torch.equal(x.grad, incoming)


@pytest.mark.parametrize("dtype", DTYPES)
def test_normalize_begins_at_the_documented_length(dtype):
    shortest = torch.finfo(dtype).tiny ** 0.5
    x = shortest * torch.tensor([[1.0, 0.0], [0.99, 0.0]], dtype=dtype)
    z = normalize(x)
    assert torch.equal(z[0], torch.tensor([1.0, 0.0], dtype=dtype))
    assert torch.equal(z[1], x[1])


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 4, 3)])
def test_normalize_has_the_gradient_of_finite_differences(shape):
    x = _gaussian(*shape).requires_grad_()
    assert torch.autograd.gradcheck(normalize, x)
    assert torch.autograd.gradgradcheck(normalize, x)


@pytest.mark.parametrize("dtype", DTYPES)
def test_gradient_through_normalize_is_tangent(dtype):
    # Mettes et al. 2019: z . dL/dz = 0 for every loss of the direction.
    x = _gaussian(20, 6, dtype=dtype).requires_grad_()
    (normalize(x) * _gaussian(20, 6, dtype=dtype, seed=1)).sum().backward()
    radial = (normalize(x) * x.grad).sum(dim=1)
    torch.testing.assert_close(radial, torch.zeros_like(radial))


@pytest.mark.parametrize("shape", [(3,), (2, 3), (4, 2, 3)])
def test_normalize_works_on_the_last_axis(shape):
    x = _gaussian(*shape)
    torch.testing.assert_close(normalize(x), x / x.square().sum(-1, keepdim=True).sqrt())


def test_cosines_agree_with_float64():
    z = normalize(_gaussian(50, 128, dtype=torch.float32))
    prototypes = normalize(_gaussian(7, 128, dtype=torch.float32, seed=1))
    oracle = torch.einsum("nd,kd->nk", z.double(), prototypes.double())
    torch.testing.assert_close(cosines(z, prototypes).double(), oracle, rtol=0, atol=2e-7)


def test_cosines_are_invariant_under_rotation():
    z, prototypes, q = _gaussian(5, 4), _gaussian(3, 4, seed=1), _rotation(4)
    torch.testing.assert_close(cosines(z @ q, prototypes @ q), cosines(z, prototypes))


def test_cosines_accept_a_batch_of_sets():
    z, prototypes = _gaussian(2, 5, 4), _gaussian(2, 3, 4, seed=1)
    expected = torch.stack([z[0] @ prototypes[0].T, z[1] @ prototypes[1].T])
    torch.testing.assert_close(cosines(z, prototypes), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("theta", [0.0, 1e-6, 1e-3, 1.0, math.pi / 2, 3.1, math.pi])
def test_angle_recovers_theta(theta, dtype):
    # Kahan 2006: half-angles keep their digits at both ends; arccos would not.
    v = torch.tensor([math.cos(theta), math.sin(theta)], dtype=dtype)
    e1 = torch.tensor([1.0, 0.0], dtype=dtype)
    assert angle(e1, v).item() == pytest.approx(theta, rel=4 * torch.finfo(dtype).eps, abs=1e-15)


def test_angle_is_exact_between_equal_and_opposite_axes():
    e1 = torch.tensor([1.0, 0.0], dtype=torch.float64)
    assert angle(e1, e1).item() == 0.0
    assert angle(e1, -e1).item() == math.pi


def test_angle_of_a_row_with_itself_is_zero_in_float32():
    z = sample_uniform(1000, 5, generator=_generator(), dtype=torch.float32)
    assert not angle(z, z).any()


def test_angle_is_symmetric():
    u, v = normalize(_gaussian(50, 4)), normalize(_gaussian(50, 4, seed=1))
    assert torch.equal(angle(u, v), angle(v, u))


def test_angles_obey_the_triangle_inequality():
    u, v, w = normalize(_gaussian(3, 500, 4))
    assert (angle(u, w) <= angle(u, v) + angle(v, w) + 1e-15).all()


def test_angle_is_the_arc_cosine():
    u, v = normalize(_gaussian(50, 4)), normalize(_gaussian(50, 4, seed=1))
    torch.testing.assert_close(angle(u, v), torch.arccos((u * v).sum(dim=1)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_gradient_of_angle_is_zero_where_it_has_no_derivative(sign, dtype):
    # acos(clamp(.)) gives NaN here.
    u = normalize(_gaussian(10, 4, dtype=dtype)).requires_grad_()
    angle(u, sign * u.detach()).sum().backward()
    assert not u.grad.any()


def test_angle_broadcasts():
    u, v = normalize(_gaussian(5, 1, 4)), normalize(_gaussian(3, 4, seed=1))
    torch.testing.assert_close(angle(u, v), torch.arccos(u[:, 0] @ v.T))


@pytest.mark.parametrize("length", [0.0, 1e-8, 1e-3, 1.0, math.pi / 2, 3.0])
def test_log_map_inverts_exp_map(length):
    # Absil et al. 2008, example 5.4.1: inverse within the injectivity radius pi.
    base = normalize(_gaussian(20, 5))
    tangent = _tangent(base, length)
    recovered = log_map(base, exp_map(base, tangent))
    torch.testing.assert_close(recovered, tangent, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("length", [1e-5, 1e-12, 1e-18])
def test_log_map_resolves_every_distance(length, dtype):
    tangent = torch.tensor([0.0, length], dtype=dtype)
    base = torch.tensor([1.0, 0.0], dtype=dtype)
    z = torch.tensor([1.0, length], dtype=dtype)
    torch.testing.assert_close(log_map(base, z), tangent, rtol=1e-6, atol=0)


def test_exp_map_inverts_log_map():
    base, z = normalize(_gaussian(50, 5)), normalize(_gaussian(50, 5, seed=1))
    torch.testing.assert_close(exp_map(base, log_map(base, z)), z)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("length", [0.0, 1e-6, 2.0, math.pi, 10.0])
def test_exp_map_stays_on_the_sphere(length, dtype):
    base = normalize(_gaussian(20, 5, dtype=dtype))
    length = exp_map(base, _tangent(base, length)).norm(dim=1)
    torch.testing.assert_close(length, torch.ones(20, dtype=dtype))


def test_exp_map_of_half_a_turn_is_the_antipode():
    base = normalize(_gaussian(20, 5))
    torch.testing.assert_close(exp_map(base, _tangent(base, math.pi)), -base)


def test_exp_map_is_smooth_at_the_zero_tangent():
    # geoopt's where-guarded expmap has NaN gradients here.
    base = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    tangent = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    jacobian = torch.autograd.functional.jacobian(lambda t: exp_map(base, t), tangent)
    torch.testing.assert_close(jacobian, torch.eye(3, dtype=torch.float64))


def test_length_of_log_map_is_the_angle():
    base, z = normalize(_gaussian(50, 5)), normalize(_gaussian(50, 5, seed=1))
    torch.testing.assert_close(log_map(base, z).norm(dim=1), angle(base, z))


@pytest.mark.parametrize("dtype", DTYPES)
def test_log_map_is_tangent(dtype):
    base = normalize(_gaussian(50, 5, dtype=dtype))
    z = normalize(_gaussian(50, 5, dtype=dtype, seed=1))
    radial = (log_map(base, z) * base).sum(dim=1)
    torch.testing.assert_close(
        radial, torch.zeros_like(radial), rtol=0, atol=20 * torch.finfo(dtype).eps
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_log_map_to_the_same_point_is_zero(dtype):
    base = normalize(_gaussian(100, 5, dtype=dtype))
    assert not log_map(base, base).any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_log_map_to_the_antipode_is_zero(dtype):
    # The contract of the docstring: no direction is the shortest there.
    base = normalize(_gaussian(100, 5, dtype=dtype))
    assert not log_map(base, -base).any()


@pytest.mark.parametrize("distance", [1e-7, 1e-5, 1e-3])
def test_log_map_stays_tangent_near_the_antipode(distance):
    base = normalize(_gaussian(100, 5))
    tangent = log_map(base, exp_map(base, _tangent(base, math.pi - distance)))
    radial = (tangent * base).sum(dim=1).abs().max().item()
    assert radial < 1e-12


@pytest.mark.parametrize("function", [exp_map, log_map])
def test_maps_commute_with_rotation(function):
    base, q = normalize(_gaussian(20, 4)), _rotation(4)
    argument = _tangent(base, 1.0) if function is exp_map else normalize(_gaussian(20, 4, seed=2))
    torch.testing.assert_close(function(base @ q, argument @ q), function(base, argument) @ q)


@pytest.mark.parametrize("function", [cosines, angle, exp_map, log_map])
def test_dimensions_must_agree(function):
    with pytest.raises(ValueError, match="must share embedding_dim, got 2 and 3"):
        function(torch.eye(2), torch.eye(3)[:2])


@pytest.mark.parametrize("dim", [2, 3, 10])
def test_uniform_samples_have_the_moments_of_the_sphere(dim):
    # E z = 0 and E z z' = I / d; the tolerance is five standard errors.
    z = sample_uniform(20_000, dim, generator=_generator())
    tolerance = 5 / math.sqrt(20_000 * dim)
    assert z.mean(dim=0).abs().max() < tolerance
    assert (z.T @ z / len(z) - torch.eye(dim) / dim).abs().max() < tolerance


def test_uniform_samples_repeat_with_the_generator():
    first, second = (sample_uniform(5, 3, generator=_generator(3)) for _ in range(2))
    assert torch.equal(first, second)


def test_uniform_samples_without_generator_come_from_the_global_one():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        assert torch.equal(sample_uniform(5, 3), sample_uniform(5, 3, generator=_generator(3)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_uniform_samples_have_the_type_asked_for(dtype):
    z = sample_uniform(4, 3, generator=_generator(), dtype=dtype)
    assert (z.dtype, z.shape) == (dtype, (4, 3))
