"""Values go through JSON and tensors and come back to the bit, with their types."""

import json
from collections import Counter

import numpy as np
import pytest
import torch

from sphereskl.training._plain_values import flatten, unflatten


def _through(value):
    tensors = {}
    stored = json.loads(json.dumps(flatten(value, tensors)))
    return unflatten(stored, tensors, "cpu")


ARRAYS = [np.arange(6.0).reshape(2, 3).T, np.array(2.5), np.zeros((0, 3), np.uint8)]
ARRAYS += [np.array([0, 1, 255]).astype(dtype) for dtype in ("?", "u1", "u2", "i4", "f2", "f4")]
ARRAYS += [np.array([np.nan, -0.0, np.inf])]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype} {array.shape}")
def test_arrays_keep_type_shape_and_bits(array):
    found = _through([array])[0]
    assert (type(found), found.dtype, found.shape) == (np.ndarray, array.dtype, array.shape)
    assert found.tobytes() == array.tobytes()


def test_an_array_that_changes_later_was_stored_as_it_was():
    array, tensors = np.ones(3), {}
    stored = flatten(array, tensors)
    array[:] = 7
    assert unflatten(stored, tensors, "cpu").tolist() == [1, 1, 1]


SCALARS = [np.float32(0.1), np.float64("-inf"), np.int8(-5), np.bool_(True), np.str_("a")]
SCALARS += [np.datetime64(5, "ns"), np.timedelta64(7, "ns"), np.timedelta64(7, "ps")]


@pytest.mark.parametrize("value", SCALARS, ids=repr)
def test_scalars_keep_type_and_unit(value):
    found = _through(value)
    assert (type(found), found.dtype, found) == (type(value), value.dtype, value)


@pytest.mark.parametrize(
    "value", [(1, [2.5, None]), {"a": {1: (True,)}}, Counter("aab"), "x", -0.0]
)
def test_containers_keep_their_kinds(value):
    found = _through(value)
    assert (type(found), repr(found)) == (type(value), repr(value))


@pytest.mark.parametrize(
    "value",
    [
        np.array([None]),
        np.array(["a"]),
        np.zeros(2, np.longdouble),
        np.zeros(2, ">f8"),
        np.ma.masked_less(np.arange(3.0), 1),  # its mask would be lost
        np.longdouble(1),
        torch.zeros(2, 2).to_sparse(),
        {1, 2},
        b"bytes",
    ],
    ids=lambda value: type(value).__name__,
)
def test_anything_else_is_refused_with_its_place(value):
    with pytest.raises(TypeError, match=rf"^{type(value).__name__} in 'inner' in 'outer'$"):
        flatten({"outer": {"inner": value}}, {})
