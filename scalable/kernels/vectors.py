"""Eight doubles at raw addresses, taken by one vector instruction each: loops this short LLVM leaves scalar.

It cannot know that the arrays do not overlap, and a check costs more than the loop. Here all loads of an operation come
before its stores. Callers keep the memory alive. Products and sums may be fused, as every processor with AVX2 does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

LANES = 8
VECTOR = ir.VectorType(ir.DoubleType(), LANES)
FUSED = ("contract",)


def pointer(builder: Any, address: Any) -> Any:
    """Return the pointer to eight doubles at an address."""
    return builder.inttoptr(address, VECTOR.as_pointer())


def splat(builder: Any, value: Any) -> Any:
    """Return a vector of one value."""
    first = builder.insert_element(ir.Constant(VECTOR, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(first, ir.Constant(VECTOR, ir.Undefined), mask)


def times(builder: Any, a: Any, b: Any) -> Any:
    """Return ``a * b``, which a sum may be fused with."""
    return builder.fmul(a, b, flags=FUSED)


def plus(builder: Any, a: Any, b: Any) -> Any:
    """Return ``a + b``, fused where one is a product."""
    return builder.fadd(a, b, flags=FUSED)


def _operation(outs: int, vectors: int, scalars: int, compute: Callable[..., tuple[Any, ...]]) -> Any:
    """Return an intrinsic's ``(signature, generate)``: addresses to write, addresses to read, doubles."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        loaded = [builder.load(pointer(builder, at), align=8) for at in args[outs : outs + vectors]]
        spread = [splat(builder, value) for value in args[outs + vectors :]]
        for found, at in zip(compute(builder, *loaded, *spread), args[:outs], strict=True):
            builder.store(found, pointer(builder, at), align=8)
        return context.get_dummy_value()

    return types.void(*[types.uintp] * (outs + vectors), *[types.float64] * scalars), generate


@intrinsic
def spread8(typingctx: Any, out: Any, value: Any) -> Any:
    """``out = value``."""
    del typingctx, out, value
    return _operation(1, 0, 1, lambda b, x: (x,))


@intrinsic
def fork8(
    typingctx: Any, left: Any, right: Any, below_left: Any, below_right: Any, weight: Any, product: Any, t: Any,
    u: Any, above: Any, share: Any, goes_left: Any, left_share: Any, goes_right: Any, right_share: Any,
) -> Any:  # fmt: skip
    """``r = 1 / (t * above + u * share)``, then factors, products below and what the node's feature gets of them.

    ``left = (t * goes_left + u * left_share) * r``, ``below_left = product * left``, so ``right``;
    ``weight = product * r * r``.
    """
    del (
        typingctx,
        left,
        right,
        below_left,
        below_right,
        weight,
        product,
        t,
        u,
        above,
        share,
        goes_left,
        left_share,
    )
    del goes_right, right_share

    def compute(b: Any, p: Any, t: Any, u: Any, a: Any, s: Any, l: Any, ls: Any, r: Any, rs: Any) -> Any:  # noqa: E741
        def blend(on: Any, off: Any) -> Any:
            return plus(b, times(b, t, on), times(b, u, off))

        inverse = b.fdiv(ir.Constant(VECTOR, [1.0] * LANES), blend(a, s))
        one, other = times(b, blend(l, ls), inverse), times(b, blend(r, rs), inverse)
        return one, other, times(b, p, one), times(b, p, other), times(b, times(b, p, inverse), inverse)

    return _operation(5, 3, 6, compute)


@intrinsic
def join8(
    typingctx: Any, out: Any, total: Any, below_left: Any, below_right: Any, left: Any, right: Any, weight: Any,
    before: Any, gain_left: Any, gain_right: Any,
) -> Any:  # fmt: skip
    """``out = below_left * left + below_right * right``.

    ``total = before + weight * (below_left * gain_left + below_right * gain_right)``.
    """
    del typingctx, out, total, below_left, below_right, left, right, weight, before, gain_left, gain_right

    def compute(b: Any, bl: Any, br: Any, fl: Any, fr: Any, w: Any, z: Any, gl: Any, gr: Any) -> Any:
        gained = plus(b, times(b, bl, gl), times(b, br, gr))
        return plus(b, times(b, bl, fl), times(b, br, fr)), plus(b, z, times(b, w, gained))

    return _operation(2, 6, 2, compute)


def _factor(b: Any, above: Any, goes: Any, off: Any, both: Any, on: Any) -> Any:
    """Return ``off + above * both + goes * on``."""
    return plus(b, plus(b, off, times(b, above, both)), times(b, goes, on))


@intrinsic
def fork_rows8(
    typingctx: Any, below_left: Any, below_right: Any, product: Any, above: Any, goes_left: Any, goes_right: Any,
    off_left: Any, both_left: Any, off_right: Any, both_right: Any, on: Any,
) -> Any:  # fmt: skip
    """``below_left = product * (off_left + above * both_left + goes_left * on)``, so ``below_right``."""
    del typingctx, below_left, below_right, product, above, goes_left, goes_right
    del off_left, both_left, off_right, both_right, on

    def compute(b: Any, p: Any, a: Any, l: Any, r: Any, ol: Any, bl: Any, o_r: Any, br: Any, on: Any) -> Any:  # noqa: E741
        return times(b, p, _factor(b, a, l, ol, bl, on)), times(b, p, _factor(b, a, r, o_r, br, on))

    return _operation(2, 4, 5, compute)


@intrinsic
def join_rows8(
    typingctx: Any, out: Any, total: Any, below_left: Any, below_right: Any, product: Any, above: Any, goes_left: Any,
    goes_right: Any, before: Any, off_left: Any, both_left: Any, off_right: Any, both_right: Any, on: Any, gain: Any,
    gain_left: Any, gain_right: Any,
) -> Any:  # fmt: skip
    """``out = below_left * left + below_right * right`` with the factors of `fork_rows8`.

    ``total = before + product * (below_left * (goes_left * gain - above * gain_left) + ...)``.
    """
    del typingctx, out, total, below_left, below_right, product, above, goes_left, goes_right, before
    del off_left, both_left, off_right, both_right, on, gain, gain_left, gain_right

    def compute(
        b: Any, yl: Any, yr: Any, p: Any, a: Any, l: Any, r: Any, z: Any, ol: Any, bl: Any, o_r: Any, br: Any,  # noqa: E741
        on: Any, g: Any, gl: Any, gr: Any,
    ) -> Any:  # fmt: skip
        def gained(goes: Any, less: Any) -> Any:
            return b.fsub(times(b, goes, g), times(b, a, less), flags=FUSED)

        left, right = _factor(b, a, l, ol, bl, on), _factor(b, a, r, o_r, br, on)
        both = plus(b, times(b, yl, gained(l, gl)), times(b, yr, gained(r, gr)))
        return plus(b, times(b, yl, left), times(b, yr, right)), plus(b, z, times(b, p, both))

    return _operation(2, 7, 8, compute)
