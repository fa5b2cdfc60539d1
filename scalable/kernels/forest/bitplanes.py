"""Bit-plane primitives on raw addresses: one bit per row, `ROWS` rows per plane, as LLVM vectors.

Auto-vectorisation needs proof that operands do not overlap, which an interpreter over arrays cannot give, so these
primitives are written as LLVM vector IR. It holds no target intrinsics: LLVM lowers it to AVX-512, AVX2, SSE or NEON
alike. Addresses are ``np.uintp``; planes are `ROWS` / 8 bytes and 32-byte aligned.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

ROWS = 512  # rows per block: planes of 64 bytes, so that decoding one instruction costs less than its vector work
PLANE = ROWS // 8
STEP = 16  # numbers compared at once
_I8, _I64 = ir.IntType(8), ir.IntType(64)
_WORDS = ir.VectorType(_I64, PLANE // 8)
_HALF = ir.VectorType(_I64, 4)


def _pointer(builder: Any, address: Any, kind: Any) -> Any:
    return builder.inttoptr(address, kind.as_pointer())


def _load(builder: Any, address: Any, kind: Any, align: int) -> Any:
    return builder.load(_pointer(builder, address, kind), align=align)


def _splat(kind: Any, value: int) -> Any:
    return ir.Constant(kind, [value] * kind.count)


def _goes_right(builder: Any, above: Any, low: Any) -> Any:
    """Return a decision's plane from the two at `above`, those of the chunk before and of its own, and one at `low`."""
    at_least = _load(builder, above, _WORDS, 32)
    beyond = _load(builder, builder.add(above, ir.Constant(_I64, PLANE)), _WORDS, 32)
    return builder.or_(beyond, builder.and_(at_least, _load(builder, low, _WORDS, 32)))


@intrinsic
def split(typingctx: Any, here: Any, above: Any, low: Any, left: Any, right: Any, code: Any) -> Any:
    """Split the rows of `here` by a decision: ``right = here & it; left = here ^ right; code ^= right``.

    A decision is ``beyond | (at_least & low)``, of the planes at `above`, at the one behind that, and at `low`.
    """
    del typingctx, here, above, low, left, right, code

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows = _load(builder, args[0], _WORDS, 32)
        to_right = builder.and_(rows, _goes_right(builder, args[1], args[2]))
        label = _load(builder, args[5], _WORDS, 32)
        builder.store(builder.xor(rows, to_right), _pointer(builder, args[3], _WORDS), align=32)
        builder.store(to_right, _pointer(builder, args[4], _WORDS), align=32)
        builder.store(builder.xor(label, to_right), _pointer(builder, args[5], _WORDS), align=32)
        return context.get_dummy_value()

    return types.void(*[types.uintp] * 6), generate


@intrinsic
def mark(typingctx: Any, here: Any, above: Any, low: Any, code: Any) -> Any:
    """Label the rows of `here` that go right by a decision: ``code ^= here & it``."""
    del typingctx, here, above, low, code

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows, label = (_load(builder, a, _WORDS, 32) for a in (args[0], args[3]))
        to_right = builder.and_(rows, _goes_right(builder, args[1], args[2]))
        builder.store(builder.xor(label, to_right), _pointer(builder, args[3], _WORDS), align=32)
        return context.get_dummy_value()

    return types.void(*[types.uintp] * 4), generate


@intrinsic
def both(typingctx: Any, first: Any, second: Any, out: Any) -> Any:
    """Store ``out = first & second``."""
    del typingctx, first, second, out

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows, more = (_load(builder, a, _WORDS, 32) for a in args[:2])
        builder.store(builder.and_(rows, more), _pointer(builder, args[2], _WORDS), align=32)
        return context.get_dummy_value()

    return types.void(*[types.uintp] * 3), generate


@intrinsic
def without(typingctx: Any, first: Any, second: Any, out: Any) -> Any:
    """Store ``out = first & ~second``."""
    del typingctx, first, second, out

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows, less = (_load(builder, a, _WORDS, 32) for a in args[:2])
        kept = builder.and_(rows, builder.not_(less))
        builder.store(kept, _pointer(builder, args[2], _WORDS), align=32)
        return context.get_dummy_value()

    return types.void(*[types.uintp] * 3), generate


def _compare(predicate: str) -> Any:
    bytes64 = ir.VectorType(_I8, 64)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        values = _load(builder, args[0], bytes64, 32)
        seed = builder.insert_element(ir.Constant(bytes64, ir.Undefined), args[1], ir.IntType(32)(0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), 64), [0] * 64)
        bits = builder.icmp_unsigned(predicate, values, builder.shuffle_vector(seed, seed, zeros))
        builder.store(builder.bitcast(bits, _I64), _pointer(builder, args[2], _I64), align=8)
        return context.get_dummy_value()

    return types.void(types.uintp, types.uint8, types.uintp), generate


@intrinsic
def bits_above(typingctx: Any, values: Any, limit: Any, out: Any) -> Any:
    """Store 64 bits: which of the 64 bytes at `values` exceed `limit`."""
    del typingctx, values, limit, out
    return _compare(">")


@intrinsic
def bits_equal(typingctx: Any, values: Any, limit: Any, out: Any) -> Any:
    """Store 64 bits: which of the 64 bytes at `values` equal `limit`."""
    del typingctx, values, limit, out
    return _compare("==")


@intrinsic
def how_many_below(typingctx: Any, numbers: Any, limit: Any) -> Any:
    """Return how many of the `STEP` numbers at `numbers`, of its type, are below `limit`; none is where that is NaN."""
    del typingctx, numbers
    kind = ir.FloatType() if limit == types.float32 else ir.DoubleType()
    several, bits = ir.VectorType(kind, STEP), ir.IntType(STEP)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        seed = builder.insert_element(ir.Constant(several, ir.Undefined), args[1], ir.IntType(32)(0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), STEP), [0] * STEP)
        below = builder.fcmp_ordered(
            "<", _load(builder, args[0], several, 4), builder.shuffle_vector(seed, seed, zeros)
        )
        return builder.zext(builder.ctpop(builder.bitcast(below, bits)), _I64)

    return types.uint64(types.uintp, limit), generate


@intrinsic
def transpose8(typingctx: Any, planes: Any, out: Any) -> Any:
    """Turn 8 bit planes (256 rows each, `PLANE` bytes apart) into bytes and clear the planes.

    Byte ``b * PLANE + k`` of `out` gets the eight bits of row ``8 * k + b``: the 8 x 8 bit transposition of
    Hacker's Delight (Warren, 2nd ed., 7-3), across registers, so that 32 matrices turn at once.
    """
    del typingctx, planes, out

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        step = [ir.Constant(_I64, b * PLANE) for b in range(8)]
        rows = [_load(builder, builder.add(args[0], s), _HALF, 32) for s in step]
        for shift, keep in ((4, 0x0F), (2, 0x33), (1, 0x55)):
            by, mask = _splat(_HALF, shift), _splat(_HALF, int.from_bytes(bytes([keep] * 8), "little"))
            for b in range(8):
                if not b & shift:
                    turned = builder.xor(builder.lshr(rows[b], by), rows[b + shift])
                    turned = builder.and_(turned, mask)
                    rows[b + shift] = builder.xor(rows[b + shift], turned)
                    rows[b] = builder.xor(rows[b], builder.shl(turned, by))
        zero = _splat(_HALF, 0)
        for b in range(8):
            builder.store(rows[b], _pointer(builder, builder.add(args[1], step[b]), _HALF), align=32)
            builder.store(zero, _pointer(builder, builder.add(args[0], step[b]), _HALF), align=32)
        return context.get_dummy_value()

    return types.void(types.uintp, types.uintp), generate


def _pair_at(builder: Any, table: Any, label: Any) -> Any:
    """Load the pair of doubles that is number `label` of those at `table`; a table's address stays in its register."""
    pair = ir.VectorType(ir.DoubleType(), 2)
    label = builder.zext(label, _I64) if label.type.width < 64 else label
    return builder.load(builder.gep(_pointer(builder, table, pair), [label]), align=8)


@intrinsic
def add_pair(typingctx: Any, total: Any, table: Any, label: Any) -> Any:
    """Add pair `label` of the doubles at `table` to the two that lie side by side at `total`."""
    del typingctx, total, table, label
    pair = ir.VectorType(ir.DoubleType(), 2)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = builder.fadd(_load(builder, args[0], pair, 8), _pair_at(builder, args[1], args[2]))
        builder.store(found, _pointer(builder, args[0], pair), align=8)
        return context.get_dummy_value()

    return types.void(types.uintp, types.uintp, types.uint8), generate


@intrinsic
def add_four_pairs(
    typingctx: Any,
    total: Any,
    t0: Any,
    label0: Any,
    t1: Any,
    label1: Any,
    t2: Any,
    label2: Any,
    t3: Any,
    label3: Any,
) -> Any:
    """Add pairs of four tables, one after the other, to the pair at `total`."""
    del typingctx, total, t0, label0, t1, label1, t2, label2, t3, label3
    pair = ir.VectorType(ir.DoubleType(), 2)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = _load(builder, args[0], pair, 8)
        for table, label in zip(args[1::2], args[2::2], strict=True):
            found = builder.fadd(found, _pair_at(builder, table, label))
        builder.store(found, _pointer(builder, args[0], pair), align=8)
        return context.get_dummy_value()

    return types.void(types.uintp, *[types.uintp, types.uint8] * 4), generate
