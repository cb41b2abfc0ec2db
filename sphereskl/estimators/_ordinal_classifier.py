"""Classes in an order: prototypes on the arc from the lowest to the highest."""

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

# Dimension of the embedding: two tell classes apart, the rest make training easier.
_EMBEDDING_DIM = 64


class HypersphericalOrdinalClassifier(BaseSphereClassifier):
    """Classifier of ordered classes, whose prototypes follow each other on an arc.

    The lowest class stands at one pole of the sphere, the highest at the other, the rest at
    equal angles in between: a sample between two classes is near both, and a confusion of
    neighbours costs less than one of extremes.

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
        Dimension of the embedding, at least 2. "auto" is 64, or what a given network has.
    categories : "auto" or array-like of shape (n_classes,), default="auto"
        All labels from the lowest to the highest. "auto" takes the order of an ordered
        categorical column, and else sorts the labels.
    cost : {"squared", "absolute", "log"}, array-like of shape (n_classes, n_classes) or \
            None, default=None
        Cost of taking one class for another. The network learns the distribution
        ``softmax(-cost[true class])`` [1]_: "squared" and "absolute" take the difference
        of ranks, "log" the squared difference of logarithms of the ranks 1, 2, ...; a
        matrix has a row for every true class, in the order of `categories`. ``None``
        learns the class alone.
    prediction : {"argmax", "median"}, default="argmax"
        Whether to predict the most probable class, or the one at which half of the
        probability lies below and half above: the guess with the least expected absolute
        error, which need not be the most probable class. Models of thresholds, such as
        mord's and CORAL, predict the median.
    scale : float or "learned", default="learned"
        Multiplier of the cosines while training. The `scale_` of predicted probabilities
        is always fitted afterwards.
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
        Share of the training rows in [0, 1), stratified, held out to fit `scale_` and to
        stop early; copies of a row stay together. With 0, or if they would be fewer than
        ten distinct rows, the training rows serve, and probabilities tend to be overconfident.
        Members of a backbone hold out none: unless it is 0, each is trained without its share
        of the rows.
    n_iter_no_change : int, default=10
        Epochs to wait for an improvement.
    class_weight : dict or "balanced", default=None
        Weights of the classes in the loss, by label; "balanced" makes every class count
        the same.
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
    categories_ : ndarray of shape (n_classes,)
        Labels from the lowest to the highest.
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted, as scikit-learn's scorers and meta-estimators take for granted: the order
        of `prototypes_` and of all columns.
    n_classes_ : int
        Number of classes.
    kappa_ : ndarray of shape (n_classes,)
        Concentration of the embeddings of every class on the sphere (von Mises-Fisher).
    prototypes_ : ndarray of shape (n_classes, embedding_dim)
        Unit directions of the classes, in the order of `classes_`.
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
    module_ : EmbeddingModel
        The trained network.
    net_ : EmbeddingNet
        The skorch net that trained it.

    See Also
    --------
    HypersphericalPrototypeClassifier : For classes without an order.
    HypersphericalRegressor : For values whose distances are known.

    Notes
    -----
    Only the plane of the arc tells classes apart: on the unit sphere the embedding's share
    in it says how concentrated the probabilities are, its angle where they are centred.

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
        lr: float = 4e-3,
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

    categories_ = property(
        attrgetter("target_encoder_.categories_"), doc="Labels from the lowest to the highest."
    )

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable label, or the median.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples in the form that was fitted.

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
        """Return points of the arc, in the order of `classes_`."""
        return arc(self.n_classes_, width)[self.target_encoder_.ranks_]

    def _assemble(
        self, backbone: nn.Module, prototypes: Tensor, criterion: nn.Module
    ) -> EmbeddingModel:
        scale = separating_scale(len(prototypes)) if self.scale == "learned" else self.scale
        learns = self.scale == "learned"
        return EmbeddingModel(backbone, prototypes, scale=scale, learn_scale=learns)

    def _make_criterion(self) -> Criterion:
        ranks = self.target_encoder_.ranks_
        # A row and a column for every class, which stand in the order of the labels.
        soft_labels = self._soft_labels()[ranks][:, ranks]
        return Criterion(soft_cross_entropy, uses_scale=True, soft_labels=soft_labels)

    def _soft_labels(self) -> Tensor:
        """Return the distribution that the network learns for every class, by rank."""
        n_classes = self.n_classes_
        if self.cost is None:
            return torch.eye(n_classes)
        if isinstance(self.cost, str):
            return torch.softmax(-ordinal_cost(n_classes, self.cost), dim=1)
        cost = np.array(self.cost, dtype=np.float64)
        if cost.shape != (n_classes, n_classes) or not np.isfinite(cost).all():
            raise ValueError(
                f"cost must be a finite matrix of shape ({n_classes}, {n_classes}), a row for "
                f"every true class in order, got shape {cost.shape}."
            )
        if (cost.min(axis=1) < cost.diagonal()).any():
            row = int((cost.diagonal() - cost.min(axis=1)).argmax())
            raise ValueError(
                f"cost must be least on the diagonal, but row {row}, {cost[row].tolist()}, has a "
                "mistake cheaper than the truth."
            )
        return torch.softmax(-torch.from_numpy(cost), dim=1)
