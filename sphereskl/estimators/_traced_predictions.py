"""A fitted estimator as one module: samples in, all predictions out."""

from copy import copy, deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..nn import log_probabilities
from ..preprocessing import LabelsAndValues, Values, traced


class TracedPredictions(nn.Module):
    """Predictions of an estimator for a batch, by operations that exporters support.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        Fitted.
    levels : list of (array-like or None) or None
        Levels of categories, see `sphereskl.preprocessing.traced`.

    Attributes
    ----------
    names : list of str
        Names of its outputs, of "place" (index of the label in `classes_`), "probabilities",
        "value" and "embedding".
    """

    def __init__(self, estimator: Any, levels: list[Any] | None):
        super().__init__()
        model, encoder = deepcopy(estimator.module_).cpu().eval(), estimator.encoder_
        self.dtype_out = getattr(torch, encoder.dtype)
        # onnxruntime has neither convolutions nor arc sines in float64. Networks of this package
        # see standardised numbers, for which float32 suffices; others may see any.
        self.dtype = torch.float32 if encoder.standardize else self.dtype_out
        model = model.to(self.dtype)
        self.encode, self.backbone = traced(encoder, levels), model.backbone
        # The outputs of the model, from those of the backbone: computed once for all of them.
        self.head = copy(model)
        self.head._modules = {**model._modules, "backbone": nn.Identity()}
        self.read = _reading(estimator)
        self.names = [*self.read.names, "embedding"]

    def forward(self, X: Tensor) -> tuple[Tensor, ...]:
        h = self.backbone(self.encode(X).to(self.dtype))
        return *self.read(self.head.logits(h).double()), self.head.embed(h).to(self.dtype_out)


def _reading(estimator: Any) -> Any:
    encoder = estimator.target_encoder_
    if isinstance(encoder, Values):
        return _ReadValues(encoder.bounds_, encoder.is_2d_)
    smoothing = estimator.net_.criterion_.label_smoothing
    if isinstance(encoder, LabelsAndValues):
        return _ReadBoth(_ReadLabels(estimator.scale_, smoothing), encoder.bounds_)
    by_median = getattr(estimator, "prediction", "argmax") == "median"
    order = np.argsort(encoder.ranks_) if by_median else None
    return _ReadLabels(estimator.scale_, smoothing, order)


class _ReadLabels(nn.Module):
    """Indices of labels and probabilities; medians for ordered classes."""

    names = ["place", "probabilities"]
    order: Tensor | None

    def __init__(self, scale: float, smoothing: float, order: Any = None):
        super().__init__()
        self.scale, self.smoothing = scale, smoothing
        self.register_buffer("order", None if order is None else torch.from_numpy(order))

    def forward(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        probabilities = log_probabilities(logits, self.scale, self.smoothing).exp()
        if self.order is None:
            return logits.argmax(dim=1), probabilities
        below = probabilities[:, self.order].cumsum(dim=1)
        return self.order[(below[:, :-1] < 0.5).sum(dim=1)], probabilities


class _ReadValues(nn.Module):
    """Values between the bounds, as in `sphereskl.preprocessing.from_cosines`."""

    names = ["value"]
    low: Tensor
    high: Tensor

    def __init__(self, bounds: Any, is_2d: bool):
        super().__init__()
        self.is_2d = is_2d
        low, high = torch.tensor(bounds, dtype=torch.float64).T.contiguous()
        self.register_buffer("low", low)
        self.register_buffer("high", high)

    def forward(self, cosines: Tensor) -> tuple[Tensor]:
        value = self.low * ((1 - cosines) / 2) + self.high * ((1 + cosines) / 2)
        value = torch.minimum(torch.maximum(value, self.low), self.high)
        return (value if self.is_2d else value[:, 0],)


class _ReadBoth(nn.Module):
    """A class and a value, whose cosine is the first of the logits."""

    names = ["place", "probabilities", "value"]

    def __init__(self, labels: nn.Module, bounds: Any):
        super().__init__()
        self.labels, self.values = labels, _ReadValues(bounds, is_2d=False)

    def forward(self, logits: Tensor) -> tuple[Tensor, ...]:
        return *self.labels(logits[:, 1:]), *self.values(logits[:, :1])
