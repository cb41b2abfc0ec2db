"""Cases: a few names and a seed each, so that every one can be told and played again."""

import json
from copy import deepcopy
from dataclasses import asdict, dataclass

import numpy as np
from calls import CALLS
from hypothesis import strategies as st
from parameters import ALL, VALUES
from samples import ODD, SAME, numbers
from targets import COLUMNS, JUDGES, WEIGHTS

from sphereskl import (
    MLP,
    HypersphericalMultiTask,
    HypersphericalOrdinalClassifier,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
    SphereMLP,
    SphereNetClassifier,
)

ESTIMATORS = {
    "prototype": HypersphericalPrototypeClassifier,
    "ordinal": HypersphericalOrdinalClassifier,
    "regressor": HypersphericalRegressor,
    "multi-task": HypersphericalMultiTask,
    "spherenet": SphereNetClassifier,
}
FORMS = {**SAME, **ODD}


@dataclass(frozen=True)
class Case:
    """One situation: what is fitted, on which forms of X, y and the rest."""

    family: str
    estimator: str
    seed: int
    fitted: bool = False  # whether it has learned clean rows before
    X: str = "f8"
    y: str = ""
    weight: str = ""
    judges: str = ""
    parameters: tuple = ()
    calls: tuple = ()

    def __str__(self):
        told = {name: value for name, value in asdict(self).items() if value not in ("", ())}
        return json.dumps(told)


def read_case(text):
    """Return the case that `str` told."""
    told = json.loads(text)
    for name in ("parameters", "calls"):
        told[name] = tuple(tuple(v) if isinstance(v, list) else v for v in told.get(name, ()))
    return Case(**told)


def make_estimator(case, **params):
    """Return the estimator of a case, small enough to be fitted in a hundredth of a second."""
    backbone = SphereMLP((8,)) if case.estimator == "spherenet" else MLP((8,), n_members=2)
    few = {"max_epochs": 1 + case.seed % 2, "batch_size": 32, "random_state": 0}
    return ESTIMATORS[case.estimator](**{"backbone": backbone, **few, **params})


def odd_parameters(case):
    """Return the parameters of a case, as objects of their own."""
    return {name: _fresh(ALL[name][place]) for name, place in case.parameters}


def _fresh(value):
    # Networks are trained in place, and a generator moves on.
    try:
        return deepcopy(value)
    except Exception:
        return value


def clean_rows(case):
    """Return 30 to 60 rows of numbers, of classes from 0 to 2 and of values from 0 to 9."""
    rng = np.random.default_rng(case.seed)
    n_rows = 30 + case.seed % 31
    return numbers(rng, n_rows), np.arange(n_rows) % 3, numbers(rng, n_rows, 1)[:, 0]


def clean_target(case, k, v):
    """Return what an estimator learns from classes and values."""
    return {"regressor": v, "multi-task": (k, v)}.get(case.estimator, k)


def odd_target(case, k, v):
    """Return the target in the form that the case names."""
    if not case.y:
        return clean_target(case, k, v)
    spoil = COLUMNS[case.y]
    if case.estimator == "regressor":
        return spoil(v)
    if case.estimator != "multi-task":
        return spoil(k.astype(float))
    which = case.seed % 4
    if which == 3:
        return spoil(k.astype(float))
    return (k, spoil(v)) if which == 2 else (spoil(k.astype(float)), v)


def _some(*names):
    """Return a strategy of one of some names."""
    return st.sampled_from([name for group in names for name in group])


def _parameters(estimator, min_size=1):
    names = sorted(set(ESTIMATORS[estimator]().get_params()) & set(ALL))
    return st.lists(
        st.sampled_from(names).flatmap(lambda name: st.tuples(st.just(name), _places(name))),
        min_size=min_size,
        max_size=2,
        unique_by=lambda pair: pair[0],
    ).map(tuple)


def _places(name):
    # Three times of four a value that somebody might mean.
    meant = st.integers(0, len(VALUES[name]) - 1)
    return st.one_of(meant, meant, meant, st.integers(0, len(ALL[name]) - 1))


def _cases(family, **parts):
    common = {"estimator": _some(ESTIMATORS), "seed": st.integers(0, 199), "fitted": st.booleans()}
    return st.builds(Case, st.just(family), **{**common, **parts})


def _with_parameters(family, min_size=1, **parts):
    return _some(ESTIMATORS).flatmap(
        lambda name: _cases(
            family, estimator=st.just(name), parameters=_parameters(name, min_size), **parts
        )
    )


_MAYBE = st.just("")

# Every family with its share of the cases.
FAMILIES = {
    "X, the same numbers": (_cases("X, the same numbers", X=_some(SAME)), 10),
    "X, anything": (_cases("X, anything", X=_some(ODD)), 18),
    "X when predicting": (_cases("X when predicting", X=_some(SAME, ODD)), 10),
    "y": (_cases("y", y=_some(COLUMNS)), 18),
    "sample_weight": (_cases("sample_weight", weight=_some(WEIGHTS)), 8),
    "X_val, y_val": (_cases("X_val, y_val", judges=_some(JUDGES)), 6),
    "parameters": (_with_parameters("parameters"), 18),
    "order of calls": (
        _cases("order of calls", calls=st.lists(_some(CALLS), min_size=2, max_size=7).map(tuple)),
        6,
    ),
    "everything": (
        _with_parameters(
            "everything",
            min_size=0,
            X=st.one_of(st.just("f8"), _some(FORMS)),
            y=st.one_of(_MAYBE, _some(COLUMNS)),
            weight=st.one_of(_MAYBE, _some(WEIGHTS)),
        ),
        6,
    ),
}
