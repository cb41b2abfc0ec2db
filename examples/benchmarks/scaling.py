"""How much faster one fit is by several processes: a fit by one, a fit by all, in turns.

    python examples/benchmarks/scaling.py [--processes 2] [--rounds 3] [--threads 1]

Every fit is one of 5 epochs on 2,000 rows. The table gives medians of seconds by the clock and of
CPU seconds, those of the busiest process, with their ratios. Where cores have other work the clock
measures that as well; processes with cores of their own could reach the ratio of CPU seconds.
"""

import argparse
import platform
import tempfile
import time

import numpy as np
import torch
from torch import distributed, multiprocessing

import sphereskl
from sphereskl import MLP, ConvNet, HypersphericalPrototypeClassifier

N_ROWS, N_CLASSES = 2000, 10


def cases():
    table, image = (100,), (3, 16, 16)
    return {
        "MLP, 8 members of (128, 128), batches of 128": (table, MLP(), 128),
        "MLP, one of (1024, 1024), batches of 128": (table, MLP((1024, 1024), n_members=1), 128),
        "MLP, one of (1024, 1024), batches of 1,024": (table, MLP((1024, 1024), n_members=1), 1024),
        "ConvNet on 3 x 16 x 16, batches of 128": (image, ConvNet(), 128),
    }


def seconds(name):
    """Fit, and return how long that took by the clock and by the CPU."""
    shape, network, batch_size = cases()[name]
    rng = np.random.RandomState(0)
    y = rng.randint(N_CLASSES, size=N_ROWS)
    X = rng.standard_normal((N_ROWS, *shape)).astype(np.float32)
    X.reshape(N_ROWS, -1)[np.arange(N_ROWS), y] += 3
    estimator = HypersphericalPrototypeClassifier(
        backbone=network, max_epochs=5, batch_size=batch_size, random_state=0, early_stopping=False
    )
    started = np.array([time.perf_counter(), time.process_time()])
    estimator.fit(X, y)
    return np.array([time.perf_counter(), time.process_time()]) - started


def serve(rank, size, path, threads, orders):
    """Fit what the arguments say, alone or in a group, and send back the time."""
    torch.set_num_threads(threads)
    if size > 1:
        where = {"init_method": f"file://{path}", "rank": rank, "world_size": size}
        distributed.init_process_group("gloo", **where)
    while (name := orders.recv()) is not None:
        orders.send(seconds(name))
    if size > 1:
        distributed.destroy_process_group()


def start(size, threads):
    """Return the ends of pipes to processes that wait for orders."""
    context, path, ends = multiprocessing.get_context("spawn"), tempfile.mktemp(), []
    for rank in range(size):
        end, other = context.Pipe()
        context.Process(target=serve, args=(rank, size, path, threads, other), daemon=True).start()
        ends.append(end)
    return ends


def ask(ends, name):
    for end in ends:
        end.send(name)
    return np.max([end.recv() for end in ends], axis=0) if name else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    print(f"sphereskl {sphereskl.__version__}, torch {torch.__version__}, {platform.machine()}\n")
    n = given.processes
    print(f"| network | 1 process | {n} processes | ratio | 1, CPU | {n}, CPU | ratio |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    alone, together = start(1, given.threads), start(given.processes, given.threads)
    for name in cases():
        ask(alone, name), ask(together, name)  # warm-up
        rounds = [(ask(alone, name), ask(together, name)) for _ in range(given.rounds)]
        one, many = (np.median(times, axis=0) for times in zip(*rounds, strict=True))
        columns = [column for pair in zip(one, many, one / many, strict=True) for column in pair]
        print(f"| {name} | {' | '.join(f'{column:.2f}' for column in columns)} |", flush=True)
    ask(alone, None), ask(together, None)


if __name__ == "__main__":
    main()
