"""Fitted estimators in one file: tensors and JSON, nothing that could run."""

import json
from inspect import signature

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from .. import nn as sphere_nn
from ..preprocessing import ColumnReader
from ._base import BaseSphereEstimator
from ._components import as_vectors, make_encoder
from ._learning import rebuild_net

_FORMAT = 3
# What a fit sets that is stored by itself, or follows from what is stored.
_NOT_FITTED = ("net_", "encoder_", "target_encoder_", "_built_with", "_reader")


def save(estimator, path):
    """Write a fitted estimator to a file.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    path : str or Path
        Where to write; the customary ending is ``.safetensors``.

    See Also
    --------
    load : The way back.

    Notes
    -----
    The file holds tensors in the safetensors format and, in its header, JSON with the
    parameters and fitted attributes. It holds no code, so that loading it cannot run
    anything, and no training rows, but what was learned of columns: ranges, quantiles and the
    levels of categories. Parameters that are code (an own network or loss, callbacks) or a
    `RandomState` are left out, and have to be given to `load` again.

    Examples
    --------
    >>> import tempfile, os
    >>> from sklearn.datasets import load_iris
    >>> from sphereskl import HypersphericalPrototypeClassifier, load, save
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = HypersphericalPrototypeClassifier(max_epochs=2, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(clf, os.path.join(folder, "iris.safetensors"))
    ...     loaded = load(os.path.join(folder, "iris.safetensors"))
    >>> bool((loaded.predict(X) == clf.predict(X)).all())
    True
    """
    parts = {"module": estimator.module_, "criterion": estimator.net_.criterion_}
    tensors = {
        f"{part}.{name}": value
        for part, trained in parts.items()
        for name, value in trained.state_dict().items()
    }
    params, code = {}, []
    for name, value in estimator.get_params(deep=False).items():
        try:
            params[name] = _encode(name, value, estimator, tensors)
        except TypeError:
            code.append(name)
    encoders = {
        encoder: {
            name: _encode(f"{encoder}.{name}", value, estimator, tensors)
            for name, value in vars(getattr(estimator, encoder)).items()
            if name.endswith("_")
        }
        for encoder in ("encoder_", "target_encoder_")
    }
    fitted = {
        name: _encode(name, value, estimator, tensors)
        for name, value in vars(estimator).items()
        if name not in (*estimator.get_params(deep=False), *_NOT_FITTED)
        and (name.endswith("_") or name == "_sample_shape")
    }
    header = {
        "format": _FORMAT,
        "class": type(estimator).__name__,
        "params": params,
        "code": code,
        **encoders,
        "fitted": fitted,
        "columns": estimator._reader
        and {
            "is_categorical": estimator._reader.is_categorical_.tolist(),
            "levels": estimator._reader.levels_,
        },
        "embedding_dim": estimator.embedding_dim_,
        "history": [
            {name: value for name, value in epoch.items() if name != "batches"}
            for epoch in estimator.history_
        ],
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(tensors, path, metadata={"sphereskl": json.dumps(header)})


def load(path, *, device="auto", **params):
    """Read an estimator that `save` wrote.

    Parameters
    ----------
    path : str or Path
        The file.
    device : str or torch.device, default="auto"
        Where the estimator shall predict, whatever it was trained on.
    **params
        Parameters of the estimator that the file does not hold, such as an own network of
        the same architecture (``backbone=...``); they replace those that it does.

    Returns
    -------
    estimator : estimator
        Fitted; predicts, and trains on with `partial_fit`.

    Raises
    ------
    ValueError
        If the file is not from `save`, or a parameter is needed that it does not hold.
    """
    with safe_open(path, framework="pt") as file:
        header = json.loads((file.metadata() or {}).get("sphereskl", "{}"))
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    if header.get("format") != _FORMAT:
        raise ValueError(f"{str(path)!r} does not hold an estimator that this version can read.")
    missing = sorted(set(header["code"]) - set(params))
    if missing:
        raise ValueError(
            f"{str(path)!r} holds no {', '.join(missing)}, which cannot be stored without running "
            f"code; pass load(path, {', '.join(f'{name}=...' for name in missing)})."
        )
    stored = {name: _decode(value, tensors) for name, value in header["params"].items()}
    estimator = _class_named(header["class"])(**{**stored, "device": device, **params})
    for name, value in header["fitted"].items():
        setattr(estimator, name, _decode(value, tensors))
    _restore_network(estimator, header, tensors)
    return estimator


def _restore_network(estimator, header, tensors):
    estimator._reader = None
    if header["columns"]:
        estimator._reader = ColumnReader()
        estimator._reader.is_categorical_ = np.array(header["columns"]["is_categorical"])
        estimator._reader.levels_ = header["columns"]["levels"]
    estimator.encoder_ = make_encoder(estimator, np.zeros((1, *estimator._sample_shape)))
    estimator.target_encoder_ = estimator._make_target_encoder()
    for encoder in ("encoder_", "target_encoder_"):
        for name, value in header[encoder].items():
            setattr(getattr(estimator, encoder), name, _decode(value, tensors))
    state = _named("module.", tensors)
    estimator.net_ = rebuild_net(estimator, state["_prototypes"], header["embedding_dim"])
    estimator.net_.module_.load_state_dict(state)
    # A loss with other settings than the stored one starts anew.
    estimator.net_.criterion_.load_state_dict(_named("criterion.", tensors), strict=False)
    estimator.net_.history_.extend(header["history"])
    estimator.net_.module_.eval()


def _named(prefix, tensors):
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def _settings(value):
    """Return the constructor's arguments of an object that is nothing but them, else None."""
    described = sphere_nn.BackboneConfig | sphere_nn.Regularizer | sphere_nn.Annealing
    if not isinstance(value, described | sphere_nn.AngularMarginLoss):
        return None
    cls = type(value)
    if getattr(sphere_nn, cls.__name__, None) is not cls:
        return None
    return {name: getattr(value, name) for name in signature(cls).parameters}


def _encode(name, value, estimator, tensors):
    """Return a value as JSON, arrays of numbers as a reference into `tensors`."""
    settings = _settings(value)
    if settings is not None:
        fields = {key: _encode(key, v, estimator, {}) for key, v in settings.items()}
        return {"config": type(value).__name__, "fields": fields}
    if isinstance(value, nn.Module | type) or callable(value):
        raise TypeError(name)
    if name == "prototypes" and not isinstance(value, str):
        value = as_vectors(value, estimator.classes_)
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        tensors[name] = torch.from_numpy(np.ascontiguousarray(value))
        return {"tensor": name}
    if isinstance(value, np.ndarray):
        return {"array": value.tolist(), "dtype": value.dtype.str}
    if isinstance(value, list) and value and isinstance(value[0], np.ndarray):
        parts = (_encode(f"{name}.{j}", part, estimator, tensors) for j, part in enumerate(value))
        return {"list": list(parts)}
    if isinstance(value, tuple):
        return {"tuple": list(value)}
    if isinstance(value, dict):
        return {"pairs": [[_scalar(key), _scalar(v)] for key, v in value.items()]}
    if isinstance(value, torch.device | np.dtype):
        return str(value)
    return json.loads(json.dumps(_scalar(value)))


def _scalar(value):
    return value.item() if isinstance(value, np.generic) else value


def _decode(value, tensors):
    if not isinstance(value, dict):
        return value
    if "config" in value:
        config = getattr(sphere_nn, value["config"])
        return config(**{name: _decode(field, {}) for name, field in value["fields"].items()})
    if "tensor" in value:
        return tensors[value["tensor"]].numpy()
    if "array" in value:
        return np.array(value["array"], dtype=value["dtype"])
    if "list" in value:
        return [_decode(part, tensors) for part in value["list"]]
    return tuple(value["tuple"]) if "tuple" in value else dict(value["pairs"])


def _class_named(name):
    known, found = [BaseSphereEstimator], {}
    while known:
        cls = known.pop()
        known += cls.__subclasses__()
        found[cls.__name__] = cls
    return found[name]
