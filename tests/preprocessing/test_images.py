"""Images mean the same in every layout."""

from itertools import permutations

import numpy as np
import pytest
import torch

from sphereskl.preprocessing import ImageEncoder, infer_sample_shape, read_layout


def _bytes(n_samples=30, channels=3, height=8, width=6):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, size=(n_samples, channels, height, width), dtype=np.uint8)


def _encode(X, shape, weight=None, *, dtype="float64", **options):
    return ImageEncoder(shape, dtype=dtype, **options).fit(X, weight).transform(X)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("flat", [False, True])
def test_layouts_agree(flat, standardize):
    first, last = _bytes(), np.moveaxis(_bytes(), 1, -1)
    given = last.reshape(30, -1) if flat else last
    expected = _encode(first, (3, 8, 6), standardize=standardize)
    found = _encode(given, (8, 6, 3), standardize=standardize)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [(8, 6), (1, 8, 6), (8, 6, 1)])
@pytest.mark.parametrize("flat", [False, True])
def test_grey_images_agree(flat, shape):
    grey = _bytes(channels=1)
    given = grey.reshape(30, -1) if flat else grey.reshape(30, *shape)
    assert torch.equal(_encode(given, shape), _encode(grey, (1, 8, 6)))


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("given", [np.float32, np.float64])
def test_bytes_are_fractions_of_255(given, standardize):
    fractions = (_bytes() / 255).astype(given)
    torch.testing.assert_close(
        _encode(_bytes(), (3, 8, 6), standardize=standardize),
        _encode(fractions, (3, 8, 6), standardize=standardize),
        rtol=0,
        atol=1e-12 if given is np.float64 else 1e-6,
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_channels_have_mean_0_and_deviation_1(dtype):
    x = _encode(_bytes(), (3, 8, 6), dtype=dtype)
    std, mean = torch.std_mean(x, dim=(0, 2, 3), unbiased=False)
    assert (x.dtype, x.shape) == (getattr(torch, dtype), (30, 3, 8, 6))
    torch.testing.assert_close(mean, torch.zeros(3).to(x), rtol=0, atol=1e-6)
    torch.testing.assert_close(std, torch.ones(3).to(x), rtol=1e-6, atol=0)


@pytest.mark.parametrize("n_samples", [1, 30, 1024, 1500])
def test_moments_are_those_of_the_channels(n_samples):
    # More images than a chunk holds, too.
    X = _bytes(n_samples, height=3, width=2)
    named = {"channels": 3, "height": 3, "width": 2}
    encoder = ImageEncoder(named, dtype="float64").fit(X)
    np.testing.assert_allclose(encoder.mean_[:, 0, 0], (X / 255).mean(axis=(0, 2, 3)))
    np.testing.assert_allclose(encoder.std_[:, 0, 0], (X / 255).std(axis=(0, 2, 3)))
    assert encoder.output_shape_ == (3, 3, 2)


def test_channels_are_standardised_each_by_its_own():
    X = _bytes() * np.array([1.0, 1e-3, 1e6]).reshape(3, 1, 1) + 5.0
    torch.testing.assert_close(_encode(X, (3, 8, 6)), _encode(_bytes(), (3, 8, 6)))


def test_weights_are_repetitions():
    weight = np.arange(30) % 3
    weighted = ImageEncoder((3, 8, 6), dtype="float64").fit(_bytes(), weight)
    repeated = ImageEncoder((3, 8, 6), dtype="float64").fit(np.repeat(_bytes(), weight, axis=0))
    np.testing.assert_allclose(weighted.mean_, repeated.mean_, rtol=1e-13)
    np.testing.assert_allclose(weighted.std_, repeated.std_, rtol=1e-13)


@pytest.mark.parametrize("value", [0, 1, 77, 255])
@pytest.mark.parametrize("given", [np.uint8, np.float32, np.float64])
def test_a_constant_channel_becomes_zero(given, value):
    X = _bytes().astype(given)
    X[:, 1] = value
    encoder = ImageEncoder((3, 8, 6), dtype="float32").fit(X)
    assert encoder.std_[1].item() == 1
    assert encoder.transform(X)[:, 1].abs().max() < 1e-4


def test_a_faint_channel_is_not_constant():
    X = np.full((30, 1, 8, 6), 1000.0)
    X[::2] += 0.1
    x = _encode(X, (1, 8, 6))
    torch.testing.assert_close(x.abs(), torch.ones_like(x), rtol=1e-3, atol=0)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("given", [np.uint8, np.float32, np.float64])
def test_read_only_arrays_are_understood_and_left_alone(given, standardize):
    X = _bytes().astype(given)
    X.flags.writeable = False
    x = _encode(X, (3, 8, 6), standardize=standardize)
    x.zero_()
    np.testing.assert_array_equal(X, _bytes())


@pytest.mark.parametrize(("fitted", "given"), [(np.uint8, np.float64), (np.float32, np.uint8)])
def test_bytes_and_numbers_do_not_mix(fitted, given):
    encoder = ImageEncoder((3, 8, 6), dtype="float64").fit(_bytes().astype(fitted))
    with pytest.raises(ValueError, match=f"holds images of {np.dtype(given)}, but .*were fitted"):
        encoder.transform(_bytes().astype(given))


def test_new_images_are_encoded_by_the_fitted_moments():
    encoder = ImageEncoder((3, 8, 6), dtype="float64").fit(_bytes())
    assert torch.equal(encoder.transform(_bytes()[:3]), encoder.transform(_bytes())[:3])


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((5, 6), (0, 1)),
        ((32, 32, 3), (2, 0, 1)),
        ((32, 31, 1), (2, 0, 1)),
        ((8, 8, 4), (2, 0, 1)),
        ((12, 12, 8), (2, 0, 1)),
        ((3, 32, 30), (0, 1, 2)),
        ((64, 8, 8), (0, 1, 2)),
        ((8, 12, 12), (0, 1, 2)),
        ((2, 2, 2), (0, 1, 2)),
    ],
)
def test_channels_are_the_axis_that_is_short_or_beside_two_equal_ones(shape, axes):
    assert read_layout(shape) == (shape, axes)


@pytest.mark.parametrize("shape", [(3, 32, 4), (64, 7, 9), (7, 9, 64)])
def test_a_shape_that_leaves_channels_open_is_refused_with_the_way_out(shape):
    with pytest.raises(ValueError, match=r"leaves open.*input_shape=\{'channels': "):
        read_layout(shape)


@pytest.mark.parametrize("order", list(permutations(("channels", "height", "width"))))
def test_axes_that_are_named_are_taken_as_named(order):
    sizes = {"channels": 5, "height": 6, "width": 7}
    X = np.random.RandomState(0).randn(4, 5, 6, 7)
    given = X.transpose(0, *(1 + list(sizes).index(name) for name in order))
    encoder = ImageEncoder({name: sizes[name] for name in order}, dtype="float64")
    assert encoder.fit(given).output_shape_ == (5, 6, 7)
    flat = given.reshape(4, -1)
    assert torch.equal(encoder.transform(given), encoder.transform(flat))
    plain = ImageEncoder(sizes, dtype="float64").fit(X)
    assert torch.allclose(encoder.transform(given), plain.transform(X), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "shape",
    [(), (3,), (2, 2, 2, 2), (0, 4), (2.0, 3), {"channels": 3}, {"height": 2, "depth": 3}],
)
def test_what_is_no_shape_of_an_image_is_refused(shape):
    with pytest.raises(ValueError, match=r"input_shape must be .*got"):
        read_layout(shape)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((100, 3, 32, 32), (3, 32, 32)),
        ((100, 32, 32, 1), (32, 32, 1)),
        ((100, 3, 32, 3), None),
        ((100, 64, 8, 8), None),
        ((100, 28, 28), None),
        ((100, 784), None),
    ],
)
def test_shape_of_a_sample_is_inferred_only_without_doubt(shape, expected):
    assert infer_sample_shape(shape) == expected
