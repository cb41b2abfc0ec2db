"""Spherical codes from binary codes of length 2^m: bits become signs over ``sqrt(d)``.

Only the requested words are generated, so that a prefix of a code of a million words
costs no more than its own size. In every family the first ``2^(m+1)`` words are the
first-order Reed-Muller code, whose points form an orthoplex.
"""

import math

import torch
from torch import Tensor

# Primitive polynomials over GF(2) of degree m, as bit masks (Lidl and Niederreiter 1997,
# "Finite Fields", table D).
_PRIMITIVE = {
    1: 0b11,
    2: 0b111,
    3: 0b1011,
    4: 0b10011,
    5: 0b100101,
    6: 0b1000011,
    7: 0b10001001,
    8: 0b100011101,
    9: 0b1000010001,
    10: 0b10000001001,
    11: 0b100000000101,
    12: 0b1000001010011,
    13: 0b10000000011011,
}


def binary_code_bounds(m: int) -> list[tuple[int, float]]:
    """Sizes and maximal cosines of the nested codes of length 2^m, smallest first.

    References
    ----------
    .. [1] MacWilliams and Sloane (1977), "The Theory of Error-Correcting Codes",
       chapter 15: Kerdock codes (theorem 24) and duals of BCH codes (sections 4 and 5).
    """
    d = 2**m
    codes = [(2 * d, 0.0)]
    if m % 2 == 0 and m >= 4:
        # A Kerdock set, and the axes, which have cosine 1 / sqrt(d) with every word.
        codes.append((d * d + 2 * d, 1 / math.sqrt(d)))
    # Words of the dual of the t-error-correcting BCH code, Weil-Carlitz-Uchiyama bound
    # (2t - 2) 2^(m/2) on their sums, sharpened by divisibility to a power of two.
    for t, excess in ((2, 1), (3, 3)) if m % 2 else ((2, 2), (3, 4)):
        cosine = 2 ** ((excess - m) / 2)
        if cosine < 1 and m > 2 * t - 2:
            codes.append((2 * d**t, cosine))
    return codes


def binary_code_points(n_points: int, m: int) -> Tensor:
    """First words of the best code of length 2^m with enough of them, as unit rows."""
    d = 2**m
    if m % 2 == 0 and m >= 4 and n_points <= d * d + 2 * d:
        words = _kerdock_signs(min(n_points, d * d), m)
        axes = torch.eye(d, dtype=torch.float64)
        return torch.cat([words / math.sqrt(d), axes, -axes])[:n_points]
    return _bch_dual_signs(n_points, m) / math.sqrt(d)


def _bch_dual_signs(n_words: int, m: int) -> Tensor:
    # Word (a, e, b, c), a varying fastest: Tr(a x + b x^3 + c x^5) + e over all x.
    d = 2**m
    power = _Field(m)
    index = torch.arange(n_words)
    x = torch.arange(d)
    a, sign, b, c = index % d, index // d % 2, index // (2 * d) % d, index // (2 * d * d)
    bits = sign[:, None].to(torch.int8).expand(-1, d).clone()
    for coefficient, exponent in ((a, 1), (b, 3), (c, 5)):
        if int(coefficient.max()):
            bits ^= power.trace_of_product(coefficient, power.raise_to(x, exponent))
    return 1.0 - 2.0 * bits.double()


def _kerdock_signs(n_words: int, m: int) -> Tensor:
    # Coordinates are (x, bit) with x in GF(2^(m-1)); word (a, e0, e1, u) is the bits
    # Q(u x) + bit Tr(u x) + Tr(a x) + e1 bit + e0, Q(x) = sum_i Tr(x^(2^i + 1)).
    half = 2 ** (m - 1)
    field = _Field(m - 1)
    index = torch.arange(n_words)
    x = torch.arange(half)
    a, sign, on_bit = index % half, index // half % 2, index // (2 * half) % 2
    u = index // (4 * half)
    linear = field.trace_of_product(a, x) ^ sign[:, None].to(torch.int8)
    forms = int(u.max()) + 1
    scaled = field.multiply(torch.arange(forms)[:, None], x)
    quadratic = torch.zeros(forms, half, dtype=torch.int8)
    for i in range(1, (m - 2) // 2 + 1):
        quadratic ^= field.trace[field.raise_to(scaled, 2**i + 1)]
    without = linear ^ quadratic[u]
    with_bit = without ^ field.trace[scaled][u] ^ on_bit[:, None].to(torch.int8)
    return 1.0 - 2.0 * torch.cat([without, with_bit], dim=1).double()


class _Field:
    """Arithmetic of GF(2^m) by logarithms; elements are integers below 2^m."""

    def __init__(self, m: int) -> None:
        self.order = 2**m - 1
        exp = [1]
        for _ in range(self.order - 1):
            doubled = exp[-1] << 1
            exp.append(doubled ^ _PRIMITIVE[m] if doubled > self.order else doubled)
        self.exp = torch.tensor(exp)
        self.log = torch.zeros(2**m, dtype=torch.long)
        self.log[self.exp] = torch.arange(self.order)
        conjugates = torch.arange(2**m)
        total = torch.zeros(2**m, dtype=torch.long)
        for i in range(m):
            total ^= self.raise_to(conjugates, 2**i)
        # The trace is 0 or 1, that is the field's zero or one.
        self.trace = total.to(torch.int8)

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        product = self.exp[(self.log[a] + self.log[b]) % self.order]
        return product * (a != 0) * (b != 0)

    def raise_to(self, a: Tensor, exponent: int) -> Tensor:
        return self.exp[self.log[a] * exponent % self.order] * (a != 0)

    def trace_of_product(self, a: Tensor, x: Tensor) -> Tensor:
        # Equal values of a share one row of the table.
        values, inverse = a.unique(return_inverse=True)
        return self.trace[self.multiply(values[:, None], x)][inverse]
