"""Spherical convolutions against ordinary ones: eager and compiled, in both memory layouts."""

import statistics

import torch
from spherenet_speed import make_contenders, saved_bytes, seconds

from sphereskl.geometry import one_thread

from .rows import Plan
from .tables import table

TITLE = "Convolutions"
ABOUT = """
Forward and backward pass of 3 x 3 convolutions with as many inputs as outputs. Contenders take
turns; ratios are medians of those within a round. The last column divides by the compiled `Conv2d`
in the same layout and precision; goal: at most 1.15 for the compiled operators.
"""
PLAIN, PLAIN_COMPILED = "Conv2d", "Conv2d, compiled"


def plan(settings):
    options = {key: settings[key] for key in ("rounds", "backend")}
    return [
        Plan(
            f"{channels} channels, {side} x {side}, {batch} images, {layout}, {precision}",
            {
                "channels": channels,
                "side": side,
                "batch": batch,
                "channels_last": layout == "channels last",
                "bf16": precision == "bf16",
                **options,
            },
            is_seeded=False,
            first_round=first_round,
        )
        for key, first_round in (("shapes", 0), ("later_shapes", 1))
        for channels, side, batch in settings[key]
        for layout, precision in settings["forms"]
    ]


def measure(settings, seed, place):
    """Seconds by contender and round, and bytes kept for the backward pass."""
    torch.manual_seed(seed)
    torch.compiler.reset()  # one shape's compilations do not count towards the next one's limit
    layout = torch.channels_last if settings["channels_last"] else torch.contiguous_format
    channels, side = settings["channels"], settings["side"]
    with one_thread():
        with torch.device(place.device):
            contenders = make_contenders(channels, settings["backend"])
            shape = settings["batch"], channels, side, side
            x, grad = (torch.randn(shape).to(memory_format=layout) for _ in range(2))
        x.requires_grad_()
        times = {name: [] for name in contenders}
        for n_round in range(2 + settings["rounds"]):
            for name, contender in contenders.items():
                taken = seconds(contender, x, grad, settings["bf16"])
                if n_round >= 2:  # two rounds warm up
                    times[name].append(taken)
        saved = {name: saved_bytes(contender, x) for name, contender in contenders.items()}
    return {"seconds": times, "saved_bytes": saved}


def tables(rows):
    return [text for row in rows for text in (f"**{row['name']}**", _table(row["result"]))]


def _table(result):
    head = ["layer", "ms", "/ Conv2d", "/ Conv2d, compiled", "MiB for the backward pass"]
    lines = []
    for name, own in result["seconds"].items():
        ratios = [_ratio(own, result["seconds"][base]) for base in (PLAIN, PLAIN_COMPILED)]
        milliseconds = f"{1e3 * statistics.median(own):.3g}"
        lines.append([name, milliseconds, *ratios, f"{result['saved_bytes'][name] / 2**20:.1f}"])
    return table(head, lines)


def _ratio(own, base):
    return f"{statistics.median(a / b for a, b in zip(own, base, strict=True)):.2f}"
