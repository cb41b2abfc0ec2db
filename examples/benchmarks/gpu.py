"""Speed and accuracy on a GPU, or on two CPU cores, as far as a given time allows.

    python examples/benchmarks/gpu.py --data DIR --budget 540 --out gpu.json
    python examples/benchmarks/gpu.py --data DIR --budget 1500 --out images.json --size small
    python examples/benchmarks/gpu.py --out gpu.json --print

Rows are measured in order of worth, seed 0 of all sections before seed 1, and written to the file
after each; a call with the same file measures what it lacks. A row that fails is kept with its
error and not measured again; a row that would exceed the budget, by what such rows took before, is
left out. The Markdown of docs/benchmarks/gpu.md, or of images.md with ``--size small``, is printed
from the file at the end. It needs only the package and `datasets.py`; with ``--size tiny`` no data.
"""

import argparse
import json
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import torch
from datasets import add_data_option
from gpu_sections import SECTIONS
from gpu_sections.page import page
from gpu_sections.rows import Place, Results, planned_rows
from gpu_sections.running import run
from gpu_sections.sizes import BUDGETS, SEEDS, SIZES

import sphereskl
from sphereskl.training import resolve_device


def main(arguments=None):
    options = parse(arguments)
    if not options.print:
        measure(options)
    if not options.out.exists():
        raise SystemExit(f"{options.out} is not there yet; measure something without --print.")
    print(page(json.loads(options.out.read_text()), SECTIONS), end="")


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_option(parser)
    parser.add_argument("--budget", type=float, metavar="SECONDS", help="in all")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.json")
    parser.add_argument("--size", choices=list(SIZES), default="full")
    parser.add_argument("--tiny", action="store_const", const="tiny", dest="size")
    parser.add_argument("--sections", nargs="+", choices=list(SECTIONS), default=list(SECTIONS))
    parser.add_argument("--seeds", type=int, help="repetitions, 3 unless the size is tiny")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--print", action="store_true", help="measure nothing")
    return parser.parse_args(arguments)


def measure(options):
    """Fill the file of results."""
    place = Place(options.data, resolve_device(options.device))
    sections = {name: SECTIONS[name] for name in SECTIONS if name in options.sections}
    n_seeds = options.seeds or SEEDS[options.size]
    # Through JSON, so that rows of a plan and of a file are alike.
    plan = json.loads(json.dumps(planned_rows(sections, SIZES[options.size], n_seeds)))
    results = Results.open(options.out, about(options.size, place), plan)
    budget = BUDGETS[options.size] if options.budget is None else options.budget
    run(results, plan, sections, place, budget)


def about(size, place):
    """What the page says of the machine."""
    packages = ("torch", "skorch", "scikit-learn")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return {
        "size": size,
        "device": place.device.type,
        "machine": gpu(place.device) if place.is_gpu else cpu(),
        "versions": f"sphereskl {sphereskl.__version__}, {versions}, Python "
        f"{platform.python_version()}",
        "threads": f"number of CPU threads: {torch.get_num_threads()} in fits on images, else 1",
    }


def gpu(device):
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        driver = f"driver {told.split()[0]}"
    except (OSError, subprocess.CalledProcessError, IndexError):
        driver = "driver unknown"
    return f"one {torch.cuda.get_device_name(device)} ({driver}, CUDA {torch.version.cuda})"


def cpu():
    names = Path("/proc/cpuinfo")
    lines = names.read_text().splitlines() if names.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} cores of {models[0] if models else platform.machine()}"


if __name__ == "__main__":
    main()
