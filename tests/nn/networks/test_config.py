"""Backbone configurations speak scikit-learn's parameter protocol."""

from dataclasses import dataclass

import pytest
from sklearn.base import clone

from sphereskl.nn import MLP, BackboneConfig, ConvNet

CONFIGS = [MLP(hidden_layer_sizes=(8, 4), dropout=0.3), ConvNet(widths=(4,), n_blocks=1)]


@pytest.mark.parametrize("config", CONFIGS)
def test_clone_makes_an_equal_copy(config):
    copy = clone(config)
    assert copy == config
    assert copy is not config


@pytest.mark.parametrize("config", CONFIGS)
def test_parameters_make_the_configuration(config):
    assert type(config)(**config.get_params()) == config


@pytest.mark.parametrize("config", CONFIGS)
def test_repr_makes_the_configuration(config):
    assert eval(repr(config)) == config


def test_set_params_changes_the_configuration_in_place():
    config = MLP()
    assert config.set_params(dropout=0.5, norm="layer") is config
    assert config == MLP(dropout=0.5, norm="layer")


@pytest.mark.parametrize("config", CONFIGS)
def test_unknown_parameters_are_named(config):
    with pytest.raises(ValueError, match=f"{type(config).__name__} has no parameter 'width'; it"):
        clone(config).set_params(width=3)


@pytest.mark.parametrize("config", [MLP(dropout=7), ConvNet(widths="wide", n_blocks=-1)])
def test_values_are_stored_as_given(config):
    # Checked by build, as scikit-learn checks in fit.
    assert clone(config) == config


def test_subclasses_must_build():
    @dataclass
    class Unfinished(BackboneConfig):
        width: int = 3

    with pytest.raises(TypeError, match=r"Unfinished must define build\(input_shape"):
        Unfinished().build((2,), 3)
