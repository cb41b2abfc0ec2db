"""Augmentation of images: identities, symmetries and oracles of other libraries."""

import math

import numpy as np
import pytest
import torch
from sklearn.base import clone

from sphereskl import ImageAugmentation
from sphereskl.preprocessing._image_changes import (
    erased,
    mirrored,
    partners,
    pasted,
    shifted,
    warped,
)

SHAPES = [(1, 8, 8), (3, 7, 12), (12, 9, 5)]
DTYPES = [torch.float32, torch.float64]
NONE = {"mirror": None, "shift": 0}


def _images(shape=(3, 7, 12), n=6, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, *shape, generator=generator, dtype=dtype)


def _change(X, epoch=0, seed=1, **options):
    parity = torch.arange(len(X)) % 2 == 1
    generator = torch.Generator().manual_seed(seed)
    return ImageAugmentation(**{**NONE, **options}).change(X, parity, epoch, generator)


def _of_all(X, value):
    return torch.full((len(X),), value, dtype=X.dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_nothing_asked_for_is_the_identity_to_the_bit(shape, dtype):
    X = _images(shape, dtype=dtype)
    assert torch.equal(_change(X, crop=1.0, rotate=0, erase=0.0), X)
    still = torch.zeros(len(X), dtype=torch.int64)
    assert torch.equal(shifted(X, still, still), X)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_window_of_all_is_the_image_to_rounding(shape):
    X, zero = _images(shape), torch.zeros(6, dtype=torch.float64)
    assert torch.allclose(warped(X, zero, zero + 1, zero, zero), X, atol=1e-12)


def test_what_is_mirrored_twice_is_itself():
    X, every = _images(), torch.ones(6, dtype=torch.bool)
    assert torch.equal(mirrored(mirrored(X, every), every), X)
    assert np.array_equal(mirrored(X, every).numpy(), X.numpy()[..., ::-1])


def test_random_mirrors_are_about_half():
    X = _images(n=400)
    kept = (_change(X, mirror="random") == X).all(dim=(1, 2, 3)).sum()
    assert 160 < kept < 240


@pytest.mark.parametrize("epoch", [0, 1, 6])
def test_alternate_mirrors_show_both_sides_in_two_epochs(epoch):
    X = _images()
    first, second = (_change(X, epoch + i, mirror="alternate") for i in range(2))
    assert torch.equal(first.flip(-1), second)
    assert torch.equal(first[epoch % 2 :: 2], X[epoch % 2 :: 2])


@pytest.mark.parametrize(("down", "right"), [(0, 3), (2, -1), (-3, -4), (6, 11)])
def test_a_shift_is_that_of_a_reflected_border(down, right):
    X = _images((3, 7, 12))
    padded = np.pad(X.numpy(), [(0, 0), (0, 0), (6, 6), (11, 11)], mode="reflect")
    expected = padded[:, :, 6 - down : 13 - down, 11 - right : 23 - right]
    moved = shifted(X, torch.full((6,), down), torch.full((6,), right))
    assert np.array_equal(moved.numpy(), expected)


def test_every_image_has_a_shift_of_its_own():
    X = _images((1, 8, 8), n=1).expand(200, -1, -1, -1)
    moved = _change(X, shift=2).flatten(1).unique(dim=0)
    assert len(moved) == 25


@pytest.mark.parametrize("turns", [1, 2, 3, -1])
def test_quarter_turns_are_those_of_torch(turns):
    X = _images((2, 9, 9))
    zero = _of_all(X, 0.0)
    turned = warped(X, _of_all(X, turns * math.pi / 2), zero + 1, zero, zero)
    assert torch.allclose(turned, torch.rot90(X, turns, (2, 3)), atol=1e-5)


def test_pixels_of_oblong_images_turn_without_being_stretched():
    # What is left of a quarter turn in an image of 5 x 9: its middle, 5 x 5.
    X = _images((1, 5, 9))
    zero = _of_all(X, 0.0)
    turned = warped(X, _of_all(X, math.pi / 2), zero + 1, zero, zero)
    assert torch.allclose(turned[..., 2:7], torch.rot90(X[..., 2:7], 1, (2, 3)), atol=1e-5)


@pytest.mark.parametrize(("down", "right"), [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5)])
def test_a_window_is_the_enlarged_cut(down, right):
    X = _images((2, 8, 12))
    one = _of_all(X, 1.0)
    window = warped(X, 0 * one, one / 2, down * one, right * one)
    cut = X[:, :, 4:] if down > 0 else X[:, :, :4]
    cut = cut[..., 6:] if right > 0 else cut[..., :6]
    whole = torch.nn.functional.interpolate(cut, size=(8, 12), mode="bilinear")
    # Away from the border of the cut, of which the interpolation knows nothing else.
    assert torch.allclose(window[..., 1:-1, 1:-1], whole[..., 1:-1, 1:-1], atol=1e-12)


@pytest.mark.parametrize(
    "options",
    [{"mirror": "random"}, {"shift": 3}, {"crop": 0.3}, {"rotate": 45}, {"erase": 1.0}],
    ids=str,
)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_stay_in_their_range_and_images_as_they_were(options, shape, dtype):
    X = _images(shape, n=40, dtype=dtype)
    before = X.clone()
    changed = _change(X, **options)
    assert changed.dtype == dtype
    assert changed.shape == X.shape
    assert changed.min() >= X.min() - 1e-5
    assert changed.max() <= X.max() + 1e-5
    assert torch.equal(X, before)
    assert not torch.equal(changed, X)


def test_erased_rectangles_have_the_area_and_the_place_asked_for():
    X = torch.ones(2, 3, 10, 20)
    area, zero = torch.tensor([0.25, 0.0]), torch.zeros(2)
    gone = erased(X, area, zero, zero, zero + 0.999) == 0
    assert gone[0, :, :5, 10:].all()
    assert gone.sum() == 3 * 50


def test_the_share_that_is_erased_lies_in_its_range():
    X = torch.ones(500, 1, 32, 32)
    share = (_change(X, erase=1.0) == 0).double().mean(dim=(1, 2, 3))
    assert share.min() > 0.01
    assert share.max() < 0.36
    assert 0.16 < share.mean() < 0.19
    untouched = (_change(X, erase=0.3) == 1).all(dim=3).all(dim=2).sum()
    assert 310 < untouched < 390


@pytest.mark.parametrize(("area", "down", "right"), [(0.25, 0.5, 0.5), (0.25, 0, 1), (1, 0.5, 0.5)])
def test_pasted_rectangles_leave_the_share_that_is_told(area, down, right):
    X, other = torch.arange(4.0)[:, None, None, None].expand(4, 2, 8, 8), torch.tensor([1, 2, 3, 0])
    result, share = pasted(X, other, area, down, right)
    own = (result == X).double().mean(dim=(1, 2, 3))
    assert own.tolist() == pytest.approx([share] * 4)
    assert ((result == X) | (result == X[other])).all()


@pytest.mark.parametrize("n_groups", [1, 2, 5])
def test_partners_are_others_of_the_group(n_groups):
    group = torch.arange(23) % n_groups - 1
    draw = torch.rand(23, generator=torch.Generator().manual_seed(0))
    other = partners(23, None if n_groups == 1 else group, draw)
    assert other.sort().values.tolist() == list(range(23))
    assert (group[other] == group).all()
    assert (other != torch.arange(23)).all()


def test_a_row_without_partners_is_its_own():
    assert partners(1, None, torch.zeros(1)).tolist() == [0]


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_mixed_images_are_those_of_their_partners(kind):
    X, rng = _images(), np.random.default_rng(0)
    generator = torch.Generator().manual_seed(0)
    augmentation = ImageAugmentation(**NONE, **{kind: 1.0})
    mixed, other, share = augmentation.mix(X, None, rng, generator)
    assert 0 < share < 1
    if kind == "mixup":
        assert torch.allclose(mixed, share * X + (1 - share) * X[other])
    else:
        assert ((mixed == X) | (mixed == X[other])).all()
        assert (mixed == X).double().mean().item() == pytest.approx(share)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"mirror": True}, r"mirror=True, but it must be 'random'"),
        ({"mirror": "both"}, r"mirror='both'"),
        ({"shift": 1.5}, r"shift=1.5, but it must be an integer of at least 0"),
        ({"shift": -1}, r"shift=-1"),
        ({"shift": 8}, r"shift=8, but images are of 8 x 9 pixels"),
        ({"crop": 0}, r"crop=0, but it must be a number in \[0.01, 1\]"),
        ({"rotate": 200}, r"rotate=200"),
        ({"erase": math.nan}, r"erase=nan, but it must be a probability"),
        ({"mixup": "much"}, r"mixup='much'"),
        ({"cutmix": -1.0}, r"cutmix=-1.0"),
        ({"mirror_predictions": 2}, r"mirror_predictions=2"),
    ],
    ids=str,
)
def test_options_out_of_range_are_named(options, told):
    with pytest.raises(ValueError, match=told):
        ImageAugmentation(**options).check((3, 8, 9))


def test_it_is_cloned_and_set_by_name():
    augmentation = ImageAugmentation(shift=3)
    copy = clone(augmentation, safe=False)
    assert copy == augmentation
    assert copy is not augmentation
    assert copy.set_params(erase=0.5).get_params()["erase"] == 0.5
    with pytest.raises(ValueError, match=r"ImageAugmentation has no parameter 'zoom'"):
        copy.set_params(zoom=2)
