"""Where hyperspherical layers train and ordinary ones do not: scale of weights, and depth.

    python examples/benchmarks/spherenet_depth.py [--data DIR] [--seeds 3]

Plain networks (no shortcuts) of 3 x 3 convolutions in three stages of 12, 16 and 24 filters,
a dense layer to 64 values and an ordinary one to 10 classes, on 6,000 images of CIFAR-10
averaged to 16 x 16 pixels: Adam with learning rate 1e-3, 250 batches of 64. Training loss and
accuracy are means over the last 50 batches. Tables are printed anew after every seed.
"""

import argparse
import platform
import sys
from collections import defaultdict
from statistics import mean

import numpy as np
import torch
from datasets import add_data_option, load_images
from torch import nn

import sphereskl
from sphereskl.nn import SphereCNN

WIDTHS, DIM, BATCH, LR, LAST = (12, 16, 24), 64, 64, 1e-3, 50
GAINS = (0.1, 1, 10)

SCALE_CASES = {
    "convolution + ReLU (He)": SphereCNN(9, WIDTHS, norm=None, spherical=False),
    "spherical, cosine + ReLU": SphereCNN(9, WIDTHS, norm=None, operator="cosine"),
    "spherical, sigmoid 0.3 + ReLU": SphereCNN(9, WIDTHS, norm=None),
    "spherical, sigmoid 0.3 + SphereNorm + ReLU": SphereCNN(9, WIDTHS, norm="sphere"),
}


def depth_cases(depth, widths=WIDTHS):
    """Configurations of a depth."""
    return {
        "spherical, sigmoid 0.1, no ReLU": SphereCNN.very_deep(depth, widths),
        "spherical, sigmoid 0.3 + ReLU": SphereCNN(depth, widths, norm=None),
        "convolution + ReLU (He)": SphereCNN(depth, widths, norm=None, spherical=False),
        "convolution + batch norm + ReLU": SphereCNN(depth, widths, spherical=False),
    }


def load(folder):
    """6,000 images of 16 x 16 pixels with values in [-1, 1], and their classes."""
    X, y, *_ = load_images("cifar10", folder)
    return prepared(X, y, 6_000)


def prepared(X, y, n_images):
    """Choose images and average them to half their size, with values in [-1, 1]."""
    chosen = np.random.default_rng(0).choice(len(X), n_images, replace=False)
    X = torch.from_numpy(X[chosen]).permute(0, 3, 1, 2).float()
    X = nn.functional.avg_pool2d((X - 127.5) / 128, 2)
    return X, torch.from_numpy(y[chosen].astype(np.int64))


def make_network(config, seed, gain=1.0):
    """Backbone and classes; `gain` multiplies all weights of the backbone."""
    torch.manual_seed(seed)
    backbone = config.build((3, 16, 16), DIM)
    with torch.no_grad():
        for parameter in backbone.parameters():
            if parameter.ndim > 1:
                parameter *= gain
    return nn.Sequential(backbone, nn.Linear(DIM, 10))


def train(network, X, y, seed, n_steps, regularizer=None):
    """Mean loss and accuracy of the last batches, before each is learned from."""
    generator = torch.Generator().manual_seed(seed)
    n_epochs = 1 + n_steps * BATCH // len(X)
    order = torch.cat([torch.randperm(len(X), generator=generator) for _ in range(n_epochs)])
    optimizer = torch.optim.Adam(network.parameters(), LR)
    losses, accuracies = [], []
    for batch in order[: n_steps * BATCH].split(BATCH):
        optimizer.zero_grad()
        outputs = network(X[batch])
        loss = nn.functional.cross_entropy(outputs, y[batch])
        (loss if regularizer is None else loss + regularizer(network)).backward()
        optimizer.step()
        losses.append(loss.item())
        accuracies.append((outputs.argmax(dim=1) == y[batch]).float().mean().item())
    return mean(losses[-LAST:]), mean(accuracies[-LAST:])


def deviation(config, X, seed, gain):
    """Largest change of outputs before training by `gain`, relative to the largest output."""
    with torch.no_grad():
        scaled, plain = make_network(config, seed, gain)(X), make_network(config, seed)(X)
    return ((scaled - plain).abs().max() / plain.abs().max()).item()


def run_scale(results, X, y, seed, n_steps):
    for name, config in SCALE_CASES.items():
        for gain in GAINS:
            changed = deviation(config, X[:BATCH], seed, gain)
            loss, _ = train(make_network(config, seed, gain), X, y, seed, n_steps)
            results[name, gain].append((changed, loss))
            print(name, gain, changed, loss, file=sys.stderr, flush=True)


def run_depth(results, X, y, seed, n_steps, depths):
    for depth in depths:
        for name, config in depth_cases(depth).items():
            _, accuracy = train(make_network(config, seed), X, y, seed, n_steps)
            results[name, depth].append(accuracy)
            print(name, depth + 1, accuracy, file=sys.stderr, flush=True)


def print_scale(results):
    print("| 10 layers, no normalisation | gain of weights | change of first outputs | loss |")
    print("|---|---|---|---|")
    for (name, gain), runs in results.items():
        losses = " / ".join(f"{loss:.3g}" for _, loss in runs)
        print(f"| {name} | {gain} | {max(changed for changed, _ in runs):.1e} | {losses} |")


def print_depth(results, depths):
    print("| training accuracy, % | " + " | ".join(f"{d + 1} layers" for d in depths) + " |")
    print("|---|" + "---|" * len(depths))
    for name in depth_cases(depths[0]):
        cells = [" / ".join(f"{100 * a:.1f}" for a in results[name, depth]) for depth in depths]
        print(f"| {name} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_option(parser)
    parser.add_argument("--seeds", type=int, default=3, help="number of runs of each network")
    parser.add_argument(
        "--depths",
        type=int,
        nargs="+",
        default=[18, 36, 60],
        metavar="N",
        help="convolutions, multiples of 3",
    )
    parser.add_argument("--steps", type=int, default=250, help="batches to train on")
    args = parser.parse_args()
    torch.set_num_threads(1)
    X, y = load(args.data)
    print(
        f"sphereskl {sphereskl.__version__}, torch {torch.__version__}, Python "
        f"{platform.python_version()}, {args.steps} batches"
    )
    by_scale, by_depth = defaultdict(list), defaultdict(list)
    for seed in range(args.seeds):
        run_scale(by_scale, X, y, seed, args.steps)
        run_depth(by_depth, X, y, seed, args.steps, args.depths)
        print(f"\nSeeds 0 to {seed}\n")
        print_scale(by_scale)
        print()
        print_depth(by_depth, args.depths)


if __name__ == "__main__":
    main()
