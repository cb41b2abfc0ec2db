"""SphereNorm brings cosines to unit variance and never looks at the batch."""

import pytest
import torch

from sphereskl.nn import SphereConv2d, SphereNorm


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5), (4, 3, 5, 6)])
@pytest.mark.parametrize("affine", [True, False])
def test_outputs_start_as_inputs_times_root_of_fan_in(shape, affine):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(SphereNorm(3, fan_in=25, affine=affine)(x), 5 * x)


def test_random_cosines_start_with_unit_variance():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer = SphereConv2d(32, 64, 3, operator="cosine")
        y = SphereNorm(64, layer.weight[0].numel())(layer(torch.randn(8, 32, 12, 12)))
    assert y.std().item() == pytest.approx(1, abs=0.05)


def test_scale_and_shift_belong_to_channels():
    norm = SphereNorm(2, fan_in=4)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0]))
        norm.bias.copy_(torch.tensor([0.0, 3.0]))
    y = norm(torch.ones(1, 2, 2, 2))
    assert y[0, 0].unique().tolist() == [1.0]
    assert y[0, 1].unique().tolist() == [5.0]


def test_samples_do_not_depend_on_the_batch():
    x = torch.randn(6, 3, 2, generator=torch.Generator().manual_seed(0))
    norm = SphereNorm(3, fan_in=7)
    assert torch.equal(norm(x)[:1], norm(x[:1]))


def test_gradients_are_exact():
    norm = SphereNorm(3, fan_in=7, dtype=torch.float64)
    x = torch.randn(2, 3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def forward(x, weight, bias):
        return torch.func.functional_call(norm, {"weight": weight, "bias": bias}, x)

    assert torch.autograd.gradcheck(forward, (x.requires_grad_(), norm.weight, norm.bias))


def test_without_affine_nothing_learns():
    assert list(SphereNorm(3, fan_in=7, affine=False).parameters()) == []


@pytest.mark.parametrize("arguments", [(0, 9), (3, 0), (3, 2.5)])
def test_sizes_must_be_positive_integers(arguments):
    with pytest.raises(ValueError, match="integer of at least 1"):
        SphereNorm(*arguments)
