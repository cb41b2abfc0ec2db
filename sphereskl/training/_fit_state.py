"""State from which a fit can be resumed: taken after an epoch, and given to another net."""

from collections.abc import Iterator
from typing import Any

import torch
from skorch.callbacks import (
    Callback,
    EarlyStopping,
    LRScheduler,
    PassthroughScoring,
)
from skorch.callbacks.scoring import ScoringBase
from torch import nn

from ._descriptions import describe, own_attributes
from ._plain_values import flatten

# State of skorch's callbacks. Everything else that they set follows from their parameters,
# belongs to one epoch, or is only reported.
_CARRIED: dict[type, tuple[str, ...]] = {
    EarlyStopping: ("misses_", "dynamic_threshold_", "best_model_weights_", "best_epoch_"),
    ScoringBase: ("best_score_",),
    PassthroughScoring: ("best_score_",),
    LRScheduler: ("batch_idx_",),
}
_MADE_ANEW = {
    *("scoring_", "name_", "y_indexing_", "y_trues_", "y_preds_", "policy_", "lr_scheduler_"),
    *("first_iteration_", "keys_ignored_", "pbar_", "checkpoint_", "epoch_start_time_"),
}


class Snapshot:
    """Attributes of callbacks and layers at the start of a fit, to detect changes.

    Parameters
    ----------
    net : EmbeddingNet
        Before its first epoch.
    callbacks : list of pairs (name, callback)
        Those that may change the fit.
    """

    def __init__(self, net: Any, callbacks: list[tuple[str, Callback]]):
        self.callbacks = {name: _described(vars(callback)) for name, callback in callbacks}
        self.layers = {name: _described(own_attributes(layer)) for name, layer in _layers(net)}

    def changed(self, described: dict[str, Any], attributes: dict[str, Any]) -> dict[str, Any]:
        """Return those attributes that have changed.

        Parameters
        ----------
        described : dict
            From `callbacks` or `layers`.
        attributes : dict
            Current values.

        Returns
        -------
        changed : dict
            By name.
        """
        now = _described(attributes)
        return {
            name: value
            for name, value in attributes.items()
            if name not in described or described[name] != now[name]
        }


def _described(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: describe(value) for name, value in attributes.items()}


def _layers(net: Any) -> Iterator[tuple[str, nn.Module]]:
    for part in ("module", "criterion"):
        whole: nn.Module = getattr(net, f"{part}_")
        yield from ((f"{part}.{name}", layer) for name, layer in whole.named_modules())


def take_state(
    net: Any, callbacks: list[tuple[str, Callback]], begun: Snapshot, n_before: int
) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Return the state of a fit after an epoch.

    Parameters
    ----------
    net : EmbeddingNet
        Between two epochs.
    callbacks : list of pairs (name, callback)
        Those that may change the fit.
    begun : Snapshot
        From the start of the fit.
    n_before : int
        Number of epochs in the history from earlier fits.

    Returns
    -------
    stored : dict
        Anything that JSON can hold.
    tensors : dict of str to Tensor
        Not copied.

    Raises
    ------
    ValueError
        If something cannot be stored without code.
    """
    tensors: dict[str, torch.Tensor] = {}

    def store(value: Any, of: str) -> Any:
        try:
            return flatten(value, tensors)
        except TypeError as error:
            raise ValueError(
                f"Resume cannot write {of}, which holds an object of type {error}, since a file "
                "has no code; give it state_dict and load_state_dict of plain values, or leave it "
                "or Resume out."
            ) from error

    weights = net.module_.state_dict()
    buffers = {name: b for name, b in net.module_.named_buffers() if name not in weights}
    layers = {
        name: begun.changed(begun.layers.get(name, {}), own_attributes(layer))
        for name, layer in _layers(net)
    }
    values = {
        "module": (weights, "the network"),
        "buffers": (buffers, "the network"),
        "frozen": ([n for n, p in net.module_.named_parameters() if not p.requires_grad], ""),
        "criterion": (net.criterion_.state_dict(), "the loss"),
        "optimizer": (net.optimizer_.state_dict(), "the optimiser"),
        "schedule": (net.scheduler_ and net.scheduler_.state_dict(), "the schedule"),
        "average": (net.average_ and net.average_.state(), "the averaged weights"),
        "generators": (_generators(net), "the random generators"),
        "history": (net.history[n_before:], "the history"),
    }
    stored = {name: store(value, of) for name, (value, of) in values.items()}
    # As `flatten` stores dictionaries, but with an error that names the owner of the value.
    own = [[k, store(_without_generators(v), f"the layer {k}")] for k, v in layers.items() if v]
    heard = [[k, store(_callback_state(c, begun, k), f"the callback {k}")] for k, c in callbacks]
    return {**stored, "layers": {"pairs": own}, "callbacks": {"pairs": heard}}, tensors


def _without_generators(attributes: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in attributes.items() if not isinstance(v, torch.Generator)}


def _generators(net: Any) -> dict[str, Any]:
    """Return the states of all random generators that a fit uses."""
    own = {
        name: {
            attribute: (value.device.type, value.get_state())
            for attribute, value in vars(layer).items()
            if isinstance(value, torch.Generator)
        }
        for name, layer in _layers(net)
    }
    states = {"rows": net.generator_.get_state(), "own": {k: v for k, v in own.items() if v}}
    if net.draws_globally_:
        states["cpu"] = torch.default_generator.get_state()
        device = torch.device(net.device)
        if device.type == "cuda":
            states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def _set_generators(net: Any, states: dict[str, Any]) -> None:
    net.generator_.set_state(states["rows"])
    layers = dict(_layers(net))
    for name, attributes in states["own"].items():
        for attribute, (kind, state) in attributes.items():
            device = torch.device(net.device if kind != "cpu" else "cpu")
            if device.type == kind:  # other kinds of devices draw other numbers
                setattr(layers[name], attribute, torch.Generator(device).set_state(state))
    if net.draws_globally_:
        torch.default_generator.set_state(states["cpu"])
        if "cuda" in states and torch.device(net.device).type == "cuda":
            torch.cuda.set_rng_state(states["cuda"], torch.device(net.device))


def _has_state_dict(callback: Any) -> bool:
    return hasattr(callback, "state_dict") and hasattr(callback, "load_state_dict")


def _callback_state(callback: Any, begun: Snapshot, name: str) -> Any:
    """Return the state of a callback."""
    if _has_state_dict(callback):
        return callback.state_dict()
    attributes = vars(callback)
    kinds = [kind for kind in _CARRIED if isinstance(callback, kind)]
    state = {attr: attributes[attr] for kind in kinds for attr in _CARRIED[kind]}
    if not type(callback).__module__.startswith("skorch."):
        # Users' own, some of them derived from a class of skorch.
        learned = {k: v for k, v in attributes.items() if k.endswith("_")}
        state |= learned | begun.changed(begun.callbacks[name], attributes)
        state = {attr: v for attr, v in state.items() if attr not in _MADE_ANEW}
    if isinstance(callback, LRScheduler):
        state["lr_scheduler_"] = _rate_of(callback).state_dict()
    return state


def _rate_of(callback: LRScheduler) -> Any:
    return callback.lr_scheduler_


def _set_callback_state(callback: Any, state: Any) -> None:
    if _has_state_dict(callback):
        callback.load_state_dict(state)
        return
    if isinstance(callback, LRScheduler):
        _rate_of(callback).load_state_dict(state.pop("lr_scheduler_"))
    vars(callback).update(state)


def set_state(net: Any, callbacks: list[tuple[str, Callback]], state: dict[str, Any]) -> None:
    """Resume a net from a state.

    Parameters
    ----------
    net : EmbeddingNet
        Before the first epoch of the same fit, with generator, optimiser and schedule.
    callbacks : list of pairs (name, callback)
        Their on_train_begin has been called.
    state : dict
        From `take_state`, with values for what was stored.
    """
    set_weights(net, state)
    net.optimizer_.load_state_dict(state["optimizer"])
    if net.scheduler_ is not None:
        net.scheduler_.load_state_dict(state["schedule"])
    if net.average_ is not None and state["average"]:  # none is left of a finished fit
        net.average_.set_state(state["average"])
    _set_generators(net, state["generators"])
    layers = dict(_layers(net))
    for name, attributes in state["layers"].items():
        vars(layers[name]).update(attributes)
    for name, callback in callbacks:
        _set_callback_state(callback, state["callbacks"][name])
    net.history.extend(state["history"])
    net.n_finished_ = len(net.history)


def set_weights(net: Any, state: dict[str, Any]) -> None:
    """Restore the weights of a net and the state of its loss.

    Parameters
    ----------
    net : EmbeddingNet
        Of the same fit.
    state : dict
        As in `set_state`.
    """
    net.module_.load_state_dict(state["module"])
    buffers = dict(net.module_.named_buffers())
    with torch.no_grad():
        for name, value in state["buffers"].items():
            buffers[name].copy_(value)
    for name, parameter in net.module_.named_parameters():
        parameter.requires_grad_(name not in state["frozen"])
    net.criterion_.load_state_dict(state["criterion"])
