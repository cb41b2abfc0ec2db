"""One thread: small matrices lose more to thread hand-over than they gain."""

import pytest
import torch
from threadpoolctl import threadpool_limits

torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def one_thread_for_numpy():
    with threadpool_limits(1):
        yield
