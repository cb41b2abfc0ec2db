"""Losses that the package lacks: of long tails, and of embeddings in addition to another loss.

Estimators here are subclasses that replace the loss; `long_tail.py` measures them.
"""

import numpy as np
import torch
from torch import nn

from sphereskl import (
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
    SphereNetClassifier,
)
from sphereskl.geometry import normalize
from sphereskl.nn import cross_entropy, squared_cosine
from sphereskl.training import Criterion


def adjusted_cross_entropy(
    logits, target, weight=None, *, log_prior, scale=1.0, label_smoothing=0.0
):
    """Cross-entropy of ``scale * logits + log(prior)`` (Menon et al. 2021, equation 10)."""
    shifted = scale * logits + log_prior.to(logits)
    return cross_entropy(shifted, target, weight, label_smoothing=label_smoothing)


def squared_cosine_of_lengths(cosines, target, weight=None, *, lengths):
    """Squared cosine loss of prototypes with a length each (Yang et al. 2022, equation 9).

    ``(<w, z> - |w|)^2 / (2 |w|)`` is ``|w| (1 - cos)^2 / 2``: a length is a weight.
    """
    of_row = lengths.to(cosines)[target]
    return squared_cosine(cosines, target, of_row if weight is None else weight * of_row)


class AdjustedPrototypes(HypersphericalPrototypeClassifier):
    """Learns with logarithms of the classes' shares added to logits, which it predicts without."""

    counts: np.ndarray

    def _make_criterion(self):
        log_prior = torch.from_numpy(np.log(self.counts / self.counts.sum()))
        smoothing = {"label_smoothing": self.label_smoothing}
        return Criterion(adjusted_cross_entropy, uses_scale=True, log_prior=log_prior, **smoothing)


class AdjustedSoftmax(SphereNetClassifier):
    """The same under an ordinary softmax layer."""

    counts: np.ndarray

    def _make_criterion(self):
        log_prior = torch.from_numpy(np.log(self.counts / self.counts.sum()))
        return Criterion(adjusted_cross_entropy, log_prior=log_prior)


class PrototypesOfLengths(HypersphericalPrototypeClassifier):
    """Prototypes as long as one over the root of the class's size."""

    counts: np.ndarray

    def _make_criterion(self):
        lengths = self.counts**-0.5
        lengths = lengths * self.counts.sum() / (self.counts * lengths).sum()  # mean 1 over rows
        return Criterion(squared_cosine_of_lengths, lengths=torch.from_numpy(lengths))


def contrastive(z, target, learns, temperature=0.1):
    """Supervised contrastive loss (Khosla et al. 2020, L_out).

    `z` are unit embeddings by member, (n_members, n, width); `learns` (n_members, n) says who may
    learn from a row. The same holds for the losses below.
    """
    pairs = _pairs(learns)
    same = pairs & (target[:, None] == target[None, :])
    similarity = (z @ z.mT / temperature).masked_fill(~pairs, -torch.inf)
    log_p = similarity - torch.logsumexp(similarity, dim=2, keepdim=True)
    n_same = same.sum(dim=2)
    of_anchor = torch.where(same, log_p, 0.0).sum(dim=2) / n_same.clamp(min=1)
    return -of_anchor.sum() / (n_same > 0).sum().clamp(min=1)


def uniform(z, target, learns):
    """Uniformity of all rows and alignment of those of a class (Wang and Isola 2020)."""
    pairs = _pairs(learns)
    same = pairs & (target[:, None] == target[None, :])
    distance = (2 - 2 * z @ z.mT).clamp(min=0)
    alignment = (distance * same).sum() / same.sum().clamp(min=1)
    spread = torch.logsumexp((-2 * distance).masked_fill(~pairs, -torch.inf).flatten(1), dim=1)
    return alignment + (spread - pairs.flatten(1).sum(dim=1).log()).mean()


def rank_n_contrast(z, target, learns, temperature=2.0):
    """Contrast of rows nearer in value with those farther (Zha et al. 2023, equation 2)."""
    pairs = _pairs(learns)
    # The root of the squared distance has no slope at 0, where a row meets itself.
    distance = (2 - 2 * z @ z.mT).clamp(min=1e-6).sqrt()
    similarity = (-distance / temperature).masked_fill(~pairs, -torch.inf)
    apart = (target[:, None, 0] - target[None, :, 0]).abs()
    apart, order = apart.sort(dim=1, descending=True)
    ranked = similarity.gather(2, order.expand_as(similarity))
    # Whoever is as far as the pair, or farther, is in the denominator: ties as well.
    last = torch.searchsorted(-apart.contiguous(), -apart.contiguous(), right=True) - 1
    among = torch.logcumsumexp(ranked.clamp(min=-1e4), dim=2).gather(2, last.expand_as(ranked))
    losses = torch.where(ranked.isfinite(), among - ranked, 0.0)
    return losses.sum() / pairs.sum().clamp(min=1)


def _pairs(learns):
    """Pairs of different rows that a member may learn from, (n_members, n, n)."""
    pairs = learns[:, :, None] & learns[:, None, :]
    return pairs & ~torch.eye(learns.shape[1], dtype=torch.bool)


class WithAuxiliary(nn.Module):
    """A criterion, plus a loss of the embeddings that the model has just made."""

    def __init__(self, criterion, auxiliary, weight):
        super().__init__()
        self.criterion, self.auxiliary, self.weight = criterion, auxiliary, weight
        self.uses_scale = criterion.uses_scale
        self.label_smoothing = criterion.label_smoothing

    def forward(self, outputs, target, weight, model):
        value = self.criterion(outputs, target, weight, model)
        if not model.training:
            return value
        h, model.seen = model.seen, None
        h = h if h.ndim == 3 else h[None]
        n_members, n = h.shape[:2]
        learns = torch.ones(n_members, n) if weight is None else weight.view(n_members, n)
        extra = self.auxiliary(normalize(h), target[:n], learns > 0)
        return value + self.weight * extra

    def of_validation(self, outputs, target, weight, model):
        return self.criterion.of_validation(outputs, target, weight, model)

    def logits(self, outputs):
        return self.criterion.logits(outputs)


class SeesEmbeddings:
    """Lets an estimator minimise an auxiliary loss as well."""

    auxiliary = None
    auxiliary_weight = 0.0

    def _assemble(self, backbone, prototypes, criterion):
        model = super()._assemble(backbone, prototypes, criterion)

        def remember(module, inputs, h):
            model.seen = h if module.training else None

        model.backbone.register_forward_hook(remember)
        return model

    def _make_criterion(self):
        return WithAuxiliary(super()._make_criterion(), self.auxiliary, self.auxiliary_weight)


class AuxiliaryClassifier(SeesEmbeddings, HypersphericalPrototypeClassifier):
    """The classifier with a loss of its embeddings."""


class AuxiliaryRegressor(SeesEmbeddings, HypersphericalRegressor):
    """The regressor with a loss of its embeddings."""


AUXILIARY = {"contrastive": contrastive, "uniform": uniform, "rank-n-contrast": rank_n_contrast}
