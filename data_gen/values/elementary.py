"""Logarithm and exponential as polynomials, so that LLVM can vectorise the loops that use them.

libm's versions are scalar calls. The coefficients are least-maximum-error fits over one octave (the
logarithm's mantissa is centred on one, the exponent's remainder on zero); the tests state and check
the errors. They are summed in pairs (Estrin's scheme): a chain of multiplications that wait for one
another fills the processor's queues before the next vector can start. Arguments are finite and, for
logarithms, positive and normal.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalable.kernels.jit import kernel

_F = np.float32
_L = tuple(
    _F(c)
    for c in (
        1.442694902420044,
        -0.7213528156280518,
        0.48092323541641235,
        -0.3602396249771118,
        0.28709876537323,
        -0.24887698888778687,
        0.2340419888496399,
        -0.1458107978105545,
    )
)
_E = tuple(
    _F(c)
    for c in (
        1.0,
        0.6931471824645996,
        0.24022646248340607,
        0.05550328642129898,
        0.009618489071726799,
        0.0013399930903688073,
        0.00015345809515565634,
    )
)
_ONE = _F(1)
_SQRT_HALF = np.uint32(0x3F3504F3)
_M23 = np.uint32(23)
_S23 = np.int32(23)
_BIAS = np.int32(127)
_EXP_LOW, _EXP_HIGH = _F(-125), _F(126)


@kernel(inline=True)
def log2f(x: Any) -> Any:
    """Return the base-2 logarithm of a float32 (absolute error below 3e-7 + 1 ulp)."""
    bits = np.uint32(_F(x).view(np.uint32))
    exponent = np.int32(bits - _SQRT_HALF) >> _S23
    t = np.uint32(bits - np.uint32(np.uint32(exponent) << _M23)).view(np.float32) - _ONE
    t2 = t * t
    low = (_L[0] + _L[1] * t) + (_L[2] + _L[3] * t) * t2
    high = (_L[4] + _L[5] * t) + (_L[6] + _L[7] * t) * t2
    return _F(exponent) + (low + high * (t2 * t2)) * t


@kernel(inline=True)
def exp2f(x: Any) -> Any:
    """Return 2**x of a float32, clamped to [-125, 126] (relative error below 2e-7)."""
    y = min(max(_F(x), _EXP_LOW), _EXP_HIGH)
    whole = np.rint(y)
    t = y - whole
    t2 = t * t
    high = _E[4] + _E[5] * t + _E[6] * t2
    p = (_E[0] + _E[1] * t) + (_E[2] + _E[3] * t) * t2 + high * (t2 * t2)
    return p * np.uint32(np.uint32(np.int32(whole) + _BIAS) << _M23).view(np.float32)


_D = (
    2.8853900817778513,
    0.9617966941133553,
    0.5770779423643483,
    0.4122092544445264,
    0.3199055607807585,
    0.2829025280123199,
)
_X = (
    1.0000000000000104,
    0.6931471805598659,
    0.24022650695651587,
    0.05550410866892361,
    0.009618129191590415,
    0.0013333557577882523,
    0.0001540343529600461,
    1.5253009154249093e-05,
    1.325932622205055e-06,
    1.0145499433622583e-07,
)
_SQRT_HALF_64 = np.uint64(0x3FE6A09E667F3BCD)
_BIAS_64 = np.uint64(1023 << 52)
_U52 = np.uint64(52)
_MANTISSA = np.uint64((1 << 52) - 1)
_ONE_64 = np.uint64(0x3FF0000000000000)


@kernel(inline=True)
def log2(x: Any) -> Any:
    """Return the base-2 logarithm of a float64 >= 1/2 (error below 1e-13 relative or absolute)."""
    bits = np.uint64(np.float64(x).view(np.uint64))
    # biased so that the shift is logical: AVX2 has no arithmetic shift of 64-bit lanes
    shifted = bits - _SQRT_HALF_64 + _BIAS_64
    exponent = np.float64(np.int32(np.uint32(shifted >> _U52)) - np.int32(1023))
    mantissa = np.uint64((shifted & _MANTISSA) + _SQRT_HALF_64).view(np.float64)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    z = s * s
    z2 = z * z
    p = (_D[0] + _D[1] * z) + (_D[2] + _D[3] * z) * z2 + (_D[4] + _D[5] * z) * (z2 * z2)
    return exponent + p * s


@kernel(inline=True)
def exp2(x: Any) -> Any:
    """Return 2**x of a float64, clamped to [-1000, 1000] (relative error below 1e-13)."""
    y = min(max(x, -1000.0), 1000.0)
    whole = np.rint(y)
    t = y - whole
    t2 = t * t
    t4 = t2 * t2
    low = (_X[0] + _X[1] * t) + (_X[2] + _X[3] * t) * t2
    high = (_X[4] + _X[5] * t) + (_X[6] + _X[7] * t) * t2 + (_X[8] + _X[9] * t) * t4
    p = low + high * t4
    return p * np.uint64(np.uint64(np.int32(whole) + np.int32(1023)) << _U52).view(np.float64)
