"""What data that stay on disk cost: memory, rows a second, and both by the size of the data.

    python examples/benchmarks/streaming.py memory  [--rows 20000000] [--images 200000]
    python examples/benchmarks/streaming.py rows
    python examples/benchmarks/streaming.py classes

Every row of a table is a fit of one epoch in a process of its own, on one thread: a process does
not give back all the memory that it once had. Memory is the anonymous part (``RssAnon`` of Linux)
at its highest, above that of a process that has imported everything and fitted a small model;
pages of files, which the system keeps as long as nobody needs the memory, are not counted.
Rows are drawn by a fixed rule and written to a temporary folder block by block.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from sphereskl import MLP, ConvNet, HypersphericalPrototypeClassifier

BLOCK = 100_000
# Cosines that are computed to predict: with very many classes not all rows are.
MOST_COSINES = 4 * 10**9


class Rows(Dataset):
    """A map-style Dataset over files, as a user would write it."""

    def __init__(self, X, y):
        self.X, self.y = X, y

    def __len__(self):
        return len(self.X)

    def __getitem__(self, i):
        return self.X[i], int(self.y[i])


def write_table(folder, n_rows, n_classes):
    """Write 20 columns, and classes that are the nearest of random directions."""
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(n_classes, 20)).astype(np.float32)
    X = np.lib.format.open_memmap(folder / "X.npy", "w+", np.float32, (n_rows, 20))
    y = np.lib.format.open_memmap(folder / "y.npy", "w+", np.int64, (n_rows,))
    for start in range(0, n_rows, BLOCK):
        label = generator.integers(0, n_classes, min(BLOCK, n_rows - start))
        label[: max(0, n_classes - start)] = np.arange(n_classes)[start : start + len(label)]
        rows = slice(start, start + len(label))
        noise = generator.normal(size=(len(label), 20)).astype(np.float32)
        X[rows], y[rows] = centres[label] + 0.7 * noise, label
    X.flush(), y.flush()


def write_images(folder, n_rows):
    """Write images of bytes, 3 x 64 x 64, of which a patch is lit by class."""
    generator = np.random.default_rng(0)
    X = np.lib.format.open_memmap(folder / "X.npy", "w+", np.uint8, (n_rows, 3, 64, 64))
    y = np.arange(n_rows) % 10
    for start in range(0, n_rows, 5000):
        rows = slice(start, min(n_rows, start + 5000))
        images = generator.integers(0, 128, (rows.stop - start, 3, 64, 64), dtype=np.uint8)
        images[:, 0, 8:24, 8:24] += (y[rows, None, None] * 12).astype(np.uint8)
        X[rows] = images
    X.flush()
    np.save(folder / "y.npy", y)


class Peak:
    """Highest anonymous memory of this process while a block runs, in MB."""

    def __enter__(self):
        self.before = self.highest = self._now()
        self.runs = True
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.runs = False
        self.thread.join()
        self.above = self.highest - self.before

    def _watch(self):
        while self.runs:
            self.highest = max(self.highest, self._now())
            time.sleep(0.005)

    @staticmethod
    def _now():
        status = Path("/proc/self/status").read_text()
        return int(status.split("RssAnon:")[1].split()[0]) / 1024


def measure(folder, source, backbone, batch_size):
    """Fit and predict once; print a line of JSON."""
    torch.set_num_threads(1)
    networks = {
        "small": MLP(hidden_layer_sizes=(64,), n_members=1, numeric_embedding=None),
        "default": "auto",
        "convnet": ConvNet(widths=(16, 32), n_blocks=1),
    }
    model = HypersphericalPrototypeClassifier(
        backbone=networks[backbone], max_epochs=1, batch_size=batch_size, random_state=0
    )
    warm = np.random.default_rng(0).random((64, 3))
    HypersphericalPrototypeClassifier(max_epochs=1).fit(warm, np.arange(64) % 2).predict(warm)
    X, y = (np.load(Path(folder) / name, mmap_mode="r") for name in ("X.npy", "y.npy"))
    if source == "memory":
        X, y = np.array(X), np.array(y)
    n_predicted = min(len(X), MOST_COSINES // int(y.max() + 1))
    given = {
        "dataset": lambda: Rows(X, y),
        "2 workers": lambda: DataLoader(Rows(X, y), num_workers=2),
    }
    data = (given[source](), None) if source in given else (X, y)
    with Peak() as fitting:
        start = time.perf_counter()
        model.fit(*data)
        seconds = time.perf_counter() - start
    with Peak() as predicting:
        start = time.perf_counter()
        asked = data[0] if n_predicted == len(X) else data[0][:n_predicted]
        hits = model.predict(asked) == y[:n_predicted]
        seconds_predicting = time.perf_counter() - start
    print(
        json.dumps(
            {
                "megabytes": X.nbytes / 1e6,
                "fit": fitting.above,
                "predict": predicting.above,
                "rows_per_second": len(X) / seconds,
                "predicted_per_second": n_predicted / seconds_predicting,
                "seconds": seconds,
                "accuracy": float(hits.mean()),
            }
        )
    )


def run(folder, source, backbone, batch_size):
    """Measure in a process of its own."""
    arguments = ["_measure", str(folder), source, backbone, str(batch_size)]
    done = subprocess.run(
        [sys.executable, __file__, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def memory_table(folder, n_rows, n_images):
    print(
        "| data | on disk (MB) | source | fit: memory (MB) | predict: memory (MB) | "
        "fit: rows/s | predict: rows/s |\n|---|---|---|---|---|---|---|"
    )
    tables = [(rows, ["memory", "memmap", "dataset"]) for rows in (1_000_000,)]
    tables += [(n_rows, ["memmap"])]
    for rows, sources in tables:
        write_table(folder, rows, 10)
        for source in sources:
            _print_memory(f"{rows:,} x 20 float32", source, run(folder, source, "small", 1024))
    write_images(folder, n_images // 10)
    for source in ("memory", "memmap", "2 workers"):
        name = f"{n_images // 10:,} x 3 x 64 x 64 uint8"
        _print_memory(name, source, run(folder, source, "convnet", 128))
    write_images(folder, n_images)
    name = f"{n_images:,} x 3 x 64 x 64 uint8"
    _print_memory(name, "memmap", run(folder, "memmap", "convnet", 128))


def _print_memory(name, source, found):
    print(
        f"| {name} | {found['megabytes']:,.0f} | {source} | +{found['fit']:,.0f} | "
        f"+{found['predict']:,.0f} | {found['rows_per_second']:,.0f} | "
        f"{found['predicted_per_second']:,.0f} |",
        flush=True,
    )


def rows_table(folder, most):
    print("| rows | fit (s) | microseconds a row | memory (MB) | accuracy |\n|---|---|---|---|---|")
    for rows in (10**3, 10**4, 10**5, 10**6, 10**7, 2 * 10**7):
        if rows <= most:
            write_table(folder, rows, 10)
            found = run(folder, "memmap", "small", 1024)
            _print_size(rows, rows, found)


def classes_table(folder):
    print(
        "| classes | fit (s) | microseconds a row | memory (MB) | accuracy |\n|---|---|---|---|---|"
    )
    for n_classes in (10, 100, 1000, 10_000, 100_000):
        rows = max(100_000, 4 * n_classes)
        write_table(folder, rows, n_classes)
        _print_size(n_classes, rows, run(folder, "memmap", "small", 128))


def _print_size(size, n_rows, found):
    print(
        f"| {size:,} | {found['seconds']:,.1f} | {found['seconds'] / n_rows * 1e6:,.0f} | "
        f"+{found['fit']:,.0f} | {found['accuracy']:.3f} |",
        flush=True,
    )


def main():
    if sys.argv[1:2] == ["_measure"]:
        folder, source, backbone, batch_size = sys.argv[2:]
        measure(folder, source, backbone, int(batch_size))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", choices=["memory", "rows", "classes"])
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--images", type=int, default=200_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.table == "memory":
            memory_table(Path(folder), given.rows, given.images)
        elif given.table == "rows":
            rows_table(Path(folder), given.rows)
        else:
            classes_table(Path(folder))


if __name__ == "__main__":
    main()
