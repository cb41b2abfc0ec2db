"""Networks that the user brings see the user's rows, in the user's precision, and nothing else."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.datasets import load_iris
from torch import nn

from sphereskl import MLP, HypersphericalPrototypeClassifier, HypersphericalRegressor

X, Y = load_iris(return_X_y=True)
OPTIONS = {"max_epochs": 2, "random_state": 0}


class Tokens(nn.Module):
    """Numbers from 1 to 19 as vectors; any other is an IndexError."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(19, 8)

    def forward(self, x):
        return self.table(x.long() - 1).mean(dim=1)


class Lengths(nn.Module):
    """Takes positive numbers only."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 8)

    def forward(self, x):
        if (x <= 0).any():
            raise ValueError("not positive")
        return self.layer(x.log())


@pytest.mark.parametrize("n_rows", [1, 3, 33, 60])
def test_rows_that_are_not_the_users_are_never_shown(n_rows):
    tokens = np.random.RandomState(0).randint(1, 20, (60, 7))
    clf = HypersphericalPrototypeClassifier(backbone=Tokens(), **OPTIONS)
    clf.fit(tokens, np.arange(60) % 3)
    assert clf.predict(tokens[:n_rows]).shape == (n_rows,)
    reg = HypersphericalRegressor(backbone=Lengths(), **OPTIONS).fit(X, X[:, 0])
    assert np.isfinite(reg.predict(X[:n_rows])).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_precision_is_that_of_dtype(dtype, precision):
    network = nn.Linear(4, 8).to(precision)
    clf = HypersphericalPrototypeClassifier(backbone=network, dtype=dtype, **OPTIONS).fit(X, Y)
    assert clf.transform(X).dtype == np.dtype(dtype)
    assert network.weight.dtype == precision
    assert clf.partial_fit(X, Y).predict(X).shape == (150,)


def test_lazy_layers_find_their_width():
    clf = HypersphericalPrototypeClassifier(backbone=nn.LazyLinear(8), **OPTIONS).fit(X, Y)
    assert clf.transform(X).shape == (150, 8)


@pytest.mark.parametrize("n_rows", [1, 2])
def test_few_rows_suffice_to_ask_for_the_width(n_rows):
    reg = HypersphericalRegressor(backbone=nn.Linear(4, 8), **OPTIONS)
    assert reg.fit(X[:n_rows], X[:n_rows, 0]).predict(X).shape == (150,)


def test_a_network_that_cannot_learn_is_named():
    clf = HypersphericalPrototypeClassifier(backbone=nn.Identity(), scale=3.0, **OPTIONS)
    with pytest.raises(ValueError, match="backbone has no trainable parameter"):
        clf.fit(X, Y)
    frozen = nn.Linear(4, 8).requires_grad_(False)
    with pytest.raises(ValueError, match="backbone has no trainable parameter"):
        clf.set_params(backbone=frozen).fit(X, Y)


def test_a_configuration_is_given_as_an_instance():
    with pytest.raises(ValueError, match=r"backbone is the class MLP.*pass MLP\(\)"):
        HypersphericalPrototypeClassifier(backbone=MLP).fit(X, Y)


@pytest.mark.parametrize("backbone", [MLP((8,), norm="batch", n_members=1), None])
def test_batches_of_one_row_are_explained_where_a_layer_cannot_use_them(backbone):
    backbone = backbone or nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8))
    stream = HypersphericalPrototypeClassifier(backbone=backbone, random_state=0)
    stream.partial_fit(X, Y, classes=[0, 1, 2])
    expected = stream.transform(X)
    with pytest.raises(ValueError, match=r"batch of one sample.*BatchNorm1d.*more samples"):
        stream.partial_fit(X[:1], Y[:1])
    np.testing.assert_array_equal(stream.transform(X), expected)
    assert stream.partial_fit(X[:2], Y[:2]).predict(X).shape == (150,)


def test_what_a_callable_returns_must_be_a_network():
    with pytest.raises(ValueError, match=r"backbone must return a torch\.nn\.Module, got str"):
        HypersphericalPrototypeClassifier(backbone=lambda shape: "network").fit(X, Y)


def test_what_a_loss_returns_must_be_a_tensor():
    clf = HypersphericalPrototypeClassifier(loss=lambda cosines, target, weight: 0.0)
    with pytest.raises(TypeError, match=r"loss must return a tensor .*, got 0\.0"):
        clf.fit(X, Y)


@pytest.mark.parametrize("prototypes", [np.eye(3) * 1j, [[1, 2], [3], [4, 5]], "abc", [["a", "b"]]])
def test_prototypes_that_are_no_numbers_are_named(prototypes):
    with pytest.raises(ValueError, match="prototypes"):
        HypersphericalPrototypeClassifier(prototypes=prototypes).fit(X, Y)


@pytest.mark.parametrize("index", [["emu", "dog", "cat", "fox"], ["emu", "dog", "cat"]])
def test_rows_of_a_frame_of_prototypes_go_by_their_label(index):
    names = np.array(["cat", "dog", "emu"])[Y]
    vectors = pd.DataFrame(np.eye(len(index)), index=index)
    clf = HypersphericalPrototypeClassifier(prototypes=vectors, **OPTIONS).fit(X, names)
    expected = vectors.loc[["cat", "dog", "emu"]].to_numpy()
    np.testing.assert_array_equal(clf.prototypes_, expected)


def test_a_frame_of_prototypes_without_an_index_of_its_own_goes_by_place():
    names = np.array(["cat", "dog", "emu"])[Y]
    vectors = pd.DataFrame(np.eye(3)[::-1])
    clf = HypersphericalPrototypeClassifier(prototypes=vectors, **OPTIONS).fit(X, names)
    np.testing.assert_array_equal(clf.prototypes_, vectors.to_numpy())


@pytest.mark.parametrize(
    ("index", "message"), [(["cat", "dog", "fox"], "no vector for .*emu"), (list("aab"), "repeat")]
)
def test_an_index_that_does_not_suit_is_named(index, message):
    names = np.array(["cat", "dog", "emu"])[Y]
    vectors = pd.DataFrame(np.eye(3), index=index)
    with pytest.raises(ValueError, match=message):
        HypersphericalPrototypeClassifier(prototypes=vectors, **OPTIONS).fit(X, names)


@pytest.mark.parametrize(
    "given",
    [torch.eye(3), nn.Parameter(torch.eye(3)), torch.eye(3).bfloat16(), pl.DataFrame(np.eye(3))],
)
def test_prototypes_in_any_container(given):
    clf = HypersphericalPrototypeClassifier(prototypes=given, **OPTIONS).fit(X, Y)
    np.testing.assert_array_equal(clf.prototypes_, np.eye(3))


class Turned(nn.Module):
    """Has complex weights."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 8, dtype=torch.complex64))

    def forward(self, x):
        return (x.to(self.weight.dtype) @ self.weight).real


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        (Turned(), r"backbone has complex parameters"),
        (nn.Linear(5, 8), r"backbone cannot take samples of shape \(4,\)"),
        (lambda: nn.Linear(4, 8), r"backbone is called with the shape \(4,\)"),
    ],
    ids=["complex", "another width", "another call"],
)
def test_a_network_that_cannot_take_the_rows_is_named(backbone, message):
    with pytest.raises((TypeError, ValueError), match=message):
        HypersphericalPrototypeClassifier(backbone=backbone, **OPTIONS).fit(X, Y)


class Plain:
    """A description of a network that knows neither parameters nor columns."""

    def build(self, input_shape, embedding_dim):
        self.built = input_shape
        return nn.Linear(*input_shape, embedding_dim)


def test_a_description_of_ones_own_gets_categories_as_numbers():
    backbone = Plain()
    frame = pd.DataFrame(X, columns=list("abcd")).assign(
        kind=pd.Categorical(np.where(X[:, 0] > 5, "long", "short"))
    )
    clf = HypersphericalPrototypeClassifier(backbone=backbone, **OPTIONS).fit(frame, Y)
    assert clf.predict(frame).shape == Y.shape
    assert len(clf.module_.backbone) == 2
    HypersphericalPrototypeClassifier(backbone=backbone, **OPTIONS).fit(X, Y)
    assert backbone.built == (4,)


class Overflowing(nn.Module):
    """Gives infinity for large numbers, and NaN where it is asked to in evaluation mode."""

    def __init__(self, is_nan=False):
        super().__init__()
        self.layer = nn.Linear(4, 8)
        self.is_nan = is_nan

    def forward(self, x):
        outputs = self.layer(x.clamp(max=100).exp())
        return outputs * torch.nan if self.is_nan and not self.training else outputs


CLASSIFYING = ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform")
METHODS = (*CLASSIFYING, "resultant_length", "score_samples", "is_novel")


@pytest.mark.parametrize("method", [*METHODS, "predict_interval", "predict_values"])
def test_outputs_that_are_not_finite_are_named(method):
    options = {"early_stopping": True, "validation_fraction": 0.3, **OPTIONS}
    if method.startswith(("predict_i", "predict_v")):
        model = HypersphericalRegressor(backbone=Overflowing(), **options).fit(X, X[:, 0])
    else:
        model = HypersphericalPrototypeClassifier(backbone=Overflowing(), **options).fit(X, Y)
    called = getattr(model, "predict" if method == "predict_values" else method)
    called(X)
    rows = X.copy()
    rows[7, 2] = 90  # beyond the largest float32, after exp
    with pytest.raises(ValueError, match="not finite for 1 of 150 samples, first for row 7; see"):
        called(rows)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("cls", [HypersphericalPrototypeClassifier, HypersphericalRegressor])
def test_a_network_that_fails_in_evaluation_mode_only_is_noticed(cls, early_stopping):
    model = cls(backbone=Overflowing(is_nan=True), early_stopping=early_stopping, **OPTIONS)
    message = r"outputs are not finite for \d+ of \d+ samples|valid_loss is nan in epoch 1"
    with pytest.raises(ValueError, match=message):
        model.fit(X, Y).predict(X)
