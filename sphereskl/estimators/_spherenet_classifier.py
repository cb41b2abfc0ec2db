"""Classification by a network of spherical layers."""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor, nn

from ..nn import (
    ANGULAR_LOSSES,
    AngularMarginLoss,
    AngularModel,
    Regularizer,
    SphereCNN,
    cross_entropy,
    make_angular_loss,
)
from ..preprocessing import ImageAugmentation
from ..training import AngularCriterion, Criterion
from ._angular_components import (
    SPHERICAL_BACKBONES,
    describe_backbone,
    resolve_loss,
)
from ._base import HasMethods, Interval, Real, StrOptions
from ._classification import BaseSphereClassifier
from ._prototypes import default_dim, resolve_prototypes


class SphereNetClassifier(BaseSphereClassifier):
    """Classifier whose layers compute functions of angles, trained with an angular margin.

    In a SphereNet [1]_ every layer computes a function of the angles between its filters
    and patches of its input. The class weights are learned; labels, probabilities and embeddings
    follow from the angles between an embedding and the class weights. Margins make training
    harder and are not used in prediction.

    Parameters
    ----------
    backbone : {"auto", "cnn", "googlenet", "mlp", "resnet", "vgg"}, configuration, \
            nn.Module or callable, default="auto"
        Network that computes the embedding. "auto" is `sphereskl.SphereMLP` for tables and
        ``SphereCNN(depth=3, widths=(32, 64, 128))`` for images; a name selects a network
        of `sphereskl.nn` with its defaults. Pass an instance to set or tune options
        (``backbone=SphereCNN(depth=6)``, ``backbone__norm`` in a grid). Embeddings have 64
        dimensions, 256 for images, and at least as many as there are classes. An
        `nn.Module` is copied, so that a pretrained network stays as it is; a callable is
        called with the shape of one sample and returns a module. Both receive `X` unscaled;
        for the other choices, columns and channels are standardised (and columns clipped at
        4 standard deviations).
    operator : {"auto", "linear", "cosine", "sigmoid"}, default="auto"
        Function of the angle that the layers compute, see `sphereskl.nn.angular`. It replaces
        the operator of the configuration, and that of the losses "w_softmax" and "ga_softmax";
        "auto" leaves both unchanged.
    k : float, default="auto"
        Softness of the "sigmoid" operator, positive; replaces that of the configuration. "auto"
        leaves it unchanged.
    loss : {"softmax", "w_softmax", "a_softmax", "ga_softmax", "normface", "sphereface", \
            "sphereface_r", "cosface", "arcface"} or AngularMarginLoss, default="w_softmax"
        Loss. "softmax" is the ordinary cross-entropy of inner products with class weights of
        any length, without bias; the others are described in
        `sphereskl.nn.make_angular_loss`. An instance is copied.
    margin : float, default="auto"
        Margin of the loss, at least 0, of the kind that the loss has; "auto" is the loss's own
        default.
    regularizer : {"orthogonal", "mhe", "half_space_mhe"} or Regularizer, default=None
        Penalty that pushes the filters of a layer apart, see `sphereskl.nn.Regularizer`.
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
    lr : float, default=2e-3
        Learning rate, positive: the maximum of `lr_schedule`. Lower it if training diverges.
    backbone_lr : float, default=None
        Learning rate of the backbone below its last layer, positive, for fine-tuning a
        pre-trained network; None is `lr`.
    lr_schedule : {"one_cycle", "cosine", "step", "constant"}, default="one_cycle"
        Learning rate schedule over the epochs of a fit; "cosine" begins with a linear warm-up,
        "step" divides by 10 after 53 % and 84 % of the steps.
    weight_decay : float, default=1e-2
        Weight decay of weight matrices of ordinary layers, at least 0, including the class
        weights of ``loss="softmax"``. Weights of spherical layers and other class weights,
        biases, scales and shifts do not decay. Raise it against overfitting.
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
        Unit directions of the learned class weights, in the order of `classes_`.
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
        it is the lowest so far), ``train_penalty`` (the penalty, not part of it), ``dur``
        (seconds), and ``valid_loss``, ``valid_loss_best`` and ``valid_score`` if there are
        validation samples.
    n_iter_ : int
        Number of epochs trained.
    loss_curve_ : list of float
        Training loss of every epoch, without the regulariser.
    validation_scores_ : list of float
        Validation accuracy of every epoch, with early stopping or `X_val`.
    device_ : torch.device
        Device of the model.
    encoder_ : TableEncoder or ImageEncoder
        Fitted preprocessing: turns samples into tensors.
    module_ : AngularModel
        The trained network.
    net_ : EmbeddingNet
        skorch net that trained `module_`.

    See Also
    --------
    HypersphericalPrototypeClassifier : Ordinary layers, fixed class directions.

    Notes
    -----
    An annealed margin (``AngularMarginLoss(annealing=...)``) grows with every step; its state
    is kept by pickles, `save`, `partial_fit` and `warm_start`. The losses in `history_` include
    the margin: with annealing they may rise while the model improves, which `early_stopping`
    takes for overfitting.

    Under float64, on samples that fit into one batch, fitting with integer `sample_weight`
    equals fitting with repeated samples, up to rounding, unless the network has batch
    normalisation, as `SphereCNN` does.

    References
    ----------
    .. [1] Liu et al. (2017), "Deep Hyperspherical Learning", NeurIPS.

    Examples
    --------
    >>> from sklearn.datasets import make_circles
    >>> from sphereskl import SphereNetClassifier
    >>> X, y = make_circles(200, noise=0.05, factor=0.5, random_state=0)
    >>> clf = SphereNetClassifier(random_state=0).fit(X, y)
    >>> clf.score(X, y) > 0.98
    True
    >>> clf.predict_proba(X[:3]).shape
    (3, 2)
    """

    _network_parameters = (*BaseSphereClassifier._network_parameters, "k", "loss", "operator")

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseSphereClassifier._parameter_constraints,
        "backbone": [
            StrOptions({"auto", *SPHERICAL_BACKBONES}),
            HasMethods("build"),
            torch.nn.Module,
            callable,
        ],
        "operator": [StrOptions({"auto", "linear", "cosine", "sigmoid"})],
        "k": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "loss": [StrOptions({"softmax", *ANGULAR_LOSSES}), AngularMarginLoss],
        "margin": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "regularizer": [StrOptions({"orthogonal", "mhe", "half_space_mhe"}), Regularizer, None],
    }

    def __init__(
        self,
        *,
        backbone: Any = "auto",
        operator: str = "auto",
        k: float | Literal["auto"] = "auto",
        loss: str | AngularMarginLoss = "w_softmax",
        margin: float | Literal["auto"] = "auto",
        regularizer: str | Regularizer | None = None,
        categorical_features: Any = "from_dtype",
        input_shape: tuple[int, ...] | dict[str, int] | None = None,
        augmentation: ImageAugmentation | None = None,
        max_epochs: int = 50,
        batch_size: int | Literal["auto"] = "auto",
        optimizer: str | Callable[..., Any] = "adamw",
        lr: float = 2e-3,
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
        self.operator = operator
        self.k = k
        self.loss = loss
        self.margin = margin
        self.regularizer = regularizer
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

    @classmethod
    def parity(cls, **params: Any) -> Self:
        """Return a classifier with the settings of the authors' program for CIFAR-10.

        Parameters
        ----------
        **params
            Parameters of the classifier that replace those of the program.

        Returns
        -------
        clf : SphereNetClassifier
            Not fitted. Its parameters show all settings.

        Notes
        -----
        SphereNet-9 with 128, 192 and 256 filters and W-Softmax; Adam with 1e-3, divided by 10
        after 34,000 and 54,000 of the 64,000 steps that 164 epochs of 50,000 images in
        batches of 128 are; weight decay 5e-4 of ordinary weights; orthogonality 1e-4 in its
        published form; label smoothing 0.01. The authors mirror and shift training images,
        which is left to you.

        A parameter ``parity=True`` of the classifier would override other parameters without
        showing their values; hence a method.

        Four things differ: batch normalisation adds 1e-5, not 1e-3, to variances; its scale
        and shift do not decay; the embedding has a bias; and squared norms of filters
        have 1e-12, not 1e-4, added to them.

        Examples
        --------
        >>> from sphereskl import SphereNetClassifier
        >>> clf = SphereNetClassifier.parity(operator="linear", device="cpu")
        >>> clf.optimizer, clf.lr_schedule, clf.operator
        ('adam', 'step', 'linear')
        """
        recipe = {
            "backbone": SphereCNN(depth=9, widths=(128, 192, 256)),
            "loss": make_angular_loss("w_softmax", label_smoothing=0.01),
            "regularizer": Regularizer("orthogonal", exact=True),
            "max_epochs": 164,
            "batch_size": 128,
            "optimizer": "adam",
            "lr": 1e-3,
            "lr_schedule": "step",
            "weight_decay": 5e-4,
        }
        return cls(**{**recipe, **params})

    def _describe(self, input_shape: tuple[int, ...]) -> tuple[Any, int | None, int]:
        backbone, given = self.backbone, self._given_operator()
        if isinstance(backbone, str) or given:
            backbone = describe_backbone(backbone, input_shape, given)
        default = default_dim(len(self.classes_), least=256 if len(input_shape) == 3 else 64)
        return backbone, None, default

    def _make_placement(self) -> Callable[[int, int], Tensor]:
        return partial(resolve_prototypes, "auto", self.classes_)

    def _given_operator(self) -> dict[str, Any]:
        given = {"operator": self.operator, "k": self.k}
        return {name: value for name, value in given.items() if value != "auto"}

    def _assemble(
        self, backbone: nn.Module, prototypes: Tensor, criterion: nn.Module
    ) -> AngularModel:
        if not isinstance(criterion, AngularCriterion):
            return AngularModel(backbone, prototypes, free_norm=True, free_prototypes=True)
        loss = criterion.loss
        return AngularModel(
            backbone,
            prototypes,
            free_norm=loss.scale == "norm",
            operator=loss.operator,
            k=loss.k,
        )

    def _make_criterion(self) -> Criterion | AngularCriterion:
        loss = resolve_loss(self.loss, self.margin, self._given_operator())
        if loss is None:
            return Criterion(cross_entropy, uses_scale=True)  # which is 1
        return AngularCriterion(loss)
