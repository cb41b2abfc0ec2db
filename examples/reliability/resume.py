"""Fits that are killed at random moments, and go on: what is lost, and whether the bits are kept.

Kills a process that fits with `Resume` by SIGKILL at random moments of the time that a fit takes,
every second time when the next file is being written, starts it again, and so on, until the kills
are used up and the fit ends:

    python examples/reliability/resume.py [--kills 30] [--seed 0] [--costs]

prints a row of docs/reliability.md for every estimator, and with --costs what the files cost
instead. A file is broken if it cannot be read, too much is lost if the file is behind the last
writing that the process saw the end of. "same bits" compares weights and history with those of a
fit that nobody killed.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from sklearn.datasets import load_digits
from skorch.callbacks import Callback

from sphereskl import (
    MLP,
    HypersphericalMultiTask,
    HypersphericalOrdinalClassifier,
    HypersphericalPrototypeClassifier,
    HypersphericalRegressor,
    SphereNetClassifier,
)
from sphereskl.nn import SphereMLP
from sphereskl.training import Resume
from sphereskl.training._fit_files import read_fit

N_EPOCHS = 20
X, LABELS = (part[:600] for part in load_digits(return_X_y=True))
VALUES = X[:, 20:30].mean(axis=1)
ESTIMATORS = {
    HypersphericalPrototypeClassifier: LABELS,
    HypersphericalOrdinalClassifier: LABELS,
    HypersphericalRegressor: VALUES,
    HypersphericalMultiTask: (LABELS, VALUES),
    SphereNetClassifier: LABELS,
}


class Log(Callback):
    """Append a byte to a file whenever an epoch begins: those before it are written by then."""

    def __init__(self, path):
        self.path = path

    def on_epoch_begin(self, net, **kwargs):
        with open(self.path, "wb") as file:
            file.write(str(len(net.history) - 1).encode())


def fit(cls, folder, *, resumes=True):
    """Fit an estimator that writes a file, as any number of processes do one after another."""
    log = Log(os.path.join(folder, "n_epochs"))
    resume = [Resume(os.path.join(folder, "fit.safetensors"))] if resumes else []
    spherical = cls is SphereNetClassifier
    model = cls(
        backbone=SphereMLP((128,)) if spherical else MLP((128,), n_members=2, dropout=0.1),
        max_epochs=N_EPOCHS,
        early_stopping=True,
        callbacks=[log, *resume],
        random_state=0,
    )
    return model.fit(X, ESTIMATORS[cls])


def outcome(model):
    """Return all that must be the same: weights, the state of the loss, history without times."""
    states = (model.module_.state_dict(), model.net_.criterion_.state_dict())
    weights = [tensor.numpy().tobytes() for state in states for tensor in state.values()]
    return weights, [{k: v for k, v in epoch.items() if k != "dur"} for epoch in model.history_]


def killed(cls, folder, delay, *, writing):
    """Fit in another process and kill it after a time, if it is not done; tell whether it was."""
    child = os.fork()
    if not child:
        fit(cls, folder)
        os._exit(0)
    time.sleep(delay)
    done, status = os.waitpid(child, os.WNOHANG)
    while writing and not done and not any(Path(folder).glob(".*.tmp")):
        done, status = os.waitpid(child, os.WNOHANG)
    if not done:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status) and os.waitstatus_to_exitcode(status):
        raise RuntimeError(f"{cls.__name__} failed in a process that was not killed")
    return os.WIFSIGNALED(status)


def look(folder):
    """Say what a kill has left: in the middle of writing or not, and what is wrong."""
    path, log = Path(folder, "fit.safetensors"), Path(folder, "n_epochs")
    drafts = list(Path(folder).glob(".*.tmp"))
    for draft in drafts:
        draft.unlink()
    n_sure = int(log.read_text() or 0) if log.exists() else 0
    try:
        found = read_fit(str(path), "cpu")
    except ValueError:
        return bool(drafts), "broken"
    n_kept = len(found["state"]["history"]) if found else 0
    return bool(drafts), "too much lost" if n_kept < n_sure else ""


def row(cls, n_kills, rng):
    """Return the counts of an estimator: kills, those while writing, fits, and what went wrong."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        expected = outcome(fit(cls, folder, resumes=False))
        length = time.perf_counter() - start
    counts = dict.fromkeys(("kills", "writing", "fits", "broken", "too much lost", "other bits"), 0)
    while counts["kills"] < n_kills:
        with tempfile.TemporaryDirectory() as folder:
            while counts["kills"] < n_kills:
                while_writing = bool(counts["kills"] % 2)
                delay = rng.uniform(0, length / 2)  # what is left after a kill takes less time
                if not killed(cls, folder, delay, writing=while_writing):
                    break
                writing, wrong = look(folder)
                counts["kills"] += 1
                counts["writing"] += writing
                if wrong:
                    counts[wrong] += 1
            counts["fits"] += 1
            counts["other bits"] += outcome(fit(cls, folder)) != expected
    return counts


def kills(n_kills, rng):
    """Print a table of kills; return the number of violations."""
    print(
        "| estimator | kills | while writing | fits | broken files | too much lost | other bits |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|")
    n_wrong = 0
    for place, cls in enumerate(ESTIMATORS):
        share = n_kills // len(ESTIMATORS) + (place < n_kills % len(ESTIMATORS))
        if not share:
            continue
        counts = row(cls, share, rng)
        n_wrong += sum(list(counts.values())[3:])
        print(f"| `{cls.__name__}` | " + " | ".join(map(str, counts.values())) + " |", flush=True)
    return n_wrong


class Clock(Resume):
    """Resume that measures itself, and epochs."""

    def begin(self, *args):
        start = time.perf_counter()
        n_left = super().begin(*args)
        self.begun_, self.writes_, self.epochs_ = time.perf_counter() - start, [], []
        self.last_ = time.perf_counter()
        return n_left

    def after_epoch(self, net):
        start = time.perf_counter()
        super().after_epoch(net)
        self.epochs_.append(start - self.last_)
        self.last_ = time.perf_counter()
        self.writes_.append(self.last_ - start)


def costs():
    """Print a table of what files cost."""
    digits, digit = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    wide, y = rng.standard_normal((20_000, 20)), rng.integers(0, 10, 20_000)
    cases = {
        "1,797 rows of 64, the default": (digits, digit, {}),
        "20,000 rows of 20, the default": (wide, y, {}),
        "20,000 rows of 20, `MLP((1024, 1024))`": (wide, y, {"backbone": MLP((1024, 1024))}),
    }
    print(
        "| data and network | weights, kB | file, kB | first look, ms | epoch, ms | writing, ms |"
    )
    print("|---|--:|--:|--:|--:|--:|")
    for name, (rows, labels, params) in cases.items():
        with tempfile.TemporaryDirectory() as folder:
            clock = Clock(os.path.join(folder, "fit.safetensors"))
            model = HypersphericalPrototypeClassifier(
                max_epochs=5, callbacks=[clock], random_state=0, **params
            ).fit(rows, labels)
            size = os.path.getsize(clock.path)
        weights = sum(t.numel() * t.element_size() for t in model.module_.state_dict().values())
        times = clock.begun_, np.median(clock.epochs_), np.median(clock.writes_)
        print(
            f"| {name} | {weights / 1e3:,.0f} | {size / 1e3:,.0f} | "
            + " | ".join(f"{1e3 * seconds:,.0f}" for seconds in times)
            + " |",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30, help="of all estimators together")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--costs", action="store_true", help="measure files instead")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.costs:
        costs()
        return
    sys.exit(bool(kills(options.kills, random.Random(options.seed))))


if __name__ == "__main__":
    main()
