"""What an angular loss costs compared with plain cross-entropy: forward and backward, side by side.

python examples/benchmarks/angular_losses.py
"""

import statistics
import time

import torch

from sphereskl.nn import ANGULAR_LOSSES, cross_entropy, make_angular_loss

SHAPES = ((128, 10), (128, 100), (512, 1000))
ROUNDS, REPEATS = 60, 20


def plain(cosines, target, norm):
    return cross_entropy(cosines, target, scale=norm[:, None])


def angular(name):
    loss = make_angular_loss(name)
    return lambda cosines, target, norm: loss(cosines, target, None, norm)


def seconds(loss, cosines, target, norm):
    start = time.perf_counter()
    for _ in range(REPEATS):
        cosines.grad = norm.grad = None
        loss(cosines, target, norm).backward()
    return time.perf_counter() - start


def ratios(losses, shape):
    """Median over rounds of each loss's time over the plain one's, interleaved."""
    generator = torch.Generator().manual_seed(0)
    cosines = (1.9 * torch.rand(shape, generator=generator) - 0.95).requires_grad_()
    norm = (torch.rand(shape[0], generator=generator) + 4).requires_grad_()
    target = torch.arange(shape[0]) % shape[1]
    found = {name: [] for name in losses}
    for _ in range(ROUNDS):
        base = seconds(plain, cosines, target, norm)
        for name, loss in losses.items():
            found[name].append(seconds(loss, cosines, target, norm) / base)
    return {name: statistics.median(values) for name, values in found.items()}


def main():
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread, {ROUNDS} interleaved rounds of {REPEATS} steps")
    losses = {name: angular(name) for name in sorted(ANGULAR_LOSSES)}
    table = {shape: ratios(losses, shape) for shape in SHAPES}
    print("\n| loss | " + " | ".join(f"{n} rows, {k} classes" for n, k in SHAPES) + " |")
    print("|---|" + "--:|" * len(SHAPES))
    for name in sorted(losses, key=lambda name: name != "w_softmax"):
        print(f"| {name} | " + " | ".join(f"{table[s][name]:.2f}" for s in SHAPES) + " |")


if __name__ == "__main__":
    main()
