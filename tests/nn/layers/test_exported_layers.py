"""Layers in onnxruntime and in compiled graphs are the layers that they were."""

import io
import warnings

import numpy as np
import onnxruntime
import pytest
import torch

from sphereskl.nn import (
    Dropout,
    MemberLinear,
    PeriodicEmbedding,
    SphereConv1d,
    SphereConv2d,
    SphereLinear,
    SphereNorm,
)

ROWS, IMAGES = (5, 6), (5, 4, 7, 6)
LAYERS = {
    "SphereLinear cosine": (lambda: SphereLinear(6, 3, operator="cosine"), ROWS),
    "SphereLinear linear": (lambda: SphereLinear(6, 3, operator="linear"), ROWS),
    "SphereLinear sigmoid": (lambda: SphereLinear(6, 3, operator="sigmoid"), ROWS),
    "SphereNorm": (lambda: SphereNorm(4, 9), IMAGES),
    "SphereConv1d": (lambda: SphereConv1d(4, 3, 3, padding=1), (5, 4, 7)),
    "SphereConv2d": (lambda: SphereConv2d(4, 3, 3, operator="cosine"), IMAGES),
    "SphereConv2d padded": (lambda: SphereConv2d(4, 3, 3, stride=2, padding=1), IMAGES),
    "SphereConv2d groups": (lambda: SphereConv2d(4, 6, 3, groups=2, operator="linear"), IMAGES),
    "SphereConv2d dilated": (lambda: SphereConv2d(4, 3, (3, 2), dilation=2), IMAGES),
    "MemberLinear": (lambda: MemberLinear(2, 6, 3), (2, 5, 6)),
    "PeriodicEmbedding": (lambda: PeriodicEmbedding(6), ROWS),
    "Dropout": (lambda: Dropout(0.5), ROWS),
}


# An export takes seconds. Whole networks of the other layers are served in test_serving.py.
QUICK = {"SphereLinear linear", "SphereConv2d padded", "MemberLinear", "PeriodicEmbedding"}


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in LAYERS]
)
def test_onnxruntime_gives_what_the_layer_gives(name):
    make, shape = LAYERS[name]
    torch.manual_seed(0)
    layer, x = make().eval(), torch.randn(shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the inside of exporters
        program = torch.onnx.export(layer, (x,), dynamo=True, verbose=False, opset_version=18)
    file = io.BytesIO()
    program.save(file)
    session = onnxruntime.InferenceSession(file.getvalue())
    (found,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(found, layer(x).numpy(), rtol=1e-5, atol=1e-5)


# Dynamo itself instantiates autograd functions.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.parametrize("name", LAYERS)
def test_a_compiled_layer_trains_in_one_graph_with_the_same_noise(name, in_one_graph):
    make, shape = LAYERS[name]
    torch.manual_seed(0)
    layer, x = make().train(), torch.randn(shape)
    compiled = in_one_graph(layer)
    for _ in range(2):  # noise goes on
        torch.testing.assert_close(compiled(x), layer(x), rtol=0, atol=1e-6)
