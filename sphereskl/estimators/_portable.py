"""Fitted networks taken apart into plain values and arrays, and put together again.

Pickles and files hold the same parts: the network itself is built again from the parameters that
describe it, if it is one of this package, and only its tensors are stored.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..training import EmbeddingNet, neutral_torch, on_cpu, seeded
from ._augmented_images import with_mirror
from ._components import build_backbone, is_own_network
from ._learning import net_options
from ._routing import plain_requests, restore_requests
from ._stored_values import is_described

# Options of a net that follow from its estimator and are code.
_DERIVED = ("augmentation", "reader", "regularizer", "valid_score")

# Maximum number of torch calls per tensor while a network is built; about ten are needed.
_CALLS_PER_TENSOR = 200


def take_apart(estimator: Any) -> dict[str, Any]:
    """Return the parts of a fitted estimator's net.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        Fitted.

    Returns
    -------
    parts : dict
        The tensors of ``module`` and ``criterion`` by name, on the CPU; options, history and
        optimiser state as plain values. The latter only under ``warm_start``.
    """
    parts = estimator.net_.__getstate__()
    options = {name: v for name, v in parts["options"].items() if name not in _DERIVED}
    return {
        **parts,
        "module": parts["module"].state_dict(),
        "criterion": parts["criterion"].state_dict(),
        "options": options,
        "momentum": parts["momentum"] if estimator.warm_start else None,
        "embedding_dim": estimator.embedding_dim_,
    }


def put_together(estimator: Any, parts: dict[str, Any]) -> EmbeddingNet:
    """Build the net of an estimator from its parts.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        With all that a fit sets except ``net_``.
    parts : dict
        From `take_apart`.

    Returns
    -------
    net : EmbeddingNet
        Trained.

    Raises
    ------
    ValueError
        If the parameters describe another network than the one that the tensors belong to.
    """
    built, tensors = as_built(estimator), parts["module"]
    with neutral_torch():
        if not is_own_network(built.backbone):
            reason = mismatch(_sketch(built, tensors, parts["embedding_dim"]), tensors)
            if reason is not None:
                raise ValueError(reason)
        with seeded(parts["options"]["seed"]):
            model, criterion = _build(built, tensors["_prototypes"], parts["embedding_dim"])
        model = model.to(getattr(torch, built.dtype))
        reason = mismatch(model.state_dict(), tensors)
        if reason is not None:
            raise ValueError(reason)
        model.load_state_dict(tensors)
        # A loss with other settings than the stored one starts from its initial state.
        criterion.load_state_dict(parts["criterion"], strict=False)
        options = {**net_options(built, model), **parts["options"]}
        return _net_of({**parts, "module": model, "criterion": criterion, "options": options})


def carried_state(estimator: Any, state: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of an estimator in a form that any pickler can handle.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        Fitted or not.
    state : dict
        Its attributes.

    Returns
    -------
    state : dict
        The net as a dictionary: of plain values and arrays if its network can be built again,
        otherwise with the modules, on the CPU.
    """
    if "_metadata_request" in state:
        state = {**state, "_metadata_request": plain_requests(estimator)}
    if "net_" not in state:
        return state
    parts = take_apart(estimator)
    if _can_be_built(estimator, parts):
        for part in ("module", "criterion"):
            parts[part] = {name: tensor.numpy() for name, tensor in parts[part].items()}
    else:
        parts = {**estimator.net_.__getstate__(), "momentum": parts["momentum"]}
    # Networks and losses of the user are parameters, and the network was built with them.
    moved = {id(v): on_cpu(v) for v in state.values() if isinstance(v, nn.Module)}
    state = {name: moved.get(id(value), value) for name, value in state.items()}
    built_with = {name: moved.get(id(v), v) for name, v in state["_built_with"].items()}
    return {**state, "net_": parts, "_built_with": built_with}


def settle(estimator: Any) -> None:
    """Restore the net, and what else `carried_state` took apart.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        With the attributes from `carried_state`.
    """
    if "_metadata_request" in vars(estimator):
        restore_requests(estimator, estimator._metadata_request)
    parts = vars(estimator).get("net_")
    if not isinstance(parts, dict):
        return
    with neutral_torch():
        if isinstance(parts["module"], nn.Module):
            estimator.net_ = _net_of(parts)
        else:
            estimator.net_ = put_together(estimator, {**parts, **_tensors(parts)})


def _tensors(parts: dict[str, Any]) -> dict[str, dict[str, Tensor]]:
    """Return copies of the arrays, since arrays shared between workers are read-only."""
    return {
        part: {name: torch.tensor(array) for name, array in parts[part].items()}
        for part in ("module", "criterion")
    }


def _net_of(state: dict[str, Any]) -> EmbeddingNet:
    net: Any = object.__new__(EmbeddingNet)
    net.__setstate__(state)
    return net


def departure(estimator: Any) -> str | None:
    """Say how a network differs from the one that its parameters describe.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        Fitted.

    Returns
    -------
    reason : str or None
        ``None`` if it does not, or if its parameters are code, which cannot be compared.
    """
    built = as_built(estimator)
    if is_own_network(built.backbone):
        return None
    with neutral_torch():
        tensors = estimator.module_.state_dict()
        return mismatch(_sketch(built, tensors, estimator.embedding_dim_), tensors)


def mismatch(described: dict[str, Tensor], tensors: dict[str, Tensor]) -> str | None:
    """Say how a network described by parameters differs from one whose tensors are known.

    Parameters
    ----------
    described, tensors : dict of str to Tensor
        States of modules.

    Returns
    -------
    reason : str or None
        ``None`` if they agree in names, shapes and number types.
    """
    for name in sorted(described.keys() ^ tensors.keys()):
        verb = "has" if name in described else "lacks"
        return f"the network that its parameters describe {verb} {name!r}, unlike the trained one"
    for name, tensor in described.items():
        stored, shape = tensors[name], tuple(tensor.shape)
        if shape != tuple(stored.shape) or tensor.is_floating_point() != stored.is_floating_point():
            return (
                f"{name!r} has shape {shape} in the network that its parameters describe, but "
                f"{tuple(stored.shape)} in the trained one"
            )
    return None


class _Patience(TorchFunctionMode):
    """Stop after a number of calls, so that no file can describe a network without end."""

    def __init__(self, n_calls: int):
        super().__init__()
        self.left = n_calls

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.left -= 1
        if self.left < 0:
            raise ValueError("its parameters describe a network of more layers than was trained")
        return func(*args, **(kwargs or {}))


def _sketch(built: Any, tensors: dict[str, Tensor], embedding_dim: int) -> dict[str, Tensor]:
    """Return names and shapes of the network that an estimator describes, without its memory."""
    prototypes = tensors["_prototypes"].to("meta")
    patience = _Patience(_CALLS_PER_TENSOR * (10 + len(tensors)))
    # Seeded, since initialising tensors without memory may advance the caller's generator.
    with seeded(0), torch.device("meta"), patience:
        model, _ = _build(built, prototypes, embedding_dim)
    return model.state_dict()


def _build(built: Any, prototypes: Tensor, embedding_dim: int) -> tuple[Any, nn.Module]:
    """Build a model and its criterion, in the order of a fit, so that random numbers agree."""
    shape, columns = built.encoder_.output_shape_, built.encoder_.columns_
    described, criterion = built._describe(shape)[0], built._make_criterion()
    backbone = build_backbone(described, shape, embedding_dim, columns)
    if built.augmentation is not None:
        backbone = with_mirror(built, backbone)
    return built._assemble(backbone, prototypes, criterion), criterion


def as_built(estimator: Any) -> Any:
    """Return an estimator with the parameters that its network was built with.

    Parameters
    ----------
    estimator : BaseSphereEstimator
        Its parameters may have been set since.

    Returns
    -------
    built : BaseSphereEstimator
        Another one, which shares all attributes.
    """
    built: Any = object.__new__(type(estimator))
    # The device of the network is known, whatever the parameter says for the next fit.
    vars(built).update({**vars(estimator), **estimator._built_with, "device": "cpu"})
    return built


def _can_be_built(estimator: Any, parts: dict[str, Any]) -> bool:
    """Tell whether the parameters describe the network as it is, in numbers that NumPy has."""
    backbone = estimator._built_with["backbone"]
    if not (isinstance(backbone, str) or is_described(backbone)):
        return False
    if any(tensor.dtype == torch.bfloat16 for tensor in parts["module"].values()):
        return False
    return departure(estimator) is None
