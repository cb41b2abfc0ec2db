"""A class and a value from one network and one sphere."""

from collections.abc import Mapping

from ..nn import JointModel, joint_loss, separating_scale
from ..training import Criterion
from ._base import Interval, Real, StrOptions
from ._components import PLACEMENTS, is_own_network, resolve_prototypes, sized_backbone
from ._joint import BaseJointEstimator

_CLASS_LOSSES = ("cross_entropy", "squared_cosine", "cosine")
# As in HypersphericalPrototypeClassifier by default.
_LABEL_SMOOTHING = 0.1
_CLASS_DIM = 64


class HypersphericalMultiTask(BaseJointEstimator):
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
        Dimension of the embedding, at least 3. "auto" is ``max(64, n_classes) + 1``, or
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
    input_shape : tuple of int, default=None
        Shape of one image: (height, width), (channels, height, width) or (height, width,
        channels). Makes images of flat rows, and says what a 3-D array means. 4-D arrays
        with at most 4 channels at one end are understood without it.
    max_epochs : int, default=50
        Passes over the training rows.
    batch_size : int, default=128
        Largest number of rows in a step; batches of an epoch are of even size.
    optimizer : {"adamw", "adam", "sgd"} or callable, default="adamw"
        "sgd" has momentum 0.9. A callable such as an optimiser class is called with
        parameter groups and ``lr``.
    lr : float, default=2e-3
        Highest learning rate.
    lr_schedule : {"one_cycle", "cosine", "step", "constant"}, default="one_cycle"
        Learning rate over the epochs of a fit; "cosine" begins with a linear warm-up, "step"
        divides by 10 after 53 % and 84 % of the steps.
    weight_decay : float, default=1e-2
        Decay of weight matrices; biases, scale and prototypes do not decay.
    max_grad_norm : float, default=None
        Longest gradient; longer ones are shortened to it.
    early_stopping : bool, default=False
        Whether to stop once the loss on held-out rows has not improved for
        `n_iter_no_change` epochs, and to go back to the weights of the best epoch.
    validation_fraction : float, default=0.1
        Share of the training rows in [0, 1), stratified by class, held out to fit `scale_`
        and to stop early; copies of a row stay together. With 0, or if they would be fewer
        than ten distinct rows, the training rows serve.
    n_iter_no_change : int, default=10
        Epochs to wait for an improvement.
    warm_start : bool, default=False
        Whether `fit` goes on from the last fit's network.
    callbacks : list of skorch callbacks, default=None
        Hear of training as skorch callbacks do, and may stop it.
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
        Accuracy on validation rows of every epoch, with `early_stopping` or `X_val`.
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
    `fit` takes two targets, for which scikit-learn has no convention: the estimator is
    neither a classifier nor a regressor to it. Cross-validation and searches work where `y`
    is a data frame or an array, which they can index.

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
    >>> X = frame[["sepal length (cm)", "sepal width (cm)", "petal length (cm)"]]
    >>> y = frame[["target", "petal width (cm)"]]
    >>> model = HypersphericalMultiTask(random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.9
    True
    >>> list(model.predict(X).columns)
    ['target', 'petal width (cm)']
    """

    _parameter_constraints = {
        **BaseJointEstimator._parameter_constraints,
        "prototypes": [StrOptions({"auto", *PLACEMENTS}), "array-like", Mapping],
        "loss": [StrOptions(set(_CLASS_LOSSES))],
        "bounds": [StrOptions({"minmax"}), "array-like"],
        "task_weight": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(
        self,
        *,
        backbone="auto",
        embedding_dim="auto",
        prototypes="auto",
        loss="cross_entropy",
        bounds="minmax",
        task_weight=0.85,
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
        self.bounds = bounds
        self.task_weight = task_weight
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
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.device = device
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose

    @property
    def embedding_dim_(self):
        """Width of the embedding: one axis for the value, the others for the classes."""
        return self.prototypes_.shape[1] + 1

    def _make_model(self, input_shape, seed):
        dim = self.embedding_dim
        if dim == "auto":
            own = is_own_network(self.backbone)
            dim = None if own else max(_CLASS_DIM, len(self.classes_)) + 1
        backbone, width = sized_backbone(self.backbone, input_shape, dim)
        if width < 3:
            raise ValueError(
                f"embedding_dim must be at least 3, got {width}: one axis for the value and two "
                "for the classes."
            )
        prototypes = resolve_prototypes(self.prototypes, self.classes_, width - 1, seed)
        return self._assemble(backbone, prototypes)

    def _assemble(self, backbone, prototypes):
        """Put backbone and prototypes together as the parameters say."""
        return JointModel(
            backbone,
            prototypes,
            scale=separating_scale(len(prototypes)),
            learn_scale=self.loss == "cross_entropy",
        )

    def _make_criterion(self):
        smoothed = self.loss == "cross_entropy"
        return Criterion(
            joint_loss,
            uses_scale=smoothed,
            class_loss=self.loss,
            task_weight=self.task_weight,
            **({"label_smoothing": _LABEL_SMOOTHING} if smoothed else {}),
        )
