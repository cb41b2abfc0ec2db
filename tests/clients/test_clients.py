"""The programs of examples/clients run in environments of their own, and the page shows them all.

`pytest -m clients -n 0` runs them; it needs a package index, and minutes.
"""

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from sysconfig import get_path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROGRAMS = sorted((ROOT / "examples" / "clients").glob("*.py"))
PAGE = ROOT / "docs" / "user_guide" / "clients.md"

every_program = pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)


def _requirements(program):
    """Read what a program needs from its inline metadata, as PEP 723 has it."""
    (block,) = re.findall(r"(?m)^# /// script\n((?:#(?: .*)?\n)+)# ///$", program.read_text())
    needs = tomllib.loads("".join(line[2:] for line in block.splitlines(keepends=True)))
    return [Requirement(name) for name in needs["dependencies"]]


def _environment(folder):
    """Make an environment that sees this one, and return its python.

    What is installed there goes before what is seen here, which stays as it is.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    where = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = subprocess.run(where, check=True, capture_output=True, text=True).stdout.strip()
    Path(packages, "outer.pth").write_text(f"import site; site.addsitedir({get_path('purelib')!r})")
    return python


def _run(*command):
    """Run a command that imports this package, and return what it says."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    jupyter = os.path.join(sys.prefix, "share", "jupyter")
    env = {**os.environ, "PYTHONPATH": path, "JUPYTER_PATH": jupyter, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [str(part) for part in command], env=env, capture_output=True, text=True, timeout=1200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.clients
@every_program
def test_a_program_says_what_it_asserts(program, tmp_path):
    python = _environment(tmp_path / "environment")
    held = tmp_path / "constraints.txt"
    # Torch as it is here: another would be gigabytes.
    held.write_text(f"torch=={version('torch').partition('+')[0]}\n")
    needs = [str(need) for need in _requirements(program) if need.name != "sphereskl"]
    print(_run(python, "-m", "pip", "install", "-q", "-c", held, *needs))
    told = _run(python, "-W", "default", program)
    print(told)
    assert told


@every_program
def test_a_program_states_what_it_needs(program):
    assert "sphereskl" in [need.name for need in _requirements(program)]
    assert program.read_text().startswith('"""')


@every_program
def test_the_page_shows_a_program_and_names_what_it_needs(program):
    page = PAGE.read_text()
    assert f"examples/clients/{program.name}" in page
    missing = {need.name for need in _requirements(program)} - set(re.findall(r"[\w-]+", page))
    assert not missing
