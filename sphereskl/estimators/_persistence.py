"""Fitted estimators in one file: tensors and JSON, no code."""

import inspect
import math
import textwrap
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from ..preprocessing import ColumnReader
from ..training import KeyRanges, neutral_torch, resolve_device
from ._base import BaseSphereEstimator
from ._components import is_own_network, is_same, make_encoder
from ._file_format import read_file, write_file
from ._portable import as_built, departure, put_together, take_apart
from ._prototypes import as_vectors
from ._routing import plain_requests, restore_requests
from ._stored_values import decode, encode

# Fitted attributes that are stored separately, or follow from what is stored.
_ENCODERS = ("_reader", "encoder_", "target_encoder_")
_PRIVATE = ("_errors", "_key_ranges", "_reference", "_sample_shape")
# Samples with more values than this are not predicted as a test when a file is read.
_LARGEST_TRIAL = 2**22


def save(estimator, path):
    """Write a fitted estimator to a file.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    path : str or Path
        Where to write; the customary suffix is ``.safetensors``. An existing file is
        replaced once the new one is complete, and is kept if anything fails before.

    Raises
    ------
    ValueError
        If the object is not an estimator of this package, is not fitted, or has learned something
        that a file without code cannot hold.
    OSError
        If the file cannot be written; Python's own error.

    See Also
    --------
    load : Reads the file.

    Notes
    -----
    The file holds tensors in the safetensors format and, in its header, JSON with the
    parameters and fitted attributes, under a checksum of everything. It holds no code, so that
    loading it cannot run any, and no training samples, only statistics of columns:
    ranges, quantiles and the levels of categories. Parameters that are code (your own network or
    loss, callbacks) or a `RandomState` are left out, and must be passed to `load` again;
    containers of other libraries come back as arrays, and entries of the history
    that are not plain values, from callbacks, are left out.

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
    if not isinstance(estimator, BaseSphereEstimator):
        raise ValueError(
            f"save takes an estimator of sphereskl, got {type(estimator).__name__}; save that step "
            "alone, or all of it with joblib."
        )
    check_is_fitted(estimator)
    header, tensors = _describe(estimator)
    write_file(path, header, tensors)


def load(path, *, device="auto", **params):
    """Read an estimator that `save` wrote.

    Parameters
    ----------
    path : str or Path
        The file.
    device : str or torch.device, default="auto"
        Device for prediction, whatever the estimator was trained on.
    **params
        Parameters of the estimator that the file does not hold, such as your own network of
        the same architecture (``backbone=...``); they replace those in the file.

    Returns
    -------
    estimator : estimator
        Fitted; it can predict, and continue training with `partial_fit`.

    Raises
    ------
    ValueError
        If the file is damaged, of another version, or not written by `save`; if its content is
        inconsistent; or if it lacks a required parameter.
    FileNotFoundError
        If there is no such file.
    """
    header, tensors = read_file(path)
    where = str(resolve_device(device))
    try:
        _check_sections(header)
        missing = sorted(set(header["code"]) - set(params))
        if not missing:
            with neutral_torch():
                return _remake(header, tensors, {"device": device, **params}, where)
    except Exception as error:  # Whatever a header of unknown origin causes.
        given = f" with {', '.join(sorted(params))} as given" if params else ""
        raise ValueError(
            f"{str(path)!r} cannot be loaded{given}, since {_sentence(error)}; give what the "
            "estimator was trained with, or save it again."
        ) from error
    raise ValueError(
        f"{str(path)!r} holds no {', '.join(missing)}, which cannot be stored without running "
        f"code; pass load(path, {', '.join(f'{name}=...' for name in missing)})."
    )


def _describe(estimator):
    """Return everything to store of an estimator, as JSON and tensors."""
    reason = departure(estimator)
    if reason is not None:
        raise ValueError(f"module_ cannot be stored, since {reason}; pickle the estimator instead.")
    parts, tensors = take_apart(estimator), {}
    for part in ("module", "criterion"):
        tensors.update({f"{part}.{name}": tensor for name, tensor in parts[part].items()})
    given = _plain_params(estimator, estimator.get_params(deep=False))
    params = _encode_known("params", given, tensors)
    built_with = {
        name: value
        for name, value in _plain_params(estimator, estimator._built_with).items()
        if not is_same(value, given[name])
    }
    learned = {
        name: value
        for name, value in vars(estimator).items()
        if name not in (*given, *_ENCODERS, "net_") and (name[-1] == "_" or name in _PRIVATE)
    }
    encoders = {name: getattr(estimator, name) for name in _ENCODERS}
    header = {
        "class": _name_of(type(estimator)),
        "params": params,
        "code": sorted(set(given) - set(params)),
        "built_with": _encode_known("built_with", built_with, tensors),
        "encoders": {
            name: _encode_all(name, _fitted_attributes(encoder), tensors)
            for name, encoder in encoders.items()
            if encoder is not None
        },
        "fitted": _encode_all("fitted", learned, tensors),
        "net": {
            "embedding_dim": parts["embedding_dim"],
            "options": _encode_known("options", parts["options"], tensors),
            "momentum": encode("momentum", parts["momentum"], tensors),
            **{name: v for name, v in parts["progress"].items() if name != "history"},
            "history": [
                _encode_known("history", {k: v for k, v in epoch.items() if k != "batches"}, {})
                for epoch in parts["progress"]["history"]
            ],
        },
        "output": getattr(estimator, "_sklearn_output_config", {}).get("transform"),
        "requests": plain_requests(estimator),
    }
    return header, tensors


def _plain_params(estimator, params):
    """Return parameters, with prototypes as rows in the order of the classes."""
    prototypes = params.get("prototypes", "")
    if isinstance(prototypes, str):
        return params
    classes = getattr(estimator.target_encoder_, "first_classes_", estimator.classes_)
    return {**params, "prototypes": as_vectors(prototypes, classes)}


def _encode_known(section, values, tensors):
    """Encode values, and leave out code."""
    stored = {}
    for name, value in values.items():
        try:
            arrays = {}
            stored[name] = encode(f"{section}.{name}", value, arrays)
            tensors.update(arrays)
        except TypeError:
            continue
    return stored


def _encode_all(section, values, tensors):
    stored = _encode_known(section, values, tensors)
    lost = sorted(set(values) - set(stored))
    if lost:
        raise ValueError(
            f"{lost[0]} is {values[lost[0]]!r}, which a file without code cannot hold; pickle the "
            "estimator instead, or fit on values that it can, such as names that are strings."
        )
    return stored


def _fitted_attributes(encoder):
    return {name: value for name, value in vars(encoder).items() if name[-1] == "_" != name[0]}


def _check_sections(header):
    """Refuse a header with missing parts or parts of the wrong type."""
    kinds = {
        **dict.fromkeys(("params", "built_with", "encoders", "fitted", "net", "requests"), dict),
        **{"checksum": str, "class": str, "format": int, "code": list, "output": str | None},
    }
    if header.keys() != kinds.keys():
        odd = ", ".join(sorted(header.keys() ^ kinds.keys()))
        raise ValueError(f"its header lacks, or should not have, {odd}")
    for name, kind in kinds.items():
        if not isinstance(header[name], kind):
            raise ValueError(f"{name} in its header is a {type(header[name]).__name__}")
    if not all(isinstance(name, str) for name in header["code"]):
        raise ValueError("code in its header holds other things than names")


def _remake(header, tensors, params, where):
    """Return the estimator that a header and tensors describe."""
    stored = {name: decode(value, tensors) for name, value in header["params"].items()}
    cls = _class_named(header["class"])
    estimator = cls(**{**stored, **params})
    _set_fitted(estimator, header["fitted"], tensors)
    estimator._reader = None
    if "_reader" in header["encoders"]:
        estimator._reader = ColumnReader()
        _set_fitted(estimator._reader, header["encoders"]["_reader"], tensors)
    _check_numbers(estimator)
    # By shape alone, which anyone could have written: no memory of that size is allocated yet.
    sample = np.broadcast_to(0.0, (1, *estimator._sample_shape))
    now = {name: getattr(estimator, name) for name in cls._network_parameters}
    built_with = {name: decode(value, tensors) for name, value in header["built_with"].items()}
    estimator._built_with = {**now, **{name: built_with.get(name, now[name]) for name in now}}
    encoder: Any = make_encoder(as_built(estimator), sample)
    estimator.encoder_, estimator.target_encoder_ = encoder, estimator._make_target_encoder()
    for name in ("encoder_", "target_encoder_"):
        _set_fitted(getattr(estimator, name), header["encoders"][name], tensors)
    if hasattr(encoder, "is_categorical_"):
        # Its input is numeric already.
        columns = encoder._reader = ColumnReader()
        columns.is_categorical_ = encoder.is_categorical_
        columns.levels_ = [None] * len(columns.is_categorical_)
    estimator.net_ = put_together(estimator, _net_parts(header["net"], tensors, where))
    if not is_own_network(estimator._built_with["backbone"]):
        _try_out(estimator)
    _set_wishes(estimator, header["output"], header["requests"])
    return estimator


def _set_fitted(owner, attributes, tensors):
    """Set attributes that a fit sets, and no others."""
    for name, value in attributes.items():
        private = name in _PRIVATE and isinstance(owner, BaseSphereEstimator)
        if not (private or name[-1:] == "_" != name[:1]) or hasattr(type(owner), name):
            raise ValueError(f"its header sets {name!r}, which no fit sets")
        setattr(owner, name, decode(value, tensors))


def _check_numbers(estimator):
    """Refuse numbers that no fit could have set."""
    counts = [estimator.n_features_in_, estimator.n_members_, *estimator._sample_shape]
    if not all(type(count) is int and count > 0 for count in counts):
        raise ValueError(f"its counts of features and members are {counts}")
    if estimator._sample_shape[0] != estimator.n_features_in_:
        raise ValueError(f"its samples have the shape {estimator._sample_shape}")
    scale = getattr(estimator, "scale_", None)
    if estimator._calibrates and not (isinstance(scale, float) and 0 < scale < math.inf):
        raise ValueError(f"its scale_ is {scale}")
    ranges = estimator._key_ranges
    estimator._key_ranges = None if ranges is None else KeyRanges(*ranges)


def _net_parts(net, tensors, where):
    """Return the parts of a net in the form of `put_together`."""
    options = {name: decode(value, tensors) for name, value in net["options"].items()}
    history = [{name: decode(v, {}) for name, v in epoch.items()} for epoch in net["history"]]
    for epoch in history:
        epoch["batches"] = []
    return {
        "module": _named("module.", tensors),
        "criterion": _named("criterion.", tensors),
        "options": {**options, "device": where},
        "progress": {
            "history": history,
            "interrupted": bool(net["interrupted"]),
            "n_finished": int(net["n_finished"]),
        },
        "momentum": decode(net["momentum"], tensors),
        "initialized": True,
        "embedding_dim": net["embedding_dim"],
    }


def _named(prefix, tensors):
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def _try_out(estimator):
    """Predict a row of zeros: inconsistent parts fail here."""
    shape, encoder = estimator._sample_shape, estimator.encoder_
    if math.prod(shape) > _LARGEST_TRIAL:
        return
    rows = np.zeros((1, *shape), dtype=getattr(encoder, "dtype_in_", "float64"))
    with torch.inference_mode():
        logits = estimator.module_.logits(encoder.transform(rows).to(estimator.device_))
    logits, encoder = logits.cpu().numpy(), estimator.target_encoder_
    if not np.isfinite(logits).all():
        raise ValueError("its network does not return finite numbers")
    targets = encoder.classes_ if hasattr(encoder, "classes_") else encoder.bounds_
    if len(targets) != len(estimator.prototypes_):
        raise ValueError(
            f"it has {len(targets)} classes or values, but {len(estimator.prototypes_)} prototypes"
        )
    with suppress(ImportError):  # The library of a frame may not be installed here.
        encoder.decode(logits)


def _set_wishes(estimator, output, requests):
    """Set the output container and metadata requests of an estimator."""
    if output is not None:
        estimator.set_output(transform=output)
    restore_requests(estimator, requests)


def _name_of(cls):
    """Return the name under which a class is stored, which does not depend on its module."""
    ours = cls.__module__.split(".")[0] == __name__.split(".")[0]
    return cls.__name__ if ours else f"{cls.__module__}.{cls.__qualname__}"


def _class_named(name: str) -> Any:
    """Find an estimator of this package, or a subclass that was imported before."""
    known = [BaseSphereEstimator]
    for cls in known:
        known += [child for child in cls.__subclasses__() if child not in known]
    for cls in known:
        if _name_of(cls) == name and not inspect.isabstract(cls):
            return cls
    raise ValueError(f"{name!r} is no estimator of sphereskl, nor a subclass that was imported")


def _sentence(error):
    """Return an error message, as the middle of a sentence."""
    said = f"{type(error).__name__}: {error}".removeprefix("ValueError: ").rstrip(".")
    return textwrap.shorten(said, 300, placeholder=" ...")
