"""Bad input: one sentence with the parameter, the value and the way out; nothing is lost."""

import numpy as np
import pytest
import scipy.sparse
import torch

from sphereskl import MLP, ConvNet, HypersphericalPrototypeClassifier, SphereNetClassifier


def with_inf(X):
    X = X.copy()
    X[3, 1] = np.inf
    return X


BAD_X = {
    "infinity": (with_inf, "X contains infinity"),
    "empty": (lambda X: X[:0], "0 sample"),
    "no columns": (lambda X: X[:, :0], "0 feature"),
    "one row": (lambda X: X[0], "Expected 2D array"),
    "sparse": (scipy.sparse.csr_array, "[Ss]parse data was passed"),
    "text": (
        lambda X: [[f"remark {i}"] * len(row) for i, row in enumerate(X)],
        "which looks like text or a key",
    ),
    "dates": (lambda X: X.astype("datetime64[D]"), "x0.*of dates.*skrub's TableVectorizer"),
    "complex": (lambda X: X + 1j, "Complex data not supported"),
    "3-D": (lambda X: X.reshape(-1, 2, 2), r"X has 3 dimensions.*pass input_shape=\(2, 2\)"),
    "ambiguous 4-D": (lambda X: X.reshape(-1, 2, 2, 1), "X has 4 dimensions.*pass input_shape"),
    "gradient": (
        lambda X: torch.from_numpy(X).requires_grad_(),
        r"X is a torch tensor that requires grad.*pass X.detach\(\)",
    ),
    "too few rows": (lambda X: X[:-1], "inconsistent numbers of samples"),
}


@pytest.mark.parametrize(("spoil", "message"), BAD_X.values(), ids=BAD_X.keys())
def test_bad_samples(spoil, message, iris, quick):
    X, y = iris
    clf = quick(max_epochs=2).fit(X, y)
    before = clf.predict_proba(X)
    with pytest.raises((ValueError, TypeError), match=message):
        clf.fit(spoil(X), y)
    np.testing.assert_array_equal(clf.predict_proba(X), before)


BAD_Y = {
    "one class": (lambda y: np.full_like(y, 7), r"at least 2 classes.*only one class: \[7\]"),
    "continuous": (lambda y: y + 0.5, "Unknown label type: continuous"),
    "nan": (lambda y: np.where(y == 0, np.nan, y), "y contains NaN"),
    "two columns": (lambda y: np.stack([y, y], axis=1), "y should be a 1d array"),
    "none": (lambda y: None, "requires y to be passed"),
}


@pytest.mark.parametrize(("spoil", "message"), BAD_Y.values(), ids=BAD_Y.keys())
def test_bad_labels(spoil, message, iris, quick):
    X, y = iris
    clf = quick(max_epochs=2).fit(X, y)
    with pytest.raises(ValueError, match=message):
        clf.fit(X, spoil(y))
    assert list(clf.classes_) == [0, 1, 2]
    assert clf.predict(X).shape == y.shape


BAD_WIDTH = {
    "narrow": (lambda X: X[:, :2], "X has 2 features, but .* expecting 4"),
    "images": (lambda X: X.reshape(-1, 2, 2), "X has 2 features, but .* expecting 4"),
    "deeper": (lambda X: X[:, :, None], r"samples of shape \(4, 1\), .* \(4,\)"),
}


@pytest.mark.parametrize(("spoil", "message"), BAD_WIDTH.values(), ids=BAD_WIDTH.keys())
def test_other_samples_than_fitted(spoil, message, iris, quick):
    X, y = iris
    clf = quick(max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match=message):
        clf.predict(spoil(X))


BAD_PARAMETERS = [
    ({"embedding_dim": 1}, "embedding_dim must be at least 2, got 1.*zero gradient"),
    ({"embedding_dim": 2.5}, "'embedding_dim' parameter .* Got 2.5"),
    ({"prototypes": "tetrahedron"}, "'prototypes' parameter .* Got 'tetrahedron'"),
    ({"prototypes": "orthonormal", "embedding_dim": 2}, "n_prototypes must be at most 2"),
    ({"prototypes": np.ones((3, 4))}, "prototypes must differ.*rows 0 and 1"),
    ({"prototypes": np.eye(3)[[0, 1, 1]] * [[1], [1], [9]]}, "rows 1 and 2 are the same"),
    ({"prototypes": np.eye(4)[1:] * [[1], [0], [1]]}, "row 1 is zero"),
    ({"prototypes": np.eye(4)}, r"3 rows .* got shape \(4, 4\)"),
    ({"prototypes": np.ones(3)}, r"got shape \(3,\)"),
    ({"prototypes": np.ones((3, 1))}, r"at least 2 columns, got shape \(3, 1\)"),
    ({"prototypes": np.full((3, 2), np.nan)}, "prototypes must be finite"),
    ({"prototypes": {0: [1, 0], 1: [0, 1]}}, r"prototypes has no vector for \[2\]"),
    ({"prototypes": np.eye(3), "embedding_dim": 5}, "embedding_dim is 5, .* 3 columns"),
    ({"embedding_dim": 10**15}, "backbone and embedding_dim .* not enough memory"),
    ({"loss": "hinge"}, "'loss' parameter .* Got 'hinge'"),
    ({"loss": torch.nn.MSELoss}, r"loss is the class MSELoss; pass an instance, MSELoss\(\)"),
    ({"scale": 0}, "'scale' parameter .* Got 0"),
    ({"label_smoothing": 1.0}, "'label_smoothing' parameter .* Got 1.0"),
    ({"backbone": "resnet"}, "'backbone' parameter .* Got 'resnet'"),
    ({"backbone": MLP(dropout=1.0)}, r"dropout must be in \[0, 1\), got 1.0"),
    ({"backbone": MLP(hidden_layer_sizes=(8, 0))}, r"hidden_layer_sizes .* got \(8, 0\)"),
    ({"backbone": MLP(norm="group")}, "norm must be one of .*, got 'group'"),
    ({"backbone": MLP(activation="selu")}, "activation must be one of .*, got 'selu'"),
    ({"backbone": ConvNet()}, "ConvNet needs samples of shape .* input_shape"),
    ({"backbone": torch.nn.Linear(4, 5), "embedding_dim": 6}, "embedding_dim is 6, .* width 5"),
    ({"backbone": torch.nn.Unflatten(1, (2, 2))}, r"backbone must map .* got \(2, 2, 2\)"),
    ({"input_shape": (3, 3)}, r"input_shape is \(3, 3\), but samples of X have shape \(4,\)"),
    ({"max_epochs": 0}, "'max_epochs' parameter .* Got 0"),
    ({"batch_size": 0}, "'batch_size' parameter .* Got 0"),
    ({"optimizer": "lbfgs"}, "'optimizer' parameter .* Got 'lbfgs'"),
    ({"lr": -1.0}, "'lr' parameter .* Got -1.0"),
    ({"lr_schedule": "linear"}, "'lr_schedule' parameter .* Got 'linear'"),
    ({"weight_decay": -1}, "'weight_decay' parameter .* Got -1"),
    ({"max_grad_norm": 0}, "'max_grad_norm' parameter .* Got 0"),
    ({"validation_fraction": 1.0}, "'validation_fraction' parameter .* Got 1.0"),
    ({"n_iter_no_change": 0}, "'n_iter_no_change' parameter .* Got 0"),
    ({"class_weight": "even"}, "'class_weight' parameter .* Got 'even'"),
    ({"class_weight": {"zero": 1.0}}, "class_weight .*'zero'"),
    ({"class_weight": {0: -1.0}}, "class_weight gives -1.0 to the class 0"),
    ({"callbacks": "bar"}, "'callbacks' parameter .* Got 'bar'"),
    ({"device": "gpu"}, "device must be .*'gpu'"),
    ({"device": "cuda:99"}, "device is 'cuda:99', .* device='auto'"),
    ({"dtype": "float16"}, "'dtype' parameter .* Got 'float16'"),
    ({"random_state": "x"}, "'random_state' parameter .* Got 'x'"),
]


@pytest.mark.parametrize(("params", "message"), BAD_PARAMETERS)
def test_bad_parameters(params, message, iris, quick):
    X, y = iris
    good = quick(max_epochs=2)
    clf = quick(max_epochs=2).fit(X, y)
    before, names = clf.predict_proba(X), good.get_params()
    with pytest.raises((ValueError, TypeError), match=message):
        clf.set_params(**params).fit(X, y)
    np.testing.assert_array_equal(clf.predict_proba(X), before)
    assert clf.set_params(**{name: names[name] for name in params}).fit(X, y).score(X, y) > 0


def test_unknown_parameter(quick):
    with pytest.raises(ValueError, match="Invalid parameter 'nope'"):
        quick().set_params(nope=1)
    with pytest.raises(ValueError, match="MLP has no parameter 'width'"):
        quick().set_params(backbone__width=1)
    with pytest.raises(
        ValueError, match="backbone__dropout cannot be set because backbone is 'auto'"
    ):
        quick(backbone="auto").set_params(backbone__dropout=0.1)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (lambda n: np.zeros(n), "sample_weight is zero for every row|zero"),
        (lambda n: -np.ones(n), "sample_weight must hold finite .* got -1.0"),
        (lambda n: np.ones(n - 1), "sample_weight.*shape"),
        (lambda n: np.full(n, np.nan), "sample_weight must hold finite .* got nan"),
    ],
    ids=["zero", "negative", "short", "nan"],
)
def test_bad_weights(weight, message, iris, quick):
    with pytest.raises(ValueError, match=message):
        quick().fit(*iris, sample_weight=weight(150))


def test_bad_validation_rows(iris, quick):
    X, y = iris
    with pytest.raises(ValueError, match="X_val and y_val belong together, but y_val is None"):
        quick().fit(X, y, X_val=X)
    with pytest.raises(ValueError, match=r"y_val has the labels \[3\], .* \[0, 1, 2\]"):
        quick().fit(X, y, X_val=X, y_val=y + 1)
    with pytest.raises(ValueError, match="X has 3 features"):
        quick().fit(X, y, X_val=X[:, :3], y_val=y)


def test_partial_fit_needs_to_know_the_classes(iris, quick):
    X, y = iris
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        quick().partial_fit(X, y)
    with pytest.raises(ValueError, match=r"y has the labels \[2\], .* \[0, 1\]"):
        quick().partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="class_weight='balanced' needs all labels at once"):
        quick(class_weight="balanced").partial_fit(X, y, classes=[0, 1, 2])


def test_warm_start_refuses_other_classes(iris, quick):
    X, y = iris
    clf = quick(warm_start=True).fit(X, y)
    with pytest.raises(
        ValueError, match=r"\[0, 1\], .* \[0, 1, 2\]; call fit with warm_start=False"
    ):
        clf.fit(X[:100], y[:100])


@pytest.mark.parametrize("name", ["loss__margin", "prototypes__method", "optimizer__lr"])
def test_parts_without_parameters_are_named(name, quick):
    head = name.partition("__")[0]
    with pytest.raises(ValueError, match=rf"{name} cannot be set because {head} is '"):
        quick(optimizer="sgd").set_params(**{name: 3})


@pytest.mark.parametrize("rates", [{"lr": 1e300}, {"backbone_lr": 1e300}])
@pytest.mark.parametrize("Estimator", [HypersphericalPrototypeClassifier, SphereNetClassifier])
def test_weights_that_the_last_step_destroyed_are_refused(Estimator, rates, iris):
    X, y = iris
    model = Estimator(max_epochs=1, batch_size=500, lr_schedule="constant", random_state=0)
    before = model.fit(X, y).predict_proba(X)
    with pytest.raises(ValueError, match=r"Training diverged: .*lower lr, which is "):
        model.set_params(optimizer="sgd", **rates).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), before)


@pytest.mark.parametrize("length", [1e308, 1e-320, 3.0])
def test_prototypes_of_any_length_are_directions(length, iris, quick):
    given = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, -1]]) * length
    found = quick(max_epochs=1, prototypes=given).fit(*iris).prototypes_
    np.testing.assert_array_equal(found, np.diag([1.0, 1, -1]))
