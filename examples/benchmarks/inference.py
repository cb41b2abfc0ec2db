"""What a chunk of inference costs by its size: time for each image, and memory.

    python examples/benchmarks/inference.py [--rounds 7] [--rows 2048]

The trained network is the default for images, `ConvNet`, on images of 3 x 32 x 32. Chunks of all
sizes take turns in every round, on one thread; then `sphereskl.training.infer`, which chooses the
size itself, on one thread and on all. Times are medians for each image; memory is what a
process of its own needs at its peak for all images, above what it needed before. Linux only.
"""

import argparse
import os
import platform
import resource
import statistics
import time
from functools import partial
from pathlib import Path

import torch

import sphereskl
from sphereskl import ConvNet
from sphereskl.geometry import simplex
from sphereskl.nn import EmbeddingModel
from sphereskl.training import infer

SHAPE, CHUNKS = (3, 32, 32), [16, 64, 128, 256, 512, 1024, 4096]


def make_model():
    torch.manual_seed(0)
    backbone = ConvNet().build(SHAPE, 64)
    return EmbeddingModel(backbone, simplex(10, 64).float()).eval()


def by_chunks(model, X, size):
    """Logits of all rows, `size` rows at a time."""
    with torch.inference_mode():
        return torch.cat([model.logits(part) for part in X.split(size)])


def by_default(model, X, n_threads):
    torch.set_num_threads(n_threads)
    try:
        return infer(model.logits, X)
    finally:
        torch.set_num_threads(1)


def seconds(contender):
    start = time.perf_counter()
    contender()
    return time.perf_counter() - start


def peak(contender):
    """MiB at the peak of a forked process above what it starts with."""
    receives, sends = os.pipe()
    if not os.fork():
        resident = int(Path("/proc/self/statm").read_text().split()[1])
        before = resident * resource.getpagesize()
        contender()
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        os.write(sends, str((after - before) / 2**20).encode())
        os._exit(0)
    os.close(sends)
    with os.fdopen(receives) as told:
        return float(told.read())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--rows", type=int, default=4096)
    args = parser.parse_args()
    n_threads = os.cpu_count() or 1
    torch.set_num_threads(1)
    model, X = make_model(), torch.randn(args.rows, *SHAPE)
    contenders = {f"chunks of {size}": partial(by_chunks, model, X, size) for size in CHUNKS}
    contenders["infer, 1 thread"] = partial(by_default, model, X, 1)
    contenders[f"infer, {n_threads} threads"] = partial(by_default, model, X, n_threads)
    # Before anything ran: what the process used already does not count for a child.
    memory = {name: peak(contender) for name, contender in contenders.items()}
    times = {name: [] for name in contenders}
    for _ in range(args.rounds):
        for name, contender in contenders.items():
            times[name].append(seconds(contender))
    print(
        f"sphereskl {sphereskl.__version__}, torch {torch.__version__}, Python "
        f"{platform.python_version()}, {args.rows} images, {args.rounds} rounds\n"
    )
    print("| | ms an image | time / chunks of 64 | MiB at the peak |\n|---|--:|--:|--:|")
    for name, own in times.items():
        pairs = zip(own, times["chunks of 64"], strict=True)
        ratio = statistics.median(a / b for a, b in pairs)
        each = 1e3 * statistics.median(own) / args.rows
        print(f"| {name} | {each:.2f} | {ratio:.2f} | {memory[name]:.0f} |")


if __name__ == "__main__":
    main()
