"""Typed loads and stores at raw addresses, for kernels that get one address instead of a dozen arrays.

Unboxing an array costs a call from Python about 100 ns, an integer 20 ns: a model frozen in one block of memory is
what makes predictions of single rows cheap. Callers keep the memory alive and check sizes beforehand.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_KINDS = {
    "f64": (ir.DoubleType(), types.float64),
    "f32": (ir.FloatType(), types.float64),
    "u64": (ir.IntType(64), types.uint64),
    "i64": (ir.IntType(64), types.int64),
    "u32": (ir.IntType(32), types.uint32),
    "u16": (ir.IntType(16), types.uint16),
    "u8": (ir.IntType(8), types.uint8),
}


def _loader(name: str) -> Any:
    kind, result = _KINDS[name]

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = builder.load(builder.inttoptr(args[0], kind.as_pointer()), align=1)
        return builder.fpext(value, ir.DoubleType()) if name == "f32" else value

    return result(types.uintp), generate


def _storer(name: str) -> Any:
    kind, given = _KINDS[name]

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[1], builder.inttoptr(args[0], kind.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(types.uintp, given), generate


@intrinsic
def as_pointer(typingctx: Any, address: Any) -> Any:
    """Return an address as the pointer that ``numba.carray`` takes."""
    del typingctx, address

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], ir.IntType(8).as_pointer())

    return types.voidptr(types.uintp), generate


@intrinsic
def load_f64(typingctx: Any, address: Any) -> Any:
    """Return the double at `address`."""
    del typingctx, address
    return _loader("f64")


@intrinsic
def load_f32(typingctx: Any, address: Any) -> Any:
    """Return the float at `address`, widened to double."""
    del typingctx, address
    return _loader("f32")


@intrinsic
def load_u64(typingctx: Any, address: Any) -> Any:
    """Return the unsigned 64-bit integer at `address`."""
    del typingctx, address
    return _loader("u64")


@intrinsic
def load_i64(typingctx: Any, address: Any) -> Any:
    """Return the signed 64-bit integer at `address`."""
    del typingctx, address
    return _loader("i64")


@intrinsic
def load_u32(typingctx: Any, address: Any) -> Any:
    """Return the unsigned 32-bit integer at `address`."""
    del typingctx, address
    return _loader("u32")


@intrinsic
def load_u16(typingctx: Any, address: Any) -> Any:
    """Return the unsigned 16-bit integer at `address`."""
    del typingctx, address
    return _loader("u16")


@intrinsic
def load_u8(typingctx: Any, address: Any) -> Any:
    """Return the unsigned byte at `address`."""
    del typingctx, address
    return _loader("u8")


@intrinsic
def store_u8(typingctx: Any, address: Any, value: Any) -> Any:
    """Store an unsigned byte at `address`."""
    del typingctx, address, value
    return _storer("u8")


@intrinsic
def store_u64(typingctx: Any, address: Any, value: Any) -> Any:
    """Store an unsigned 64-bit integer at `address`."""
    del typingctx, address, value
    return _storer("u64")


@intrinsic
def store_u32(typingctx: Any, address: Any, value: Any) -> Any:
    """Store an unsigned 32-bit integer at `address`."""
    del typingctx, address, value
    return _storer("u32")


@intrinsic
def store_u16(typingctx: Any, address: Any, value: Any) -> Any:
    """Store an unsigned 16-bit integer at `address`."""
    del typingctx, address, value
    return _storer("u16")


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator,unused-ignore]
def field(typingctx: Any, address: Any, table: Any, name: Any) -> Any:
    """Return the field called `name` of the record of dtype `table` at `address`; both are constants."""
    del typingctx, address
    if not isinstance(name, types.StringLiteral):
        return None
    kind, offset = table.dtype.typeof(name.literal_value), table.dtype.offset(name.literal_value)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        at = builder.add(args[0], ir.Constant(args[0].type, offset))
        return builder.load(builder.inttoptr(at, context.get_value_type(kind).as_pointer()), align=1)

    return kind(types.uintp, table, name), generate
