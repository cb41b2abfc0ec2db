"""A class and a value from one network and one sphere."""

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
from ._components import PLACEMENTS, default_dim, resolve_prototypes
from ._joint_predictions import JointPredictionMixin
from ._probabilities import ProbabilityMixin
from ._samples import check_samples

_CLASS_LOSSES = ("cross_entropy", "squared_cosine", "cosine")
# As in HypersphericalPrototypeClassifier by default.
_LABEL_SMOOTHING = 0.1


class HypersphericalMultiTask(JointPredictionMixin, ProbabilityMixin, BaseSphereEstimator):
    """One network and one sphere for a class and a value.

    The first axis of the sphere carries the value, from the lower to the upper pole; the
    other axes hold the prototypes of the classes. Rows that lack one of the two train the
    other.

    Parameters
    ----------
    backbone : {"auto", "mlp", "convnet"}, configuration, nn.Module or callable, \
            default="auto"
        The network below the sphere. "auto" is `sphereskl.MLP` for tables and
        `sphereskl.ConvNet` for images; pass an instance of either to set or tune its
        options (``backbone=MLP(dropout=0.3)``, ``backbone__dropout`` in a grid). An
        `nn.Module` is copied, so that one that was trained before stays as it is; a
        callable is given the shape of one sample and returns a module. Both see the
        numbers of `X` as they are; with the others, columns and channels are standardised
        (and columns clipped at 4 standard deviations).
    embedding_dim : int or "auto", default="auto"
        Dimension of the embedding, at least 3. "auto" is n_classes within [64, 256] + 1, or
        what a given network has.
    prototypes : str, array-like of shape (n_classes, embedding_dim - 1) or mapping, \
            default="auto"
        Directions of the classes within the axes that are theirs, as for
        `HypersphericalPrototypeClassifier`.
    loss : {"cross_entropy", "squared_cosine", "cosine"}, default="cross_entropy"
        Loss of the classes; see `HypersphericalPrototypeClassifier`. That of the value is
        "gaussian"; see `HypersphericalRegressor`.
    bounds : "minmax" or pair, default="minmax"
        Values at the lower and the upper pole; see `HypersphericalRegressor`.
    task_weight : float, default=0.85
        Weight w of the classes in ``w * class loss + (1 - w) * value loss``, in [0, 1].
    categorical_features : "from_dtype", array-like, str or None, default="from_dtype"
        Which columns of a table are categories: those whose type says so (categorical, enum,
        string or object), those with the given names or indices or in a mask, or none. Missing
        categories are a level of their own, unseen ones are none. A network that the user
        brought takes neither categories nor missing numbers.
    input_shape : tuple of int or dict, default=None
        Shape of one image: (height, width), (channels, height, width) or (height, width,
        channels), or a dictionary that names the sizes in the order of the axes, such as
        {"height": 9, "width": 7, "channels": 12}. Makes images of flat rows, and says what
        a 3-D array means. 4-D arrays with at most 4 channels at one end are understood
        without it.
    augmentation : ImageAugmentation, default=None
        How images are changed while training, in a new way in every epoch, such as
        ``ImageAugmentation(shift=4)``. Predictions see images as they are.
    max_epochs : int, default=50
        Passes over the training rows.
    batch_size : int or "auto", default="auto"
        Largest number of rows in a step; batches of an epoch are of even size. "auto" is 64 up
        to 3,000 training rows, else 128.
    optimizer : {"adamw", "adam", "sgd"} or callable, default="adamw"
        "sgd" has momentum 0.9. A callable such as an optimiser class is called with
        parameter groups and ``lr``.
    lr : float, default=4e-3
        Highest learning rate.
    lr_schedule : {"one_cycle", "cosine", "step", "constant"}, default="one_cycle"
        Learning rate over the epochs of a fit; "cosine" begins with a linear warm-up, "step"
        divides by 10 after 53 % and 84 % of the steps.
    weight_decay : float, default=1e-2
        Decay of weight matrices; biases, scale and prototypes do not decay.
    max_grad_norm : float, default=None
        Longest gradient; longer ones are shortened to it.
    early_stopping : bool or "auto", default="auto"
        Whether to stop once the loss on rows that judge the network has not improved for
        `n_iter_no_change` epochs, and to go back to the weights of the best epoch. "auto" does
        where judges cost no training row: with `X_val`, and with a backbone of several members,
        such as `sphereskl.MLP`, each of which is judged by the rows it is not trained on.
    validation_fraction : float, default=0.1
        Share of the training rows in [0, 1), stratified by class, held out to fit `scale_`
        and to stop early; copies of a row stay together. With 0, or if they would be fewer
        than ten distinct rows, the training rows serve. Members of a backbone hold out none:
        unless it is 0, each is trained without its share of the rows.
    n_iter_no_change : int, default=10
        Epochs to wait for an improvement.
    warm_start : bool, default=False
        Whether `fit` goes on from the last fit's network.
    callbacks : list or tuple of skorch callbacks, default=None
        Or of pairs (name, callback). They hear of training in the units of `y`, and may stop it.
    device : str or torch.device, default="auto"
        Where to train and predict; "auto" is the GPU if there is one. On the CPU a fit
        computes on one core, so that it is the same in a notebook and in the workers of a
        search.
    dtype : {"float32", "float64"}, default="float32"
        Precision of the network.
    random_state : int, RandomState instance or None, default=None
        Decides initial weights, held-out rows, order of rows and dropout. The same integer
        gives the same model on the same kind of device, whatever ``n_jobs`` and the
        backend of joblib. Global random states are neither read nor changed.
    verbose : bool, default=False
        Whether to show a progress bar.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels in order.
    bounds_ : ndarray of shape (1, 2)
        Values at the poles.
    prototypes_ : ndarray of shape (n_classes, embedding_dim - 1)
        Unit directions of the classes, without the axis of the value.
    scale_ : float
        Scale that makes the probabilities of held-out rows most likely.
    n_members_ : int
        Number of networks that `transform` and predictions are the mean of.
    embedding_dim_ : int
        Dimension of the embedding.
    n_features_in_ : int
        Number of columns of `X`; the size of its second axis for images.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if `X` had names that are all strings.
    history_ : skorch.history.History
        A dict for every epoch: ``train_loss``, ``train_loss_best`` (whether it is the
        least so far), ``dur`` (seconds), and ``valid_loss``, ``valid_loss_best`` and
        ``valid_score`` where rows were validated.
    n_iter_ : int
        Epochs trained.
    loss_curve_ : list of float
        Training loss of every epoch.
    validation_scores_ : list of float
        Accuracy on validation rows of every epoch, where it stops early or `X_val` is given.
    device_ : torch.device
        Where the model is.
    encoder_ : TableEncoder or ImageEncoder
        How samples become tensors.
    module_ : JointModel
        The trained network.
    net_ : EmbeddingNet
        The skorch net that trained it.

    See Also
    --------
    HypersphericalPrototypeClassifier : The classes alone.
    HypersphericalRegressor : The value alone.

    Notes
    -----
    `fit` takes two targets, for which scikit-learn has no convention: to it, this is neither a
    classifier nor a regressor. Searches work where `y` is a data frame or an array.

    Classes are compared within the slice of the sphere that is theirs, normalised again:
    on the whole sphere a sample at a pole could not show its class (`JointModel`). With
    ``task_weight`` 0 or 1 the network learns exactly what the single-task estimator with
    the same initial weights and loss would.

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
        task_weight: float = 0.85,
        categorical_features: Any = "from_dtype",
        input_shape: tuple[int, ...] | dict[str, int] | None = None,
        augmentation: ImageAugmentation | None = None,
        max_epochs: int = 50,
        batch_size: int | Literal["auto"] = "auto",
        optimizer: str | Callable[..., Any] = "adamw",
        lr: float = 4e-3,
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
        self.random_state = random_state
        self.verbose = verbose

    classes_ = property(attrgetter("target_encoder_.classes_"), doc="Labels, sorted.")
    bounds_ = property(attrgetter("target_encoder_.bounds_"), doc="Values at the poles.")

    def _class_logits(self, X: Any) -> NDArray[np.float64]:
        return self._infer(X, "logits")[:, 1:].astype(np.float64)

    def _make_target_encoder(self) -> LabelsAndValues:
        return LabelsAndValues(self.bounds, self.dtype)

    def _check_rows(self, X: Any, y: Any, *, reset: bool) -> tuple[NDArray[Any], Any]:
        # Scikit-learn's checks know of no target that may be missing.
        X, y = check_samples(self, X, reset=reset), split_targets(y)
        check_consistent_length(X, *y)
        return X, y

    def _make_weigher(self, target: NDArray[Any], weight: NDArray[Any]) -> Callable[..., Any]:
        # A row that lacks both targets is none.
        return lambda target: (target[:, 0] >= 0) | ~np.isnan(target[:, 1])

    def _describe(self, input_shape: tuple[int, ...]) -> tuple[Any, int | None, int]:
        width = None if self.embedding_dim == "auto" else self.embedding_dim
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
        smoothed = self.loss == "cross_entropy"
        return Criterion(
            joint_loss,
            uses_scale=smoothed,
            class_loss=self.loss,
            task_weight=self.task_weight,
            **({"label_smoothing": _LABEL_SMOOTHING} if smoothed else {}),
        )

    def _calibrate(self, data: TensorData, n_distinct: int) -> None:
        known = (data.target[:, 0] >= 0).nonzero()[:, 0]
        options = {"expected": self.module_.scale.item(), "first": 1}
        # If all held-out rows lack a class, nothing speaks against the scale of training.
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
