"""A parameter that several classes have is said once: in the same words everywhere."""

import inspect
import re
from collections import defaultdict

import pytest

import sphereskl
from sphereskl import nn

ESTIMATORS = [
    getattr(sphereskl, name)
    for name in sphereskl.__all__
    if name.startswith(("Hyper", "SphereNetC"))
]
NETWORKS = [
    cls
    for cls in vars(nn).values()
    if inspect.isclass(cls) and issubclass(cls, nn.BackboneConfig) and cls is not nn.BackboneConfig
]

# Parameters and attributes whose texts differ, with the reason.
DIFFERENT = {
    "estimators": {
        "backbone": "a spherical network has other names and other defaults",
        "lr": "what is best for the network by default",
        "embedding_dim": "its least value and its default follow from the geometry of each",
        "prototypes": "those of two tasks lie in the axes that are left to classes",
        "loss": "each has losses of its own",
        "bounds": "one pair, or one for every target",
        "scale": "losses besides cross-entropy have none",
        "validation_fraction": "a regressor calibrates nothing, two tasks are stratified by class",
        "weight_decay": "spherical layers do not decay",
        "classes_": "the order of ordered classes is elsewhere",
        "bounds_": "one row, or one for every target, margin included",
        "prototypes_": "their shape and order",
        "scale_": "it may change the most probable class of ordered labels",
        "embedding_dim_": "a product of spheres counts them together",
        "history_": "regularised training records its penalty",
        "loss_curve_": "regularised training goes without its penalty",
        "validation_scores_": "accuracy or R2",
        "module_": "its class",
    },
    "networks": {
        "hidden_layer_sizes": "a linear last layer confines embeddings to a subspace",
        "widths": "when a network stops halving images",
        "dropout": "a hidden unit, or an averaged channel",
        "activation": "after which layer",
        "norm": "which norms there are, and where",
        "numeric_embedding": "spherical networks have none by default",
        "depth": "what it counts",
        "learn_k": "a unit, a filter",
        "magnitude": "of an input, of a patch",
        "eps": "of an input, of a patch",
        "spherical": "which options it silences",
    },
}


def _texts(cls):
    """Name to text, type included, of the parameters and attributes of a class."""
    found = {}
    for section in ("Parameters", "Attributes"):
        match = re.search(
            rf"^{section}\n-+\n(.*?)(?=^\w[\w ]*\n-+\n|\Z)",
            inspect.cleandoc(cls.__doc__),
            re.M | re.S,
        )
        entries = re.split(r"^(?=\w+ ?(?:,|:))", match.group(1), flags=re.M) if match else []
        found |= {re.match(r"\w+", entry).group(): entry.strip() for entry in entries if entry}
    return found


def _shared(classes):
    texts = defaultdict(dict)
    for cls in classes:
        for name, text in _texts(cls).items():
            texts[name][cls.__name__] = text
    return {name: by_class for name, by_class in texts.items() if len(by_class) > 1}


KINDS = {"estimators": ESTIMATORS, "networks": NETWORKS}
CASES = [(kind, name) for kind, classes in KINDS.items() for name in _shared(classes)]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_equal_names_have_equal_texts_or_a_reason(kind, name):
    texts = set(_shared(KINDS[kind])[name].values())
    assert (len(texts) == 1) != (name in DIFFERENT[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_reasons_are_given_for_shared_names_only(kind):
    assert set(DIFFERENT[kind]) <= set(_shared(KINDS[kind]))


def test_shared_options_of_training_stand_in_the_same_order():
    orders = [list(inspect.signature(cls).parameters) for cls in ESTIMATORS]
    common = [name for name in orders[0] if all(name in order for order in orders)]
    assert all([name for name in order if name in common] == common for order in orders)
