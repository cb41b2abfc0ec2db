"""Normalisation in small batches: `SphereNorm` and batch normalisation."""

from argparse import Namespace

import numpy as np
from spherenet_images import NORMS
from spherenet_images import fit as fit_spherenet

from .images import subset
from .rows import Plan
from .tables import by_name, filters, spread, table

TITLE = "Small batches"
ABOUT = """
Test accuracy in per cent, mean ± standard deviation (number of seeds), and mean test loss, for
the same number of epochs at every batch size. "sphere, sphere" is `SphereNorm` alone, "sphere,
both" `SphereNorm` before batch normalisation; all filters are pulled towards orthogonality.
"""


def plan(settings):
    shared = {key: value for key, value in settings.items() if key != "batch_sizes"}
    return [
        Plan(f"{size}; {norm}", {**shared, "batch_size": size, "norm": norm})
        for size in settings["batch_sizes"]
        for norm in NORMS
    ]


def measure(settings, seed, place):
    options = {key: settings[key] for key in ("depth", "widths", "lr")}
    _, accuracy, loss, seconds = fit_spherenet(
        Namespace(**options),
        subset(settings, place.data),
        seed,
        n_epochs=settings["epochs"],
        batch_size=settings["batch_size"],
        device=place.device,
        **NORMS[settings["norm"]],
    )
    return {"accuracy": float(accuracy), "test_loss": float(loss), "fit_seconds": seconds}


def tables(rows):
    if not rows:
        return []
    results, own = by_name(rows), rows[0]["settings"]
    sizes = dict.fromkeys(name.split("; ")[0] for name in results)
    lines = [[size, *(_cell(results.get(f"{size}; {norm}")) for norm in NORMS)] for size in sizes]
    return [
        f"{own['images']:,} images of {own['set']}, {own['epochs']} epochs, {own['depth']} "
        f"convolutions, {filters(own['widths'])}.",
        table(["batch size", *NORMS], lines),
    ]


def _cell(results):
    if not results:
        return "-"
    loss = np.mean([each["test_loss"] for each in results.values()])
    return f"{spread([r['accuracy'] for r in results.values()], 1, 100)}, {loss:.3f}"
