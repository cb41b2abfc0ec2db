"""What `import sphereskl` loads, and that it loads nothing before it is needed."""

import subprocess
import sys

import pytest

# skorch and scikit-learn may load pandas and pyarrow themselves; that is their choice.
NEW_MODULES = """
import sys
import narwhals, numpy, safetensors.torch, scipy, sklearn, skorch, torch, tqdm
before = set(sys.modules)
import sphereskl
print(*sorted(set(sys.modules) - before))
"""


@pytest.fixture(scope="module")
def loaded():
    command = [sys.executable, "-c", NEW_MODULES]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return set(printed.split())


@pytest.mark.parametrize(
    "module",
    [
        "IPython",
        "dask",
        "distributed",
        "ipywidgets",
        "matplotlib",
        "onnx",
        "pandas",
        "plotly",
        "polars",
        "pyarrow",
        "pytest",
        "ray",
        "skops",
        "sklearn.inspection",
        "sympy",
        "torch._dynamo",
    ],
)
def test_importing_the_package_loads_nothing_before_it_is_needed(module, loaded):
    assert "sphereskl.estimators" in loaded
    assert module not in loaded
