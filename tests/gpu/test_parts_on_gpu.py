"""Geometry, layers and losses on a GPU."""

import pytest
import torch
from torch.nn import functional as F

from sphereskl.geometry import max_cosine, place_prototypes
from sphereskl.nn import (
    ANGULAR_LOSSES,
    ARC_LOSSES,
    LOSSES,
    Dropout,
    Regularizer,
    SphereCNN,
    SphereConv2d,
    SphereLinear,
    angular,
    make_angular_loss,
)

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here"),
]


def _unfolded(layer, x):
    """The layer written out: patches by unfolding, angles by inner products."""
    patches = F.unfold(x, layer.kernel_size, padding=layer.padding, stride=layer.stride)
    filters = layer.weight.flatten(1)
    cosines = F.normalize(filters, dim=1) @ (patches / patches.norm(dim=1, keepdim=True))
    y = angular(cosines, layer.operator.name, 0.3) + layer.bias[:, None]
    side = (x.shape[-1] + 2 * layer.padding[0] - layer.kernel_size[0]) // layer.stride[0] + 1
    return y.unflatten(2, (side, side))


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("operator", ["linear", "cosine", "sigmoid"])
def test_convolutions_and_their_gradients_are_those_of_unfolded_patches(
    operator, stride, channels_last
):
    torch.manual_seed(0)
    layer = SphereConv2d(4, 8, 3, stride, 1, operator=operator, eps=0.0).double().cuda()
    x = torch.randn(2, 4, 8, 8, dtype=torch.float64, device="cuda")
    if channels_last:
        x, layer = (
            x.to(memory_format=torch.channels_last),
            layer.to(memory_format=torch.channels_last),
        )
    x.requires_grad_()
    found, expected = layer(x), _unfolded(layer, x)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    inputs, seed = [x, layer.weight, layer.bias], torch.randn_like(expected)
    torch.testing.assert_close(
        torch.autograd.grad(found, inputs, seed), torch.autograd.grad(expected, inputs, seed)
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("operator", ["linear", "cosine", "sigmoid"])
def test_under_autocast_outputs_are_near_those_in_full(operator, dtype):
    torch.manual_seed(0)
    layer = SphereConv2d(16, 32, 3, padding=1, operator=operator).cuda()
    x = torch.randn(4, 16, 16, 16, device="cuda")
    with torch.autocast("cuda", dtype):
        y = layer(x)
    assert y.dtype == dtype
    torch.testing.assert_close(y.float(), layer(x), atol=0.03, rtol=0.03)


def test_half_the_bytes_are_kept_of_what_unfolded_patches_need():
    layer = SphereConv2d(32, 32, 3, padding=1, operator="sigmoid", eps=0.0).cuda()
    x = torch.randn(16, 32, 32, 32, device="cuda", requires_grad=True)

    def kept(function):
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        y = function(x)
        torch.cuda.synchronize()
        return torch.cuda.memory_allocated() - before, y

    ours, _ = kept(layer)
    theirs, _ = kept(lambda x: _unfolded(layer, x))
    assert ours < theirs / 2


@pytest.mark.parametrize("name", sorted({*LOSSES, *ARC_LOSSES, *ANGULAR_LOSSES}))
def test_losses_and_gradients_agree_with_a_cpu(name):
    generator = torch.Generator().manual_seed(0)
    cosines = 1.8 * torch.rand(32, 5, generator=generator) - 0.9
    target = torch.arange(32) % 5 if name not in ARC_LOSSES else cosines.roll(1, 0)
    loss = {**LOSSES, **ARC_LOSSES}.get(name) or make_angular_loss(name, scale=8.0)

    def run(device):
        x = cosines.to(device, copy=True).requires_grad_()
        value = loss(x, target.to(device))
        return value.cpu(), torch.autograd.grad(value, x)[0].cpu()

    torch.testing.assert_close(run("cuda"), run("cpu"))


def test_networks_move_as_a_whole():
    torch.manual_seed(0)
    net = SphereCNN(depth=3, widths=(8, 8, 8)).build((3, 16, 16), 8).eval()
    x = torch.randn(4, 3, 16, 16)
    expected = net(x)
    torch.testing.assert_close(net.cuda()(x.cuda()).cpu(), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", ["orthogonal", "mhe", "half_space_mhe"])
def test_penalties_are_sums_without_a_wait(kind):
    model = SphereLinear(16, 24).cuda()
    expected = Regularizer(kind)(SphereLinear(16, 24))
    Regularizer(kind)(model)
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = Regularizer(kind)(model)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert found.shape == expected.shape


def test_dropout_draws_from_a_generator_of_its_own_on_the_device():
    layer = Dropout(0.5).cuda()
    before = torch.cuda.get_rng_state()
    y = layer(torch.ones(64, 256, device="cuda"))
    assert torch.equal(torch.cuda.get_rng_state(), before)
    assert 0.45 < (y == 0).float().mean() < 0.55


@pytest.mark.parametrize("method", ["separated", "uniform"])
def test_searches_run_on_the_device(method):
    options = {"method": method, "effort": "fast", "random_state": 0}
    on_gpu = place_prototypes(30, 5, device="cuda", **options)
    assert on_gpu.device.type == "cpu"
    on_cpu = place_prototypes(30, 5, **options)
    assert max_cosine(on_gpu) == pytest.approx(max_cosine(on_cpu), abs=0.03)
