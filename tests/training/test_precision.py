"""Mixed precision rounds the backbone in training, and nothing else."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from sphereskl import ConvNet, HypersphericalPrototypeClassifier
from sphereskl.geometry import simplex
from sphereskl.nn import AngularModel, EmbeddingModel
from sphereskl.training import resolve_precision

X, y = load_digits(return_X_y=True)


class Recorder(nn.Module):
    """Passes its input through a dense layer and keeps the data types of both ends."""

    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(64, 10)

    def forward(self, x):
        z = self.dense(x)
        self.seen = x.dtype, z.dtype
        return z


def _classifier(backbone="auto", **params):
    params = {"max_epochs": 3, "random_state": 0, "device": "cpu", **params}
    return HypersphericalPrototypeClassifier(backbone=backbone, **params)


@pytest.mark.parametrize("model", [EmbeddingModel, AngularModel])
def test_the_backbone_rounds_and_cosines_do_not(model):
    network = model(Recorder(), simplex(10, 10).float())
    full = network(torch.from_numpy(X[:9]).float()).detach()
    network.autocast_dtype = torch.bfloat16
    rounded = network(torch.from_numpy(X[:9]).float())
    assert network.backbone.seen == (torch.float32, torch.bfloat16)
    assert rounded.dtype == torch.float32
    # Outputs of the backbone have 8 bits, cosines of them are as exact as ever.
    assert 0 < (rounded - full).abs().max() < 0.02
    h = network.backbone(torch.from_numpy(X[:9]).float())
    with torch.autocast("cpu", torch.bfloat16):
        h = network.backbone(torch.from_numpy(X[:9]).float()).double()
    exact = nn.functional.normalize(h) @ nn.functional.normalize(network.prototypes.double()).T
    torch.testing.assert_close(rounded.double(), exact, rtol=0, atol=1e-6)


def test_predictions_are_computed_in_full():
    clf = _classifier(Recorder(), precision="bf16").fit(X / 16, y)
    clf.predict(X[:5] / 16)
    assert clf.module_.backbone.seen == (torch.float32, torch.float32)
    assert {p.dtype for p in clf.module_.parameters()} == {torch.float32}


@pytest.mark.parametrize("backbone", ["auto", ConvNet(widths=(16,), n_blocks=1)])
def test_it_learns_as_well(backbone):
    images = {} if backbone == "auto" else {"input_shape": (8, 8)}
    full, half = (
        _classifier(backbone, precision=precision, label_smoothing=0.1, max_epochs=6, **images).fit(
            X[:1200], y[:1200]
        )
        for precision in ("full", "bf16")
    )
    assert half.loss_curve_ != full.loss_curve_
    np.testing.assert_allclose(half.loss_curve_, full.loss_curve_, rtol=0.03)
    assert half.score(X[1200:], y[1200:]) > full.score(X[1200:], y[1200:]) - 0.02


def test_the_precision_may_change_while_the_network_is_kept():
    clf = _classifier(Recorder(), precision="bf16", warm_start=True).fit(X / 16, y)
    clf.set_params(precision="full").fit(X / 16, y)
    kept = _classifier(Recorder(), warm_start=True).fit(X / 16, y)
    assert clf.module_.autocast_dtype is None
    assert kept.module_.autocast_dtype is None


@pytest.mark.parametrize(
    ("device", "dtype", "is_image", "supported", "expected"),
    [
        ("cuda", "float32", True, True, "bf16"),
        ("cuda", "float32", True, False, "full"),
        ("cuda", "float32", False, True, "full"),
        ("cuda", "float64", True, True, "full"),
        ("cpu", "float32", True, True, "full"),
    ],
)
def test_auto_is_mixed_where_it_gains(monkeypatch, device, dtype, is_image, supported, expected):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: supported)
    chosen = resolve_precision("auto", dtype, torch.device(device), is_image=is_image)
    assert chosen == expected


def test_float64_is_not_rounded_to_bfloat16():
    with pytest.raises(ValueError, match=r"precision='bf16' .* but dtype is 'float64'; set"):
        _classifier(precision="bf16", dtype="float64").fit(X, y)
