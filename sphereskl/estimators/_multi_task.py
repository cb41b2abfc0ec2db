"""Multi-task learning: a class and a value from one network and one sphere."""

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_consistent_length
from torch import Tensor, nn

from ..nn import JointModel, joint_loss, separating_scale
from ..preprocessing import ImageAugmentation, LabelsAndValues, split_targets
from ..training import Criterion, TensorData
from ._base import EMBEDDING_DIM, BaseSphereEstimator, Interval, Real, StrOptions
from ._calibration import calibrated_scale
from ._joint_predictions import JointPredictionMixin
from ._probabilities import ProbabilityMixin
from ._prototypes import PLACEMENTS, default_dim, requested_dim, resolve_prototypes
from ._samples import check_samples

_CLASS_LOSSES = ("cross_entropy", "squared_cosine", "cosine")


class HypersphericalMultiTask(JointPredictionMixin, ProbabilityMixin, BaseSphereEstimator):
    """Multi-task estimator: one network and one sphere predict a class and a value.

    The first axis of the sphere carries the value, from the lower to the upper pole; the
    other axes hold the prototypes of the classes. Samples that lack one of the two targets
    contribute to the loss of the other only.

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
        Dimension of the embedding, at least 3. "auto" is n_classes within [64, 256] + 1, or
        the output width of your own network, or one more than the columns of your prototypes.
    prototypes : str, array-like of shape (n_classes, embedding_dim - 1) or mapping, \
            default="auto"
        Directions of the classes in all axes but the first, as for
        `HypersphericalPrototypeClassifier`.
    loss : {"cross_entropy", "squared_cosine", "cosine"}, default="cross_entropy"
        Loss of the class; see `HypersphericalPrototypeClassifier`. The loss of the value is
        "gaussian"; see `HypersphericalRegressor`.
    bounds : "minmax" or pair, default="minmax"
        Values at the lower and the upper pole; see `HypersphericalRegressor`.
    task_weight : float, default=0.7
        Weight w of the class loss in ``w * class loss + (1 - w) * value loss``, in [0, 1].
        Lower it if the value matters more.
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
        Hold-out: share of the training samples in [0, 1), stratified by class, held out to fit
        `scale_` and for early stopping; copies of a sample stay together. With 0, or if fewer
        than ten distinct samples would be held out, the training samples are used instead. With
        a backbone of several members nothing is held out from all: unless it is 0, each member
        is trained without its own share of the samples.
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
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    bounds_ : ndarray of shape (1, 2)
        Values at the poles.
    prototypes_ : ndarray of shape (n_classes, embedding_dim - 1)
        Unit directions of the classes, without the axis of the value.
    scale_ : float
        Inverse temperature of the predicted probabilities, fitted on held-out samples.
    n_members_ : int
        Number of networks in the ensemble; `transform` and predictions average them.
    embedding_dim_ : int
        Dimension of the embedding.
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
        Validation accuracy of every epoch, with early stopping or `X_val`.
    device_ : torch.device
        Device of the model.
    encoder_ : TableEncoder or ImageEncoder
        Fitted preprocessing: turns samples into tensors.
    module_ : JointModel
        The trained network.
    net_ : EmbeddingNet
        skorch net that trained `module_`.

    See Also
    --------
    HypersphericalPrototypeClassifier : Predicts the class only.
    HypersphericalRegressor : Predicts the value only.

    Notes
    -----
    `fit` takes two targets, for which scikit-learn has no convention: to scikit-learn, this is
    neither a classifier nor a regressor. Searches work if `y` is a data frame or an array.

    Classes are compared in the axes of the classes only, normalised again: on the whole sphere
    a sample at a pole could not show its class (`JointModel`). With ``task_weight`` 0 or 1 the
    network learns exactly what the single-task estimator with the same initial weights and loss
    would.

    References
    ----------
    .. [1] Mettes, van der Pol and Snoek (2019), "Hyperspherical Prototype Networks",
       NeurIPS, section 3.3.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sphereskl import HypersphericalMultiTask
    >>> frame = load_iris(as_frame=True).frame
    >>> X, y = frame.iloc[:, :3], frame[["target", "petal width (cm)"]]
    >>> model = HypersphericalMultiTask(random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.9
    True
    >>> list(model.predict(X).columns)
    ['target', 'petal width (cm)']
    """

    embedding_dim: int | Literal["auto"]

    _calibrates = True

    _network_parameters = (
        *BaseSphereEstimator._network_parameters,
        "bounds",
        "embedding_dim",
        "loss",
        "prototypes",
    )

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseSphereEstimator._parameter_constraints,
        "embedding_dim": EMBEDDING_DIM,
        "prototypes": [StrOptions({"auto", *PLACEMENTS}), "array-like", Mapping],
        "loss": [StrOptions(set(_CLASS_LOSSES))],
        "bounds": [StrOptions({"minmax"}), "array-like"],
        "task_weight": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(
        self,
        *,
        backbone: Any = "auto",
        embedding_dim: int | Literal["auto"] = "auto",
        prototypes: Any = "auto",
        loss: str = "cross_entropy",
        bounds: Any = "minmax",
        task_weight: float = 0.7,
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
        self.prototypes = prototypes
        self.loss = loss
        self.bounds = bounds
        self.task_weight = task_weight
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

    classes_ = property(attrgetter("target_encoder_.classes_"), doc="Labels, sorted.")
    bounds_ = property(attrgetter("target_encoder_.bounds_"), doc="Values at the poles.")

    def _class_logits(self, X: Any) -> NDArray[np.float64]:
        return self._infer(X, "logits")[:, 1:].astype(np.float64)

    def _make_target_encoder(self) -> LabelsAndValues:
        return LabelsAndValues(self.bounds, self.dtype)

    def _check_rows(self, X: Any, y: Any, *, reset: bool) -> tuple[NDArray[Any], Any]:
        # Scikit-learn's checks do not know targets that may be missing.
        X, y = check_samples(self, X, reset=reset), split_targets(y)
        check_consistent_length(X, *y)
        return X, y

    def _make_weigher(self, target: NDArray[Any], weight: NDArray[Any]) -> Callable[..., Any]:
        # A sample that lacks both targets is left out.
        return lambda target: (target[:, 0] >= 0) | ~np.isnan(target[:, 1])

    def _describe(self, input_shape: tuple[int, ...]) -> tuple[Any, int | None, int]:
        options = self.embedding_dim, self.prototypes, self.classes_
        width = requested_dim(*options, n_other_axes=1)
        return self.backbone, width, default_dim(len(self.classes_)) + 1

    def _make_placement(self) -> Callable[[int, int], Tensor]:
        return self._place

    def _place(self, width: int, seed: int) -> Tensor:
        if width < 3:
            raise ValueError(
                f"embedding_dim must be at least 3, got {width}: one axis for the value and two "
                "for the classes."
            )
        return resolve_prototypes(self.prototypes, self.classes_, width - 1, seed)

    def _assemble(
        self, backbone: nn.Module, prototypes: Tensor, criterion: nn.Module
    ) -> JointModel:
        return JointModel(
            backbone,
            prototypes,
            scale=separating_scale(len(prototypes)),
            learn_scale=self.loss == "cross_entropy",
        )

    def _make_criterion(self) -> Criterion:
        return Criterion(
            joint_loss,
            uses_scale=self.loss == "cross_entropy",
            class_loss=self.loss,
            task_weight=self.task_weight,
        )

    def _calibrate(self, data: TensorData, n_distinct: int) -> None:
        known = (data.target[:, 0] >= 0).nonzero()[:, 0]
        options = {"expected": self.module_.scale.item(), "first": 1}
        # If all held-out samples lack a class, the scale of training is kept.
        self.scale_ = options["expected"]
        if len(known):
            labelled = data.select(known)
            labelled = labelled._replace(target=labelled.target[:, 0].long())
            n_distinct = min(n_distinct, len(known))
            self.scale_ = calibrated_scale(self, labelled, n_distinct=n_distinct, **options)

    @staticmethod
    def _score(logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        known = (target[:, 0] >= 0).to(logits)
        share = known if weight is None else known * weight
        hits = (logits[:, 1:].argmax(dim=1) == target[:, 0]).to(logits)
        return (share * hits).sum() / share.sum()  # NaN where no class is known
