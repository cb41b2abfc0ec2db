"""Classification by a network whose every layer is spherical."""

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
from ._components import default_dim, resolve_prototypes


class SphereNetClassifier(BaseSphereClassifier):
    """Classifier whose layers look at angles alone, trained with a margin on the angle.

    In a SphereNet [1]_ every layer computes a function of the angles between its filters
    and patches of its input. The class weights learn; labels, probabilities and embeddings
    are read off the angles between an embedding and them. Margins make training harder and
    are not seen by predictions.

    Parameters
    ----------
    backbone : {"auto", "cnn", "googlenet", "mlp", "resnet", "vgg"}, configuration, \
            nn.Module or callable, default="auto"
        The network below the class weights. "auto" is `sphereskl.SphereMLP` for tables and
        ``SphereCNN(depth=3, widths=(32, 64, 128))`` for images; a name stands for a network
        of `sphereskl.nn` with its defaults. Pass an instance to set or tune options
        (``backbone=SphereCNN(depth=6)``, ``backbone__norm`` in a grid). Embeddings have 64
        dimensions, 256 for images, and at least as many as there are classes. An
        `nn.Module` is copied, so that one that was trained before stays as it is; a
        callable is given the shape of one sample and returns a module. Both see the
        numbers of `X` as they are; with the others, columns and channels are standardised
        (and columns clipped at 4 standard deviations).
    operator : {"auto", "linear", "cosine", "sigmoid"}, default="auto"
        What the layers make of an angle, see `sphereskl.nn.angular`. It replaces the
        operator of the configuration, and that of the losses "w_softmax" and "ga_softmax";
        "auto" leaves both as they are.
    k : float, default="auto"
        Softness of "sigmoid", positive; replaces that of the configuration.
    loss : {"softmax", "w_softmax", "a_softmax", "ga_softmax", "normface", "sphereface", \
            "sphereface_r", "cosface", "arcface"} or AngularMarginLoss, default="w_softmax"
        What is minimised. "softmax" is the ordinary cross-entropy of inner products with
        class weights of any length, without bias; the others are described in
        `sphereskl.nn.make_angular_loss`. An instance is copied.
    margin : float, default="auto"
        Margin of the kind that the loss has; "auto" is the loss's own default.
    regularizer : {"orthogonal", "mhe", "half_space_mhe"} or Regularizer, default=None
        Penalty that keeps the filters of a layer apart, see `sphereskl.nn.Regularizer`.
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
    lr : float, default=2e-3
        Highest learning rate.
    lr_schedule : {"one_cycle", "cosine", "step", "constant"}, default="one_cycle"
        Learning rate over the epochs of a fit; "cosine" begins with a linear warm-up, "step"
        divides by 10 after 53 % and 84 % of the steps.
    weight_decay : float, default=1e-2
        Decay of weight matrices of ordinary layers, to which the class weights of
        ``loss="softmax"`` belong. Weights of spherical layers and other class weights,
        biases, scales and shifts do not decay.
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
    classes_ : ndarray of shape (n_classes,)
        Labels in order.
    n_classes_ : int
        Number of classes.
    kappa_ : ndarray of shape (n_classes,)
        Concentration of the embeddings of every class on the sphere (von Mises-Fisher).
    prototypes_ : ndarray of shape (n_classes, embedding_dim)
        Unit directions of the learned class weights, in the order of `classes_`.
    scale_ : float
        Scale that makes the probabilities of held-out rows most likely. It never changes
        which class is most probable.
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
        least so far), ``train_penalty`` (what the regulariser added to it), ``dur``
        (seconds), and ``valid_loss``, ``valid_loss_best`` and ``valid_score`` where rows
        were validated.
    n_iter_ : int
        Epochs trained.
    loss_curve_ : list of float
        Training loss of every epoch, without the regulariser.
    validation_scores_ : list of float
        Accuracy on validation rows of every epoch, where it stops early or `X_val` is given.
    device_ : torch.device
        Where the model is.
    encoder_ : TableEncoder or ImageEncoder
        How samples become tensors.
    module_ : AngularModel
        The trained network.
    net_ : EmbeddingNet
        The skorch net that trained it.

    See Also
    --------
    HypersphericalPrototypeClassifier : Ordinary layers, class directions fixed beforehand.

    Notes
    -----
    A margin that comes in slowly (``AngularMarginLoss(annealing=...)``) moves on with every
    step; its state is kept by pickles, `save`, `partial_fit` and `warm_start`. The losses
    in `history_` have it: with annealing they may rise while the model gets better, which
    `early_stopping` takes for overfitting.

    Under float64, on rows that fit into one batch, fitting with integer `sample_weight`
    equals fitting with repeated rows to rounding, unless the network has batch
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

    @classmethod
    def parity(cls, **params: Any) -> Self:
        """Make a classifier with the settings of the authors' program for CIFAR-10.

        Parameters
        ----------
        **params
            Parameters of the classifier, instead of those of the program.

        Returns
        -------
        clf : SphereNetClassifier
            Not fitted. All settings can be seen and changed as its parameters.

        Notes
        -----
        SphereNet-9 with 128, 192 and 256 filters and W-Softmax; Adam with 1e-3, a tenth of
        it after 34,000 and 54,000 of the 64,000 steps that 164 epochs of 50,000 images in
        batches of 128 are; decay 5e-4 of ordinary weights; orthogonality 1e-4 in its
        published form; label smoothing 0.01. Training rows are mirrored and shifted there,
        which is left to you.

        A parameter ``parity=True`` of the classifier would override others, which could no
        longer be read off it; hence a method.

        Four things differ: batch normalisation adds 1e-5, not 1e-3, to variances; its scale
        and shift do not decay; the embedding has a bias; and squared lengths of filters
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
        return Criterion(cross_entropy) if loss is None else AngularCriterion(loss)
