"""Arrays and tensors of any type become one another without a change of their numbers."""

import numpy as np
import pytest
import torch

from sphereskl.preprocessing import as_array
from sphereskl.preprocessing._arrays import as_tensor

VALUES = np.array([[1.5, -2.0], [0.25, 3.0]])


@pytest.mark.parametrize("dtype", [np.longdouble, ">f8", "<f8"])
def test_any_double_is_a_tensor_of_doubles(dtype):
    found = as_tensor(VALUES.astype(dtype))
    assert torch.equal(found, torch.from_numpy(VALUES))


def test_memory_is_shared_where_torch_can():
    values = VALUES.copy()
    as_tensor(values)[0, 0] = 7
    assert values[0, 0] == 7


@pytest.mark.filterwarnings("ignore:.*quantized tensor creation functions:UserWarning")
def test_quantised_numbers_are_those_that_they_stand_for():
    quantised = torch.quantize_per_tensor(torch.tensor([0.24, 0.26, 9.0]), 0.5, 0, torch.qint8)
    np.testing.assert_array_equal(as_array("X", quantised), [0.0, 0.5, 9.0])
