"""Training steps by where the images lie: on the device or on the host, as floats or as bytes."""

import statistics
from contextlib import nullcontext
from unittest.mock import patch

import numpy as np
import torch
from speed import timed
from torch import nn

from sphereskl import ConvNet
from sphereskl.geometry import simplex
from sphereskl.nn import EmbeddingModel, cross_entropy
from sphereskl.preprocessing import ImageEncoder, StoredRows, traced
from sphereskl.training import LazyRows, ResidentRows, ShuffledBatches, TensorData

from .rows import Plan
from .tables import table

TITLE = "Where images lie"
ABOUT = """
Seconds of an epoch of a small `ConvNet` on random images of 3 x 32 x 32 bytes, with AdamW; what
differs is where batches come from. Contenders take turns; ratios are medians of those within a
round to floats on the device, above 1 where that is faster. Stored rows are read by NumPy, as from
a memory map, and copied from page-locked memory, or, in the last row, as they are.
"""
FLOATS, BYTES = "floats on the device", "bytes on the device"
HOST, STORED, PAGED = "bytes on the host", "stored bytes", "stored bytes, not page-locked"


def plan(settings):
    return [Plan("ConvNet", settings, is_seeded=False)]


def measure(settings, seed, place):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (settings["images"], 3, 32, 32), dtype=np.uint8)
    target = torch.from_numpy(rng.integers(0, 10, len(images))).to(place.device)
    sources = _sources(images, place.device)
    model = EmbeddingModel(
        ConvNet(tuple(settings["widths"]), n_blocks=1).build(images.shape[1:], 64),
        simplex(10, 64).float(),
    ).to(place.device)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    seconds = {name: [] for name in sources}
    for _ in range(1 + settings["rounds"]):
        for name, X in sources.items():
            data = TensorData(X, target)
            batches = ShuffledBatches(data, settings["batch_size"], torch.Generator())
            is_paged = name == PAGED
            with patch("sphereskl.training._data.moved", _copied) if is_paged else nullcontext():
                seconds[name].append(timed(_epoch, model, optimizer, batches))
    # The first round warms up.
    return {"seconds": {name: kept[1:] for name, kept in seconds.items()}}


def _sources(images, device):
    encoder = ImageEncoder(images.shape[1:]).fit(images)
    on_host = ResidentRows(torch.from_numpy(images), traced(encoder))
    stored = LazyRows(StoredRows(images, images.dtype), encoder.transform)
    sources = {FLOATS: encoder.transform(images).to(device), BYTES: on_host.to(device)}
    sources |= {HOST: on_host, STORED: stored}
    return sources | ({PAGED: stored} if device.type == "cuda" else {})


def _copied(x, device):
    return x.to(device)


def _epoch(model: nn.Module, optimizer, batches):
    total = torch.zeros((), device=batches.data.target.device)
    for batch in batches:
        optimizer.zero_grad(set_to_none=True)
        loss = cross_entropy(model(batch.X), batch.target)
        loss.backward()
        optimizer.step()
        total += loss.detach()
    return total.item()


def tables(rows):
    head = ["batches from", "seconds an epoch", "relative to floats on the device"]
    return [table(head, [line for row in rows for line in _lines(row)])] if rows else []


def _lines(row):
    first = row["result"]["seconds"][FLOATS]
    return [
        [
            name,
            f"{statistics.median(seconds):.2f}",
            f"{statistics.median(a / b for a, b in zip(first, seconds, strict=True)):.2f}",
        ]
        for name, seconds in row["result"]["seconds"].items()
    ]
