"""Classification by the nearest of several prototypes placed before training."""

from collections.abc import Callable, Mapping
from functools import partial
from numbers import Integral
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..nn import LOSSES, EmbeddingModel, separating_scale
from ..preprocessing import ImageAugmentation
from ..training import Criterion
from ._base import EMBEDDING_DIM, Interval, Real, StrOptions
from ._classification import BaseSphereClassifier
from ._new_classes import NewClassesMixin, claim_reserved
from ._prototypes import PLACEMENTS, default_dim, requested_dim, resolve_prototypes

# Placements that need a dimension for every class, or for every second class.
_WIDE = ("simplex", "orthonormal", "orthoplex")


class HypersphericalPrototypeClassifier(NewClassesMixin, BaseSphereClassifier):
    """Classifier that maps every sample close to the prototype of its class on a sphere.

    The prototypes are unit vectors, placed far apart before training; the network learns to
    embed samples in their directions. Labels, probabilities and embeddings all follow from the
    cosines between a sample's embedding and the prototypes.

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
        Dimension of the embedding, at least 2. "auto" is n_classes within [64, 256], or the
        width of the given prototypes or of your own network; with ``loss="logits"`` it is
        ``n_classes - 1``.
    prototypes : str, array-like of shape (n_classes, embedding_dim) or mapping, \
            default="auto"
        Directions of the classes. "auto" takes the exact placement where one is known for
        this number of classes and dimensions, else a quick search for a well separated
        one (pass ``place_prototypes(..., effort="best")`` for the best). "antipodal",
        "polygon", "simplex", "orthoplex", "orthonormal", "separated", "uniform", "code"
        and "random" are methods of `sphereskl.geometry.place_prototypes`. "learned" starts
        like "auto" and trains the prototypes with the network. The rows of an array follow
        the sorted labels; a mapping gives a vector by label. Vectors need not be of unit length.
    loss : {"cross_entropy", "squared_cosine", "cosine", "logits"} or callable, \
            default="cross_entropy"
        Loss: cross-entropy of ``softmax(scale * cosines)``, the ``(1 - cos)^2`` of Mettes et
        al. [1]_, the ``1 - cos`` of Barz and Denzler [2]_, or cross-entropy of inner products
        that keep the norm (Kasarla et al. [3]_). A callable takes cosines (n_samples,
        n_classes), target (n_samples,) and weight (n_samples,) or None as tensors and returns a
        scalar.
    scale : float or "learned", default="learned"
        Inverse temperature: factor of the cosines in training, in [1e-6, 1e6], under
        ``loss="cross_entropy"``; "learned" trains it with the network.
        The `scale_` of predicted probabilities is always fitted after training.
    label_smoothing : float, default=0.0
        Label smoothing: share of the target probability in [0, 1) spread evenly over all
        classes, for "cross_entropy" and "logits".
    n_reserved : int, default=0
        Number of prototypes reserved for classes that are not known yet, at least 0; the loss
        keeps embeddings away from them. In `partial_fit`, a new label takes the reserved
        prototype nearest to its samples.
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
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    n_classes_ : int
        Number of classes.
    kappa_ : ndarray of shape (n_classes,)
        Concentration of the embeddings of every class on the sphere (von Mises-Fisher kappa).
    prototypes_ : ndarray of shape (n_classes, embedding_dim)
        Directions of the classes, in the order of `classes_`: unit vectors, except for classes
        from `add_classes`, whose length scales their cosines.
    reserved_prototypes_ : ndarray of shape (n_free, embedding_dim)
        Unit vectors of the `n_reserved` prototypes that no class has taken.
    scale_ : float
        Inverse temperature of the predicted probabilities, fitted on held-out samples. It never
        changes which class is the most probable.
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
    sphereskl.geometry.place_prototypes : Places the prototypes.
    sklearn.neural_network.MLPClassifier : Neural network without the sphere.

    Notes
    -----
    Under float64, on samples that fit into one batch, fitting with integer `sample_weight`
    equals fitting with repeated samples, up to rounding. In several batches the two visit the
    samples in different orders.

    References
    ----------
    .. [1] Mettes, van der Pol and Snoek (2019), "Hyperspherical Prototype Networks",
       NeurIPS.
    .. [2] Barz and Denzler (2020), "Deep Learning on Small Datasets without Pre-Training
       using Cosine Loss", WACV.
    .. [3] Kasarla et al. (2022), "Maximum Class Separation as Inductive Bias in One
       Matrix", NeurIPS.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sphereskl import HypersphericalPrototypeClassifier
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> clf = HypersphericalPrototypeClassifier(random_state=0).fit(X, y)
    >>> clf.score(X, y) > 0.95
    True
    >>> clf.transform(X).shape
    (150, 64)
    >>> clf.predict_proba(X[:2]).shape
    (2, 3)
    """

    embedding_dim: int | Literal["auto"]
    scale: float | Literal["learned"]

    _network_parameters = (
        *BaseSphereClassifier._network_parameters,
        "embedding_dim",
        "loss",
        "n_reserved",
        "prototypes",
        "scale",
    )

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseSphereClassifier._parameter_constraints,
        "embedding_dim": EMBEDDING_DIM,
        "prototypes": [StrOptions({"auto", "learned", *PLACEMENTS}), "array-like", Mapping],
        "loss": [StrOptions(set(LOSSES)), callable],
        "scale": [StrOptions({"learned"}), Interval(Real, 1e-6, 1e6, closed="both")],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "n_reserved": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        *,
        backbone: Any = "auto",
        embedding_dim: int | Literal["auto"] = "auto",
        prototypes: Any = "auto",
        loss: str | Callable[..., Tensor] = "cross_entropy",
        scale: float | Literal["learned"] = "learned",
        label_smoothing: float = 0.0,
        n_reserved: int = 0,
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
        self.prototypes = prototypes
        self.loss = loss
        self.scale = scale
        self.label_smoothing = label_smoothing
        self.n_reserved = n_reserved
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

    @property
    def reserved_prototypes_(self) -> NDArray[Any]:
        """Reserved unit vectors without a class, ndarray of shape (n_free, embedding_dim)."""
        return self.module_.reserved.detach().cpu().numpy()

    def _admit(self, X: NDArray[Any], y: Any, weight: NDArray[Any]) -> None:
        claim_reserved(self, X, y, weight)

    def _describe(self, input_shape: tuple[int, ...]) -> tuple[Any, int | None, int]:
        return self.backbone, self._requested_dim(), self._default_dim()

    def _requested_dim(self) -> int | None:
        """Return the width that the parameters determine, or None."""
        classes = self.target_encoder_.first_classes_
        width = requested_dim(self.embedding_dim, self.prototypes, classes)
        if isinstance(self.prototypes, str) and width is not None and width < 2:
            raise ValueError(
                f"embedding_dim must be at least 2, got {self.embedding_dim}: in one dimension "
                "the sphere is two points, and every cosine loss has zero gradient there."
            )
        return width

    def _make_placement(self) -> Callable[[int, int], Tensor]:
        return partial(
            resolve_prototypes, self.prototypes, self.classes_, n_reserved=int(self.n_reserved)
        )

    def _assemble(
        self, backbone: nn.Module, prototypes: Tensor, criterion: nn.Module
    ) -> EmbeddingModel:
        return EmbeddingModel(
            backbone,
            prototypes,
            learn_prototypes=self._is("prototypes", "learned"),
            scale=self._initial_scale(),
            learn_scale=self.scale == "learned" and self.loss == "cross_entropy",
            free_norm=self.loss == "logits",
            n_reserved=len(prototypes) - len(self.classes_),
        )

    def _initial_scale(self) -> float:
        if self.loss == "logits":
            return 1.0  # the norm takes its place
        return separating_scale(len(self.classes_)) if self.scale == "learned" else self.scale

    def _default_dim(self) -> int:
        if self._is("prototypes", "polygon"):
            return 2
        n_prototypes = len(self.classes_) + int(self.n_reserved)
        if self.loss == "logits":
            # Kasarla et al.: more dimensions would only add to the norm.
            return max(2, n_prototypes - 1)
        if isinstance(self.prototypes, str) and self.prototypes in _WIDE:
            return max(64, n_prototypes)
        return default_dim(n_prototypes)

    def _make_criterion(self) -> Criterion:
        if callable(self.loss):
            return Criterion(self.loss)
        if self.loss in ("cross_entropy", "logits"):
            smoothing = {"label_smoothing": self.label_smoothing}
            return Criterion(LOSSES[self.loss], uses_scale=True, **smoothing)
        return Criterion(LOSSES[self.loss])

    def _is(self, parameter: str, value: str) -> bool:
        """Tell whether a parameter, which may be an array, equals a string."""
        given = getattr(self, parameter)
        return isinstance(given, str) and given == value
