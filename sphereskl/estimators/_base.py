"""What all estimators share: from users' data to a trained model, and back.

The only module that imports scikit-learn's private helpers.
"""

import warnings
from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from ..nn import EmbeddingModel
from ..preprocessing import ImageAugmentation
from ..training import (
    OPTIMIZERS,
    PRECISIONS,
    SCHEDULES,
    AngularCriterion,
    Criterion,
    TensorData,
    joined,
    neutral_torch,
    settle_interruption,
    unchanged_on_error,
)
from ._components import BACKBONES, takes_gaps
from ._finite import infer_finite
from ._fitted import Fitted
from ._learning import check_unchanged, learn
from ._parameters import PartsParametersMixin
from ._portable import carried_state, settle
from ._samples import check_judges, check_samples, encode_samples
from ._serving import ServingMixin
from ._sklearn_callbacks import CallbackSupportMixin, report_fit
from ._stored_samples import opened
from ._weights import check_weight, counted, scaled, weighed

__all__ = ["EMBEDDING_DIM", "BaseSphereEstimator", "HasMethods", "Interval", "Real", "StrOptions"]

# Number of cosines computed at a time, and of rows too few to count them.
_MOST_COSINES, _FEW = 2**20, 256

EMBEDDING_DIM = [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")]


class BaseSphereEstimator(
    Fitted,
    PartsParametersMixin,
    CallbackSupportMixin,
    ServingMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
    metaclass=ABCMeta,
):
    """Input checks, training and inference of a network onto the sphere.

    A subclass says what to build (`_describe`, `_make_placement`, `_assemble`), what its targets
    are (`_make_target_encoder`), its loss (`_make_criterion`) and its score (`_score`).
    """

    # Whether something is fitted on held-out samples after training.
    _calibrates: ClassVar[bool] = False

    augmentation: ImageAugmentation | None
    backbone: Any
    dtype: str
    input_shape: tuple[int, ...] | dict[str, int] | None
    max_epochs: int
    warm_start: bool

    # Attributes that a fit sets.
    encoder_: Any
    target_encoder_: Any
    scale_: float

    # What scikit-learn's `validate_data` is to accept as targets, beyond one column of labels.
    _y_options: ClassVar[dict[str, Any]] = {}

    # Parameters from which the network is built: they cannot change while it is kept.
    _network_parameters: ClassVar[tuple[str, ...]] = (
        "augmentation",
        "backbone",
        "categorical_features",
        "dtype",
        "input_shape",
    )

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "backbone": [
            *(StrOptions({"auto", *BACKBONES}), HasMethods("build"), torch.nn.Module, callable)
        ],
        "categorical_features": [StrOptions({"from_dtype"}), "array-like", str, None],
        "input_shape": [tuple, list, dict, None],
        "augmentation": [ImageAugmentation, None],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "backbone_lr": [Interval(Real, 0, None, closed="neither"), None],
        "lr_schedule": [StrOptions(set(SCHEDULES))],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
        "early_stopping": [StrOptions({"auto"}), "boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "callbacks": [list, tuple, None],
        "device": [str, torch.device],
        "dtype": [StrOptions({"float32", "float64"})],
        "precision": [StrOptions(set(PRECISIONS))],
        "compile": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    @abstractmethod
    def _make_target_encoder(self) -> Any:
        """Return the unfitted encoder of `y`: targets for training, predictions from logits.

        One of `sphereskl.preprocessing`: it has `fit`, `check_same`, `encode`, `decode` and
        `strata`.
        """

    @abstractmethod
    def _describe(self, input_shape: tuple[int, ...]) -> tuple[Any, int | None, int]:
        """Return the backbone, its required width or None, and the default width."""

    @abstractmethod
    def _make_placement(self) -> Callable[[int, int], Tensor]:
        """Return a function of width and seed that places prototypes, or refuses the width."""

    @abstractmethod
    def _assemble(
        self, backbone: torch.nn.Module, prototypes: Tensor, criterion: torch.nn.Module
    ) -> EmbeddingModel:
        """Build the model from backbone and prototypes, as the parameters and the loss require."""

    @abstractmethod
    def _make_criterion(self) -> Criterion | AngularCriterion:
        """Return the loss."""

    @staticmethod
    @abstractmethod
    def _score(logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Return the score of validation samples that `history_` records, a scalar."""

    def _make_weigher(self, target: NDArray[Any], weight: NDArray[Any]) -> Callable[..., Any]:
        """Return a function of targets: the factors of their samples' weights."""
        return lambda target: 1.0

    def _calibrate(self, data: TensorData, n_distinct: int) -> None:
        """Fit what the network does not learn, on samples, `n_distinct` of them distinct."""

    def _look_back(self, train: TensorData, valid: TensorData | None, *, anew: bool) -> None:
        """Keep what later methods need of the training and validation samples.

        `anew` discards what was kept of earlier parts of a stream.
        """

    def _check_parts(self) -> None:
        """Refuse parameters that need all samples at once, where samples come in parts."""

    def _admit(self, X: NDArray[Any], y: Any, weight: NDArray[Any]) -> None:
        """Make room for targets that no earlier part of a stream contained."""

    def _known_classes(self) -> ArrayLike:
        """Return all labels that will ever occur, if `partial_fit` was not given them."""
        raise ValueError("classes must be passed on the first call to partial_fit.")

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: ArrayLike | None = None,
        X_val: Any = None,
        y_val: Any = None,
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples: numbers and categories in an array or a data frame, or a torch tensor of
            numbers; NaN, None and NA are missing values. Images as the class documentation says.
            Memory maps and map-style Datasets of torch are read batch by batch.
        y : array-like of shape (n_samples,) or (n_samples, n_targets), or pair, default=None
            What to predict: labels of any type, values in one column or several, or, for
            `HypersphericalMultiTask`, classes and values, where a missing one is None, NaN or NA
            and samples that lack both are left out. May be None if `X` is a Dataset of pairs.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights in the loss. Where all samples fit into one batch, a sample of
            weight 2 equals two copies of it; a sample of weight 0 is always left out.
        X_val, y_val : array-like, default=None
            Validation set, used instead of a held-out part of `X`. It is not trained on.

        Returns
        -------
        self : estimator
            The fitted estimator. A fit that fails leaves it unchanged.
        """
        return self._learn(X, y, sample_weight, (X_val, y_val), fresh=not self.warm_start)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: Any,
        y: Any = None,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch at a constant learning rate.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            A part of the samples. The first call determines how columns are standardised.
        y : array-like of shape (n_samples,) or pair, default=None
            Their targets, as in `fit`.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever occur; required in the first call only.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights in the loss.

        Returns
        -------
        self : estimator
            The fitted estimator.
        """
        self._check_parts()
        if classes is None and not hasattr(self, "net_"):
            classes = self._known_classes()
        return self._learn(X, y, sample_weight, classes=classes, partial=True)

    def predict(self, X: Any) -> Any:
        """Predict the target of every sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples in the same form as in `fit`.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets), DataFrame or pair
            In the form of the `y` that was fitted: labels of the nearest prototypes, or values
            at the position between the poles.
        """
        logits = self._infer(X, "logits")
        return self.target_encoder_.decode(logits)

    def transform(self, X: Any) -> Any:
        """Embed samples on the unit sphere.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples in the same form as in `fit`.

        Returns
        -------
        z : ndarray of shape (n_samples, embedding_dim)
            Unit rows.
        """
        return self._infer(X, "embed")

    def resultant_length(self, X: Any) -> NDArray[Any]:
        """Measure how far the members of the ensemble agree on every sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples in the same form as in `fit`.

        Returns
        -------
        length : ndarray of shape (n_samples,) or (n_samples, n_targets)
            Length of the mean of their unit embeddings, in [0, 1]; 1 where all agree, or if
            there is only one network. With several targets, one length for the sphere of each.
        """
        length = self._infer(X, "resultant_length")
        return length[:, 0] if length.shape[1] == 1 else length

    def _infer(self, X: Any, view: str) -> NDArray[Any]:
        """Return one output of the model, such as "embed" or "logits", in its dtype."""
        if not hasattr(self, "net_"):
            check_is_fitted(self)
        encoded = encode_samples(self, X)
        most = _MOST_COSINES // len(self.module_.prototypes) if len(encoded) > _FEW else None
        read = getattr(self.module_, view)
        return infer_finite(self, read, encoded, chunk_size=most).numpy()

    def _learn(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None,
        validation: tuple[Any, Any] = (None, None),
        *,
        classes: ArrayLike | None = None,
        fresh: bool = False,
        partial: bool = False,
    ) -> Self:
        """Check and encode what was passed to `fit` or `partial_fit`, and train on it.

        `fresh` starts from a new network even if there is one; `partial` trains for one epoch.
        """
        # Before the block that restores the state: scikit-learn ends its callbacks after an error.
        name, n_epochs = ("partial_fit", 1) if partial else ("fit", int(self.max_epochs))
        report = report_fit(self, X, y, sample_weight, name=name, n_epochs=n_epochs)
        with unchanged_on_error(self), neutral_torch(), report as told, joined() as group:
            fresh = fresh or not hasattr(self, "net_")
            if not fresh:
                self._validate_params()
                check_unchanged(self)
            X, y = opened(X, y)
            given, encoder = y, self._make_target_encoder()
            X, y = self._check_rows(X, y, reset=fresh)
            weight = check_weight(sample_weight, X)
            if fresh:
                self.target_encoder_ = encoder.fit(y, weight, given=given, classes=classes)
            elif not partial or classes is not None:
                new = encoder.fit(y, weight, given=given, classes=classes)
                self.target_encoder_.check_same(new)
            X, y, weight = counted(X, y, weight)
            if partial and not fresh:
                self._admit(X, y, weight)
            target = self.target_encoder_.encode(y)
            weigh = self._make_weigher(target, weight)
            judged = check_judges(self, *validation, weigh)
            X, target, weight = counted(X, target, scaled(weighed(weight, weigh(target))))
            if not len(X):
                if partial and not fresh:
                    return self
                raise ValueError(
                    "No sample has a positive weight under class_weight and sample_weight, or a "
                    "target; at least one must."
                )
            strata = self.target_encoder_.strata(target)
            rows = (X, target, weight)
            learn(self, rows, strata, judged, group, fresh=fresh, partial=partial, report=told)
        if self.net_.diverged_ and (group is None or not group.rank):
            # The caller of fit, behind the wrapper of scikit-learn.
            warnings.warn(self.net_.diverged_, ConvergenceWarning, stacklevel=4)
        if self.net_.interrupted_:
            settle_interruption(len(self.net_.history))
        return self

    def _check_rows(self, X: Any, y: Any, *, reset: bool) -> tuple[NDArray[Any], Any]:
        """Validate samples and targets together."""
        return check_samples(self, X, y, reset=reset, **self._y_options)

    def __getstate__(self) -> dict[str, Any]:
        state: Any = super().__getstate__()
        return carried_state(self, state)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        settle(self)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = [self.dtype]
        tags.input_tags.three_d_array = self.input_shape is not None
        tags.input_tags.allow_nan = takes_gaps(self)
        return tags
