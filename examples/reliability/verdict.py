"""What every case must end as: a correct result, or a refusal in words after which all is well."""

import traceback
import warnings
from dataclasses import dataclass, field
from functools import cache, partial

import numpy as np
import torch
from calls import CALLS
from cases import (
    FORMS,
    Case,
    clean_rows,
    clean_target,
    make_estimator,
    odd_parameters,
    odd_target,
)
from laws import VIEWS, attempt, check_view, check_views, first_words
from samples import SAME
from sklearn.exceptions import NotFittedError
from targets import JUDGES, WEIGHTS


@dataclass
class Verdict:
    """How a case ended, and what was wrong about it."""

    kind: str
    faults: list = field(default_factory=list)


def judge(case: Case) -> Verdict:
    """Play a case.

    Returns
    -------
    verdict : Verdict
        "correct", or the type of the refusal, with whatever broke a law.
    """
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    try:
        verdict = _PLAYS.get(case.family, _play_fit)(case)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        verdict = Verdict(
            "stopped",
            [f"{type(error).__name__}: {first_words(error)} in {where.name}:{where.lineno}"],
        )
    draws = {"random_state", "backbone"} & {name for name, _ in case.parameters}
    if not draws and not torch.equal(torch.get_rng_state(), torch_state):
        verdict.faults.append("torch's global generator moved")
    if not draws and not np.array_equal(np.random.get_state()[1], numpy_state):  # noqa: NPY002
        verdict.faults.append("numpy's global generator moved")
    if not torch.is_grad_enabled():
        torch.set_grad_enabled(True)
        verdict.faults.append("gradients were left switched off")
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)
        verdict.faults.append("the number of threads was left changed")
    return verdict


def _bits(model, X):
    return np.asarray(model.transform(X)).tobytes()


@cache
def _clean_bits(estimator, seed):
    """Return what a new estimator makes of clean rows."""
    case = Case("clean", estimator, seed)
    x, k, v = clean_rows(case)
    return _bits(make_estimator(case).fit(x, clean_target(case, k, v)), x)


def _start(case):
    """Return an estimator, fitted on clean rows if the case says so, and its bits."""
    x, k, v = clean_rows(case)
    model = make_estimator(case)
    if case.fitted:
        model.fit(x, clean_target(case, k, v))
    return model, (x, k, v), _bits(model, x) if case.fitted else None


def _check_refused(model, case, x, before, faults):
    """Check that a refusal changed nothing."""
    if case.fitted:
        if _bits(model, x) != before:
            faults.append("a failed fit changed the model")
        return
    left = [name for name in vars(model) if name.endswith("_") and not name.startswith("_")]
    if left:
        faults.append(f"a failed first fit left {left[:3]}")
    try:
        model.predict(x)
        faults.append("predict works after a failed first fit")
    except NotFittedError:
        pass
    except Exception as error:
        faults.append(f"after a failed first fit predict raised {type(error).__name__}")


def _check_usable(model, case, rows, faults):
    """Check that an estimator learns clean rows, whatever happened before."""
    x, k, v = rows
    model.set_params(**make_estimator(case).get_params(deep=False))
    y = clean_target(case, k, v)
    kind, error = attempt(lambda: model.fit(x, y), faults, model)
    if kind != "correct":
        faults.append(f"clean rows cannot be fitted afterwards: {kind}: {first_words(error)}")
        return
    # The bits of a model that was never spoilt: all else that it says follows.
    if _bits(model, x) != _clean_bits(case.estimator, case.seed):
        faults.append("clean rows give another model afterwards")


def _shortened(X, y):
    """Return targets for as many rows as X has."""
    n_rows = _count(X)
    if n_rows is None:
        return y
    cut = (lambda part: part[:n_rows]) if n_rows < 60 else (lambda part: part)
    return tuple(map(cut, y)) if isinstance(y, tuple) else cut(y)


def _count(X):
    """Return the number of rows, None where X does not tell."""
    try:
        return len(X if hasattr(X, "__len__") else np.asarray(X))
    except Exception:  # Nested tensors have an internal error to say it.
        return None


def _made(make):
    """Return what `make` makes, without the warnings of its library, and its error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return make(), None
        except Exception as error:
            return None, error


def _play_fit(case):
    """Fit with odd X, y, weights and parameters, and see."""
    model, rows, before = _start(case)
    x, k, v = rows
    faults, kept = [], x.copy()
    made, error = _made(
        lambda: (
            FORMS[case.X](x),
            odd_target(case, k, v),
            WEIGHTS[case.weight](np.ones(len(x))) if case.weight else None,
            odd_parameters(case),
        )
    )
    if error:
        return Verdict("cannot be made")
    X, y, weight, odd = made
    if not case.y:
        y = _shortened(X, y)
    kind, _ = attempt(
        lambda: model.set_params(**odd).fit(X, y, sample_weight=weight), faults, model
    )
    if kind == "correct":
        n_rows = len(x) if _count(X) is None else _count(X)
        check_views(model, X, n_rows, y, faults)
        if case.family == "X, the same numbers":
            if _bits(model, X) != _clean_bits(case.estimator, case.seed):
                faults.append("the same numbers give another model")
        if case.weight:
            _check_weighted_score(model, X, y, weight, faults)
    else:
        _check_refused(model, case, x, before, faults)
    if not np.array_equal(x, kept):
        faults.append("fit changed the rows of the caller")
        rows = kept, k, v
    _check_usable(model, case, rows, faults)
    return Verdict(kind, faults)


def _check_weighted_score(model, X, y, weight, faults):
    said = []
    kind, found = attempt(lambda: model.score(X, y, sample_weight=weight), said, model)
    if kind == "correct" and not np.isfinite(found):
        said.append(f"it is {found}")
    faults.extend(f"score with weights: {fault}" for fault in said)


def _play_later(case):
    """Fit clean rows and ask about odd ones."""
    model, rows, before = _start(Case(case.family, case.estimator, case.seed, fitted=True))
    x, k, v = rows
    faults, kinds = [], {}
    X, error = _made(lambda: FORMS[case.X](x))
    if error:
        return Verdict("cannot be made")
    n_rows = _count(X)
    for name in VIEWS:
        if hasattr(model, name):
            kind, found = attempt(lambda name=name: getattr(model, name)(X), faults, model)
            kinds[name] = kind
            if kind != "correct":
                continue
            check_view(model, name, found, n_rows, clean_target(case, k, v), faults)
            if case.X in SAME and name != "predict":
                if not np.array_equal(np.asarray(found), getattr(model, name)(x)):
                    faults.append(f"{name} differs for the same numbers")
    if len(set(kinds.values())) > 1:
        faults.append(f"views do not agree: {kinds}")
    if _bits(model, x) != before:
        faults.append("a prediction changed the model")
    return Verdict(kinds["predict"], faults)


def _play_judges(case):
    """Fit with odd validation rows."""
    model, rows, before = _start(case)
    x, k, v = rows
    faults, column = [], v if case.estimator == "regressor" else k
    X_val, y_val = JUDGES[case.judges](x, column)
    if case.estimator == "multi-task" and y_val is not None:
        y_val = y_val, v[: _count(y_val)]
    y = clean_target(case, k, v)
    kind, _ = attempt(lambda: model.fit(x, y, X_val=X_val, y_val=y_val), faults, model)
    if kind == "correct":
        check_views(model, x, len(x), y, faults)
        # Where no class is known there is no accuracy, which a half that is missing may lead to.
        known = case.estimator != "multi-task" or case.judges not in ("y NaN", "y None")
        if known and not np.isfinite(model.validation_scores_).all():
            faults.append(f"validation_scores_ is {model.validation_scores_}")
    else:
        _check_refused(model, case, x, before, faults)
    _check_usable(model, case, rows, faults)
    return Verdict(kind, faults)


def _data(case):
    """Return rows by the names that calls have for them."""
    x, k, v = clean_rows(case)
    y, spoilt = clean_target(case, k, v), x + np.inf
    names = np.array(["p", "q", "r"])[k]
    wide = np.c_[x, x[:, :2]]
    bad = v * np.nan
    more = k + 5, v + 100
    return {
        "a": (x, y),
        "b": (wide, clean_target(case, names, v * 10)),
        "bad X": (spoilt, y),
        "bad y": (x, clean_target(case, bad, v + np.inf)),
        "one row": (x[:1], clean_target(case, k[:1], v[:1])),
        "new labels": (x, clean_target(case, *more)),
        "classes a": [0, 1, 2],
        "classes b": ["p", "q", "r"],
        "classes bad X": [0, 1, 2],
        "classes bad y": [0, 1, 2],
        "classes one row": [0, 1, 2],
        "classes new labels": [5, 6, 7],
    }


def _play_calls(case):
    """Make calls in any order; what fails or only looks leaves the model as it was."""
    model, data, faults, kinds = make_estimator(case), _data(case), [], []
    known = None
    for name in case.calls:
        before = _bits(model, data[known][0]) if known else None
        kind, found = attempt(partial(CALLS[name], model, data), faults, model)
        kinds.append(kind)
        learned = None
        if kind == "correct":
            model, learned = found
        if learned is not None:
            known = None if learned == "nothing" else learned
        elif known and _bits(model, data[known][0]) != before:
            faults.append(f"{name} ({kind}) changed the model")
        if kind == "NotFittedError" and known:
            faults.append(f"{name} says that a fitted model is not fitted")
        if known:
            # A stream knows labels that a part lacks, and bounds of its first part.
            y = data["a"][1] if known == "one row" else data[known][1]
            bounds = model.bounds_.T if hasattr(model, "bounds_") else None
            x, options = data[known][0], {"also_score": False, "bounds": bounds}
            check_views(model, x, len(x), y, faults, **options)
    model.set_params(warm_start=False)
    model.set_output(transform="default")
    _check_usable(model, case, clean_rows(case), faults)
    refused = [kind for kind in kinds if kind != "correct"]
    return Verdict(refused[0] if refused else "correct", faults)


_PLAYS = {
    "X when predicting": _play_later,
    "X_val, y_val": _play_judges,
    "order of calls": _play_calls,
}
