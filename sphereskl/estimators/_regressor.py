"""Regression: a value is a place on the arc between two poles."""

import numpy as np
import torch
from sklearn.base import MultiOutputMixin, RegressorMixin

from ..nn import ARC_LOSSES, ProductModel
from ..preprocessing import from_cosines, resolve_bounds, to_cosines
from ..training import Criterion
from ._base import BaseSphereEstimator, Interval, Real, StrOptions, _fit_context
from ._components import is_own_network, sized_backbone
from ._input import check_samples

# Dimension of every target's sphere, chosen in docs/benchmarks/regression.
_BLOCK_DIM = 8


class HypersphericalRegressor(MultiOutputMixin, RegressorMixin, BaseSphereEstimator):
    """Regressor whose network maps every sample onto the arc between two poles.

    The lowest value stands at one pole of the sphere, the highest at the other; the network
    learns the angle in between, and a prediction is read off the cosine with the upper pole.
    Several values have a sphere each.

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
        Dimension of the embedding, at least 2 for every target and a multiple of their
        number. "auto" is 8 for every target, or what a given network has.
    bounds : "minmax", pair or array-like of shape (n_targets, 2), default="minmax"
        Values at the lower and the upper pole, which predictions never leave. "minmax"
        takes the least and the greatest value of the training rows; a pair (low, high)
        holds for all targets.
    bounds_margin : float, default=0.0
        Part of the range, at least 0, by which the bounds are moved apart on both sides,
        for values beyond those in training.
    loss : {"squared", "gaussian", "absolute", "huber", "quantile"} or callable, \
            default="squared"
        What is minimised of the difference between the cosine and the one asked for, and
        with it what is predicted: the mean with the first two, the median, something between
        them, or the quantile that `quantile` names. "gaussian" is the logarithm of the mean
        square: it goes on learning where "squared" fades, which is good for little noise and bad
        for much. A callable takes cosines (n_samples, n_targets),
        target (n_samples, n_targets) and weight (n_samples,) or None as tensors and
        returns a scalar.
    quantile : float, default=0.5
        Which quantile, in (0, 1), under ``loss="quantile"``.
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
        Share of the training rows in [0, 1) that is held out for `early_stopping`; copies
        of a row stay together. With 0, or if they would be fewer than ten distinct rows,
        the training loss decides when to stop.
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
    bounds_ : ndarray of shape (n_targets, 2)
        Values at the poles, `bounds_margin` included.
    prototypes_ : ndarray of shape (n_targets, embedding_dim // n_targets)
        Upper pole of every target's sphere; the lower one is its opposite.
    embedding_dim_ : int
        Dimension of the embedding, all spheres together.
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
        R2 on validation rows of every epoch, with `early_stopping` or `X_val`.
    device_ : torch.device
        Where the model is.
    encoder_ : TableEncoder or ImageEncoder
        How samples become tensors.
    module_ : ProductModel
        The trained network.
    net_ : EmbeddingNet
        The skorch net that trained it.

    See Also
    --------
    HypersphericalOrdinalClassifier : For values that are steps in an order.
    sklearn.compose.TransformedTargetRegressor : For values that spread over magnitudes.

    Notes
    -----
    The target of a row is the cosine ``r = 2 (y - low) / (high - low) - 1`` [1]_. Under the
    squared loss this is least squares with a bounded link: nothing is distorted, and the
    embedding's free directions cost nothing. For any a > 0 and b, fitting ``a y + b``
    predicts a times the former prediction plus b, up to rounding.

    There is no ``return_std``: see the user guide, section "How sure is a value?".

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

    _parameter_constraints = {
        **BaseSphereEstimator._parameter_constraints,
        "bounds": [StrOptions({"minmax"}), "array-like"],
        "bounds_margin": [Interval(Real, 0, None, closed="left")],
        "loss": [StrOptions(set(ARC_LOSSES)), callable],
        "quantile": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self,
        *,
        backbone="auto",
        embedding_dim="auto",
        bounds="minmax",
        bounds_margin=0.0,
        loss="squared",
        quantile=0.5,
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
        self.bounds = bounds
        self.bounds_margin = bounds_margin
        self.loss = loss
        self.quantile = quantile
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
        """Width of the embedding, all spheres together."""
        return self.prototypes_.size

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, X_val=None, y_val=None):
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples: numbers without gaps in an array, a data frame or a torch tensor;
            images as the class documentation says.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Values to predict.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the loss. Where all rows fit into one batch, a row of
            weight 2 is the same as two copies of it; a row of weight 0 is always left out.
        X_val, y_val : array-like, default=None
            Rows to judge the model by, instead of a part of `X`. Not trained on.

        Returns
        -------
        self : estimator
            The fitted estimator. A failing fit leaves it as it was.
        """
        with self._unchanged_on_error():
            fresh = not (self.warm_start and hasattr(self, "net_"))
            X, y = self._check_rows(X, y, reset=fresh)
            self._fit_rows(X, y, sample_weight, (X_val, y_val), fresh=fresh)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None):
        """Train for one epoch at a constant learning rate.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            A part of the samples. The first call settles how columns are standardised.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Their values. With ``bounds="minmax"`` the first call settles the bounds, which
            predictions never leave: pass `bounds` if later parts may go beyond.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the loss.

        Returns
        -------
        self : estimator
            The fitted estimator.
        """
        with self._unchanged_on_error():
            fresh = not hasattr(self, "net_")
            X, y = self._check_rows(X, y, reset=fresh)
            self._fit_rows(X, y, sample_weight, (None, None), fresh=fresh, partial=True)
        return self

    def predict(self, X):
        """Value at the place of every sample on the arc.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images
            Samples in the form that was fitted.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets), float64
            Values within ``bounds_``, in the shape of the `y` that was fitted.
        """
        y = from_cosines(self._infer(X, "cosines").astype(np.float64), self.bounds_)
        return y if self._y_is_2d else y[:, 0]

    def _check_rows(self, X, y, *, reset):
        X, y = check_samples(self, X, y, reset=reset, multi_output=True, y_numeric=True)
        return X, y.astype(np.float64, copy=False)

    def _fit_rows(self, X, y, sample_weight, validation, *, fresh, partial=False):
        weight = self._check_weight(sample_weight, X)
        if fresh:
            self._y_is_2d = y.ndim == 2
            counted = y[weight > 0].reshape(np.count_nonzero(weight), -1)
            self.bounds_ = resolve_bounds(self.bounds, self.bounds_margin, counted)
        target = self._encode(y, "y")
        validation = self._check_validation(*validation)
        self._fit_network(X, target, weight, validation, fresh=fresh, partial=partial)

    def _encode(self, y, name):
        y = y.reshape(len(y), -1)
        if y.shape[1] != len(self.bounds_):
            raise ValueError(
                f"{name} has {y.shape[1]} targets, but the fitted model has {len(self.bounds_)}; "
                "set warm_start=False to start anew."
            )
        return to_cosines(y, self.bounds_).astype(self.dtype)

    def _make_model(self, input_shape, seed):
        n_targets, dim = len(self.bounds_), self.embedding_dim
        if dim == "auto":
            dim = None if is_own_network(self.backbone) else n_targets * _BLOCK_DIM
        backbone, width = sized_backbone(self.backbone, input_shape, dim)
        if width % n_targets or width < 2 * n_targets:
            raise ValueError(
                f"embedding_dim must be a multiple of the number of targets, {n_targets}, and at "
                f"least twice that, got {width}: every target has a sphere of its own, and in one "
                "dimension a sphere is two points."
            )
        return self._assemble(backbone, np.empty((n_targets, width // n_targets)))

    def _assemble(self, backbone, prototypes):
        """Put the backbone below spheres with as many poles and columns as `prototypes`."""
        return ProductModel(backbone, *prototypes.shape)

    def _make_criterion(self):
        if callable(self.loss):
            return Criterion(self.loss)
        options = {"quantile": self.quantile} if self.loss == "quantile" else {}
        return Criterion(ARC_LOSSES[self.loss], **options)

    @staticmethod
    def _score_function(cosines, target, weight):
        """R2, averaged over targets."""
        weight = torch.ones(len(target)) if weight is None else weight
        weight = (weight / weight.sum()).to(target)[:, None]
        residual = (weight * (target - cosines).square()).sum(dim=0)
        spread = (weight * (target - (weight * target).sum(dim=0)).square()).sum(dim=0)
        # A target that does not vary counts as explained if it is met, as in scikit-learn.
        unexplained = torch.where(spread > 0, residual / spread, (residual > 0).to(residual))
        return 1 - unexplained.mean()
