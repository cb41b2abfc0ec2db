"""Networks of the sections with images, and their last layers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from sphereskl import HypersphericalPrototypeClassifier, SphereNetClassifier
from sphereskl.nn import (
    BackboneConfig,
    ConvNet,
    Regularizer,
    SphereCNN,
    SphereResNet,
    make_angular_loss,
)

KINDS = {"ConvNet": ConvNet, "SphereCNN": SphereCNN, "SphereResNet": SphereResNet}
SMOOTHING = 0.1


@dataclass
class Network(BackboneConfig):
    """A network as it is, or with a layer of `width` outputs and another one that reads them."""

    base: Any
    width: int | None = None
    channels_last: bool = False

    def build(self, input_shape, embedding_dim):
        network = self.base.build(input_shape, self.width or embedding_dim)
        if self.width:
            network = nn.Sequential(network, nn.Linear(self.width, embedding_dim))
        return network.to(memory_format=torch.channels_last) if self.channels_last else network


class Regularized(HypersphericalPrototypeClassifier):
    """Prototypes under the same orthogonality for ordinary and spherical layers."""

    regularizer = Regularizer("orthogonal", layers="all")


def describe(net, spherical):
    """Return the configuration of a network, which a dict of its options describes."""
    kind, options = KINDS[net["kind"]], {k: v for k, v in net.items() if k != "kind"}
    if kind is ConvNet:
        return ConvNet(**options, dropout=0.0)
    return kind(**options, spherical=spherical)


def make_classifier(head, backbone, n_classes, *, orthogonal, width=None, channels_last, **options):
    """Return a classifier, not fitted, that differs from its twins in the last layer alone.

    Parameters
    ----------
    head : str, int or list
        "softmax" is an ordinary softmax layer; "w_softmax" that of the SphereNet paper; a number
        is the dimension of placed prototypes, a list their rows.
    backbone : configuration
        The network.
    n_classes : int
        Number of classes.
    orthogonal : bool
        Whether filters of all layers are pulled towards orthogonality.
    width : int, default=None
        Outputs of the network below a softmax layer; None makes its last layer that of classes.
    channels_last : bool
        Memory layout of the weights.
    **options
        Parameters of the classifier.
    """
    if head == "w_softmax":
        return SphereNetClassifier(
            backbone=Network(backbone, channels_last=channels_last),
            loss=make_angular_loss("w_softmax", label_smoothing=SMOOTHING),
            regularizer=Regularized.regularizer if orthogonal else None,
            **options,
        )
    kind = Regularized if orthogonal else HypersphericalPrototypeClassifier
    options |= {"label_smoothing": SMOOTHING}
    if head == "softmax":
        # Inner products with unit vectors along the axes are the outputs themselves.
        given = {"prototypes": np.eye(n_classes), "loss": "logits"}
        return kind(backbone=Network(backbone, width, channels_last), **given, **options)
    backbone = Network(backbone, None, channels_last)
    if isinstance(head, int):
        return kind(backbone=backbone, embedding_dim=head, **options)
    return kind(backbone=backbone, prototypes=np.asarray(head), **options)
