"""Products of small matrices whose sums stay in registers, eight doubles a vector, at raw addresses.

A multiply-add takes two values; where four are spread and `MOST` vectors loaded for four times `MOST` of them, the
arithmetic and not the loads bounds the time. Each sum runs over rows, or columns, in their order, so its bits do not
depend on how many vectors fit in the processor's registers. Callers keep the memory alive.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from scalable.kernels.jit import kernel
from scalable.kernels.vectors import LANES, VECTOR, plus, pointer, splat, times

FOUR = 4  # of what is spread
MOST = (
    4 if llvm.get_host_cpu_features().get("avx512f") else 1
)  # vectors at once: with AVX2, one takes two registers
_WORD, _DOUBLE = ir.IntType(64), ir.DoubleType()


def _further(builder: Any, address: Any, n_bytes: Any) -> Any:
    return builder.add(address, ir.Constant(_WORD, n_bytes) if isinstance(n_bytes, int) else n_bytes)


def _times_bytes(builder: Any, index: Any, n_bytes: Any) -> Any:
    return builder.mul(index, ir.Constant(_WORD, n_bytes) if isinstance(n_bytes, int) else n_bytes)


def _load(builder: Any, address: Any, v: int) -> Any:
    return builder.load(pointer(builder, _further(builder, address, 8 * LANES * v)), align=8)


def _spread(builder: Any, address: Any, k: int) -> Any:
    place = builder.inttoptr(_further(builder, address, 8 * k), _DOUBLE.as_pointer())
    return splat(builder, builder.load(place, align=8))


def _store(builder: Any, value: Any, address: Any, v: int) -> None:
    builder.store(value, pointer(builder, _further(builder, address, 8 * LANES * v)), align=8)


def _sums(builder: Any, n: int) -> list[Any]:
    return [cgutils.alloca_once(builder, VECTOR) for _ in range(n)]


@kernel(inline=True)
def place_of(array: np.ndarray, at: int) -> Any:
    """Return the address of the double so many behind the beginning of an array."""
    return np.uintp(np.int64(array.ctypes.data) + 8 * at)


@intrinsic
def less_half_squares(typingctx: Any, logs: Any, x: Any, step: Any, factors: Any, starts: Any, n: Any) -> Any:
    """Take from the logs of ``8 * MOST`` rows half of the squares of four of their products with a matrix.

    Parameters
    ----------
    logs : address of a double a row
        Changed.
    x, step : address, and bytes from one column to the next
        Columns of the rows.
    factors : address of n * 4 doubles
        Of each column, what it is multiplied by in each of the products.
    starts : address of 4 doubles
        What the products begin with.
    n : int
        How many columns.
    """
    del typingctx, logs, x, step, factors, starts, n

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        out, at, step, weights, starts, n = args
        products = [_sums(builder, MOST) for _ in range(FOUR)]
        for k, row in enumerate(products):
            start = _spread(builder, starts, k)
            for each in row:
                builder.store(start, each)
        with cgutils.for_range(builder, n) as loop:
            column = builder.add(at, _times_bytes(builder, loop.index, step))
            beside = builder.add(weights, _times_bytes(builder, loop.index, 8 * FOUR))
            values = [_load(builder, column, v) for v in range(MOST)]
            for k, row in enumerate(products):
                factor = _spread(builder, beside, k)
                for each, value in zip(row, values, strict=True):
                    builder.store(plus(builder, times(builder, factor, value), builder.load(each)), each)
        for v in range(MOST):
            found = _load(builder, out, v)
            for row in products:
                z = builder.load(row[v])
                half = builder.fmul(z, ir.Constant(VECTOR, [-0.5] * LANES))
                found = plus(builder, times(builder, half, z), found)
            _store(builder, found, out, v)
        return context.get_dummy_value()

    return types.void(*[types.uintp] * 5, types.intp), generate


def _rows_apart(vectors: int) -> Any:
    """Return an intrinsic's ``(signature, generate)``; see `rows_apart`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        out, at, step, which, roots, mean, first, n = args
        means = [_load(builder, mean, v) for v in range(vectors)]
        sums = _sums(builder, vectors)
        for v, total in enumerate(sums):
            builder.store(_load(builder, first, v), total)
        with cgutils.for_range(builder, n) as loop:
            word = builder.inttoptr(
                builder.add(which, _times_bytes(builder, loop.index, 8)), _WORD.as_pointer()
            )
            row = builder.add(at, _times_bytes(builder, builder.load(word, align=8), step))
            to = builder.add(out, _times_bytes(builder, loop.index, step))
            root = _spread(builder, builder.add(roots, _times_bytes(builder, loop.index, 8)), 0)
            for v, (middle, total) in enumerate(zip(means, sums, strict=True)):
                apart = times(builder, root, builder.fsub(_load(builder, row, v), middle))
                _store(builder, apart, to, v)
                builder.store(plus(builder, times(builder, root, apart), builder.load(total)), total)
        for v, total in enumerate(sums):
            _store(builder, builder.load(total), first, v)
        return context.get_dummy_value()

    return types.void(*[types.uintp] * 7, types.intp), generate


def _rows_apart_of(vectors: int) -> Any:
    @intrinsic
    def apart(
        typingctx: Any, out: Any, x: Any, step: Any, which: Any, roots: Any, mean: Any, first: Any, n: Any
    ) -> Any:
        del typingctx, out, x, step, which, roots, mean, first, n
        return _rows_apart(vectors)

    return apart


_apart1, _apart2, _apart4 = (_rows_apart_of(vectors) for vectors in (1, 2, 4))


@kernel(inline=True)
def rows_apart(
    vectors: int, out: int, x: int, step: int, which: int, roots: int, mean: int, first: int, n: int
) -> None:
    """Write rows less a mean times a root of their weight; add them, weighed, to `first`.

    Parameters
    ----------
    vectors : int
        1, 2 or 4, of 8 columns each.
    out, x, step : addresses, and bytes from one row to the next in both
        Written, and rows.
    which : address of n 64-bit integers
        Which rows, in the order they are written.
    roots : address of n doubles
        Roots of their weights.
    mean, first : addresses of doubles
        Taken away; added to.
    n : int
        How many rows.
    """
    if vectors == 4:
        _apart4(out, x, step, which, roots, mean, first, n)
    elif vectors == 2:
        _apart2(out, x, step, which, roots, mean, first, n)
    else:
        _apart1(out, x, step, which, roots, mean, first, n)


def _add_products(vectors: int) -> Any:
    """Return an intrinsic's ``(signature, generate)``; see `add_products`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        out, out_step, one, other, step, n = args
        places = [builder.add(out, _times_bytes(builder, out_step, k)) for k in range(FOUR)]
        sums = [_sums(builder, vectors) for _ in range(FOUR)]
        for place, row in zip(places, sums, strict=True):
            for v, total in enumerate(row):
                builder.store(_load(builder, place, v), total)
        with cgutils.for_range(builder, n) as loop:
            row_at = _times_bytes(builder, loop.index, step)
            here = builder.add(other, row_at)
            values = [_load(builder, here, v) for v in range(vectors)]
            for k, row in enumerate(sums):
                factor = _spread(builder, builder.add(one, row_at), k)
                for total, value in zip(row, values, strict=True):
                    builder.store(plus(builder, times(builder, factor, value), builder.load(total)), total)
        for place, row in zip(places, sums, strict=True):
            for v, total in enumerate(row):
                _store(builder, builder.load(total), place, v)
        return context.get_dummy_value()

    return types.void(*[types.uintp] * 5, types.intp), generate


def _add_products_of(vectors: int) -> Any:
    @intrinsic
    def add(typingctx: Any, out: Any, out_step: Any, one: Any, other: Any, step: Any, n: Any) -> Any:
        del typingctx, out, out_step, one, other, step, n
        return _add_products(vectors)

    return add


_add1, _add2, _add3, _add4 = (_add_products_of(vectors) for vectors in (1, 2, 3, 4))


@kernel(inline=True)
def add_products(vectors: int, out: int, out_step: int, one: int, other: int, step: int, n: int) -> None:
    """Add the sums over rows of products of four columns at `one` and those at `other`.

    Parameters
    ----------
    vectors : int
        1 to 4, of 8 columns each, at `other`.
    out, out_step : address, and bytes from one of its four rows to the next
        Added to.
    one, other, step : addresses, and bytes from one row to the next
        Of the columns in the first row.
    n : int
        How many rows.
    """
    if vectors == 4:
        _add4(out, out_step, one, other, step, n)
    elif vectors == 3:
        _add3(out, out_step, one, other, step, n)
    elif vectors == 2:
        _add2(out, out_step, one, other, step, n)
    else:
        _add1(out, out_step, one, other, step, n)
