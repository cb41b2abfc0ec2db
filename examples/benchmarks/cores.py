"""Training images on several cores: time by number of threads, compared with plain torch.

    python examples/benchmarks/cores.py [--threads 1 2] [--rounds 5] [--rows 1024]

A net of ours and a loop written by hand over the same network, loss and optimiser train for an
epoch on each number of threads; all take turns in every round, and entries are medians of the
ratios of wall-clock time within a round. Then predictions on the same threads. Last, whether models
are the same on every number of threads, to the bit.
"""

import argparse
import copy
import platform
import statistics
import time

import torch
from torch import nn

import sphereskl
from sphereskl.geometry import place_prototypes
from sphereskl.nn import ConvNet, EmbeddingModel, SphereCNN, cross_entropy
from sphereskl.training import Criterion, EmbeddingNet, TensorData, fit_net, infer, seeded

NETWORKS = {
    "ConvNet()": ConvNet(),
    "ConvNet((16, 32, 64), n_blocks=1)": ConvNet((16, 32, 64), n_blocks=1),
    "SphereCNN()": SphereCNN(),
}
SHAPES = [(1, 28, 28), (3, 32, 32)]
BATCH, N_CLASSES, DIM = 128, 10, 64


def make_model(config, shape):
    """Return a network below ten prototypes."""
    with seeded(0):
        backbone = config.build(shape, DIM)
    prototypes = torch.as_tensor(place_prototypes(N_CLASSES, DIM), dtype=torch.float32)
    return EmbeddingModel(backbone, prototypes, scale=16.0, learn_scale=True)


def ours(model, data):
    """Train for an epoch."""
    criterion = Criterion(cross_entropy, uses_scale=True)
    net = EmbeddingNet(model, criterion, lr=1e-3, batch_size=BATCH)
    return fit_net(net, data, max_epochs=1, schedule="constant").module_


def by_hand(model, data):
    """Train for an epoch as a loop in plain torch does, on as many threads as torch has."""
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for index in torch.randperm(len(data.X)).split(BATCH):
        optimizer.zero_grad()
        logits = model.scale * model(data.X[index])
        nn.functional.cross_entropy(logits, data.target[index]).backward()
        optimizer.step()
    return model


def predicted(model, data):
    """Predict the rows; return what is not timed."""
    infer(model.eval().logits, data.X)
    return model


def seconds(contender, n_threads, model, data):
    """Return the wall-clock time of a contender on a number of threads, and its model."""
    model = copy.deepcopy(model)
    torch.set_num_threads(n_threads)
    start = time.perf_counter()
    model = contender(model, data)
    return time.perf_counter() - start, model


def bits(model):
    """Return all numbers of a model."""
    return torch.cat([value.flatten().double() for value in model.state_dict().values()])


def report(name, shape, args):
    """Print the rows of a network on images of a shape."""
    model = make_model(NETWORKS[name], shape)
    data = TensorData(torch.randn(args.rows, *shape), torch.arange(args.rows) % N_CLASSES)
    contenders = {"training": ours, "by hand": by_hand, "prediction": predicted}
    turns = [(kind, n) for n in args.threads for kind in contenders]
    times, models = {turn: [] for turn in turns}, {}
    for _ in range(args.rounds):
        for kind, n_threads in turns:
            spent, trained = seconds(contenders[kind], n_threads, model, data)
            times[kind, n_threads].append(spent)
            if kind == "training":
                models[n_threads] = bits(trained)

    def ratio(one, other):
        return statistics.median(a / b for a, b in zip(times[one], times[other], strict=True))

    first = args.threads[0]
    for n_threads in args.threads:
        same = torch.equal(models[n_threads], models[first])
        per_image = 1e3 * statistics.median(times["training", n_threads]) / args.rows
        print(
            f"| {name} | {' x '.join(map(str, shape))} | {n_threads} | {per_image:.2f} | "
            f"{ratio(('training', first), ('training', n_threads)):.2f} | "
            f"{ratio(('training', n_threads), ('by hand', n_threads)):.2f} | "
            f"{ratio(('prediction', first), ('prediction', n_threads)):.2f} | "
            f"{'yes' if same else 'NO'} |",
            flush=True,
        )


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1024)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    args = parser.parse_args()
    print(
        f"sphereskl {sphereskl.__version__}, torch {torch.__version__}, Python "
        f"{platform.python_version()}, batches of {BATCH}, {args.rows} images, "
        f"{args.rounds} rounds\n"
    )
    print(
        "| network | images | threads | ms an image and epoch | times faster than on "
        f"{args.threads[0]} | time / plain torch | predictions, times faster | same bits |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name in args.networks:
        for shape in SHAPES:
            report(name, shape, args)


if __name__ == "__main__":
    main()
