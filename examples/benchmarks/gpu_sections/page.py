"""Markdown of a file of results: a function of what the file says and of nothing else."""

from collections import Counter

from .rows import identity


def page(content, sections):
    """Return the text: machine and versions, then a part for every section.

    Parameters
    ----------
    content : dict
        What the file of results holds.
    sections : dict of module
        By name, in order of worth.
    """
    parts = [header(content)]
    for name, section in sections.items():
        plan = [row for row in content["plan"] if row["section"] == name]
        if plan:
            place = {identity(row): number for number, row in enumerate(plan)}
            rows = [row for row in content["rows"] if row["section"] == name]
            rows.sort(key=lambda row: place[identity(row)])
            parts += [f"## {section.TITLE}", section.ABOUT.strip()]
            parts += [text for text in section.tables([row for row in rows if "result" in row])]
            parts += [text for text in (missing(plan, rows, content["left_out"]),) if text]
    return "\n\n".join(parts) + "\n"


def header(content):
    about, rows = content["about"], content["rows"]
    dates = sorted({row["date"] for row in rows}) or ["no date, since no row was measured"]
    measured = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    return (
        f"Printed by `examples/benchmarks/gpu.py --size {about['size']}`: {len(rows)} of "
        f"{len(content['plan'])} rows, measured on {measured} with {about['machine']}; "
        f"{about['versions']}; {about['threads']}."
    )


def missing(plan, rows, left_out):
    """List what was not measured, and why: one line for every reason and name."""
    known = {identity(row): row for row in rows}
    reasons = Counter()
    for row in plan:
        key = identity(row)
        if key not in known:
            reasons[row["name"], left_out.get(key, "not reached")] += 1
        elif "error" in known[key]:
            reasons[row["name"], known[key]["error"]] += 1
    if not reasons:
        return ""
    lines = [f"- {name} ({count} rows): {reason}" for (name, reason), count in reasons.items()]
    return "Missing:\n\n" + "\n".join(line.replace("(1 rows)", "(1 row)") for line in lines)
