"""Compilation of modules of networks."""

import copy

import pytest
import torch


@pytest.fixture
def in_one_graph():
    """Compile a copy of a module and refuse graph breaks.

    Dynamo counts the compilations of a function for the whole process: without the reset, the
    compilations of the tests before would use up the limit of this one.
    """
    torch.compiler.reset()
    yield lambda module, backend="eager": torch.compile(
        copy.deepcopy(module), fullgraph=True, backend=backend
    )
    torch.compiler.reset()
