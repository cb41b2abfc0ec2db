"""A skorch net that predicts in the units of y, as scorers expect."""

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
    """Translation between a net and the units of y, from an estimator.

    Classifiers have ``classes_``, and readers of classes have ``class_logits(logits)``, their
    columns of the logits. ``scale`` is a function that returns the scale of probabilities.
    """

    def decode_target(self, target: Tensor) -> Any:
        """Return targets in the form of the user's."""
        ...

    def predict(self, logits: np.ndarray, scale: Callable[[], float]) -> Any:
        """Return predictions in the same form."""
        ...

    def score(self, y: Any, predicted: Any) -> float:
        """Return the score of the estimator."""
        ...

    def tag(self, tags: Any) -> Any:
        """Tell scikit-learn what is predicted."""
        ...


class RowNumbers:
    """Reader of a net without an estimator: a label is the index of its prototype."""

    def decode_target(self, target: Tensor) -> Tensor:
        """Return targets unchanged."""
        return target

    def predict(self, logits: np.ndarray, scale: Callable[[], float]) -> np.ndarray:
        """Return the index of the nearest prototype."""
        return logits.argmax(axis=1)

    def class_logits(self, logits: np.ndarray) -> np.ndarray:
        """Return all columns."""
        return logits

    def score(self, y: Any, predicted: np.ndarray) -> float:
        """Return the accuracy."""
        return float(np.mean(np.asarray(y) == predicted))

    def tag(self, tags: Any) -> Any:
        """Change nothing."""
        return tags


class ReadableNet(NeuralNet):
    """Skorch net whose predictions, probabilities and score are those of an estimator.

    Samples are encoded: a tensor, or the ``dataset_train`` and ``dataset_valid`` of
    callbacks. Predictions are those of evaluation mode.

    Attributes
    ----------
    judged_ : Rows or None
        During training, the validation samples: alone or as a dataset, each is predicted by the
        member that was not trained on it.
    heard_ : Tensor or None
        During a callback's batch methods, the samples of the batch.
    collected_ : tuple (function, outputs) or None
        Outputs that a scoring callback has cached in place of inference, used only once.
    """

    # For type checkers only: skorch sets these when it initialises.
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
        """Yield the output of the module in evaluation mode, in one piece."""
        inputs = self._inputs(X)
        trains = self.module_.training
        self.module_.eval()
        try:
            outputs = infer(self.module_, *inputs, device=self.device)
        finally:
            self.module_.train(trains)
        yield outputs.to(device)

    def predict(self, X: Any) -> Any:
        """Predict in the form of the training targets `y`."""
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
        """Return the score of the estimator, without weights."""
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
        # Scoring callbacks replace `forward_iter` by cached outputs: for the samples that they
        # score, not for others that a scorer may use.
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
    """Return the prior scale of probabilities, before calibration.

    Parameters
    ----------
    module : EmbeddingModel
        Model of classes.
    criterion : Criterion or AngularCriterion
        Its loss.

    Returns
    -------
    scale : float
        The factor of the logits in the loss; if it has none, the smallest with which a sample
        at its prototype has a probability close to 1.
    """
    n_classes = len(module.prototypes)
    if isinstance(criterion, AngularCriterion):
        if criterion.loss.scale == "norm":
            return 1.0
        # Every operator is 1 at an angle of 0: what remains of the logit there is the scale.
        return criterion.loss.logits(torch.ones(1, n_classes)).max().item()
    if criterion.uses_scale:
        return module.scale.item()
    return separating_scale(n_classes)
