"""Ordinal classification: prototypes on an arc from the lowest to the highest class."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from ..geometry import arc
from ..nn import EmbeddingModel, ordinal_cost, separating_scale, soft_cross_entropy
from ..preprocessing import ImageAugmentation, OrderedLabels
from ..training import Criterion
from ._base import EMBEDDING_DIM, Interval, Real, StrOptions
from ._classification import BaseSphereClassifier

# Dimension of the embedding: two dimensions separate the classes, more make training easier.
_EMBEDDING_DIM = 64


class HypersphericalOrdinalClassifier(BaseSphereClassifier):
    """Classifier of ordered classes, whose prototypes lie in order on an arc.

    The lowest class lies at one pole of the sphere, the highest at the other, the rest at
    equal angles in between: a sample between two classes is close to both, and confusing
    neighbouring classes costs less than confusing the extremes.

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
        Dimension of the embedding, at least 2. "auto" is 64, or the output width of your own
        network.
    categories : "auto" or array-like of shape (n_classes,), default="auto"
        All labels from the lowest to the highest. "auto" takes the order of an ordered
        categorical column, or else sorts the labels.
    cost : {"squared", "absolute", "log"}, array-like of shape (n_classes, n_classes) or \
            None, default=None
        Cost of predicting one class in place of another. The network learns the distribution
        ``softmax(-cost[true class])`` [1]_: "squared" and "absolute" take the difference
        of ranks, "log" the squared difference of logarithms of the ranks 1, 2, ...; a
        matrix has a row for every true class, in the order of `categories`. ``None``
        trains on the labels alone (one-hot targets).
    prediction : {"argmax", "median"}, default="argmax"
        Whether to predict the most probable class, or the median of the predicted distribution:
        the class at which half of the probability lies below and half above. The median has the
        lowest expected absolute error and need not be the most probable class. Threshold models,
        such as mord's and CORAL, predict the median.
    scale : float or "learned", default="learned"
        Inverse temperature: factor of the cosines in training, in [1e-6, 1e6]; "learned" trains
        it with the network. The `scale_` of predicted probabilities is always fitted after
        training.
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
        Hold-out: share of the training samples in [0, 1), stratified, held out to fit `scale_`
        and for early stopping; copies of a sample stay together. With 0, or if fewer than ten
        distinct samples would be held out, the training samples are used instead, and
        probabilities tend to be overconfident. With a backbone of several members nothing is
        held out from all: unless it is 0, each member is trained without its own share.
    n_iter_no_change : int, default=10
        Patience of early stopping: epochs to wait for an improvement, at least 1.
    class_weight : dict or "balanced", default=None
        Class weights in the loss, by label; "balanced" gives all classes the same total weight.
        Set it for imbalanced classes.
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
    categories_ : ndarray of shape (n_classes,)
        Labels from the lowest to the highest.
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted, as scikit-learn's scorers and meta-estimators expect: the order of
        `prototypes_` and of all columns.
    n_classes_ : int
        Number of classes.
    kappa_ : ndarray of shape (n_classes,)
        Concentration of the embeddings of every class on the sphere (von Mises-Fisher kappa).
    prototypes_ : ndarray of shape (n_classes, embedding_dim)
        Unit directions of the classes, in the order of `classes_`.
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
    module_ : EmbeddingModel
        The trained network.
    net_ : EmbeddingNet
        skorch net that trained `module_`.

    See Also
    --------
    HypersphericalPrototypeClassifier : For classes without an order.
    HypersphericalRegressor : For numerical values.

    Notes
    -----
    The classes differ only in the plane of the arc: the length of the unit embedding's projection
    onto it says how concentrated the probabilities are, its angle where they are centred.

    References
    ----------
    .. [1] Diaz and Marathe (2019), "Soft Labels for Ordinal Regression", CVPR.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_diabetes
    >>> from sphereskl import HypersphericalOrdinalClassifier
    >>> X, y = load_diabetes(return_X_y=True)
    >>> stage = np.array(["low", "middle", "high"])[np.digitize(y, [100, 200])]
    >>> clf = HypersphericalOrdinalClassifier(
    ...     categories=["low", "middle", "high"], random_state=0
    ... )
    >>> clf.fit(X, stage).score(X, stage) > 0.6
    True
    >>> clf.classes_.tolist(), clf.categories_.tolist()
    (['high', 'low', 'middle'], ['low', 'middle', 'high'])
    >>> clf.prototypes_[:, :2].round(3).tolist()
    [[1.0, 0.0], [-1.0, 0.0], [-0.0, 1.0]]
    """

    embedding_dim: int | Literal["auto"]
    scale: float | Literal["learned"]

    _network_parameters = (
        *BaseSphereClassifier._network_parameters,
        "categories",
        "embedding_dim",
        "scale",
    )

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseSphereClassifier._parameter_constraints,
        "embedding_dim": EMBEDDING_DIM,
        "categories": [StrOptions({"auto"}), "array-like"],
        "cost": [StrOptions({"squared", "absolute", "log"}), "array-like", None],
        "prediction": [StrOptions({"argmax", "median"})],
        "scale": [StrOptions({"learned"}), Interval(Real, 1e-6, 1e6, closed="both")],
    }

    def __init__(
        self,
        *,
        backbone: Any = "auto",
        embedding_dim: int | Literal["auto"] = "auto",
        categories: Any = "auto",
        cost: Any = None,
        prediction: str = "argmax",
        scale: float | Literal["learned"] = "learned",
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
        class_weight: dict[Any, float] | str | None = None,
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
        self.categories = categories
        self.cost = cost
        self.prediction = prediction
        self.scale = scale
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
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.device = device
        self.dtype = dtype
        self.precision = precision
        self.compile = compile
        self.random_state = random_state
        self.verbose = verbose

    categories_ = property(
        attrgetter("target_encoder_.categories_"), doc="Labels from the lowest to the highest."
    )

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable label, or the median.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples in the same form as in `fit`.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels.
        """
        if self.prediction == "argmax":
            return super().predict(X)
        probabilities = self.predict_proba(X)
        return self.target_encoder_.median(probabilities)

    def _make_target_encoder(self) -> OrderedLabels:
        return OrderedLabels(self.categories)

    def _known_classes(self) -> ArrayLike:
        return super()._known_classes() if isinstance(self.categories, str) else self.categories

    def _describe(self, input_shape: tuple[int, ...]) -> tuple[Any, int | None, int]:
        width = None if self.embedding_dim == "auto" else self.embedding_dim
        return self.backbone, width, _EMBEDDING_DIM

    def _make_placement(self) -> Callable[[int, int], Tensor]:
        return self._place

    def _place(self, width: int, seed: int) -> Tensor:
        """Return the points of the arc, in the order of `classes_`."""
        return arc(self.n_classes_, width)[self.target_encoder_.ranks_]

    def _assemble(
        self, backbone: nn.Module, prototypes: Tensor, criterion: nn.Module
    ) -> EmbeddingModel:
        scale = separating_scale(len(prototypes)) if self.scale == "learned" else self.scale
        learns = self.scale == "learned"
        return EmbeddingModel(backbone, prototypes, scale=scale, learn_scale=learns)

    def _make_criterion(self) -> Criterion:
        ranks = self.target_encoder_.ranks_
        # A row and a column for every class, in the order of the labels.
        soft_labels = self._soft_labels()[ranks][:, ranks]
        return Criterion(soft_cross_entropy, uses_scale=True, soft_labels=soft_labels)

    def _soft_labels(self) -> Tensor:
        """Return the target distribution of every class, by rank."""
        n_classes = self.n_classes_
        if self.cost is None:
            return torch.eye(n_classes)
        if isinstance(self.cost, str):
            return torch.softmax(-ordinal_cost(n_classes, self.cost), dim=1)
        try:
            cost = np.array(self.cost, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"cost must be a matrix of numbers, a row for every true class in order: {error}"
            ) from error
        if cost.shape != (n_classes, n_classes) or not np.isfinite(cost).all():
            raise ValueError(
                f"cost must be a finite matrix of shape ({n_classes}, {n_classes}), a row for "
                f"every true class in order, got shape {cost.shape}."
            )
        if (cost.min(axis=1) < cost.diagonal()).any():
            row = int((cost.diagonal() - cost.min(axis=1)).argmax())
            raise ValueError(
                f"cost must be least on the diagonal, but row {row}, {cost[row].tolist()}, has a "
                "mistake that costs less than the true class."
            )
        return torch.softmax(-torch.from_numpy(cost), dim=1)
