"""Hyperspherical convolutions measure angles between filters and patches, and nothing else."""

import copy
import itertools
import math
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sphereskl.nn import AngularOperator, SphereConv1d, SphereConv2d, SphereLinear

OPERATORS = ["linear", "cosine", "sigmoid"]
GRID = [
    dict(kernel_size=kernel, stride=stride, padding=padding, dilation=dilation)
    for kernel, stride, padding, dilation in itertools.product(
        [1, 2, 3, 5, (3, 5)], [1, 2, 3, (1, 2)], [0, 1, 2, "same", "valid"], [1, 2]
    )
    if padding != "same" or stride == 1
]


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def _layer(*args, **kwargs):
    layer = SphereConv2d(*args, dtype=torch.float64, **kwargs)
    if layer.bias is not None:
        nn.init.normal_(layer.bias)
    return layer


def _images(*shape):
    return torch.randn(shape, dtype=torch.float64)


def _published(theta, operator, k=0.3):
    if operator == "cosine":
        return torch.cos(theta)
    if operator == "linear":
        return -0.63662 * theta + 1
    end, power = math.exp(-math.pi / (2 * k)), torch.exp(theta / k - math.pi / (2 * k))
    return (1 + end) / (1 - end) * (1 - power) / (1 + power)


def _cosines_by_unfold(layer, x):
    sides = layer._reversed_padding_repeated_twice
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    x = F.pad(x, sides, mode=mode)
    patches = F.unfold(x, layer.kernel_size, layer.dilation, 0, layer.stride)
    patches = patches.unflatten(1, (layer.groups, -1)).transpose(2, 3)
    filters = layer.weight.flatten(1).unflatten(0, (layer.groups, -1))
    filters = filters / (filters.square().sum(-1, keepdim=True) + layer.weight_eps).sqrt()
    lengths = (patches.square().sum(-1, keepdim=True) + layer.eps).sqrt()
    cosines = (patches / lengths) @ filters.transpose(1, 2)
    size = F.conv2d(x[:1], layer.weight, None, layer.stride, 0, layer.dilation, layer.groups)
    return cosines.transpose(2, 3).flatten(1, 2).unflatten(2, size.shape[2:])


def _gradients(layer, x, grad):
    x = x.detach().clone().requires_grad_()
    return torch.autograd.grad(layer(x), [x, *layer.parameters()], grad)


def _parameters_as_arguments(layer):
    names = [name for name, _ in layer.named_parameters()]

    def forward(x, *values):
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), x)

    return forward, tuple(layer.parameters())


@pytest.mark.parametrize("arguments", GRID, ids=lambda a: "-".join(map(str, a.values())))
def test_outputs_are_cosines_of_unfolded_patches(arguments):
    layer, x = _layer(4, 6, **arguments, operator="cosine"), _images(2, 4, 11, 13)
    expected = _cosines_by_unfold(layer, x) + layer.bias.view(-1, 1, 1)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("padding_mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_groups_and_borders_are_those_of_unfolded_patches(groups, padding_mode, memory_format):
    layer = _layer(4, 8, 3, 2, 1, groups=groups, padding_mode=padding_mode, operator="cosine")
    x = _images(2, 4, 7, 6).contiguous(memory_format=memory_format)
    expected = _cosines_by_unfold(layer, x) + layer.bias.view(-1, 1, 1)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("operator", OPERATORS)
def test_outputs_are_those_of_the_published_program(operator):
    layer = _layer(3, 5, 3, padding=1, bias=False, operator=operator, weight_eps=1e-4)
    x = _images(2, 3, 6, 6)
    ones = torch.ones(1, 3, 3, 3, dtype=torch.float64)
    lengths = (F.conv2d(x.square(), ones, padding=1) + 1e-4).sqrt()
    filters = (layer.weight.square().sum(dim=(1, 2, 3)) + 1e-4).sqrt().view(-1, 1, 1)
    theta = torch.acos(F.conv2d(x, layer.weight, padding=1) / lengths / filters)
    torch.testing.assert_close(layer(x), _published(theta, operator), rtol=0, atol=2e-6)


@pytest.mark.parametrize("n_samples", [0, 1])
@pytest.mark.parametrize("operator", OPERATORS)
def test_small_batches_pass_forward_and_backward(operator, n_samples):
    layer, x = _layer(3, 4, 3, padding=1, operator=operator), _images(n_samples, 3, 5, 5)
    assert layer(x.requires_grad_()).shape == (n_samples, 4, 5, 5)
    layer(x).sum().backward()
    assert x.grad.shape == x.shape
    assert layer.weight.grad.isfinite().all()


def test_samples_may_come_without_a_batch():
    layer, x = _layer(3, 4, 3, padding=1), _images(3, 5, 5)
    torch.testing.assert_close(layer(x), layer(x[None])[0])


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("operator", OPERATORS)
def test_pieces_of_a_batch_are_the_whole(monkeypatch, operator, memory_format):
    layer, x = _layer(4, 6, 3, 2, 1, groups=2, operator=operator), _images(5, 4, 6, 6)
    x = x.contiguous(memory_format=memory_format)
    grad = _images(*layer(x).shape)
    whole, gradients = layer(x), _gradients(layer, x, grad)
    monkeypatch.setattr("sphereskl.nn.layers._angular_convolution._PIECE", 2 * x[0].nbytes)
    torch.testing.assert_close(layer(x), whole, rtol=0, atol=1e-14)
    for one, other in zip(_gradients(layer, x, grad), gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("eps", [0.0, 1e-4])
@pytest.mark.parametrize("magnitude", ["sphere", "tanh", "ball", "linear"])
@pytest.mark.parametrize("operator", OPERATORS)
def test_gradients_are_exact(operator, magnitude, eps):
    learn_k = "channel" if operator == "sigmoid" else None
    layer = _layer(
        2, 4, 3, 2, 1, groups=2, operator=operator, learn_k=learn_k, magnitude=magnitude, eps=eps
    )
    forward, parameters = _parameters_as_arguments(layer)
    x = _images(2, 2, 4, 3).requires_grad_()
    assert torch.autograd.gradcheck(forward, (x, *parameters))


@pytest.mark.parametrize("padding", [0, "same", 2])
@pytest.mark.parametrize("arguments", [{"kernel_size": 1}, {"kernel_size": 2, "dilation": 2}])
def test_gradients_are_exact_for_other_windows(arguments, padding):
    layer = _layer(2, 2, **arguments, padding=padding, learn_k="layer")
    forward, parameters = _parameters_as_arguments(layer)
    assert torch.autograd.gradcheck(forward, (_images(1, 2, 4, 3).requires_grad_(), *parameters))


@pytest.mark.parametrize("magnitude", ["sphere", "tanh"])
@pytest.mark.parametrize("frozen", ["weight", "bias", "images"])
def test_what_is_frozen_changes_no_other_gradient(frozen, magnitude):
    layer, x = _layer(2, 4, 3, groups=2, magnitude=magnitude), _images(2, 2, 4, 3)
    inputs = {"images": x.requires_grad_(), "weight": layer.weight, "bias": layer.bias}
    grad = torch.randn_like(layer(x)).detach()
    expected = dict(zip(inputs, torch.autograd.grad(layer(x), inputs.values(), grad), strict=True))
    inputs.pop(frozen).requires_grad_(False)
    found = torch.autograd.grad(layer(x), inputs.values(), grad)
    for name, gradient in zip(inputs, found, strict=True):
        torch.testing.assert_close(gradient, expected[name], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("operator", OPERATORS)
def test_second_derivatives_are_exact(operator):
    layer = _layer(2, 2, 2, operator=operator, learn_k="layer" if operator == "sigmoid" else None)
    forward, parameters = _parameters_as_arguments(layer)
    x = _images(1, 2, 3, 3).requires_grad_()
    assert torch.autograd.gradgradcheck(forward, (x, *parameters))


def test_filters_made_from_the_input_are_not_counted_twice():
    layer, x = _layer(2, 2, 2, bias=False), _images(1, 2, 2, 2).requires_grad_()

    def forward(x):
        weight = torch.tanh(x).expand(2, -1, -1, -1) + layer.weight.detach()
        return torch.func.functional_call(layer, {"weight": weight}, x)

    assert torch.autograd.gradgradcheck(forward, (x,))


@pytest.mark.parametrize("operator", OPERATORS)
def test_gradients_of_every_sample_come_in_one_call(operator):
    layer, x = _layer(2, 3, 2, operator=operator), _images(4, 2, 5, 5)
    parameters = {name: value.detach() for name, value in layer.named_parameters()}

    def loss(parameters, sample):
        return torch.func.functional_call(layer, parameters, sample[None]).square().sum()

    every = torch.func.vmap(torch.func.grad(loss), (None, 0))(parameters, x)["weight"]
    layer(x[2:3]).square().sum().backward()
    torch.testing.assert_close(every[2], layer.weight.grad)


@pytest.mark.parametrize("factor", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("operator", OPERATORS)
def test_without_eps_neither_input_nor_filters_have_a_scale(operator, factor):
    layer = _layer(3, 4, 3, padding=1, operator=operator, eps=0.0, weight_eps=0.0)
    x = _images(2, 3, 5, 5)
    y = layer(x)
    torch.testing.assert_close(layer(factor * x), y, rtol=0, atol=1e-10)
    with torch.no_grad():
        layer.weight *= factor
    torch.testing.assert_close(layer(x), y, rtol=0, atol=1e-10)


def test_eps_changes_cosines_by_at_most_its_share_of_the_squared_length():
    layer = _layer(3, 4, 3, bias=False, operator="cosine")
    exact = _layer(3, 4, 3, bias=False, operator="cosine", eps=0.0)
    exact.load_state_dict(layer.state_dict())
    x = 0.1 * _images(2, 3, 5, 5)
    shortest = layer.inverse_norm(x).max().pow(-2) - layer.eps
    assert (layer(x) - exact(x)).abs().max() <= layer.eps / (2 * shortest) + 1e-12


@pytest.mark.parametrize("operator", OPERATORS)
def test_gradients_are_orthogonal_to_filters_and_patches(operator):
    layer = _layer(3, 4, 3, operator=operator, eps=0.0, weight_eps=0.0)
    x = _images(1, 3, 3, 3)
    grad_x, grad_weight, _ = _gradients(layer, x, _images(1, 4, 1, 1))
    along = (grad_weight * layer.weight).sum(dim=(1, 2, 3)).abs()
    assert (along <= 1e-12 * grad_weight.flatten(1).norm(dim=1)).all()
    assert (grad_x * x).sum().abs() <= 1e-12 * grad_x.norm() * x.norm()


@pytest.mark.parametrize("magnitude", ["sphere", "tanh", "ball", "linear"])
@pytest.mark.parametrize("operator", OPERATORS)
def test_zero_patches_have_output_zero_and_without_eps_no_gradient(operator, magnitude):
    for_eps = {}
    for eps in (0.0, 1e-4):
        layer = _layer(2, 3, 3, bias=False, operator=operator, magnitude=magnitude, eps=eps)
        x = torch.zeros(1, 2, 4, 4, dtype=torch.float64)
        assert (layer(x) == 0).all()
        for_eps[eps] = _gradients(layer, x, _images(1, 3, 2, 2))
    assert all((gradient == 0).all() for gradient in for_eps[0.0])
    assert all(gradient.isfinite().all() for gradient in for_eps[1e-4])


def test_an_empty_image_does_not_stop_training():
    model = nn.Sequential(SphereConv2d(1, 4, 3), nn.Flatten(), SphereLinear(16, 2))
    x, target = torch.randn(6, 1, 4, 4), torch.arange(6) % 2
    x[0] = 0
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(20):
        loss = F.cross_entropy(5 * model(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("k", [0.05, 0.1, 0.3, 0.7, 3.0])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("operator", OPERATORS)
def test_aligned_patches_stay_in_range_with_finite_gradients(operator, precision, k):
    layer = SphereConv2d(16, 8, 3, bias=False, operator=operator, k=k, eps=0.0)
    x = torch.cat([layer.weight.detach(), -layer.weight.detach()]) * torch.rand(16, 1, 1, 1) * 9
    x.requires_grad_()
    with torch.autocast("cpu", precision, enabled=precision != torch.float32):
        y = layer(x)
    y.float().sum().backward()
    assert y.dtype == precision
    assert y.abs().max() <= 1 + 4 * torch.finfo(precision).eps
    assert x.grad.isfinite().all()
    assert layer.weight.grad.isfinite().all()


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_patch_equal_to_the_filter_passes_anomaly_detection(operator):
    layer = SphereConv2d(3, 1, 3, bias=False, operator=operator, eps=0.0)
    x = layer.weight.detach().clone().requires_grad_()
    with torch.autograd.set_detect_anomaly(True):
        y = layer(x)
        y.sum().backward()
    assert y.item() == pytest.approx(1, abs=1e-3)
    assert x.grad.abs().max() < 1e-2


def test_autocast_keeps_cosines_and_norms():
    layer, x = SphereConv2d(32, 16, 3, padding=1, operator="cosine"), torch.randn(2, 32, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(x)
        inverse = layer.inverse_norm(x)
    assert (found.float() - layer(x)).abs().max() <= 1e-2
    torch.testing.assert_close(inverse, layer.inverse_norm(x.bfloat16().float()))


def test_norms_of_large_inputs_do_not_overflow_in_half_precision():
    layer = SphereConv2d(64, 4, 3, operator="cosine")
    x = torch.full((1, 64, 4, 4), 300.0)
    with torch.autocast("cpu", torch.float16):
        found = layer(x)
    torch.testing.assert_close(found.float(), layer(x), rtol=0, atol=2e-3)


def test_groups_are_layers_of_their_own():
    layer, x = _layer(6, 6, 3, groups=3), _images(2, 6, 5, 5)
    parts = []
    for part, weight, bias in zip(
        x.chunk(3, 1), layer.weight.chunk(3), layer.bias.chunk(3), strict=True
    ):
        own = {"weight": weight, "bias": bias}
        parts.append(torch.func.functional_call(_layer(2, 2, 3), own, part))
    torch.testing.assert_close(layer(x), torch.cat(parts, dim=1), rtol=0, atol=1e-13)


@pytest.mark.parametrize("padding", [0, 2, "same"])
@pytest.mark.parametrize("padding_mode", ["zeros", "reflect", "circular"])
@pytest.mark.parametrize("magnitude", ["sphere", "tanh"])
def test_signals_are_images_of_height_one(padding, padding_mode, magnitude):
    arguments = dict(padding=padding, padding_mode=padding_mode, magnitude=magnitude)
    signal = SphereConv1d(4, 6, 4, dilation=2, groups=2, **arguments, dtype=torch.float64)
    sides = signal._reversed_padding_repeated_twice
    mode = "constant" if padding_mode == "zeros" else padding_mode
    x = _images(2, 4, 15)
    image = SphereConv2d(
        4, 6, (1, 4), dilation=(1, 2), groups=2, magnitude=magnitude, dtype=torch.float64
    )
    image.load_state_dict({**signal.state_dict(), "weight": signal.weight[:, :, None]})
    expected = image(F.pad(x, sides, mode=mode)[:, :, None])[:, :, 0]
    torch.testing.assert_close(signal(x), expected, rtol=0, atol=1e-13)
    torch.testing.assert_close(signal(x[0]), expected[0], rtol=0, atol=1e-13)


def test_linear_magnitude_of_cosines_is_convolution_with_unit_filters():
    layer = _layer(3, 4, 3, 2, 1, operator="cosine", magnitude="linear", eps=0.0)
    x = _images(2, 3, 6, 6)
    unit = layer.weight / layer.weight.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    expected = F.conv2d(x, unit, layer.bias, 2, 1)
    torch.testing.assert_close(layer(x), expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("magnitude", ["tanh", "ball"])
def test_magnitudes_saturate_at_the_sphere(magnitude):
    layer = _layer(3, 4, 3, magnitude=magnitude)
    sphere = _layer(3, 4, 3)
    sphere.load_state_dict(layer.state_dict(), strict=False)
    x = _images(2, 3, 5, 5)
    assert ((layer(x) - layer.bias.view(-1, 1, 1)).abs() < 1).all()
    torch.testing.assert_close(layer(1e3 * x), sphere(1e3 * x), rtol=0, atol=1e-6)


@pytest.mark.parametrize("magnitude", ["sphere", "ball"])
@pytest.mark.parametrize("layer_class", [SphereConv1d, SphereConv2d])
def test_norms_can_be_shared(layer_class, magnitude):
    first, second = (
        layer_class(2, 3, 3, padding=1, magnitude=magnitude, dtype=torch.float64) for _ in range(2)
    )
    x = _images(2, *[2, 5, 5][: first.weight.ndim - 1]).requires_grad_()
    inverse = first.inverse_norm(x)
    shared = first(x, inverse) + second(x, inverse)
    alone = first(x) + second(x)
    torch.testing.assert_close(shared, alone)
    grad = torch.randn_like(alone)
    torch.testing.assert_close(
        torch.autograd.grad(shared, x, grad), torch.autograd.grad(alone, x, grad)
    )


def test_layers_can_share_one_k():
    operator = AngularOperator(k=0.4, learn_k=True)
    model = nn.Sequential(
        SphereConv2d(1, 2, 3, operator=operator), SphereConv2d(2, 2, 3, operator=operator)
    )
    assert sum(name.endswith("rho") for name, _ in model.named_parameters()) == 1
    model(torch.randn(1, 1, 5, 5)).sum().backward()
    assert operator.rho.grad.abs().item() > 0
    twin = copy.deepcopy(model)
    assert twin[0].operator is twin[1].operator


def test_initial_filters_have_the_length_of_he_and_the_bias_is_zero():
    layer = SphereConv2d(3, 8, 3)
    lengths = layer.weight.flatten(1).norm(dim=1)
    torch.testing.assert_close(lengths, torch.full((8,), math.sqrt(2)))
    assert (layer.bias == 0).all()


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("operator", OPERATORS)
def test_arguments_and_state_are_those_of_conv2d(operator, padding):
    arguments = (4, 6, 3, 2, padding, 1, 2, True, "reflect")
    plain, layer = nn.Conv2d(*arguments), SphereConv2d(*arguments, operator=operator)
    layer.load_state_dict(plain.state_dict())
    x = torch.randn(2, 4, 7, 7)
    assert layer(x).shape == plain(x).shape
    assert list(layer.state_dict()) == ["weight", "bias"]


def test_an_activation_may_overwrite_the_output():
    layer, x = SphereConv2d(2, 3, 3, bias=False, operator="cosine"), torch.randn(1, 2, 5, 5)
    grad = torch.randn(1, 3, 3, 3)
    expected = torch.autograd.grad(F.relu(layer(x)), layer.weight, grad)
    torch.testing.assert_close(
        torch.autograd.grad(F.relu(layer(x), inplace=True), layer.weight, grad), expected
    )


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_pass_leaves_parameters_as_they_are(operator):
    layer = SphereConv2d(2, 3, 3, operator=operator)
    with torch.no_grad():
        layer.weight *= 3
    before = copy.deepcopy(layer.state_dict())
    layer.eval()(torch.randn(1, 2, 5, 5)).sum().backward()
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_layers_can_be_copied(duplicate):
    layer = SphereConv2d(2, 3, 3, learn_k="channel", magnitude="tanh", eps=0.0)
    x = torch.randn(1, 2, 5, 5)
    assert torch.equal(duplicate(layer)(x), layer(x))
    assert repr(duplicate(layer)) == repr(layer)


def test_representation_shows_what_is_not_default():
    shown = repr(SphereConv2d(2, 3, 3, operator="linear", magnitude="ball", eps=0.0))
    assert "2, 3, kernel_size=(3, 3), stride=(1, 1), eps=0.0" in shown
    assert "AngularOperator(linear)" in shown
    assert "Magnitude(ball)" in shown


# Dynamo itself instantiates autograd functions.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.parametrize("operator", OPERATORS)
def test_compilers_see_one_graph_with_the_same_gradients(operator, in_one_graph):
    layer = SphereConv2d(2, 3, 3, padding=1, groups=1, operator=operator)
    compiled = in_one_graph(layer, "aot_eager")
    x = torch.randn(2, 2, 5, 5)
    grad = torch.randn(2, 3, 5, 5)
    torch.testing.assert_close(compiled(x), layer(x), rtol=0, atol=1e-6)
    for one, other in zip(_gradients(compiled, x, grad), _gradients(layer, x, grad), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("arguments", [{}, {"learn_k": "channel", "magnitude": "tanh"}])
def test_exported_programs_are_the_layer_for_any_batch(arguments):
    layer, x = SphereConv2d(2, 3, 3, 2, 1, **arguments), torch.randn(2, 2, 6, 6)
    shapes = ({0: torch.export.Dim("n_samples")},)
    program = torch.export.export(layer, (x,), dynamic_shapes=shapes).module()
    other = torch.randn(5, 2, 6, 6)
    torch.testing.assert_close(program(other), layer(other))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"operator": "tanh"}, "'tanh'"),
        ({"magnitude": "log"}, "'log'"),
        ({"learn_k": "global"}, "'global'"),
        ({"learn_k": "layer", "operator": "cosine"}, "'cosine'"),
        ({"learn_k": "layer", "operator": AngularOperator()}, "learn_k='layer'"),
        ({"operator": AngularOperator(learn_k=True, n_channels=5)}, "1 or 3 channels"),
        ({"eps": -1e-4}, "-0.0001"),
    ],
)
def test_wrong_parameters_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        SphereConv2d(2, 3, 3, **arguments)


def test_integers_are_refused():
    with pytest.raises(ValueError, match=r"torch\.uint8"):
        SphereConv2d(1, 1, 1)(torch.zeros(1, 1, 2, 2, dtype=torch.uint8))


def test_stride_two_of_the_authors_pads_at_the_far_side_alone():
    # "SAME" of their framework puts (0, 1), not (1, 1), around an even image at stride 2.
    every = _layer(3, 5, 3, padding=1)
    second = _layer(3, 5, 3, stride=2)
    second.load_state_dict(every.state_dict())
    x = _images(2, 3, 8, 8)
    torch.testing.assert_close(second(F.pad(x, (0, 1, 0, 1))), every(x)[..., 1::2, 1::2])


@pytest.mark.parametrize(
    "layer", [SphereConv2d(3, 4, 3, padding=1), SphereConv2d(3, 4, 2, stride=2)]
)
def test_exported_graphs_hold_nothing_that_exporters_leave_out(layer):
    x = torch.randn(2, 3, 8, 8)
    graph = torch.export.export(layer.eval(), (x,)).module()
    pools = [node for node in graph.graph.nodes if "avg_pool2d" in str(node.target)]
    # Of the divisor of a pooling the converters to ONNX take no notice.
    assert [len(node.args) <= 4 and not node.kwargs for node in pools] == [True]
    torch.testing.assert_close(graph(x), layer(x))
