"""Rows one after another, within a number of seconds."""

import datetime
import time

import torch

from .rows import identity


def run(results, plan, sections, place, budget, tell=print):
    """Measure the rows that the file lacks, until the time is used up.

    Parameters
    ----------
    results : Results
        Written after every row.
    plan : list of dict
        Rows in their order.
    sections : dict of module
        By name.
    place : Place
        Data and device.
    budget : float
        Seconds in all.
    tell : callable, default=print
        Called with a line after every row.
    """
    start = time.perf_counter()
    results.left_out = {}
    for row in plan:
        if results.has(row):
            continue
        left = budget - (time.perf_counter() - start)
        expected = max(row["least_seconds"], expected_seconds(row, results.rows))
        if expected >= left:
            reason = f"{expected:.0f} s expected, {max(left, 0):.0f} s of {budget:g} s left"
            results.left_out[identity(row)] = f"budget: {reason}"
            continue
        done = {**row, **attempt(sections[row["section"]], row, place)}
        results.add(done)
        told = done.get("error", f"{done['seconds']:.1f} s")
        tell(f"{row['section']}: {row['name']}, seed {row['seed']}: {told}")
    results.write()


def attempt(section, row, place):
    """Measure a row; return its result or its error, and the seconds it took."""
    date, start = datetime.date.today().isoformat(), time.perf_counter()
    try:
        outcome = {"result": section.measure(row["settings"], row["seed"], place)}
    except Exception as error:  # whatever it is, the rows after it can be measured
        outcome = {"error": in_one_line(error)}
        torch.compiler.reset()
    if place.is_gpu:
        torch.cuda.empty_cache()
    return {**outcome, "seconds": time.perf_counter() - start, "date": date}


def in_one_line(error):
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"[:300]


def expected_seconds(row, rows):
    """Seconds of the same row with another seed, else the most that a row of the section took."""
    of_section = [known for known in rows if known["section"] == row["section"]]
    same = [known for known in of_section if known["name"] == row["name"]]
    return max((known["seconds"] for known in same or of_section), default=0.0)
