"""Sixteen rows side by side: what a value of each becomes, by vector instructions at raw addresses.

LLVM cannot know that the arrays do not overlap, and leaves loops this short scalar. Here a vector holds one value of
each of sixteen rows, so that no row's sums depend on its neighbours. Callers keep the memory alive.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

ROWS = 16
BYTES = 4 * ROWS  # of a value of each row
FEATURES = 8  # directions whose sums are kept in registers at once
FLOAT, WORD = ir.FloatType(), ir.IntType(64)
VECTOR = ir.VectorType(FLOAT, ROWS)
_SINE = tuple((-1.0) ** k * (2.0 * math.pi) ** (2 * k + 1) / math.factorial(2 * k + 1) for k in range(6))
_FUSED = ("contract",)


def further(builder: Any, address: Any, n_bytes: Any) -> Any:
    """Return the address so many bytes behind another."""
    more = ir.Constant(WORD, n_bytes) if isinstance(n_bytes, int) else n_bytes
    return builder.add(address, more)


def load(builder: Any, address: Any) -> Any:
    """Return the vector at an address."""
    return builder.load(builder.inttoptr(address, VECTOR.as_pointer()), align=4)


def store(builder: Any, value: Any, address: Any) -> None:
    """Store a vector at an address."""
    builder.store(value, builder.inttoptr(address, VECTOR.as_pointer()), align=4)


def constant(value: float) -> Any:
    """Return a vector of one number."""
    return ir.Constant(VECTOR, [value] * ROWS)


def _spread(builder: Any, value: Any) -> Any:
    """Return a vector of one value."""
    first = builder.insert_element(ir.Constant(VECTOR, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, ir.Constant(VECTOR, ir.Undefined), _places([0] * ROWS))


def _places(lanes: Sequence[int]) -> Any:
    return ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), list(lanes))


def spread_at(builder: Any, address: Any) -> Any:
    """Return a vector of the float at an address."""
    return _spread(builder, builder.load(builder.inttoptr(address, FLOAT.as_pointer()), align=4))


def fused(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """Return ``a * b + c``."""
    return builder.fadd(builder.fmul(a, b, flags=_FUSED), c, flags=_FUSED)


def call(builder: Any, name: str, value: Any) -> Any:
    """Return what LLVM's function of a vector makes of one."""
    kind = ir.FunctionType(VECTOR, [VECTOR])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v16f32"), [value])


def _hadamard(builder: Any, values: list[Any]) -> list[Any]:
    """Return the product of vectors with the Hadamard matrix, not normalised; None is a vector of zeros."""
    half = 1
    while half < len(values):
        out = list(values)
        for low in range(0, len(values), 2 * half):
            for k in range(low, low + half):
                a, b = values[k], values[k + half]
                if b is None:
                    out[k] = out[k + half] = a
                else:
                    out[k], out[k + half] = builder.fadd(a, b), builder.fsub(a, b)
        values = out
        half *= 2
    return values


def _transform(size: int) -> Any:
    """Return an intrinsic's ``(signature, generate)`` of a Hadamard product in place: address, bytes between values."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        at, step = args
        places = [further(builder, at, builder.mul(step, ir.Constant(WORD, k))) for k in range(size)]
        for value, place in zip(_hadamard(builder, [load(builder, p) for p in places]), places, strict=True):
            store(builder, value, place)
        return context.get_dummy_value()

    return types.void(types.uintp, types.uintp), generate


def _signed_transform(filled: int) -> Any:
    """Return that of sixteen values times signs, the first `filled` of them given: out, in, steps, signs."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        out, at, step, signs, sign_step = args
        values: list[Any] = [None] * 16
        for k in range(filled):
            times = ir.Constant(WORD, k)
            sign = spread_at(builder, further(builder, signs, builder.mul(sign_step, times)))
            value = load(builder, further(builder, at, builder.mul(step, times)))
            values[k] = builder.fmul(value, sign)
        for k, value in enumerate(_hadamard(builder, values)):
            store(builder, value, further(builder, out, builder.mul(step, ir.Constant(WORD, k))))
        return context.get_dummy_value()

    return types.void(*[types.uintp] * 5), generate


@intrinsic
def hadamard2(typingctx: Any, at: Any, step: Any) -> Any:
    """Multiply 2 values, `step` bytes apart, by the Hadamard matrix, in place."""
    del typingctx, at, step
    return _transform(2)


@intrinsic
def hadamard4(typingctx: Any, at: Any, step: Any) -> Any:
    """Do `hadamard2` for 4 values."""
    del typingctx, at, step
    return _transform(4)


@intrinsic
def hadamard8(typingctx: Any, at: Any, step: Any) -> Any:
    """Do `hadamard2` for 8 values."""
    del typingctx, at, step
    return _transform(8)


@intrinsic
def hadamard16(typingctx: Any, at: Any, step: Any) -> Any:
    """Do `hadamard2` for 16 values."""
    del typingctx, at, step
    return _transform(16)


@intrinsic
def signed16(typingctx: Any, out: Any, at: Any, step: Any, signs: Any, sign_step: Any) -> Any:
    """Write to `out` the Hadamard product of 16 values times the floats at `signs`."""
    del typingctx, out, at, step, signs, sign_step
    return _signed_transform(16)


@intrinsic
def signed16_of4(typingctx: Any, out: Any, at: Any, step: Any, signs: Any, sign_step: Any) -> Any:
    """Do `signed16` where all but the first 4 values are zero."""
    del typingctx, out, at, step, signs, sign_step
    return _signed_transform(4)


@intrinsic
def project(typingctx: Any, out: Any, x: Any, directions: Any, n_columns: Any) -> Any:
    """Write the products of `FEATURES` directions, one after another, with the columns of sixteen rows."""
    del typingctx, out, x, directions, n_columns

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        to, at, weights, n = args
        sums = [cgutils.alloca_once(builder, VECTOR) for _ in range(FEATURES)]
        for total in sums:
            builder.store(constant(0.0), total)
        with cgutils.for_range(builder, n) as loop:
            value = load(builder, further(builder, at, builder.mul(loop.index, ir.Constant(WORD, BYTES))))
            column = further(builder, weights, builder.mul(loop.index, ir.Constant(WORD, 4)))
            for k, total in enumerate(sums):
                row = builder.mul(n, ir.Constant(WORD, 4 * k))
                weight = spread_at(builder, builder.add(column, row))
                builder.store(fused(builder, weight, value, builder.load(total)), total)
        for k, total in enumerate(sums):
            store(builder, builder.load(total), further(builder, to, BYTES * k))
        return context.get_dummy_value()

    return types.void(types.uintp, types.uintp, types.uintp, types.intp), generate


def make_and_add(
    builder: Any, feature: Callable[[Any, Any], Any], out: Any, at: Any, shifts: Any, weights: Any, n: Any
) -> None:
    """Make ``feature(along, shift)`` of each of `n` vectors, in their place, and add them, weighed, to the scores."""
    total = cgutils.alloca_once(builder, VECTOR)
    builder.store(load(builder, out), total)
    with cgutils.for_range(builder, n) as loop:
        place = further(builder, at, builder.mul(loop.index, ir.Constant(WORD, BYTES)))
        beside = builder.mul(loop.index, ir.Constant(WORD, 4))
        value = feature(load(builder, place), spread_at(builder, builder.add(shifts, beside)))
        store(builder, value, place)
        weight = spread_at(builder, builder.add(weights, beside))
        builder.store(fused(builder, weight, value, builder.load(total)), total)
    store(builder, builder.load(total), out)


@intrinsic
def cosines(typingctx: Any, scores: Any, along: Any, shift: Any, coef: Any, scale: Any, n: Any) -> Any:
    """Make cosines of what is given in turns, ``cos(2 pi (scale * along + shift))``, and add them up to scores.

    Parameters
    ----------
    scores : address of 16 floats
        What is added to.
    along : address of n * 16 floats
        Changed.
    shift, coef : addresses of n floats
        Of each direction.
    scale : float32
    n : int
    """
    del typingctx, scores, along, shift, coef, scale, n

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        out, at, shifts, weights, scale, n = args
        factor = _spread(builder, scale)

        def cosine(along: Any, shift: Any) -> Any:
            turns = fused(builder, along, factor, shift)
            whole = call(builder, "floor", builder.fadd(turns, constant(0.5)))
            apart = call(builder, "fabs", builder.fsub(turns, whole))
            y = builder.fsub(constant(0.25), apart)  # the cosine is the sine of what is left to a quarter
            square = builder.fmul(y, y)
            series = constant(_SINE[-1])
            for term in _SINE[-2::-1]:
                series = fused(builder, series, square, constant(term))
            return builder.fmul(series, y)

        make_and_add(builder, cosine, out, at, shifts, weights, n)
        return context.get_dummy_value()

    return types.void(*[types.uintp] * 4, types.float32, types.intp), generate


@intrinsic
def add_sums(typingctx: Any, out: Any, values: Any, weights: Any) -> Any:
    """Add to 16 floats the sums over the rows of 16 values each, times the rows' weights."""
    del typingctx, out, values, weights

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        to, at, weights = args
        row_weights = load(builder, weights)
        parts = [builder.fmul(load(builder, further(builder, at, BYTES * k)), row_weights) for k in range(16)]
        width = ROWS
        while len(parts) > 1:  # the halves of two vectors are added and laid side by side
            half, n = width // 2, len(parts) // 2
            low, high = (
                _places(
                    [
                        at + of
                        for g in range(0, ROWS, width)
                        for of in (0, ROWS)
                        for at in range(g + h, g + h + half)
                    ]
                )
                for h in (0, half)
            )
            parts = [
                builder.fadd(builder.shuffle_vector(a, b, low), builder.shuffle_vector(a, b, high))
                for a, b in zip(parts[:n], parts[n:], strict=True)
            ]
            width = half
        store(builder, builder.fadd(load(builder, to), parts[0]), to)
        return context.get_dummy_value()

    return types.void(types.uintp, types.uintp, types.uintp), generate
