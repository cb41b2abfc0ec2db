"""Descriptions say what an object holds, the same in every process."""

import json

import numpy as np
import pytest
import torch

from sphereskl.training._descriptions import describe


def _array_of_itself():
    array = np.full(2, 1.5, dtype=object)
    array[1] = array
    return array


def _list_of_itself():
    rows = [1.5]
    rows.append(rows)
    return rows


def _before_its_variable_is_filled():
    def ahead():
        return later

    described = describe(ahead)
    later = 3
    return described, describe(ahead), later


DIFFERENT = {
    "values": (np.array([1.0, 2.0]), np.array([1.0, 2.5])),
    "types": (np.array([1, 2], np.int32), np.array([1, 2], np.int64)),
    "shapes": (np.zeros((2, 3)), np.zeros((3, 2))),
    "strings": (np.array(["a"]), np.array(["b"])),
    "objects": (np.array([1, "a"], object), np.array([1, "b"], object)),
    "shapes of objects": (np.full((1, 2), "a", object), np.full((2, 1), "a", object)),
    "tensors": (torch.zeros(2), torch.zeros(2).double()),
}


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT)
def test_different_arrays_are_told_apart_and_equal_ones_are_not(one, other):
    assert describe(one) != describe(other)
    assert describe(one) == describe(one.clone() if isinstance(one, torch.Tensor) else one.copy())


def test_objects_in_arrays_are_described_without_addresses():
    described = [describe(np.array([torch.nn.ReLU(), len], object)) for _ in range(2)]
    assert described[0] == described[1]
    assert "0x" not in json.dumps(described)


@pytest.mark.parametrize("make", [_array_of_itself, _list_of_itself])
def test_what_holds_itself_is_described(make):
    assert json.dumps(describe(make())).endswith('1.5, "itself"]')


def test_a_function_is_described_before_its_variables_are_filled():
    empty, filled, value = _before_its_variable_is_filled()
    assert isinstance(empty, str)
    assert filled == [empty, [None, None, value]]
