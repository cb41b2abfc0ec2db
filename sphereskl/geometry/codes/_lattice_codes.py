"""Codes of exceptional symmetry: from root lattices, the Leech lattice and graphs.

Every construction is checked against its size, dimension and maximal cosine.
"""

from itertools import combinations, product

import numpy as np
import torch
from torch import Tensor

_GOLDEN = (1 + 5**0.5) / 2


def derived_code(points: Tensor, cosine: float, base: int = 0) -> Tensor:
    """Points with a given cosine to a base point, projected to its orthogonal complement.

    If the maximal cosine is s, that of the result is at most ``(s - c^2) / (1 - c^2)``
    for c = `cosine`: the vertex figure of a polytope.

    References
    ----------
    .. [1] Cohn and Kumar (2007), "Universally optimal distribution of points on
       spheres", Journal of the AMS 20(1), table 1: all codes here, E8 to Higman-Sims.
    """
    pole = points[base]
    # The cosines of these codes differ by more than 0.01.
    chosen = points[(points @ pole - cosine).abs() < 1e-3]
    reflected = pole.clone()
    # Householder: send the pole to the last axis, then drop that coordinate.
    reflected[-1] += 1.0 if pole[-1] >= 0 else -1.0
    coefficient = 2 * (chosen @ reflected) / (reflected @ reflected)
    flat = (chosen - coefficient[:, None] * reflected)[:, :-1]
    return _unit(flat)


def icosahedron() -> Tensor:
    """Even permutations of (0, +-1, +-golden ratio): (12, 3), cosine 1 / sqrt(5)."""
    rows = [(0, a, b * _GOLDEN) for a, b in product((1, -1), repeat=2)]
    return _unit(_tensor([r[k:] + r[:k] for k in range(3) for r in rows]))


def d_roots(dim: int) -> Tensor:
    """Roots ``+-e_i +- e_j`` of D_n: 2 n (n - 1) points at cosine 1/2."""
    rows = torch.zeros(2 * dim * (dim - 1), dim, dtype=torch.float64)
    pairs = list(product(combinations(range(dim), 2), product((1.0, -1.0), repeat=2)))
    for row, ((i, j), (a, b)) in zip(rows, pairs, strict=True):
        row[i], row[j] = a, b
    return _unit(rows)


def cell_600() -> Tensor:
    """Icosians, the 120 unit quaternions of the binary icosahedral group: (120, 4)."""
    halves = list(product((0.5, -0.5), repeat=4))
    axes = [tuple(s * (i == k) for i in range(4)) for k in range(4) for s in (1.0, -1.0)]
    even = [p for p in np.ndindex(4, 4, 4, 4) if len(set(p)) == 4 and _is_even(p)]
    icosian = [
        (a * _GOLDEN / 2, b / 2, c / (2 * _GOLDEN), 0.0) for a, b, c in product((1, -1), repeat=3)
    ]
    moved = [tuple(q[i] for i in p) for q in icosian for p in even]
    return _unit(_tensor(axes + halves + moved))


def e8_roots() -> Tensor:
    """Shortest vectors of E8: (240, 8), cosine 1/2."""
    halves = _tensor(list(product((0.5, -0.5), repeat=8)))
    even = halves[(halves < 0).sum(dim=1) % 2 == 0]
    return torch.cat([d_roots(8), _unit(even)])


def moebius_kantor() -> Tensor:
    """All signs on the triples {i, i + 1, i + 3} modulo 8: (64, 8), cosine 1/3."""
    # No difference occurs twice: two triples share at most one point.
    rows = torch.zeros(8, 8, 8, dtype=torch.float64)
    signs = _tensor(list(product((1.0, -1.0), repeat=3)))
    for i in range(8):
        rows[i][:, [i, (i + 1) % 8, (i + 3) % 8]] = signs
    return _unit(rows.flatten(0, 1))


def e7_roots() -> Tensor:
    """Roots of E8 orthogonal to one of them: (126, 7), cosine 1/2."""
    return derived_code(e8_roots(), 0.0)


def e6_roots() -> Tensor:
    """Roots of E8 orthogonal to a hexagon of roots: (72, 6), cosine 1/2."""
    e7 = e7_roots()
    schlaefli_axis = derived_code(e8_roots(), 0.5)[0]
    return derived_code(torch.cat([schlaefli_axis[None], e7]), 0.0)


def e8_vertex_figure(depth: int) -> Tensor:
    """Repeated vertex figures of the E8 roots: (56, 7), (27, 6), (16, 5), (10, 4)."""
    points = e8_roots()
    for cosine in (1 / 2, 1 / 3, 1 / 4, 1 / 5)[:depth]:
        points = derived_code(points, cosine)
    return points


def barnes_wall() -> Tensor:
    """Shortest vectors of the Barnes-Wall lattice: (4320, 16), cosine 1/2.

    Signs on the words of weight 8 of the Reed-Muller code RM(1, 4), an even number of
    them negative, and the roots of D16.
    """
    bits = torch.tensor(list(product((0, 1), repeat=4)))
    words = torch.cat([(bits @ bits.T % 2)[1:], 1 - (bits @ bits.T % 2)[1:]])
    return torch.cat([_unit(_signed_words(words)), d_roots(16)])


def leech_minimal_vectors() -> Tensor:
    """Shortest vectors of the Leech lattice: (196560, 24), cosine 1/2.

    References
    ----------
    .. [1] Conway and Sloane (1999), "Sphere Packings, Lattices and Groups", chapter 4,
       equation 135.
    """
    golay = _golay_words()
    octads = golay[golay.sum(dim=1) == 8]
    pairs = d_roots(24) * 32**0.5
    threes = (1.0 - 2.0 * golay.double())[:, None] * (1.0 - 4.0 * torch.eye(24).double())
    vectors = [pairs, 2 * _signed_words(octads), threes.flatten(0, 1)]
    return torch.cat(vectors) / 32**0.5


def leech_kissing(depth: int) -> Tensor:
    """Repeated vertex figures of the Leech vectors: (4600, 23) and (891, 22)."""
    points = derived_code(leech_minimal_vectors(), 1 / 2)
    return points if depth == 1 else derived_code(points, 1 / 3)


def equiangular_552() -> Tensor:
    """Leech vectors of inner product 3 with a vector of norm 6: (552, 23), cosine 1/5."""
    points = leech_minimal_vectors() * 2
    # In units where shortest vectors have norm 4: (5, 1, ..., 1) / sqrt(8), signs as in
    # the lattice, is the sum of (-3, 1, ..., 1) and (8, 0, ...) / sqrt(8).
    norm_6 = torch.ones(24, dtype=torch.float64)
    norm_6[0] = 5.0
    norm_6 /= 8**0.5
    chosen = points[(points @ norm_6 - 3).abs() < 1e-6]
    in_hyperplane = torch.cat([norm_6[None] / 6**0.5, _unit(chosen - norm_6 / 2)])
    return derived_code(in_hyperplane, 0.0)


def mclaughlin(depth: int) -> Tensor:
    """Vertex figure of the 552: (275, 22), 1/6; repeated: (162, 21), 1/7."""
    points = derived_code(equiangular_552(), 1 / 5)
    return points if depth == 1 else derived_code(points, 1 / 6)


def higman_sims() -> Tensor:
    """Eigenspace of the Higman-Sims graph on 1 + 22 + 77 vertices: (100, 22), 1/11."""
    golay = _golay_words()
    hexads = golay[(golay.sum(dim=1) == 8) & golay[:, 0].bool() & golay[:, 1].bool()][:, 2:]
    adjacency = torch.zeros(100, 100, dtype=torch.float64)
    adjacency[0, 1:23] = 1
    adjacency[1:23, 23:] = hexads.T.double()
    adjacency = adjacency + adjacency.T
    adjacency[23:, 23:] = (hexads @ hexads.T == 0).double()
    return graph_code(adjacency, -8.0)


def hoffman_singleton() -> Tensor:
    """Eigenspace of the Hoffman-Singleton graph, pentagons and pentagrams: (50, 21), 1/21."""
    adjacency = torch.zeros(50, 50, dtype=torch.float64)
    for h, j in product(range(5), range(5)):
        adjacency[5 * h + j, 5 * h + (j + 1) % 5] = 1
        adjacency[25 + 5 * h + j, 25 + 5 * h + (j + 2) % 5] = 1
        for i in range(5):
            adjacency[5 * h + j, 25 + 5 * i + (h * i + j) % 5] = 1
    return graph_code(adjacency + adjacency.T, -3.0)


def elliptic_quadric(q: int) -> Tensor:
    """Points of the quadric Q-(5, q), q an odd prime: cosine 1 / q^2.

    The collinearity graph of a generalised quadrangle on (q + 1)(q^3 + 1) points, in
    the eigenspace of dimension q (q^2 - q + 1).
    """
    vectors = torch.tensor(list(np.ndindex(*[q] * 6)))
    # One vector for each point: the first non-zero coordinate is 1.
    first = (vectors != 0).double().argmax(dim=1)
    vectors = vectors[vectors[torch.arange(len(vectors)), first] == 1]
    square = {i * i % q for i in range(q)}
    nonsquare = next(i for i in range(2, q) if i not in square)
    form = torch.zeros(6, 6, dtype=torch.long)
    form[[0, 1, 2, 3], [1, 0, 3, 2]] = 1
    # x^2 - nonsquare y^2 has no zero but (0, 0).
    form[4, 4], form[5, 5] = 2, -2 * nonsquare
    isotropic = vectors[((vectors @ form) * vectors).sum(dim=1) % q == 0]
    adjacency = (isotropic @ form @ isotropic.T % q == 0).double()
    return graph_code(adjacency.fill_diagonal_(0), -1.0 - q * q)


def graph_code(adjacency: Tensor, eigenvalue: float) -> Tensor:
    """Vertices of a strongly regular graph, projected onto one eigenspace."""
    values, vectors = torch.linalg.eigh(adjacency)
    return _unit(vectors[:, (values - eigenvalue).abs() < 0.5])


def _golay_words() -> Tensor:
    # Extended quadratic-residue code of length 24 (MacWilliams and Sloane, chapter 16).
    residues = {i * i % 23 for i in range(1, 23)}
    generator = torch.zeros(12, 24, dtype=torch.long)
    for i in range(11):
        for r in [0, *residues]:
            generator[i, (r + i) % 23] = 1
    generator[11, :23] = 1
    generator[:, 23] = generator.sum(dim=1) % 2
    return torch.tensor(list(product((0, 1), repeat=12))) @ generator % 2


def _signed_words(words: Tensor) -> Tensor:
    # Every word of weight 8 with signs on its support, an even number of them negative.
    signs = _tensor(list(product((1.0, -1.0), repeat=8)))
    signs = signs[(signs < 0).sum(dim=1) % 2 == 0]
    support = words.nonzero()[:, 1].reshape(len(words), 8)
    rows = torch.zeros(len(words), len(signs), words.shape[1], dtype=torch.float64)
    rows.scatter_(2, support[:, None].expand(-1, len(signs), -1), signs.expand(len(words), -1, -1))
    return rows.flatten(0, 1)


def _is_even(permutation: tuple[int, ...]) -> bool:
    return sum(a > b for a, b in combinations(permutation, 2)) % 2 == 0


def _tensor(rows: list) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def _unit(rows: Tensor) -> Tensor:
    return rows / torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
