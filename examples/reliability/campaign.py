"""Bad input by the thousand: every case ends as a correct result or as a refusal in words.

Run: ``python examples/reliability/campaign.py --cases 10000 --seconds 1800 --seed 0`` prints a
table of families of cases, and every law that was broken with a case that breaks it. One of these
is played again by ``--replay 'CASE'``.
"""

import argparse
import os
import re
import time
from collections import Counter, defaultdict

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from cases import FAMILIES, read_case
from hypothesis import HealthCheck, Phase, given, seed, settings
from verdict import judge


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=1800.0, help="stops after so long")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--family", choices=list(FAMILIES), help="only this one")
    parser.add_argument("--replay", metavar="CASE", help="one case, as it was printed")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.replay:
        print(judge(read_case(options.replay)))
        return
    tallies, faults = play(options)
    print(f"\nSeed {options.seed}.\n")
    print_table(tallies)
    print_faults(faults)


def play(options):
    """Return how cases ended, by family, and cases by the law that they broke."""
    tallies, faults = defaultdict(Counter), defaultdict(list)
    families = {n: f for n, f in FAMILIES.items() if options.family in (None, n)}
    shares = sum(share for _, share in families.values())
    end = time.monotonic()
    for place, (family, (cases, share)) in enumerate(families.items()):
        n_cases = max(1, round(options.cases * share / shares))
        # What a family leaves of its time is the next one's.
        end += options.seconds * share / shares
        run = _make_run(family, cases, n_cases, end, tallies, faults)
        start = time.monotonic()
        seed(options.seed * len(FAMILIES) + place)(run)()
        took = time.monotonic() - start
        print(f"{family}: {tallies[family]['cases']} cases in {took:.0f} s", flush=True)
    return tallies, faults


def _make_run(family, cases, n_cases, end, tallies, faults):
    """Return what plays the cases of a family and notes how they end."""

    @settings(
        max_examples=n_cases,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def run(case):
        if time.monotonic() > end:
            return
        verdict = judge(case)
        tallies[family].update(["cases", verdict.kind])
        tallies[family]["violations"] += bool(verdict.faults)
        for fault in set(verdict.faults):
            faults[family, _signature(fault)].append((case, fault))

    return run


def _signature(fault):
    """Return a fault without its numbers and values, so that its like are counted as one."""
    return re.sub(r"'[^']*'|\d+|\[[^]]*\]|\([^)]*\)", "_", fault)[:90]


def print_table(tallies):
    """Print a row for every family."""
    kinds = sorted({kind for tally in tallies.values() for kind in tally})
    kinds = [k for k in kinds if k not in ("cases", "correct", "violations")]
    head = ["family", "cases", "correct", *kinds, "violations"]
    total = sum(tallies.values(), Counter())
    print("| " + " | ".join(head) + " |")
    print("|---|" + "--:|" * (len(head) - 1))
    for family, tally in [*tallies.items(), ("all", total)]:
        print("| " + " | ".join([family, *(str(tally[name]) for name in head[1:])]) + " |")


def print_faults(faults):
    """Print every law that was broken, the most frequent first, with two cases each."""
    for (family, _), found in sorted(faults.items(), key=lambda item: -len(item[1])):
        print(f"\n{family}: {len(found)} times: {found[0][1]}")
        for case, fault in sorted(found, key=lambda pair: len(str(pair[0])))[:3]:
            print(f"  {case}\n    {fault}")


if __name__ == "__main__":
    main()
