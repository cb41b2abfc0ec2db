"""Errors at every place of a fit: the state of the model that was fitted before.

Raises an error at a function call of the package, at as many places of a fit as requested, and
looks at the estimator afterwards:

    python examples/reliability/faults.py [--places 200]

prints a row of docs/reliability.md for every estimator, error and kind of fit. "as it was" means
predictions in the same bits; "the best so far" is what Ctrl-C keeps of a network that trained.
"""

import argparse
import os
import sys
import warnings
from collections import Counter
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from sklearn.base import clone
from sklearn.datasets import load_iris

import sphereskl
from sphereskl import (
    MLP,
    HypersphericalMultiTask,
    HypersphericalOrdinalClassifier,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
    SphereNetClassifier,
)

ROOT = str(Path(sphereskl.__file__).parent)
X, LABELS = load_iris(return_X_y=True)
OTHER_X = np.random.RandomState(1).randn(200, 3)
OTHER_LABELS = np.array(list("pqrs"))[np.arange(200) % 4]
ERRORS = (KeyboardInterrupt, MemoryError, OSError)
ESTIMATORS = {
    HypersphericalPrototypeClassifier: (LABELS, OTHER_LABELS),
    HypersphericalOrdinalClassifier: (LABELS, OTHER_LABELS),
    HypersphericalRegressor: (X[:, 0], 1e6 * OTHER_X[:, 0]),
    HypersphericalMultiTask: ((LABELS, X[:, 0]), (OTHER_LABELS, 1e6 * OTHER_X[:, 0])),
    SphereNetClassifier: (LABELS, OTHER_LABELS),
}


class Fault:
    """A profiler that counts calls of the package's functions and raises an error at one."""

    def __init__(self, error=None, at=0):
        self.error, self.at, self.n_calls = error, at, 0

    def __call__(self, frame, event, arg):
        # Expressions that generate are entered again when thrown away, where Python drops errors.
        code = frame.f_code
        is_call = event == "call" and code.co_name != "<genexpr>"
        if is_call and code.co_filename.startswith(ROOT):
            self.n_calls += 1
            if self.n_calls == self.at:
                sys.setprofile(None)
                raise self.error

    def during(self, call):
        """Return what a call raised."""
        former, sys.unraisablehook = sys.unraisablehook, self._again
        sys.setprofile(self)
        try:
            call()
        except BaseException as error:
            return error
        finally:
            sys.setprofile(None)
            sys.unraisablehook = former

    def _again(self, dropped):
        """Raise an error that Python dropped at the next call: a generator was thrown away."""
        if dropped.exc_value is not self.error:
            sys.__unraisablehook__(dropped)
            return
        self.at = self.n_calls + 1
        sys.setprofile(self)


def outcome(model, y, error, at, rows, target):
    """Return how a fit ends that meets an error at a call, and the state of the last one."""
    model.set_params(warm_start=False).fit(X, y)
    before = model.transform(X), np.array(model.predict(X))
    model.set_params(warm_start=rows is X)
    raised = Fault(error(), at).during(lambda: model.fit(rows, target))
    if raised is None:
        return "not reached"
    if type(raised) is not error:
        return f"BROKEN: {type(raised).__name__} instead"
    try:
        if model.n_features_in_ == 4:
            after = model.transform(X), np.array(model.predict(X))
            if all(map(np.array_equal, after, before)):
                return "as it was"
        if error is KeyboardInterrupt and np.isfinite(model.transform(rows)).all():
            return "the best so far"
        return "BROKEN: another model"
    except Exception as broken:
        return f"BROKEN: {broken!r}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--places", type=int, default=200, help="places in every kind of fit")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    columns = ("as it was", "the best so far", "BROKEN")
    print(
        f"| estimator | fit | error | places | {' | '.join(columns)} |\n|---|---|---|--|--|--|--|"
    )
    for cls, (y, other_y) in ESTIMATORS.items():
        backbone = "auto" if cls is SphereNetClassifier else MLP((8,), n_members=2)
        model = cls(backbone=backbone, max_epochs=2, random_state=0)
        for kind, rows, target in (("anew", OTHER_X, other_y), ("on", X, y)):
            fresh = clone(model).set_params(warm_start=rows is X).fit(X, y)
            counter = Fault()
            counter.during(partial(fresh.fit, rows, target))
            for error in ERRORS:
                places = np.linspace(1, counter.n_calls, options.places).astype(int)
                places = np.unique(places)
                found = Counter(outcome(model, y, error, at, rows, target) for at in places)
                found.pop("not reached", None)
                broken = {key: n for key, n in found.items() if key.startswith("BROKEN")}
                counts = (found["as it was"], found["the best so far"], sum(broken.values()))
                print(
                    f"| `{cls.__name__}` | {kind} | `{error.__name__}` | {sum(found.values())} | "
                    + " | ".join(map(str, counts))
                    + " |"
                    + "".join(f" <!-- {key} -->" for key in broken),
                    flush=True,
                )


if __name__ == "__main__":
    main()
