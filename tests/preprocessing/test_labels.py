"""Labels become places among the sorted classes, and come back."""

import numpy as np
import pytest

from sphereskl.preprocessing import Labels

KINDS = {
    "strings": np.array(["b", "a", "c", "a"]),
    "integers": np.array([7, -2, 30, -2]),
    "booleans": np.array([True, False, True, False]),
    "objects": np.array(["b", "a", "c", "a"], dtype=object),
    "floats": np.array([2.0, 1.0, 3.0, 1.0]),
}
kinds = pytest.mark.parametrize("y", KINDS.values(), ids=KINDS.keys())


@kinds
def test_decoding_undoes_encoding(y):
    encoder = Labels().fit(y)
    logits = np.eye(len(encoder.classes_))[encoder.encode(y)]
    np.testing.assert_array_equal(encoder.decode(logits), y)
    assert encoder.decode(logits).dtype == encoder.classes_.dtype


@kinds
def test_codes_are_places_among_the_sorted_classes(y):
    encoder = Labels().fit(y)
    assert encoder.classes_.tolist() == sorted(set(y.tolist()))
    assert encoder.encode(y).dtype == np.int64
    np.testing.assert_array_equal(encoder.strata(encoder.encode(y)), encoder.encode(y))


def test_the_first_of_equal_logits_wins():
    assert Labels().fit(np.array(["b", "a"])).decode(np.zeros((2, 2))).tolist() == ["a", "a"]


def test_classes_may_be_named_before_they_come():
    encoder = Labels().fit(np.array(["b", "b"]), classes=["c", "b", "a", "a"])
    assert encoder.classes_.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.array([3, 3]), r"at least 2 classes, but holds only one class: \[3\]"),
        (np.array([0.5, 1.5, 2.5]), "Unknown label type"),
    ],
)
def test_what_is_no_classes_is_refused(y, message):
    with pytest.raises(ValueError, match=message):
        Labels().fit(y)


def test_unknown_labels_are_named_with_their_origin():
    with pytest.raises(ValueError, match=r"y_val has the labels \['z'\], which are not among"):
        Labels().fit(np.array(["a", "b"])).encode(np.array(["z", "a"]), "y_val")


def test_another_fit_must_find_the_same_classes():
    encoder = Labels().fit(np.array([1, 2]))
    encoder.check_same(Labels().fit(np.array([2, 1, 1])))
    with pytest.raises(ValueError, match=r"y has the labels \[1, 3\], but the fitted model has"):
        encoder.check_same(Labels().fit(np.array([1, 3])))
