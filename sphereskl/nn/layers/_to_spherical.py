"""Conversion of torch models to hyperspherical layers."""

import copy
from collections.abc import Callable, Collection

from torch import nn
from torch.nn.utils import parametrize

from .._operators import AngularOperator
from ._sphere_conv import SphereConv1d, SphereConv2d
from ._sphere_linear import SphereLinear
from ._spherical_layer import SphericalLayer

_SPHERICAL: dict[type[nn.Module], type[SphericalLayer]] = {
    nn.Conv1d: SphereConv1d,
    nn.Conv2d: SphereConv2d,
    nn.Linear: SphereLinear,
}


def to_spherical(
    module: nn.Module,
    *,
    operator: str | AngularOperator = "sigmoid",
    k: float = 0.3,
    learn_k: str | None = None,
    magnitude: str = "sphere",
    eps: float = 1e-4,
    skip: str | Collection[str] | Callable[[str, nn.Module], bool] = "last",
) -> nn.Module:
    """Copy a model, with hyperspherical convolutions and dense layers.

    Layers of exactly the types ``Conv1d``, ``Conv2d`` and ``Linear`` become `SphereConv1d`,
    `SphereConv2d` and `SphereLinear` with the same weights and biases under the same names.
    Everything else is unchanged: subclasses, whose forward pass may differ; ``Conv3d`` and
    transposed convolutions; recurrent and bilinear layers, and the projections inside
    ``MultiheadAttention``, which are not layer calls.

    Parameters
    ----------
    module : nn.Module
        Any model; it is not changed.
    operator : {"linear", "cosine", "sigmoid"} or AngularOperator, default="sigmoid"
        Angular operator of all converted layers; they share an instance and its k.
    k : float, default=0.3
        Softness of "sigmoid", positive; unused if `operator` is an instance.
    learn_k : {"channel", "layer"} or None, default=None
        Whether k is trainable: one for each filter, one for each layer, or not at all.
    magnitude : {"sphere", "tanh", "ball", "linear"}, default="sphere"
        Function of the norm of a layer's input, see `SphereConv2d`.
    eps : float, default=1e-4
        Added to the squared norm of inputs; 0 gives exact invariance to scale.
    skip : str, collection of str or callable, default="last"
        Layers that are not converted. "last" is the convertible layer registered last, usually
        the one that returns logits: these must not be bounded by 1, or softmax stays flat.
        Otherwise names as in ``module.named_modules()``, each including all modules inside it,
        or a function of name and layer that returns
        whether to skip it. ``()`` converts every layer.

    Returns
    -------
    converted : nn.Module
        A deep copy with converted layers.

    Raises
    ------
    ValueError
        If `skip` names an unknown module, no layer is left to convert, or another
        parameter is outside its range.

    Notes
    -----
    Weights shared between layers stay shared, as do layers that are used in several places;
    hooks and parametrisations (such as ``torch.nn.utils.parametrizations.weight_norm``) are
    kept. Unless k or a radius is trainable, the state dict has the same keys as before.

    A converted first layer on a table ignores the norm of samples; skip it by its name. Biases
    are now added to values of at most 1, and a trained model has to be trained further.

    The inference shortcut of ``TransformerEncoderLayer``, which reads the weights of its
    dense layers and does not call them, is switched off in the copy.

    References
    ----------
    .. [1] Liu et al. (2017), "Deep Hyperspherical Learning", NeurIPS, section 2.

    Examples
    --------
    >>> import torch
    >>> from sphereskl.nn import to_spherical
    >>> model = torch.nn.Sequential(
    ...     torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(16, 2)
    ... )
    >>> to_spherical(model)
    Sequential(
      (0): SphereConv2d(
        1, 4, kernel_size=(3, 3), stride=(1, 1)
        (operator): AngularOperator(sigmoid, k=0.3)
      )
      (1): ReLU()
      (2): Flatten(start_dim=1, end_dim=-1)
      (3): Linear(in_features=16, out_features=2, bias=True)
    )
    """
    converted = copy.deepcopy(module)
    for layer in _chosen(converted, skip):
        spherical = _change_class(layer)
        spherical._set_sphere(operator, k, learn_k, magnitude, eps, weight_eps=1e-12)
        spherical.train(layer.training)
    _close_shortcuts(converted)
    return converted


def _chosen(
    module: nn.Module, skip: str | Collection[str] | Callable[[str, nn.Module], bool]
) -> list[nn.Module]:
    """Layers to convert, each once; a layer with several names is skipped under any of them."""
    named = dict(module.named_modules(remove_duplicate=False))
    candidates = {
        name: layer
        for name, layer in named.items()
        if parametrize.type_before_parametrizations(layer) in _SPHERICAL
    }
    if callable(skip):
        skipped = [layer for name, layer in candidates.items() if skip(name, layer)]
    elif skip == "last":
        skipped = list(candidates.values())[-1:]
    else:
        names = [skip] if isinstance(skip, str) else list(skip)
        unknown = [name for name in names if name not in named]
        if unknown:
            raise ValueError(
                f"skip must be 'last', a function, or names of modules, got {unknown}; the "
                f"layers to convert are {list(candidates)}."
            )
        skipped = [layer for name in names for layer in named[name].modules()]
    left = {id(layer) for layer in skipped}
    chosen = {id(layer): layer for layer in candidates.values() if id(layer) not in left}
    if not chosen:
        raise ValueError(
            f"No layer to convert: those of type Conv1d, Conv2d or Linear are {list(candidates)}, "
            f"and skip={skip!r} leaves them out; skip=() would not."
        )
    return list(chosen.values())


def _change_class(layer: nn.Module) -> SphericalLayer:
    """Make a layer spherical in place, so that parameters, hooks and references are kept."""
    spherical = _SPHERICAL[parametrize.type_before_parametrizations(layer)]
    if parametrize.is_parametrized(layer):
        # Torch has given this layer a class of its own, with properties that compute weights.
        own = {
            name: value
            for name, value in vars(type(layer)).items()
            if name not in ("__dict__", "__weakref__")
        }
        spherical = type(f"Parametrized{spherical.__name__}", (spherical,), own)
    layer.__class__ = spherical
    assert isinstance(layer, SphericalLayer)
    if isinstance(layer, SphereLinear):
        layer.lift = False
    return layer


def _close_shortcuts(module: nn.Module) -> None:
    """Make transformers call their dense layers in inference as well."""
    for part in module.modules():
        if any(isinstance(layer, SphericalLayer) for layer in part.modules()):
            if isinstance(part, nn.TransformerEncoderLayer):
                part.activation_relu_or_gelu = 0
            if isinstance(part, nn.TransformerEncoder):
                part.use_nested_tensor = False
