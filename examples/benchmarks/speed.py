"""What an estimator costs: training and prediction compared with a hand-written loop.

    python examples/benchmarks/speed.py [--rounds 15] [--device cuda]

Contenders take turns in every round, on one thread, and the table gives medians and their
ratios: trust the ratios. All train the same network (20 inputs, 64 hidden units, 64-dimensional
embedding, 10 prototypes) on 20,000 rows of float32 with the same loss, AdamW and batches of 256.
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
        loss = nn.functional.cross_entropy(model(X[index]), y[index], label_smoothing=0.1)
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
    """The three models, each ready to train another epoch or to predict."""

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
            criterion=nn.CrossEntropyLoss(label_smoothing=0.1),
            optimizer=torch.optim.AdamW,
            lr=LR,
            batch_size=BATCH,
            max_epochs=1,
            train_split=None,
            verbose=0,
            device=device,
        )
        self.skorch.initialize()

    def train(self):
        """Seconds of an epoch by each contender; ours as its own history tells them."""
        hand = timed(hand_written_epoch, self.raw, self.optimizer, *self.tensors)
        self.ours.fit(self.X, self.y)
        ours = statistics.median(epoch["dur"] for epoch in self.ours.history_)
        theirs = timed(self.skorch.partial_fit, self.X, self.y)
        return hand, ours, theirs

    def predict(self):
        """Seconds of labels for all rows by each contender."""

        def hand_written():
            with torch.inference_mode():
                return self.raw.eval()(self.tensors[0]).argmax(dim=1).cpu().numpy()

        return (
            timed(hand_written),
            timed(self.ours.predict, self.X),
            timed(self.skorch.predict_proba, self.X),
        )


def report(title, seconds):
    hand, ours, theirs = (1e3 * statistics.median(column) for column in zip(*seconds, strict=True))
    to_hand = statistics.median(row[1] / row[0] for row in seconds)
    to_skorch = statistics.median(row[2] / row[1] for row in seconds)
    print(f"| {title} | {hand:.1f} | {ours:.1f} | {theirs:.1f} | {to_hand:.2f} | {to_skorch:.1f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    rounds = options.rounds
    torch.set_num_threads(1)
    contenders = Contenders(*make_data(), options.device)
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
        "| 20,000 x 20 float32 | hand-written, ms | sphereskl, ms | skorch, ms | sphereskl / "
        "hand-written | skorch / sphereskl |"
    )
    print("|---|---|---|---|---|---|")
    report("one training epoch", training)
    report("prediction of all rows", prediction)


if __name__ == "__main__":
    main()
