"""From random words to laws: uniform, normal, exponential and Zipf, each by its inverse CDF.

One word makes one value, so a law never disturbs the addressing. The transforms are elementwise
and are compiled to vector loops; `uniform` and `normal` overwrite nothing and allocate nothing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from data_gen.values.elementary import exp2, log2, log2f
from scalable.kernels.jit import kernel

_F = np.float32
_U8, _U12 = np.uint32(8), np.uint64(12)
_ONE_64 = np.uint64(0x3FF0000000000000)
_2M24, _2M31 = _F(2.0**-24), _F(2.0**-31)
_HALF, _ONE, _TWO, _THREE, _SIX = _F(0.5), _F(1), _F(2), _F(3), _F(6)
_S31, _MAX31 = np.int32(31), np.int32(0x7FFFFFFF)
_LN2 = _F(math.log(2))

# z / x as polynomials of w - 3 (w < 6: 99.6% of the draws) and of sqrt(w) - _TAIL, where
# x = 2u - 1 and w = -log2(1 - x^2); relative errors 6e-7 and 5e-6.
_C = tuple(
    _F(c)
    for c in (
        1.975718379020691,
        0.24450187385082245,
        -0.0016051578568294644,
        -0.0007664948352612555,
        7.095102773746476e-05,
        1.6981688304440468e-06,
        -6.602184612347628e-07,
    )
)
_TAIL = _F((math.sqrt(6.0) + 5.567764362845105) / 2)
_T = tuple(
    _F(c)
    for c in (
        4.485581874847412,
        1.1845271587371826,
        0.004376397933810949,
        -0.002106931060552597,
        0.00131634168792516,
        -0.001057060668244958,
        0.00033887664903886616,
    )
)


@kernel(inline=True)
def unit(word: Any) -> Any:
    """Return a float32 in [0, 1) made of the upper 24 bits of a uint32."""
    return _F(np.int32(word >> _U8)) * _2M24


@kernel(inline=True)
def open_unit(word: Any) -> Any:
    """Return a float32 strictly inside (0, 1): the middle of the word's 2**-23 cell."""
    return (_F(np.int32(word >> np.uint32(9))) + _HALF) * _F(2.0**-23)


@kernel(inline=True)
def unit64(bits: Any) -> Any:
    """Return a float64 in [0, 1) made of the upper 52 bits of a uint64."""
    return np.uint64((bits >> _U12) | _ONE_64).view(np.float64) - 1.0


@kernel(inline=True)
def exponential(word: Any) -> Any:
    """Return a standard exponential float32 (0 < e < 17)."""
    return -_LN2 * log2f(open_unit(word))


@kernel(inline=True)
def normal(word: Any) -> Any:
    """Return the standard normal quantile, float32, of the middle of a uint32's cell (|z| < 6.34).

    Follows M. Giles, "Approximating the erfinv function" (GPU Computing Gems, 2010): a polynomial
    in the logarithm of 1 - x^2 for the centre, in its square root for the tails. Both are
    evaluated and one is chosen, so no branch stops vectorisation.
    """
    signed = np.int32(word)
    x = (_F(signed) + _HALF) * _2M31
    gap = (_F(np.int32(_MAX31 - (signed ^ (signed >> _S31)))) + _HALF) * _2M31  # 1 - |x|, exact near 0
    w = -log2f(gap * (_TWO - gap))
    t = w - _THREE
    t2 = t * t
    p = (_C[4] + _C[5] * t + _C[6] * t2) * (t2 * t2)
    p = (_C[0] + _C[1] * t) + (_C[2] + _C[3] * t) * t2 + p
    t = np.sqrt(max(w, _F(0))) - _TAIL
    t2 = t * t
    q = (_T[4] + _T[5] * t + _T[6] * t2) * (t2 * t2)
    q = (_T[0] + _T[1] * t) + (_T[2] + _T[3] * t) * t2 + q
    return x * (p if w < _SIX else q)


@kernel(fastmath=True)
def fill_uniform(words: Any, out: Any) -> None:
    """Write uniforms in [0, 1). Parameters: words (n,) uint32; out (n,) float32."""
    for i in range(words.size):
        out[i] = unit(words[i])


@kernel(fastmath=True)
def fill_normal(words: Any, out: Any) -> None:
    """Write standard normals. Parameters: words (n,) uint32; out (n,) float32."""
    for i in range(words.size):
        out[i] = normal(words[i])


def zipf_constants(n_levels: int, exponent: float) -> tuple[float, float]:
    """Return the two constants of `zipf_rank`.

    Parameters
    ----------
    n_levels : int
        Number of levels, 1 .. 2**31 - 1.
    exponent : float
        The law is P(k) proportional to the integral of x**-exponent over [k + 1, k + 2), for
        k = 0 .. n_levels - 1: Zipf's law with the sum replaced by its integral, whose inverse
        CDF is closed. An exponent within 1e-6 of one is moved off it by that much.
    """
    one_minus = 1.0 - exponent
    if abs(one_minus) < 1e-6:
        one_minus = 1e-6
    return math.expm1(one_minus * math.log(n_levels + 1)), 1.0 / one_minus


@kernel(inline=True)
def zipf_rank(bits: Any, scale: Any, power: Any, last: Any) -> Any:
    """Return a rank 0 .. last (int32) from a uint64; `scale, power` from `zipf_constants`."""
    rank = np.int32(exp2(power * log2(1.0 + unit64(bits) * scale))) - np.int32(1)
    return min(max(rank, np.int32(0)), last)


@kernel(fastmath=True)
def fill_zipf(bits: Any, scale: Any, power: Any, last: Any, out: Any) -> None:
    """Write Zipf ranks. Parameters: bits (n,) uint64; scale, power, last; out (n,) int32."""
    for i in range(bits.size):
        out[i] = zipf_rank(bits[i], scale, power, last)
