"""What people call on an estimator, in any order.

Every call gets the estimator and the rows ``(X, y)`` that a case knows as "a", "b" (another
width, other labels) and "bad", and returns the estimator that is used from there on and the rows
that it knows, or None where it learned nothing.
"""

import pickle
import tempfile
from copy import copy, deepcopy
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from sphereskl import load, save


def _fit(rows):
    return lambda model, data: (model.fit(*data[rows]), rows)


def _partial(rows):
    def call(model, data):
        options = {}
        if hasattr(model, "predict_proba"):
            options["classes"] = data["classes " + rows] if not hasattr(model, "net_") else None
        return model.partial_fit(*data[rows], **options), rows

    return call


def _view(name, rows="a"):
    def call(model, data):
        X, y = data[rows]
        if not hasattr(model, name):
            return model, None
        getattr(model, name)(*((X, y) if name == "score" else (X,)))
        return model, None

    return call


def _set(**params):
    return lambda model, data: (model.set_params(**params), None)


def _stored(model, data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save(model, path)
        return load(path), None


def _fit_transform(model, data):
    z = model.fit_transform(*data["a"])
    if not np.array_equal(np.asarray(z), np.asarray(model.transform(data["a"][0]))):
        raise AssertionError("fit_transform differs from fit and transform")
    return model, "a"


def _checked(model, data):
    check_is_fitted(model)
    return model, None


CALLS = {
    "fit a": _fit("a"),
    "fit b": _fit("b"),
    "fit bad X": _fit("bad X"),
    "fit bad y": _fit("bad y"),
    "fit a with bad weights": lambda model, data: (
        model.fit(*data["a"], sample_weight=np.full(len(data["a"][0]), np.nan)),
        "a",
    ),
    "fit_transform": _fit_transform,
    "partial_fit a": _partial("a"),
    "partial_fit b": _partial("b"),
    "partial_fit one row": _partial("one row"),
    "partial_fit new labels": _partial("new labels"),
    "partial_fit bad X": _partial("bad X"),
    "partial_fit bad y": _partial("bad y"),
    "warm": _set(warm_start=True),
    "cold": _set(warm_start=False),
    "another step": _set(lr=1e-2, batch_size=8),
    "another optimizer": _set(optimizer="sgd", lr_schedule="constant"),
    "bad lr": _set(lr=-1.0),
    "good lr": _set(lr=1e-3),
    "another type": _set(dtype="float64"),
    "the type back": _set(dtype="float32"),
    "stops early": _set(early_stopping=True),
    "no such parameter": _set(nope=1),
    "a parameter of the network": _set(backbone__hidden_layer_sizes=(6,)),
    "set_output pandas": lambda model, data: (model.set_output(transform="pandas"), None),
    "set_output default": lambda model, data: (model.set_output(transform="default"), None),
    **{
        name: _view(name)
        for name in (
            "predict",
            "transform",
            "predict_proba",
            "predict_log_proba",
            "decision_function",
            "resultant_length",
            "score",
        )
    },
    "predict b": _view("predict", "b"),
    "transform bad X": _view("transform", "bad X"),
    "score bad y": _view("score", "bad y"),
    "names": lambda model, data: (model, model.get_feature_names_out()[:0].size or None),
    "repr": lambda model, data: (model, repr(model)[:0] or model._repr_html_()[:0] or None),
    "check_is_fitted": _checked,
    "clone": lambda model, data: (clone(model), "nothing"),
    "copy": lambda model, data: (copy(model), None),
    "deepcopy": lambda model, data: (deepcopy(model), None),
    "pickle": lambda model, data: (pickle.loads(pickle.dumps(model)), None),
    "save and load": _stored,
}
