"""Sixteen rows side by side: Gaussian kernels with landmarks, and sums of features; see `sixteen_rows`."""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from scalable.kernels.cosines.sixteen_rows import (
    BYTES,
    ROWS,
    VECTOR,
    WORD,
    call,
    constant,
    further,
    fused,
    load,
    make_and_add,
    spread_at,
    store,
)

_LEAST = -126.0  # power of two of what is as good as zero, and still a normal number
_POWER = tuple(math.log(2.0) ** k / math.factorial(k) for k in range(7))
_INTS = ir.VectorType(ir.IntType(32), ROWS)
_SUMS = 4  # side by side: an addition waits for the one before


def _ints(value: int) -> Any:
    return ir.Constant(_INTS, [value] * ROWS)


def _power_of_two(builder: Any, x: Any) -> Any:
    """Return two to the powers `x`, those above zero taken as zero, within 1e-7; of NaN as of what is far below."""
    low, high = constant(_LEAST), constant(0.0)
    x = builder.select(builder.fcmp_ordered(">", x, low), x, low)
    x = builder.select(builder.fcmp_ordered("<", x, high), x, high)
    whole = call(builder, "floor", builder.fadd(x, constant(0.5)))
    rest = builder.fsub(x, whole)
    series = constant(_POWER[-1])
    for term in _POWER[-2::-1]:
        series = fused(builder, series, rest, constant(term))
    exponent = builder.shl(builder.add(builder.fptosi(whole, _INTS), _ints(127)), _ints(23))
    return builder.fmul(series, builder.bitcast(exponent, VECTOR))


@intrinsic
def gaussians(typingctx: Any, scores: Any, along: Any, shift: Any, coef: Any, offset: Any, n: Any) -> Any:
    """Make kernels of what is given, ``2 ** min(along + shift + offset, 0)``, and add them up to scores.

    Parameters
    ----------
    scores : address of 16 floats
        What is added to.
    along : address of n * 16 floats
        Changed.
    shift, coef : addresses of n floats
        Of each landmark.
    offset : address of 16 floats
        Of each row.
    n : int
    """
    del typingctx, scores, along, shift, coef, offset, n

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        out, at, shifts, weights, offset, n = args
        of_rows = load(builder, offset)

        def gaussian(along: Any, shift: Any) -> Any:
            return _power_of_two(builder, builder.fadd(builder.fadd(along, shift), of_rows))

        make_and_add(builder, gaussian, out, at, shifts, weights, n)
        return context.get_dummy_value()

    return types.void(*[types.uintp] * 5, types.intp), generate


@intrinsic
def add_weighted(typingctx: Any, scores: Any, features: Any, coef: Any, n: Any) -> Any:
    """Add to 16 scores the products of `n` features, a multiple of 4, and their coefficients."""
    del typingctx, scores, features, coef, n

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        out, at, weights, n = args
        sums = [cgutils.alloca_once(builder, VECTOR) for _ in range(_SUMS)]
        for k, total in enumerate(sums):
            builder.store(load(builder, out) if k == 0 else constant(0.0), total)
        with cgutils.for_range(builder, builder.sdiv(n, ir.Constant(WORD, _SUMS))) as loop:
            place = further(builder, at, builder.mul(loop.index, ir.Constant(WORD, _SUMS * BYTES)))
            beside = further(builder, weights, builder.mul(loop.index, ir.Constant(WORD, _SUMS * 4)))
            for k, total in enumerate(sums):
                value = load(builder, further(builder, place, k * BYTES))
                weight = spread_at(builder, further(builder, beside, 4 * k))
                builder.store(fused(builder, weight, value, builder.load(total)), total)
        one, two, three, four = (builder.load(total) for total in sums)
        store(builder, builder.fadd(builder.fadd(one, two), builder.fadd(three, four)), out)
        return context.get_dummy_value()

    return types.void(*[types.uintp] * 3, types.intp), generate
