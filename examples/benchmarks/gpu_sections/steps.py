"""Training steps per second on a table: the estimator, a hand-written loop, and CUDA graphs."""

import statistics

import skorch
import torch
from speed import LR, Network, hand_written_epoch, make_data, timed
from torch import nn

from sphereskl import MLP, HypersphericalPrototypeClassifier
from sphereskl.geometry import one_thread, simplex
from sphereskl.nn import EmbeddingModel, cross_entropy, separating_scale

from .graphs import GraphedSteps
from .rows import Plan
from .tables import table

TITLE = "Training steps on a table"
ABOUT = """
Steps per second of a perceptron, 20 columns, ten classes, 64-dimensional embedding, AdamW.
Contenders take turns; ratios are medians of those within a round, above 1 where the
contender is faster than the hand-written loop of torch. Epochs end with a synchronisation, and
compilation is not part of the time. The loop of skorch has its defaults. A CUDA graph holds a whole
step: gathering of the batch, forward and backward pass, update. Goals: sphereskl at least 1.00,
and a graph at least 3.00 for the network of 64 units.
"""
RAW, RAW_COMPILED, SKORCH = "hand-written", "hand-written, compiled", "skorch"
OURS, OURS_COMPILED = "sphereskl", "sphereskl, compile=True"
GRAPHED, RAW_GRAPHED = "sphereskl model, CUDA graph", "hand-written, CUDA graph"
# Every fit compiles anew, which takes longer than all rounds; torch stops after eight times.
_MOST_COMPILED_FITS, _FIT_EPOCHS = 2, 4


def plan(settings):
    options = {key: settings[key] for key in ("rows", "rounds", "backend")}
    return [
        Plan(
            f"{'-'.join(map(str, hidden))}, batches of {batch_size}",
            {"hidden": hidden, "batch_size": batch_size, **options},
            is_seeded=False,
        )
        for hidden in settings["hidden"]
        for batch_size in settings["batch_sizes"]
    ]


def measure(settings, seed, place):
    """Seconds of an epoch of every contender in every round, and errors of those that fail."""
    with one_thread():
        torch.compiler.reset()
        torch.manual_seed(seed)
        contenders = Contenders(settings, place)
        seconds, errors = {RAW: []}, {}
        for _ in range(1 + settings["rounds"]):
            for name, epoch in contenders.epochs.items():
                kept = seconds.setdefault(name, [])
                if name in errors or (name == OURS_COMPILED and len(kept) > _MOST_COMPILED_FITS):
                    continue
                try:
                    kept.append(epoch())
                except Exception as error:
                    errors[name] = f"{type(error).__name__}: {str(error).splitlines()[0]}"[:200]
    # The first round warms up.
    seconds = {name: kept[1:] for name, kept in seconds.items() if name not in errors}
    n_steps = settings["rows"] // settings["batch_size"]
    return {"seconds": seconds, "steps": n_steps, "errors": {**errors, **contenders.missing}}


class Contenders:
    """Functions that train for an epoch and return its seconds, by name."""

    def __init__(self, settings, place):
        X, y = make_data(settings["rows"])
        self.hidden, self.batch_size = tuple(settings["hidden"]), settings["batch_size"]
        self.device, self.backend = place.device, settings["backend"]
        self.rows = X, y
        self.tensors = torch.from_numpy(X).to(self.device), torch.from_numpy(y).to(self.device)
        self.epochs = {
            RAW: self._hand_written(compiled=False),
            OURS: self._ours(),
            RAW_COMPILED: self._hand_written(compiled=True),
            SKORCH: self._skorch(),
        }
        graphs = {GRAPHED: self._graphed, RAW_GRAPHED: self._raw_graphed}
        self.missing = {} if place.is_gpu else dict.fromkeys(graphs, "needs CUDA")
        if self.backend == "inductor":
            self.epochs[OURS_COMPILED] = self._ours(compile=True)
        else:
            self.missing[OURS_COMPILED] = "compiles with the backend inductor only"
        if place.is_gpu:
            self.epochs |= {name: _at_first_call(make) for name, make in graphs.items()}

    def _hand_written(self, compiled):
        model = Network(self.hidden).to(self.device)
        optimizer = torch.optim.AdamW(model.parameters(), lr=LR, fused=True)
        run = torch.compile(model, backend=self.backend) if compiled else model
        return lambda: timed(hand_written_epoch, run, optimizer, *self.tensors, self.batch_size)

    def _ours(self, **options):
        def epoch():
            classifier = HypersphericalPrototypeClassifier(
                backbone=self._backbone(),
                max_epochs=_FIT_EPOCHS,
                batch_size=self.batch_size,
                validation_fraction=0,
                random_state=0,
                device=self.device,
                **options,
            ).fit(*self.rows)
            # The history ends an epoch when the device has; the first one compiles.
            return statistics.median(epoch["dur"] for epoch in list(classifier.history_)[1:])

        return epoch

    def _skorch(self):
        net = skorch.NeuralNetClassifier(
            Network,
            module__hidden=self.hidden,
            criterion=nn.CrossEntropyLoss,
            optimizer=torch.optim.AdamW,
            lr=LR,
            batch_size=self.batch_size,
            max_epochs=1,
            train_split=None,
            verbose=0,
            device=self.device,
        ).initialize()
        return lambda: timed(net.partial_fit, *self.rows)

    def _backbone(self):
        return MLP(self.hidden, n_members=1, numeric_embedding=None)

    def _graphed(self):
        n_classes, dim = 10, 64
        model = EmbeddingModel(
            self._backbone().build((self.tensors[0].shape[1],), dim),
            simplex(n_classes, dim).float(),
            scale=separating_scale(n_classes),
            learn_scale=True,
        ).to(self.device)

        def loss(X, y):
            return cross_entropy(model(X), y, scale=model.scale)

        return self._replayed(model, loss)

    def _raw_graphed(self):
        model = Network(self.hidden).to(self.device)

        def loss(X, y):
            return nn.functional.cross_entropy(model(X), y)

        return self._replayed(model, loss)

    def _replayed(self, model, loss):
        steps = GraphedSteps(model.train(), loss, *self.tensors, self.batch_size, LR)
        return lambda: timed(steps.epoch)


def _at_first_call(make):
    """Put off what may fail to the block that records errors."""
    made = []

    def epoch():
        if not made:
            made.append(make())
        return made[0]()

    return epoch


def tables(rows):
    head = ["network", "contender", "steps per second", "relative to hand-written", "epochs timed"]
    return [table(head, [line for row in rows for line in _lines(row)])] if rows else []


def _lines(row):
    result, lines = row["result"], []
    for name, seconds in result["seconds"].items():
        raw = result["seconds"][RAW]
        ratio = statistics.median(a / b for a, b in zip(raw, seconds, strict=False))
        rate = result["steps"] / statistics.median(seconds)
        lines.append([row["name"], name, f"{rate:,.0f}", f"{ratio:.2f}", str(len(seconds))])
    for name, error in result["errors"].items():
        lines.append([row["name"], name, "-", error, "0"])
    return lines
