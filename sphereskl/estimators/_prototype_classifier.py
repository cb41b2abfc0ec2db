"""Classification by the nearest of prototypes that were placed beforehand."""

from collections.abc import Mapping

from ..nn import LOSSES, EmbeddingModel, separating_scale
from ..training import Criterion
from ._base import Interval, Real, StrOptions
from ._classification import BaseSphereClassifier
from ._components import (
    as_vectors,
    build_backbone,
    is_own_network,
    output_width,
    resolve_prototypes,
)

_PLACEMENTS = (
    "antipodal",
    "polygon",
    "simplex",
    "orthoplex",
    "orthonormal",
    "separated",
    "uniform",
    "random",
)


class HypersphericalPrototypeClassifier(BaseSphereClassifier):
    """Classifier whose network maps every sample towards the prototype of its class."""

    _parameter_constraints = {
        **BaseSphereClassifier._parameter_constraints,
        "prototypes": [StrOptions({"auto", "learned", *_PLACEMENTS}), "array-like", Mapping],
        "loss": [StrOptions(set(LOSSES)), callable],
        "scale": [StrOptions({"learned"}), Interval(Real, 0, None, closed="neither")],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        *,
        backbone="auto",
        embedding_dim="auto",
        prototypes="auto",
        loss="cross_entropy",
        scale="learned",
        label_smoothing=0.1,
        input_shape=None,
        max_epochs=50,
        batch_size=128,
        optimizer="adamw",
        lr=2e-3,
        lr_schedule="one_cycle",
        weight_decay=1e-2,
        max_grad_norm=None,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        class_weight=None,
        warm_start=False,
        callbacks=None,
        device="auto",
        dtype="float32",
        random_state=None,
        verbose=False,
    ):
        self.backbone = backbone
        self.embedding_dim = embedding_dim
        self.prototypes = prototypes
        self.loss = loss
        self.scale = scale
        self.label_smoothing = label_smoothing
        self.input_shape = input_shape
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.weight_decay = weight_decay
        self.max_grad_norm = max_grad_norm
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.device = device
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose

    def _make_model(self, input_shape, seed):
        dim = self._requested_dim()
        backbone = build_backbone(self.backbone, input_shape, dim)
        width = output_width(backbone, input_shape)
        if dim is not None and width != dim:
            raise ValueError(
                f"embedding_dim is {dim}, but backbone returns rows of width {width}; make them "
                "agree, or leave embedding_dim='auto'."
            )
        prototypes = resolve_prototypes(self.prototypes, self.classes_, width, seed)
        return EmbeddingModel(
            backbone,
            prototypes,
            learn_prototypes=self._is("prototypes", "learned"),
            scale=separating_scale(self.n_classes_) if self.scale == "learned" else self.scale,
            learn_scale=self.scale == "learned" and self._is("loss", "cross_entropy"),
            free_norm=self._is("loss", "logits"),
        )

    def _requested_dim(self):
        """Width that the parameters ask for; None leaves it to the user's own network."""
        if not isinstance(self.prototypes, str):
            given = as_vectors(self.prototypes, self.classes_).shape[1]
            if self.embedding_dim not in ("auto", given):
                raise ValueError(
                    f"embedding_dim is {self.embedding_dim}, but prototypes have {given} columns; "
                    "leave embedding_dim='auto' to follow them."
                )
            return given
        if self.embedding_dim == "auto":
            return None if is_own_network(self.backbone) else self._default_dim()
        if self.embedding_dim < 2:
            raise ValueError(
                f"embedding_dim must be at least 2, got {self.embedding_dim}: in one dimension "
                "the sphere is two points, and every cosine loss has zero gradient there."
            )
        return self.embedding_dim

    def _default_dim(self):
        if self._is("prototypes", "polygon"):
            return 2
        if self._is("loss", "logits"):
            # Kasarla et al.: further dimensions would add to the norm and to nothing else.
            return max(2, self.n_classes_ - 1)
        return max(64, self.n_classes_)

    def _make_criterion(self):
        if callable(self.loss):
            return Criterion(self.loss)
        smoothed = self.loss in ("cross_entropy", "logits")
        return Criterion(
            LOSSES[self.loss],
            uses_scale=self.loss == "cross_entropy",
            **({"label_smoothing": self.label_smoothing} if smoothed else {}),
        )

    def _expected_scale(self):
        if self._is("loss", "logits"):
            return 1.0
        trained = self._is("loss", "cross_entropy")
        return self.module_.scale.item() if trained else separating_scale(self.n_classes_)

    def _is(self, parameter, value):
        """Compare a parameter that may be an array with a string."""
        given = getattr(self, parameter)
        return isinstance(given, str) and given == value
