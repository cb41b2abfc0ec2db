"""Identity of a fit: everything that determines its bits, and how two fits differ."""

import json
import textwrap
from typing import Any

import torch
from skorch.callbacks import Callback, EpochTimer, PrintLog
from skorch.callbacks import ProgressBar as SkorchProgressBar
from torch import nn

from ._callbacks import QuietStopping
from ._descriptions import brief, describe, digest, digest_rows, is_digest, own_attributes
from ._progress import ProgressBar
from ._rows import Rows

# Callbacks that only report: a fit is the same with and without them.
SILENT = (EpochTimer, PrintLog, ProgressBar, SkorchProgressBar)

_OPTIONS = ("optimizer", "lr", "weight_decay", "schedule", "max_epochs", "batch_size", "seed")
_FUNCTIONS = ("max_grad_norm", "regularizer", "valid_score")
# Options that are told if they differ from a value, and the names that users know.
_RARE = {
    "augmentation": (None, "augmentation"),
    "backbone_lr": (None, "backbone_lr"),
    "precision": ("full", "precision"),
    "compiles": (False, "compile"),
}
# Names that users know for what is passed to an estimator under other names.
_NAMES = {"schedule": "lr_schedule", "seed": "the seed that follows from random_state"}


def identify(net: Any, train: Rows, valid: Rows | None, callbacks: Any) -> dict[str, Any]:
    """Describe a fit before its first epoch.

    Parameters
    ----------
    net : EmbeddingNet
        With the weights that the fit starts from.
    train : Rows
        Training samples; `X` is read in slices of rows.
    valid : Rows or None
        Validation samples.
    callbacks : list of pairs (name, callback)
        Those that may change the fit.

    Returns
    -------
    parts : dict
        Short values and digests, by name.
    """
    parts = {
        "the layers of the network": digest(json.dumps(describe(net.module_)).encode()),
        "the initial weights": _digest_state(net.module_),
        **_describe_loss(net.criterion_),
        "the state of the loss": _digest_state(net.criterion_),
        "the number of epochs before": len(net.history),
    }
    for name in (*_OPTIONS, *_FUNCTIONS):
        parts[_NAMES.get(name, name)] = brief(getattr(net, name))
    for name, (neutral, told) in _RARE.items():
        if getattr(net, name) != neutral:  # else files keep their names
            parts[told] = brief(getattr(net, name))
    for kind, rows in (("training", train), ("validation", valid)):
        parts |= _describe_rows(kind, rows)
    for name, callback in callbacks:
        parts |= _describe_callback(name, callback)
    return parts


def _digest_state(module: nn.Module) -> str:
    """Return a digest of parameters, including whether they are trainable, and of buffers."""
    tensors = [*module.named_parameters(), *module.named_buffers()]
    rows = (f"{name} {t.requires_grad} {digest_rows(t)}\n".encode() for name, t in tensors)
    return digest(*rows)


def _describe_loss(criterion: nn.Module) -> dict[str, Any]:
    parts: dict[str, Any] = {"the layers of the loss": brief([*map(type, criterion.modules())])}
    for name, layer in criterion.named_modules():
        owner = "the loss" if name in ("", "loss") else f"{name} in the loss"
        for attribute, value in own_attributes(layer).items():
            label = "loss" if attribute == "loss" else f"{attribute} of {owner}"
            parts[label] = brief(value)
    return parts


def _describe_rows(kind: str, rows: Rows | None) -> dict[str, Any]:
    if rows is None:
        return {f"the {kind} samples": None}
    data = rows.data
    columns = {"samples": data.X, "targets": data.target, "weights": data.weight}
    return {
        f"the {kind} {name}": None if column is None else digest_rows(column)
        for name, column in {**columns, "folds": data.fold}.items()
    }


def _describe_callback(name: str, callback: Callback) -> dict[str, Any]:
    if isinstance(callback, QuietStopping):
        return {"early stopping": callback.monitor, "n_iter_no_change": callback.patience}
    kind, owner = type(callback), f"the callback {name}"
    params = callback.get_params(deep=False)
    return {
        owner: f"{kind.__module__}.{kind.__qualname__}",
        **{f"{param} of {owner}": brief(value) for param, value in params.items()},
    }


def circumstances(device: torch.device | str) -> dict[str, str]:
    """Return what may change the last bits of a fit without changing the fit.

    Parameters
    ----------
    device : torch.device or str
        Device of the fit.

    Returns
    -------
    circumstances : dict of str to str
        By name.
    """
    return {"torch": torch.__version__, "device": torch.device(device).type}


def name_of(parts: dict[str, Any]) -> str:
    """Return a unique name for a fit.

    Parameters
    ----------
    parts : dict
        From `identify`.

    Returns
    -------
    name : str
        32 hexadecimal digits.
    """
    return digest(json.dumps(parts, sort_keys=True).encode()).partition(":")[2]


def differences(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Describe how two fits differ.

    Parameters
    ----------
    before, now : dict
        From `identify` or `circumstances`.

    Returns
    -------
    told : str
        Such as "lr was 0.1 and is 0.2, the training samples differ"; empty if they do not.
    """
    told = []
    for name in {**before, **now}:
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        if is_digest(old) or is_digest(new):
            told.append(f"{name} differ{'' if name.endswith('s') else 's'}")
        else:
            told.append(f"{name} was {_shown(old)} and is {_shown(new)}")
    return ", ".join(told)


def _shown(value: Any) -> str:
    return textwrap.shorten(repr(value), 60, placeholder=" ...")
