"""Eight columns, each in a place of its own, turned into rows of eight doubles that begin at a pivot.

A row at a time, each number is a load, a store in another cache line and an addition to a sum that waits for the one
before. Eight rows at once are turned in registers, and eight sums run side by side.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from scalable.kernels.prefetch import fetch_line
from scalable.kernels.vectors import LANES, VECTOR, pointer

_WORD = ir.IntType(64)
_SINGLE = ir.VectorType(ir.FloatType(), LANES)


def _turned(builder: Any, rows: list[Any]) -> list[Any]:
    """Return the columns of eight vectors, after three rounds that swap halves of pairs one, two and four apart."""
    for apart in (1, 2, 4):
        low = [k + (LANES - apart if k & apart else 0) for k in range(LANES)]
        high = [k + (LANES if k & apart else apart) for k in range(LANES)]
        masks = [ir.Constant(ir.VectorType(ir.IntType(32), LANES), mask) for mask in (low, high)]
        rows = [
            builder.shuffle_vector(rows[k & ~apart], rows[k | apart], masks[bool(k & apart)])
            for k in range(LANES)
        ]
    return rows


@intrinsic
def turn_eight(
    typingctx: Any,
    out: Any,
    out_step: Any,
    places: Any,
    skip: Any,
    like: Any,
    pivots: Any,
    totals: Any,
    n: Any,
) -> Any:
    """Write eight columns less their pivots as rows, and add those to totals.

    Parameters
    ----------
    out, out_step : address, and bytes from one row of eight doubles to the next
        Output.
    places, skip : address of 16 addresses, and bytes that are left out behind each
        Where the columns are, and eight that come next: those are fetched meanwhile, for hardware takes short stretches
        of many columns for no stream.
    like : array
        Of their dtype, float32 or float64.
    pivots, totals : addresses of eight doubles
        Taken from each column; added to.
    n : int
        How many times eight rows.
    """
    del typingctx, out, out_step, places, skip, pivots, totals, n
    single = like.dtype == types.float32
    n_bytes, kind = (4 * LANES, _SINGLE) if single else (8 * LANES, VECTOR)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        out, step, places, skip, _, pivots, totals, n = args
        words = builder.inttoptr(places, _WORD.as_pointer())
        columns = [
            builder.add(builder.load(builder.gep(words, [ir.Constant(_WORD, k)])), skip)
            for k in range(2 * LANES)
        ]
        pivot = builder.load(pointer(builder, pivots), align=8)
        total = cgutils.alloca_once(builder, VECTOR)
        builder.store(builder.load(pointer(builder, totals), align=8), total)
        with cgutils.for_range(builder, n) as loop:
            at = builder.mul(loop.index, ir.Constant(_WORD, n_bytes))
            for column in columns[LANES:]:
                fetch_line(builder, builder.add(column, at))
            found = [
                builder.load(
                    builder.inttoptr(builder.add(column, at), kind.as_pointer()), align=n_bytes // LANES
                )
                for column in columns[:LANES]
            ]
            if single:
                found = [builder.fpext(each, VECTOR) for each in found]
            below = builder.add(out, builder.mul(loop.index, builder.mul(step, ir.Constant(_WORD, LANES))))
            sums = builder.load(total)
            for row in _turned(builder, found):
                apart = builder.fsub(row, pivot)
                builder.store(apart, pointer(builder, below), align=8)
                sums = builder.fadd(sums, apart)
                below = builder.add(below, step)
            builder.store(sums, total)
        builder.store(builder.load(total), pointer(builder, totals), align=8)
        return context.get_dummy_value()

    return types.void(*[types.uintp] * 4, like, *[types.uintp] * 2, types.intp), generate
