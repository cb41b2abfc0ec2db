"""What an estimator costs: training and prediction compared with a hand-written loop.

    python examples/benchmarks/speed.py [--rounds 15] [--device cuda]

Contenders take turns in every round, on one thread, and the table gives medians and their
ratios: trust the ratios. All train the same network (20 inputs, 64 hidden units, 64-dimensional
embedding, 10 prototypes) on 20,000 rows of float32 with the same loss, AdamW and batches of 256;
scikit-learn's `MLPClassifier`, on a CPU, one without the embedding. A second table shows what
embedding the columns piecewise-linearly adds to an epoch of networks of the default size.
"""

import argparse
import platform
import statistics
import time
from itertools import pairwise

import numpy as np
import skorch
import torch
from sklearn.datasets import make_classification
from sklearn.neural_network import MLPClassifier
from skorch import NeuralNetClassifier
from torch import nn

import sphereskl
from sphereskl import MLP, HypersphericalPrototypeClassifier
from sphereskl.geometry import simplex

N_ROWS, N_FEATURES, N_CLASSES, HIDDEN, DIM, BATCH, LR = 20_000, 20, 10, 64, 64, 256, 1e-3


class Network(nn.Module):
    """The network of all contenders, written with torch alone."""

    def __init__(self, hidden=(HIDDEN,)):
        super().__init__()
        layers = []
        for n_in, n_out in pairwise((N_FEATURES, *hidden)):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
        self.backbone = nn.Sequential(*layers, nn.Linear(hidden[-1], DIM))
        self.register_buffer("prototypes", simplex(N_CLASSES, DIM).float())
        self.log_scale = nn.Parameter(torch.tensor(1.8))

    def forward(self, X):
        z = nn.functional.normalize(self.backbone(X), dim=1)
        return self.log_scale.exp() * (z @ self.prototypes.T)


def make_data(n_rows=N_ROWS):
    X, y = make_classification(
        n_rows, N_FEATURES, n_informative=15, n_classes=N_CLASSES, random_state=0
    )
    X = ((X - X.mean(axis=0)) / X.std(axis=0)).astype(np.float32)
    return X, y.astype(np.int64)


def hand_written_epoch(model, optimizer, X, y, batch_size=BATCH):
    model.train()
    total = torch.zeros((), device=X.device)
    for index in torch.randperm(len(X), device=X.device).split(batch_size):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(X[index]), y[index])
        loss.backward()
        optimizer.step()
        total += loss.detach()
    return total.item()


def timed(function, *args):
    start = time.perf_counter()
    function(*args)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


class Contenders:
    """The models, each ready to train another epoch or to predict."""

    def __init__(self, X, y, device):
        torch.manual_seed(0)
        self.X, self.y = X, y
        self.tensors = torch.from_numpy(X).to(device), torch.from_numpy(y).to(device)
        self.raw = Network().to(device)
        self.optimizer = torch.optim.AdamW(self.raw.parameters(), lr=LR, fused=True)
        self.ours = HypersphericalPrototypeClassifier(
            backbone=MLP((HIDDEN,), n_members=1, numeric_embedding=None),
            max_epochs=5,
            batch_size=BATCH,
            validation_fraction=0,
            random_state=0,
            device=device,
        )
        self.skorch = NeuralNetClassifier(
            Network,
            criterion=nn.CrossEntropyLoss,
            optimizer=torch.optim.AdamW,
            lr=LR,
            batch_size=BATCH,
            max_epochs=1,
            train_split=None,
            verbose=0,
            device=device,
        )
        self.skorch.initialize()
        self.sklearn = MLPClassifier((HIDDEN,), learning_rate_init=LR, batch_size=BATCH)
        self.sklearn.partial_fit(X, y, classes=np.arange(N_CLASSES))

    def train(self):
        """Seconds of an epoch by each contender; ours as its own history tells them."""
        hand = timed(hand_written_epoch, self.raw, self.optimizer, *self.tensors)
        self.ours.fit(self.X, self.y)
        ours = statistics.median(epoch["dur"] for epoch in self.ours.history_)
        theirs = timed(self.skorch.partial_fit, self.X, self.y)
        return hand, ours, theirs, timed(self.sklearn.partial_fit, self.X, self.y)

    def predict(self):
        """Seconds of labels for all rows by each contender."""

        def hand_written():
            with torch.inference_mode():
                return self.raw.eval()(self.tensors[0]).argmax(dim=1).cpu().numpy()

        return (
            timed(hand_written),
            timed(self.ours.predict, self.X),
            timed(self.skorch.predict_proba, self.X),
            timed(self.sklearn.predict, self.X),
        )


def epoch_with(numeric_embedding, n_members, X, y, device):
    """Seconds of an epoch of a network of the default size."""
    model = HypersphericalPrototypeClassifier(
        backbone=MLP(n_members=n_members, numeric_embedding=numeric_embedding),
        max_epochs=3,
        early_stopping=False,
        random_state=0,
        device=device,
    )
    return statistics.median(epoch["dur"] for epoch in model.fit(X, y).history_)


def report(title, seconds):
    cells = [f"{1e3 * statistics.median(column):.1f}" for column in zip(*seconds, strict=True)]
    to_ours = (statistics.median(row[1] / row[k] for row in seconds) for k in (0, 2, 3))
    print(f"| {title} | {' | '.join(cells)} | {' | '.join(f'{ratio:.2f}' for ratio in to_ours)} |")


def report_embedding(n_members, seconds):
    plain, embedded = (1e3 * statistics.median(column) for column in zip(*seconds, strict=True))
    ratio = statistics.median(row[1] / row[0] for row in seconds)
    print(f"| {n_members} | {plain:.0f} | {embedded:.0f} | {ratio:.2f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    rounds = options.rounds
    torch.set_num_threads(1)
    data = make_data()
    contenders = Contenders(*data, options.device)
    contenders.train()
    training = [contenders.train() for _ in range(rounds)]
    contenders.predict()
    prediction = [contenders.predict() for _ in range(3 * rounds)]
    print(
        f"sphereskl {sphereskl.__version__}, torch {torch.__version__}, skorch "
        f"{skorch.__version__}, Python {platform.python_version()}, one thread, {rounds} rounds"
        + (f", {torch.cuda.get_device_name()}" if options.device != "cpu" else "")
        + "\n"
    )
    print(
        "| 20,000 x 20 float32 | hand-written, ms | sphereskl, ms | skorch, ms | MLPClassifier, ms "
        "| sphereskl / hand-written | / skorch | / MLPClassifier |"
    )
    print("|---" * 8 + "|")
    report("one training epoch", training)
    report("prediction of all rows", prediction)
    print("\n| members | epoch with columns as they are, ms | piecewise-linear, ms | ratio |")
    print("|---|---|---|---|")
    for n_members in (1, 8):
        options_of_both = n_members, *data, options.device
        epochs = [
            [epoch_with(kind, *options_of_both) for kind in (None, "piecewise")]
            for _ in range(max(1, rounds // 3))
        ]
        report_embedding(n_members, epochs)


if __name__ == "__main__":
    main()
