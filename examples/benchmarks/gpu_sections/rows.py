"""What is to be measured, what was measured, and the file that keeps both."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch


@dataclass(frozen=True)
class Plan:
    """One measurement: what tells it from the others, and what it is made of."""

    name: str
    settings: dict[str, Any]
    is_seeded: bool = True
    first_round: int = 0  # of its seed 0; later seeds have later rounds
    least_seconds: float = 0.0  # not begun with less time than that


@dataclass(frozen=True)
class Place:
    """Where to measure: the folder with data, or None, and the device."""

    data: Path | None
    device: torch.device

    @property
    def is_gpu(self) -> bool:
        return self.device.type == "cuda"


def planned_rows(sections, size, n_seeds):
    """Rows to be measured, round by round: seed 0 of all sections comes before seed 1.

    Parameters
    ----------
    sections : dict of module
        By name, in order of worth.
    size : dict
        Settings by section.
    n_seeds : int
        Repetitions of rows that depend on a seed.
    """
    found = []
    for rank, (section, module) in enumerate(sections.items()):
        for position, plan in enumerate(module.plan(size[section])):
            for seed in range(n_seeds if plan.is_seeded else 1):
                row = {
                    "section": section,
                    "name": plan.name,
                    "settings": plan.settings,
                    "seed": seed,
                    "least_seconds": plan.least_seconds,
                }
                found.append(((plan.first_round + seed, rank, position), row))
    return [row for _, row in sorted(found, key=lambda pair: pair[0])]


def identity(row):
    """What makes a row of the file the row of a plan."""
    return json.dumps([row[key] for key in ("section", "name", "settings", "seed")], sort_keys=True)


@dataclass
class Results:
    """Rows measured so far, written to a file after every one."""

    path: Path
    about: dict[str, Any]
    plan: list[dict[str, Any]]
    rows: list[dict[str, Any]] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)  # reasons by identity

    @classmethod
    def open(cls, path, about, plan):
        """Continue a file, or begin one; `about` replaces what the file says of the machine."""
        if not path.exists():
            return cls(path, about, plan)
        known = json.loads(path.read_text())
        for key in ("size", "device"):
            if known["about"][key] != about[key]:
                raise SystemExit(
                    f"{path} holds rows of {key} {known['about'][key]!r}, not {about[key]!r}; "
                    "name another file with --out."
                )
        planned = {identity(row): row for row in [*known["plan"], *plan]}
        return cls(path, about, list(planned.values()), known["rows"])

    def has(self, row) -> bool:
        return any(identity(row) == identity(known) for known in self.rows)

    def add(self, row) -> None:
        self.rows.append(row)
        self.write()

    def write(self) -> None:
        """Write the file in one step, so that an interruption leaves the one before."""
        content = {
            "about": self.about,
            "plan": self.plan,
            "rows": self.rows,
            "left_out": self.left_out,
        }
        unfinished = self.path.with_name(self.path.name + ".part")
        unfinished.write_text(json.dumps(content, indent=1))
        unfinished.replace(self.path)
