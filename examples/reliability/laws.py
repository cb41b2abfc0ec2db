"""What holds of every call: its outcome, what it says, and what a fitted model answers."""

import io
import re
import signal
import warnings
from collections.abc import Iterable
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import numpy as np
import torch
from sklearn.exceptions import (
    ConvergenceWarning,
    DataConversionWarning,
    NotFittedError,
    UndefinedMetricWarning,
)

VIEWS = (
    "predict",
    "transform",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "resultant_length",
)
_SECONDS = 20.0

# Categories that scikit-learn gives for the same input, and the beginnings of our own.
_EXPECTED = ConvergenceWarning, DataConversionWarning, UndefinedMetricWarning
_OUR_OWN = re.compile(
    "y holds labels that are not numbers|y.* has values beyond the bounds|"
    "X (does not have valid|has) feature names|The number of unique classes is greater than 50%|"
    "Training was interrupted"
)
# What a refusal may speak of, besides parameters and the estimator's name.
_SUBJECTS = (
    r"X|y|y_true|X_val|y_val|y_class|y_value|sample_weight|class_weight|classes|weights?|columns?|"
    r"features?|samples?|labels?|array|data"
)


class Hang(BaseException):
    """A case takes too long."""


def _alarm(signum, frame):
    raise Hang


@contextmanager
def watched(faults):
    """Collect what is printed and warned of, and end what takes too long."""
    said, before = io.StringIO(), signal.signal(signal.SIGALRM, _alarm)
    signal.setitimer(signal.ITIMER_REAL, _SECONDS)
    try:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            with redirect_stdout(said), redirect_stderr(said):
                yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if said.getvalue():
            faults.append(f"printed {said.getvalue()[:80]!r}")
        for w in heard:
            if not issubclass(w.category, _EXPECTED) and not _OUR_OWN.match(str(w.message)):
                faults.append(f"warned: {w.category.__name__}: {str(w.message)[:110]}")


def attempt(action, faults, model):
    """Return how a call ended, and what it returned."""
    try:
        with watched(faults):
            return "correct", action()
    except NotFittedError as error:
        return "NotFittedError", error
    except (ValueError, TypeError) as error:
        _check_message(error, faults, model)
        return type(error).__name__, error
    except Hang:
        faults.append(f"took more than {_SECONDS:g} s")
        return "hang", None
    except Exception as error:
        faults.append(f"raised {type(error).__name__}: {first_words(error)}")
        return type(error).__name__, error


def first_words(error):
    return " ".join(str(error).split())[:150]


def _check_message(error, faults, model):
    parameters = {part for name in model.get_params() for part in name.split("__")}
    words = "|".join([_SUBJECTS, *parameters, type(model).__name__])
    if not str(error).strip():
        faults.append(f"refused without a word: {type(error).__name__}")
    elif not re.search(rf"(?<![\w.])({words})\b", str(error)):
        faults.append(
            f"refused without naming what is wrong: {type(error).__name__}: {first_words(error)}"
        )


def check_views(model, X, n_rows, y, faults, *, also_score=True, bounds=None):
    """Check everything that a fitted model says of rows that it knows."""
    for name in VIEWS:
        if hasattr(model, name):
            kind, found = attempt(lambda name=name: getattr(model, name)(X), faults, model)
            if kind != "correct":
                faults.append(f"{name} refuses what was fitted: {kind}: {first_words(found)}")
            else:
                check_view(model, name, found, n_rows, y, faults, bounds)
    if also_score and n_rows > 1:
        kind, found = attempt(lambda: model.score(X, y), faults, model)
        if kind != "correct":
            faults.append(f"score refuses what was fitted: {kind}: {first_words(found)}")
        elif not np.isfinite(found):
            faults.append(f"score is {found}")


def check_view(model, name, found, n_rows, y, faults, bounds=None):
    if name == "predict":
        _check_predictions(model, found, n_rows, y, faults, bounds)
        return
    found = np.asarray(found)
    if found.shape[:1] != (n_rows,):
        faults.append(f"{name} has the shape {found.shape} for {n_rows} rows")
    elif found.dtype.kind != "f" or np.isnan(found).any():
        faults.append(f"{name} holds NaN or is no float: {found.dtype}")
    elif name == "predict_proba" and not (
        np.abs(found.sum(axis=1) - 1).max(initial=0) < 1e-6 and (found >= 0).all()
    ):
        faults.append("predict_proba does not sum to 1")
    # Several values have a sphere each, and a row of length 1 on each.
    elif name == "transform" and len(getattr(model, "bounds_", [0])) == 1:
        off = np.abs(np.linalg.norm(found.astype(float), axis=1) - 1).max(initial=0)
        if off > 1e-3:
            faults.append(f"transform is off the sphere by {off:.2g}")
    elif name == "resultant_length" and not ((found >= 0) & (found <= 1 + 1e-5)).all():
        faults.append("resultant_length is outside [0, 1]")


def _check_predictions(model, found, n_rows, y, faults, bounds):
    labels, values = _parts(model, found)
    given_labels, given_values = _parts(model, y)
    for part in (labels, values):
        if part is not None and len(part) != n_rows:
            faults.append(f"predict has {len(part)} rows for {n_rows}")
    if labels is not None:
        # NA answers no comparison with a truth value.
        given_labels = [label for label in given_labels if not _gone(label)]
        strange = [label for label in labels if label not in given_labels]
        if strange:
            faults.append(f"predict gives {strange[0]!r}, which is no label of y")
    if values is not None:
        values = np.asarray(values, dtype=np.float64)
        if not np.isfinite(values).all():
            faults.append("predict gives values that are not finite")
        elif given_values is not None and isinstance(model.bounds, str):
            low, high = np.nanmin(given_values, axis=0), np.nanmax(given_values, axis=0)
            if bounds is not None:
                low, high = bounds
            slack = 1e-6 * np.abs(low) + 1e-6 * np.abs(high) + 1e-300
            slack = slack + getattr(model, "bounds_margin", 0) * (high / 2 - low / 2) * 2
            if not ((values >= low - slack) & (values <= high + slack)).all():
                faults.append("predict goes beyond the bounds of y")


def _parts(model, y):
    """Return labels as a list and values as an array, None for what an estimator has not."""
    if type(model).__name__ == "HypersphericalRegressor":
        return None, _floats(y)
    if type(model).__name__ != "HypersphericalMultiTask":
        return _plain(y), None
    if isinstance(y, tuple):
        return _plain(y[0]), _floats(y[1])
    if hasattr(y, "columns"):
        return (_plain(y[name]) for name in y.columns)
    table = np.asarray(y, dtype=object)
    return _plain(table[:, 0]), _floats(table[:, 1])


def _plain(y):
    """Return labels as Python's own objects."""
    if hasattr(y, "columns"):
        y = np.asarray(y)
    if not isinstance(y, Iterable):
        return []
    tell = (
        getattr(y, "tolist", None) or getattr(y, "to_list", None) or getattr(y, "to_pylist", None)
    )
    y = tell() if tell else list(y)
    flat = [v[0] if isinstance(v, list) and len(v) == 1 else v for v in y]
    return [v.item() if isinstance(v, np.generic | torch.Tensor) else v for v in flat]


def _floats(y):
    if isinstance(y, torch.Tensor):
        y = y.detach().double().numpy()
    y = np.asarray(y)
    if y.dtype == object:
        y = np.array([np.nan if _gone(v) else float(v) for v in y.ravel()]).reshape(y.shape)
    values = y.astype(np.float64)
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def _gone(value):
    return value is None or type(value).__name__ in ("NAType", "NaTType")
