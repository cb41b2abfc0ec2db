"""A skorch net that answers in the units of y, as scorers expect."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import torch
from skorch import NeuralNet
from torch import Tensor

from ..nn import EmbeddingModel, log_probabilities, separating_scale
from ._criterion import AngularCriterion, Criterion
from ._inference import infer
from ._rows import Rows


class Reader(Protocol):
    """What an estimator tells its net of the units of y.

    Classifiers have ``classes_``, and what knows classes has ``class_logits(logits)``, their
    columns of the logits. ``scale`` is a function that returns the scale of probabilities.
    """

    def decode_target(self, target: Tensor) -> Any:
        """Return targets as the user gave them."""
        ...

    def predict(self, logits: np.ndarray, scale: Callable[[], float]) -> Any:
        """Return predictions in the same form."""
        ...

    def score(self, y: Any, predicted: Any) -> float:
        """Return what the estimator's `score` does."""
        ...

    def tag(self, tags: Any) -> Any:
        """Tell scikit-learn what is predicted."""
        ...


class RowNumbers:
    """Reader of a net without an estimator: a label is the row number of its prototype."""

    def decode_target(self, target: Tensor) -> Tensor:
        """Return targets as they are."""
        return target

    def predict(self, logits: np.ndarray, scale: Callable[[], float]) -> np.ndarray:
        """Return the row number of the nearest prototype."""
        return logits.argmax(axis=1)

    def class_logits(self, logits: np.ndarray) -> np.ndarray:
        """Return all columns."""
        return logits

    def score(self, y: Any, predicted: np.ndarray) -> float:
        """Return the accuracy."""
        return float(np.mean(np.asarray(y) == predicted))

    def tag(self, tags: Any) -> Any:
        """Tell nothing."""
        return tags


class ReadableNet(NeuralNet):
    """Skorch net whose predictions, probabilities and score are those of an estimator.

    Samples are encoded ones: a tensor, or what callbacks are given as ``dataset_train`` and
    ``dataset_valid``. Predictions are those of evaluation mode.

    Attributes
    ----------
    judged_ : Rows or None
        While training, the rows that judge: alone or as a dataset, each is predicted by its
        judge, the member that was not trained on it.
    heard_ : Tensor or None
        While callbacks hear of a batch, its samples.
    collected_ : tuple (function, outputs) or None
        Outputs that a scoring callback put in place of inference, which it hands out but once.
    """

    # Only seen by type checkers: skorch sets these when it initialises.
    module_: EmbeddingModel
    criterion_: Criterion | AngularCriterion

    reader: Any
    scale: float | None
    judged_: Rows | None = None
    heard_: Tensor | None = None
    collected_: tuple[Any, Tensor] | None = None

    @property
    def classes_(self) -> np.ndarray:
        """Labels in the order of the columns of probabilities."""
        return self.reader.classes_

    def forward_iter(
        self, X: Any, training: bool = False, device: str | torch.device = "cpu"
    ) -> Iterator[Tensor]:
        """Yield what the module returns in evaluation mode, in one piece."""
        inputs = self._inputs(X)
        trains = self.module_.training
        self.module_.eval()
        try:
            outputs = infer(self.module_, *inputs, device=self.device)
        finally:
            self.module_.train(trains)
        yield outputs.to(device)

    def predict(self, X: Any) -> Any:
        """Predict in the form of the `y` that is learned from."""
        return self.reader.predict(self._logits(X), self._scale)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probabilities of the classes, (n_samples, n_classes)."""
        logits = torch.from_numpy(self._class_logits(X))
        smoothing = self.criterion_.label_smoothing
        return log_probabilities(logits, self._scale(), smoothing).exp().numpy()

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the logits of the classes; for two half the difference, (n_samples,)."""
        logits = self._class_logits(X)
        return (logits[:, 1] - logits[:, 0]) / 2 if logits.shape[1] == 2 else logits

    def score(self, X: Any, y: Any) -> float:
        """Return what the estimator's `score` does, without weights."""
        return self.reader.score(y, self.predict(X))

    def __sklearn_tags__(self):
        return self.reader.tag(super().__sklearn_tags__())

    def _inputs(self, X: Any) -> tuple[Tensor, ...]:
        if self.judged_ is not None and X is self.judged_.X:
            return self.judged_.inputs
        if hasattr(X, "inputs"):
            return X.inputs
        return (torch.as_tensor(X, dtype=self.module_.prototypes.dtype),)

    def _logits(self, X: Any) -> np.ndarray:
        with torch.no_grad():
            return self.criterion_.logits(self._outputs(X)).double().cpu().numpy()

    def _outputs(self, X: Any) -> Tensor:
        # Scoring callbacks put what they have collected in place of `forward_iter`: of the rows
        # that they score, not of others that a scorer may ask about.
        collect = vars(self).get("forward_iter")
        if collect is None or not (isinstance(X, Rows) or X is self.heard_):
            return next(ReadableNet.forward_iter(self, X, device=self.device))
        if self.collected_ is None or self.collected_[0] is not collect:
            self.collected_ = collect, torch.cat(list(collect(X))).to(self.device)
        return self.collected_[1]

    def _class_logits(self, X: Any) -> np.ndarray:
        if not hasattr(self.reader, "class_logits"):
            raise AttributeError(
                "The net predicts values, which have no probabilities; use predict instead."
            )
        return self.reader.class_logits(self._logits(X))

    def _scale(self) -> float:
        return expected_scale(self.module_, self.criterion_) if self.scale is None else self.scale


def expected_scale(module: EmbeddingModel, criterion: Criterion | AngularCriterion) -> float:
    """Return the scale of probabilities to expect before any row was asked.

    Parameters
    ----------
    module : EmbeddingModel
        Of classes.
    criterion : Criterion or AngularCriterion
        Its loss.

    Returns
    -------
    scale : float
        The one that the loss multiplies logits by; where it has none, the least that lets a row
        at its prototype be sure of its class.
    """
    n_classes = len(module.prototypes)
    if isinstance(criterion, AngularCriterion):
        if criterion.loss.scale == "norm":
            return 1.0
        # Every operator is 1 at an angle of 0: what is left of the logit there is the scale.
        return criterion.loss.logits(torch.ones(1, n_classes)).max().item()
    if criterion.uses_scale:
        return module.scale.item()
    return 1.0 if module.free_norm else separating_scale(n_classes)
