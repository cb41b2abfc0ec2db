"""Small faults written into the source on purpose: which of them do the tests notice?

Run, from the root: ``python examples/reliability/mutation.py sphereskl/nn/_operators.py --tests
tests/nn/test_operators.py tests/nn/losses`` plants every fault in turn, adds a row for each to
``mutation.csv`` (a second run resumes there) and prints a table. Messages of errors,
annotations and texts are left alone.
"""

import argparse
import ast
import contextlib
import copy
import csv
import os
import random
import signal
import time
from collections import Counter
from importlib.machinery import SourceFileLoader
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis  # noqa: F401  Here once, not in every process.
import pytest
import sklearn.model_selection  # noqa: F401
import skorch  # noqa: F401
import sympy  # noqa: F401  Of torch.
import torch

SWAPS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Pow: ast.Mult,
    ast.MatMult: ast.Mult,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
SKIPPED_FIELDS = {"annotation", "returns", "decorator_list"}
COLUMNS = ["file", "mutant", "line", "fault", "verdict"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+")
    parser.add_argument("--tests", nargs="+", required=True)
    parser.add_argument("--out", default="mutation.csv")
    parser.add_argument("--sample", type=int, help="so many faults a file, drawn at random")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds a fault may take")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for file in options.files:
        source = Path(file).read_text()
        if judge(file, source, options) != "survived":
            raise SystemExit(f"The tests must pass on {file} as it is.")
        # Else every fault would count as one that the tests do not notice.
        if judge(file, "raise ImportError", options) != "killed":
            raise SystemExit(f"The tests must import {file}.")
        chosen = list(enumerate(mutants(source)))
        random.Random(0).shuffle(chosen)
        done = {row["mutant"] for row in read(options.out) if row["file"] == file}
        for number, (line, fault, mutated) in chosen[: options.sample]:
            if str(number) not in done:
                row = [file, number, line, fault, judge(file, mutated, options)]
                write(options.out, row)
                print(*row, flush=True)
    print_table(read(options.out))


def mutants(source):
    """Yield line, fault in words and source of every mutant."""
    tree = ast.parse(source)
    for place, node in enumerate(walk(tree)):
        for n_fault in range(len(list(faults(node)))):
            other = copy.deepcopy(tree)
            twin = list(walk(other))[place]
            before = ast.unparse(twin)
            list(faults(twin))[n_fault]()
            after = ast.unparse(twin)
            yield node.lineno, f"{before} -> {after}", ast.unparse(other)


def walk(node):
    """Yield expressions and returns, without messages of errors and annotations."""
    if isinstance(node, ast.Raise):
        return
    if isinstance(node, (ast.expr, ast.Return)):
        yield node
    for name, value in ast.iter_fields(node):
        if name not in SKIPPED_FIELDS:
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from walk(child)


def faults(node):
    """Yield functions that each plant one fault in the node."""
    match node:
        case ast.Compare(ops=ops):
            for i, op in enumerate(ops):
                yield lambda i=i, op=op: ops.__setitem__(i, SWAPS[type(op)]())
        case ast.BinOp(op=op) | ast.BoolOp(op=op) if type(op) in SWAPS:
            yield lambda: setattr(node, "op", SWAPS[type(op)]())
        case ast.UnaryOp(op=ast.USub()):
            yield lambda: setattr(node, "op", ast.UAdd())
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            yield lambda: setattr(node, "operand", ast.UnaryOp(ast.Not(), inner))
        case ast.Constant(value=bool() as value):
            yield lambda: setattr(node, "value", not value)
        case ast.Constant(value=int() | float() as value):
            yield lambda: setattr(node, "value", value + 1)
        case ast.Return(value=ast.expr()):
            yield lambda: setattr(node, "value", ast.Constant(None))


def judge(file, source, options):
    """Run the tests on a mutant in a process of its own."""
    child = os.fork()
    if not child:
        code = 3
        try:
            code = run(file, source, options.tests)
        finally:
            os._exit(code)
    end = time.monotonic() + options.limit
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return "survived" if status == 0 else "killed"
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "timeout"


def run(file, source, tests):
    path, as_it_is = str(Path(file).resolve()), SourceFileLoader.get_code

    def get_code(loader, name):
        if str(Path(loader.path).resolve()) == path:
            return compile(source, path, "exec")
        return as_it_is(loader, name)

    SourceFileLoader.get_code = get_code
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
        # Plain: pytest loads files of its command line, as for doctests, past get_code otherwise.
        options = ["-x", "-q", "-p", "no:cacheprovider", "-n", "0", "--assert=plain"]
        return int(pytest.main([*options, *tests]))


def read(path):
    if not Path(path).exists():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def write(path, row):
    new = not Path(path).exists()
    with open(path, "a", newline="") as file:
        csv.writer(file).writerows([COLUMNS, row] if new else [row])


def print_table(rows):
    print("\n| File | Mutants | Killed | Timeouts | Survived | Score |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name in sorted({row["file"] for row in rows}):
        n = Counter(row["verdict"] for row in rows if row["file"] == name)
        score = (n["killed"] + n["timeout"]) / n.total()
        counts = f"{n.total()} | {n['killed']} | {n['timeout']} | {n['survived']}"
        print(f"| `{name}` | {counts} | {score:.0%} |")


if __name__ == "__main__":
    main()
