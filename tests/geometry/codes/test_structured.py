"""Structured codes have the size, dimension and maximal cosine their sources state."""

import pytest
import torch

from sphereskl.geometry import lower_bound, max_cosine, place_prototypes
from sphereskl.geometry.codes._binary_codes import binary_code_bounds, binary_code_points
from sphereskl.geometry.codes._structured import _SPORADIC, structured_codes

SMALL = [code for code in _SPORADIC if code.n_points < 5000]


def _name(code) -> str:
    return f"{code.n_points}-{code.embedding_dim}"


@pytest.mark.parametrize("code", SMALL, ids=_name)
def test_code_has_its_size_and_cosine(code):
    # Cohn and Kumar 2007, table 1; Conway and Sloane 1999, table 1.5.
    points = code.build(code.n_points)
    assert points.shape == (code.n_points, code.embedding_dim)
    assert max_cosine(points) == pytest.approx(code.max_cosine, abs=1e-12)
    assert (points.norm(dim=1) - 1).abs().max() < 1e-12


@pytest.mark.parametrize("code", SMALL, ids=_name)
def test_auto_returns_the_record_code(code):
    points = place_prototypes(code.n_points, code.embedding_dim)
    assert torch.equal(points, code.build(code.n_points))


@pytest.mark.parametrize(
    ("n_points", "embedding_dim"),
    [(16, 5), (27, 6), (56, 7), (112, 21), (162, 21), (100, 22), (275, 22), (552, 23), (756, 105)],
)
def test_sharp_codes_meet_levenshteins_bound(n_points, embedding_dim):
    # Levenshtein 1998: sharp codes are exactly those that attain the bound.
    code = structured_codes(n_points, embedding_dim)[0]
    assert code.max_cosine == pytest.approx(lower_bound(n_points, embedding_dim), abs=1e-9)


@pytest.mark.parametrize("m", [2, 3, 4, 5, 6])
def test_binary_codes_keep_their_promise(m):
    # MacWilliams and Sloane 1977, chapter 15.
    codes = [code for code in binary_code_bounds(m) if code[0] <= 5000]
    found = [max_cosine(binary_code_points(size, m)) for size, _ in codes]
    assert found == pytest.approx([cosine for _, cosine in codes], abs=1e-12)


@pytest.mark.parametrize("n_points", [40, 200, 287, 300])
def test_a_prefix_of_a_code_is_the_shorter_code(n_points):
    longer = binary_code_points(512, 4) if n_points > 288 else binary_code_points(288, 4)
    assert torch.equal(binary_code_points(n_points, 4), longer[:n_points])


def test_code_is_padded_to_the_embedding_dim():
    points = place_prototypes(200, 25, method="code")
    assert points.shape == (200, 25)
    assert not points[:, 16:].any()
    assert max_cosine(points) == 0.25


def test_code_with_too_few_words_is_refused():
    with pytest.raises(ValueError, match="n_prototypes=1000 is more than any binary code"):
        place_prototypes(1000, 4, method="code")


def test_leech_lattice_has_its_kissing_number():
    # Conway and Sloane 1999, chapter 4: 196560 vectors, 4600 of them at 60 degrees from one.
    points = structured_codes(196560, 24)[0].build(196560)
    cosines = points @ points[0]
    assert len(points) == 196560
    assert int((cosines > 0.49).sum()) == 4601
    assert cosines[1:].max() == pytest.approx(0.5, abs=1e-12)
