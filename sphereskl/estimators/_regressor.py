"""Regression: values are mapped to the arc between two poles."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_array
from torch import Tensor, nn

from ..nn import ARC_LOSSES, ProductModel
from ..preprocessing import ImageAugmentation, Values, plain_values
from ..training import Criterion
from ._base import (
    EMBEDDING_DIM,
    BaseSphereEstimator,
    Interval,
    Real,
    StrOptions,
    _fit_context,
)
from ._intervals import IntervalMixin
from ._scores import value_score
from ._stored_samples import with_targets
from ._weights import check_weight

# Dimension of the sphere of every target, chosen in docs/benchmarks/regression.
_BLOCK_DIM = 8


class HypersphericalRegressor(IntervalMixin, MultiOutputMixin, RegressorMixin, BaseSphereEstimator):
    """Regressor whose network maps every sample onto the arc between two poles.

    The lowest value lies at one pole of the sphere, the highest at the other; the network
    learns the angle in between, and the prediction follows from the cosine with the upper pole.
    With several targets, each has a sphere of its own.

    Parameters
    ----------
    backbone : {"auto", "mlp", "convnet"}, configuration, nn.Module or callable, \
            default="auto"
        Network that computes the embedding. "auto" is `sphereskl.MLP` for tables and
        `sphereskl.ConvNet` for images; pass an instance of either to set or tune its
        options (``backbone=MLP(dropout=0.3)``, ``backbone__dropout`` in a grid). An
        `nn.Module` is copied, so that a pretrained network stays as it is; a callable is
        called with the shape of one sample and returns a module. Both receive `X` unscaled;
        for the other choices, columns and channels are standardised (and columns clipped at
        4 standard deviations).
    embedding_dim : int or "auto", default="auto"
        Dimension of the embedding, at least 2 for every target and a multiple of their
        number. "auto" is 8 for every target, or the output width of your own network.
    bounds : "minmax", pair or array-like of shape (n_targets, 2), default="minmax"
        Values at the lower and the upper pole; predictions never leave them. "minmax" takes
        the minimum and the maximum of the training targets; a pair (low, high) holds for all
        targets.
    bounds_margin : float, default=0.0
        Share of the range, at least 0, by which the bounds are widened on both sides. Raise it
        if values beyond those in training are expected.
    loss : {"gaussian", "squared", "absolute", "huber", "quantile"} or callable, \
            default="gaussian"
        Loss. It decides what is predicted: "gaussian" and "squared" the mean, "absolute" the
        median, "huber" something in between, "quantile" the quantile given by `quantile`.
        "gaussian" is the logarithm of the mean squared error, the likelihood of Gaussian noise of
        unknown variance: its gradient does not vanish as errors shrink, so that noisy data need
        early stopping. A callable takes cosines (n_samples, n_targets), target (n_samples,
        n_targets) and weight (n_samples,) or None as tensors and returns a scalar.
    quantile : float, default=0.5
        Quantile to predict, in (0, 1), under ``loss="quantile"``.
    categorical_features : "from_dtype", array-like, str or None, default="from_dtype"
        Categorical columns of a table. "from_dtype" selects them by data type (categorical,
        enum, string or object); a list of names or indices, or a mask, selects others; None
        selects none. Missing categories are a level of their own, categories unseen in training
        match no level. Your own network takes neither categories nor missing numbers.
    input_shape : tuple of int or dict, default=None
        Shape of one image: (height, width), (channels, height, width) or (height, width,
        channels), or a dictionary that names the sizes in the order of the axes, such as
        {"height": 9, "width": 7, "channels": 12}. Set it to read flat rows as images, or for a
        3-D array, whose axes are ambiguous. 4-D arrays with at most 4 channels at one end do
        not need it.
    augmentation : ImageAugmentation, default=None
        Data augmentation of images in training, drawn anew in every epoch, such as
        ``ImageAugmentation(shift=4)``. Predictions use the images as they are.
    max_epochs : int, default=50
        Number of epochs (passes over the training samples), at least 1. Early stopping may
        end training sooner.
    batch_size : int or "auto", default="auto"
        Mini-batch size: maximum number of samples per step, at least 1; batches of an epoch
        are of (nearly) equal size. "auto" is 64 up to 3,000 training samples, else 128.
    optimizer : {"adamw", "adam", "sgd"} or callable, default="adamw"
        Optimiser. "sgd" uses momentum 0.9. A callable, such as an optimiser class of torch, is
        called with parameter groups and ``lr``.
    lr : float, default=8e-3
        Learning rate, positive: the maximum of `lr_schedule`. Lower it if training diverges.
    backbone_lr : float, default=None
        Learning rate of the backbone below its last layer, positive, for fine-tuning a
        pre-trained network; None is `lr`.
    lr_schedule : {"one_cycle", "cosine", "step", "constant"}, default="one_cycle"
        Learning rate schedule over the epochs of a fit; "cosine" begins with a linear warm-up,
        "step" divides by 10 after 53 % and 84 % of the steps.
    weight_decay : float, default=1e-2
        Weight decay of weight matrices, at least 0; biases, scale and prototypes do not decay.
        Raise it against overfitting.
    max_grad_norm : float, default=None
        Gradient clipping: maximum norm of the gradient, positive. None does not clip. Set it,
        for example to 1, if training diverges.
    early_stopping : bool or "auto", default="auto"
        Early stopping: whether to stop once the validation loss has not improved for
        `n_iter_no_change` epochs, and to restore the weights of the best epoch. "auto" does so
        where validation costs no training sample: with `X_val`, and with a backbone of several
        members, such as `sphereskl.MLP`, each validated on the samples it is not trained on.
        The weights validated and kept are averages over about the last tenth of the steps, except
        in networks with running statistics (batch normalisation).
    validation_fraction : float, default=0.1
        Hold-out: share of the training samples in [0, 1) that is held out for `early_stopping`;
        copies of a sample stay together. With 0, or if fewer than ten distinct samples would be
        held out, the training loss decides when to stop. With a backbone of several members
        nothing is held out from all: unless it is 0, each member is trained without its own share.
    n_iter_no_change : int, default=10
        Patience of early stopping: epochs to wait for an improvement, at least 1.
    warm_start : bool, default=False
        Whether `fit` continues training the network of the last fit, instead of a new one.
    callbacks : list or tuple of skorch callbacks, default=None
        skorch callbacks, or pairs (name, callback), called during training; they may stop it.
        They see targets and predictions in the units of `y`.
    device : str or torch.device, default="auto"
        Device for training and prediction; "auto" is the GPU if there is one. On the CPU a fit
        on a table uses one core, and one on images as many as torch may; the model does not
        depend on their number.
    dtype : {"float32", "float64"}, default="float32"
        Data type of the network.
    precision : {"full", "bf16", "auto"}, default="full"
        Arithmetic of training. "full" is that of `dtype`; "bf16" is mixed precision: the backbone
        in bfloat16 under autocast; norms, angles, the loss and weights in float32. "auto" is
        "bf16" for images on a GPU that supports it, else "full". Predictions are computed in
        `dtype`.
    compile : bool, default=False
        Whether to compile the network for training with `torch.compile`, which takes up to
        minutes in the first epoch of a new network; on the CPU it needs a C++ compiler and
        uses one core.
    random_state : int, RandomState instance or None, default=None
        Random seed of initial weights, held-out samples, order of samples and dropout. The same
        integer gives the same model on the same kind of device, whatever ``n_jobs`` and the
        backend of joblib. Global random states are neither read nor changed.
    verbose : bool, default=False
        Whether to show a progress bar.

    Attributes
    ----------
    bounds_ : ndarray of shape (n_targets, 2)
        Values at the poles, including `bounds_margin`.
    prototypes_ : ndarray of shape (n_targets, embedding_dim // n_targets)
        Upper pole of the sphere of every target; the lower pole is opposite.
    n_members_ : int
        Number of networks in the ensemble; `transform` and predictions average them.
    embedding_dim_ : int
        Dimension of the embedding, summed over all spheres.
    n_features_in_ : int
        Number of columns of `X`; the size of its second axis for images.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if `X` had names that are all strings.
    history_ : skorch.history.History
        Training history, a dict for every epoch: ``train_loss``, ``train_loss_best`` (whether
        it is the lowest so far), ``dur`` (seconds), and ``valid_loss``, ``valid_loss_best`` and
        ``valid_score`` if there are validation samples.
    n_iter_ : int
        Number of epochs trained.
    loss_curve_ : list of float
        Training loss of every epoch.
    validation_scores_ : list of float
        Validation R2 of every epoch, with early stopping or `X_val`.
    device_ : torch.device
        Device of the model.
    encoder_ : TableEncoder or ImageEncoder
        Fitted preprocessing: turns samples into tensors.
    module_ : ProductModel
        The trained network.
    net_ : EmbeddingNet
        skorch net that trained `module_`.

    See Also
    --------
    HypersphericalOrdinalClassifier : For ordered classes.
    sklearn.compose.TransformedTargetRegressor : For values that span orders of magnitude.

    Notes
    -----
    The target of a sample is the cosine ``r = 2 (y - low) / (high - low) - 1`` [1]_. Under the
    squared loss this is least squares with a bounded link: nothing is distorted, and the
    embedding's other dimensions do not affect the loss. For any a > 0 and b, fitting ``a y + b``
    predicts a times the original prediction plus b, up to rounding.

    There is no ``return_std``: errors are not normally distributed, and `predict_interval` says how
    large they are. See the user guide, section "How sure is a value?".

    References
    ----------
    .. [1] Mettes, van der Pol and Snoek (2019), "Hyperspherical Prototype Networks",
       NeurIPS, section 3.2.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sphereskl import HypersphericalRegressor
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = HypersphericalRegressor(random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.5
    True
    >>> bool((model.predict(X) <= y.max()).all())
    True
    """

    embedding_dim: int | Literal["auto"]

    _y_options: ClassVar[dict[str, Any]] = {"multi_output": True, "y_numeric": True}

    _network_parameters = (
        *BaseSphereEstimator._network_parameters,
        "bounds",
        "bounds_margin",
        "embedding_dim",
        "loss",
    )

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseSphereEstimator._parameter_constraints,
        "embedding_dim": EMBEDDING_DIM,
        "bounds": [StrOptions({"minmax"}), "array-like"],
        "bounds_margin": [Interval(Real, 0, None, closed="left")],
        "loss": [StrOptions(set(ARC_LOSSES)), callable],
        "quantile": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self,
        *,
        backbone: Any = "auto",
        embedding_dim: int | Literal["auto"] = "auto",
        bounds: Any = "minmax",
        bounds_margin: float = 0.0,
        loss: str | Callable[..., Tensor] = "gaussian",
        quantile: float = 0.5,
        categorical_features: Any = "from_dtype",
        input_shape: tuple[int, ...] | dict[str, int] | None = None,
        augmentation: ImageAugmentation | None = None,
        max_epochs: int = 50,
        batch_size: int | Literal["auto"] = "auto",
        optimizer: str | Callable[..., Any] = "adamw",
        lr: float = 8e-3,
        backbone_lr: float | None = None,
        lr_schedule: str = "one_cycle",
        weight_decay: float = 1e-2,
        max_grad_norm: float | None = None,
        early_stopping: bool | Literal["auto"] = "auto",
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        warm_start: bool = False,
        callbacks: list[Any] | tuple[Any, ...] | None = None,
        device: str | torch.device = "auto",
        dtype: str = "float32",
        precision: str = "full",
        compile: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ):
        self.backbone = backbone
        self.embedding_dim = embedding_dim
        self.bounds = bounds
        self.bounds_margin = bounds_margin
        self.loss = loss
        self.quantile = quantile
        self.categorical_features = categorical_features
        self.input_shape = input_shape
        self.augmentation = augmentation
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.lr = lr
        self.backbone_lr = backbone_lr
        self.lr_schedule = lr_schedule
        self.weight_decay = weight_decay
        self.max_grad_norm = max_grad_norm
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.device = device
        self.dtype = dtype
        self.precision = precision
        self.compile = compile
        self.random_state = random_state
        self.verbose = verbose

    bounds_ = property(attrgetter("target_encoder_.bounds_"), doc="Values at the poles.")

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Train for one epoch at a constant learning rate.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            A part of the samples. The first call determines how columns are standardised.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Their values. With ``bounds="minmax"`` the first call sets the bounds, which
            predictions never leave: pass `bounds` if later parts may exceed them.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights in the loss.

        Returns
        -------
        self : estimator
            The fitted estimator.
        """
        return self._learn(X, y, sample_weight, partial=True)

    def score(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None) -> float:
        """Return R2, the coefficient of determination, averaged over targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples in the same form as in `fit`.
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            True values; may be None if `X` is a Dataset of pairs.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights.

        Returns
        -------
        score : float
            At most 1.
        """
        X, y = with_targets(X, y)
        y = plain_values(y)
        weight = None if sample_weight is None else check_weight(sample_weight, y)
        predicted = self.predict(X)
        with np.errstate(over="ignore", invalid="ignore"):  # scikit-learn sums all values
            y = check_array(y, ensure_2d=False, dtype="numeric", input_name="y")
        return value_score(y, predicted, weight)

    def _check_rows(self, X: Any, y: Any, *, reset: bool) -> tuple[NDArray[Any], Any]:
        return super()._check_rows(X, plain_values(y), reset=reset)

    def _make_target_encoder(self) -> Values:
        return Values(self.bounds, self.bounds_margin, self.dtype)

    def _describe(self, input_shape: tuple[int, ...]) -> tuple[Any, int | None, int]:
        width = None if self.embedding_dim == "auto" else self.embedding_dim
        return self.backbone, width, len(self.bounds_) * _BLOCK_DIM

    def _make_placement(self) -> Callable[[int, int], Tensor]:
        return self._place

    def _place(self, width: int, seed: int) -> Tensor:
        """Return the upper pole of the sphere of every target: its first axis."""
        n_targets = len(self.bounds_)
        if width % n_targets or width < 2 * n_targets:
            raise ValueError(
                f"embedding_dim must be a multiple of the number of targets, {n_targets}, and at "
                f"least twice that, got {width}: every target has a sphere of its own, and in one "
                "dimension a sphere is two points."
            )
        return torch.eye(1, width // n_targets).repeat(n_targets, 1)

    def _assemble(
        self, backbone: nn.Module, prototypes: Tensor, criterion: nn.Module
    ) -> ProductModel:
        return ProductModel(backbone, *prototypes.shape)

    def _make_criterion(self) -> Criterion:
        if callable(self.loss):
            return Criterion(self.loss)
        if self.loss == "quantile":
            return Criterion(ARC_LOSSES[self.loss], quantile=self.quantile)
        return Criterion(ARC_LOSSES[self.loss])

    @staticmethod
    def _score(logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Return R2, averaged over targets."""
        weight = torch.ones(len(target)) if weight is None else weight
        weight = (weight / weight.sum()).to(target)[:, None]
        residual = (weight * (target - logits).square()).sum(dim=0)
        spread = (weight * (target - (weight * target).sum(dim=0)).square()).sum(dim=0)
        # A constant target counts as explained if predicted exactly, as in scikit-learn.
        unexplained = torch.where(spread > 0, residual / spread, (residual > 0).to(residual))
        return 1 - unexplained.mean()
