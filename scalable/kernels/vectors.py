"""Eight doubles at raw addresses, taken by one vector instruction each: loops this short LLVM leaves scalar.

It cannot know that the arrays do not overlap, and a check costs more than the loop. Here all loads of an operation come
before its store. Callers keep the memory alive.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

LANES = 8
_VECTOR = ir.VectorType(ir.DoubleType(), LANES)


def _place(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, _VECTOR.as_pointer())


def _splat(builder: Any, value: Any) -> Any:
    """Return a vector of one value."""
    first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(first, ir.Constant(_VECTOR, ir.Undefined), mask)


def _operation(vectors: int, scalars: int, compute: Callable[..., Any]) -> Any:
    """Return an intrinsic's ``(signature, generate)``: out, `vectors` addresses, `scalars` doubles."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        loaded = [builder.load(_place(builder, at), align=8) for at in args[1 : 1 + vectors]]
        spread = [_splat(builder, value) for value in args[1 + vectors :]]
        builder.store(compute(builder, *loaded, *spread), _place(builder, args[0]), align=8)
        return context.get_dummy_value()

    return types.void(*[types.uintp] * (1 + vectors), *[types.float64] * scalars), generate


@intrinsic
def scale8(typingctx: Any, out: Any, a: Any, factor: Any) -> Any:
    """``out = a * factor``."""
    del typingctx, out, a, factor
    return _operation(1, 1, lambda b, a, s: b.fmul(a, s))


@intrinsic
def add8(typingctx: Any, out: Any, a: Any, other: Any) -> Any:
    """``out = a + other``."""
    del typingctx, out, a, other
    return _operation(2, 0, lambda b, a, c: b.fadd(a, c))


@intrinsic
def times_line8(typingctx: Any, out: Any, a: Any, x: Any, constant: Any, slope: Any) -> Any:
    """``out = a * (constant + x * slope)``."""
    del typingctx, out, a, x, constant, slope
    return _operation(2, 2, lambda b, a, x, c, s: b.fmul(a, b.fadd(c, b.fmul(x, s))))


@intrinsic
def times_plane8(
    typingctx: Any, out: Any, a: Any, x: Any, y: Any, constant: Any, slope: Any, other: Any
) -> Any:
    """``out = a * (constant + x * slope + y * other)``."""
    del typingctx, out, a, x, y, constant, slope, other

    def compute(b: Any, a: Any, x: Any, y: Any, c: Any, s: Any, r: Any) -> Any:
        return b.fmul(a, b.fadd(b.fadd(c, b.fmul(x, s)), b.fmul(y, r)))

    return _operation(3, 3, compute)


@intrinsic
def add_line8(typingctx: Any, out: Any, a: Any, x: Any, total: Any, constant: Any, slope: Any) -> Any:
    """``out = total + a * (constant + x * slope)``."""
    del typingctx, out, a, x, total, constant, slope
    return _operation(3, 2, lambda b, a, x, z, c, s: b.fadd(z, b.fmul(a, b.fadd(c, b.fmul(x, s)))))


@intrinsic
def add_product8(typingctx: Any, out: Any, a: Any, other: Any, total: Any, factor: Any) -> Any:
    """``out = total + a * other * factor``."""
    del typingctx, out, a, other, total, factor
    return _operation(3, 1, lambda b, a, c, z, s: b.fadd(z, b.fmul(b.fmul(a, c), s)))


@intrinsic
def blend_product8(typingctx: Any, out: Any, a: Any, t: Any, u: Any, on: Any, off: Any) -> Any:
    """``out = a * (t * on + u * off)``."""
    del typingctx, out, a, t, u, on, off
    return _operation(3, 2, lambda b, a, t, u, on, off: b.fmul(a, b.fadd(b.fmul(t, on), b.fmul(u, off))))


@intrinsic
def add_quotient8(
    typingctx: Any, out: Any, a: Any, other: Any, t: Any, u: Any, total: Any, factor: Any, off: Any
) -> Any:
    """``out = total + a * other * factor / (t + u * off)``."""
    del typingctx, out, a, other, t, u, total, factor, off

    def compute(b: Any, a: Any, c: Any, t: Any, u: Any, z: Any, s: Any, off: Any) -> Any:
        return b.fadd(z, b.fdiv(b.fmul(b.fmul(a, c), s), b.fadd(t, b.fmul(u, off))))

    return _operation(5, 2, compute)


@intrinsic
def blend_quotient8(typingctx: Any, out: Any, a: Any, t: Any, u: Any, on: Any, off: Any, below: Any) -> Any:
    """``out = a * (t * on + u * off) / (t + u * below)``."""
    del typingctx, out, a, t, u, on, off, below

    def compute(b: Any, a: Any, t: Any, u: Any, on: Any, off: Any, below: Any) -> Any:
        f = b.fadd(b.fmul(t, on), b.fmul(u, off))
        return b.fdiv(b.fmul(a, f), b.fadd(t, b.fmul(u, below)))

    return _operation(3, 3, compute)
