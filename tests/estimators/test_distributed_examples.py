"""The programs of examples/distributed run as a user types them, and say what their page says."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples" / "distributed"


def _run(*command):
    """Run python with arguments, and return what it prints."""
    path = os.pathsep.join([str(EXAMPLES.parents[1]), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, *map(str, command)], env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _needs(package):
    return pytest.mark.skipif(find_spec(package) is None, reason=f"{package} is not installed")


def test_torchrun_leaves_the_same_weights_in_both_processes():
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", 2]
    lines = sorted(_run(*launcher, EXAMPLES / "torchrun_fit.py").splitlines())
    assert [line.split(":")[0] for line in lines] == ["process 0 of 2", "process 1 of 2"]
    assert lines[0].split("weights ")[1] == lines[1].split("weights ")[1]


@pytest.mark.slow
def test_torchrun_fits_what_one_process_does():
    # Without torchrun the program is one process; its random state is then another.
    assert "process 0 of 1" in _run(EXAMPLES / "torchrun_fit.py")


@pytest.mark.slow
@_needs("distributed")
def test_dask_finds_the_same_accuracies():
    assert "the same" in _run(EXAMPLES / "dask_search.py")


@pytest.mark.slow
@_needs("ray")
def test_ray_train_fits_in_two_processes():
    told = _run(EXAMPLES / "ray_train.py")
    assert "process 0 of 2" in told
    assert "process 1 of 2" in told


@pytest.mark.slow
@_needs("pyspark")
@pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java")
def test_spark_fits_in_two_processes():
    assert "process 0 of 2" in _run(EXAMPLES / "spark_fit.py")
