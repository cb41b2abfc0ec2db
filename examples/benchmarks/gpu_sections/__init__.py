"""Sections of `gpu.py`, in order of worth.

Each is a module with `TITLE` and `ABOUT` for the page, `plan(settings)`, a list of `Plan`s,
`measure(settings, seed, place)`, which returns the result of a row as a dict, and `tables(rows)`,
the Markdown of results, a list of paragraphs.
"""

from . import batches, bottleneck, cifar, convolutions, depth, gain, steps, storage

SECTIONS = {
    "steps": steps,
    "convolutions": convolutions,
    "cifar": cifar,
    "bottleneck": bottleneck,
    "depth": depth,
    "batches": batches,
    "gain": gain,
    "storage": storage,
}
