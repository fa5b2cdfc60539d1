"""Asking the processor for a cache line before it is needed.

Rows of a leaf lie scattered over memory. Without this, reading them costs a cache miss each (50 to 130 ns); asked
for a few dozen rows ahead, they arrive while other rows are added.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

AHEAD = 32  # rows; 8 is too late, 64 gains nothing more
LINE = 64  # bytes of a cache line


def fetch_line(builder: Any, address: Any) -> None:
    """Have the cache line at an address fetched; never faults."""
    byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
    shape = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
    function = cgutils.get_or_insert_function(builder.module, shape, "llvm.prefetch.p0i8")
    read, keep, data_cache = (ir.Constant(word, value) for value in (0, 3, 1))
    builder.call(function, [builder.inttoptr(address, byte), read, keep, data_cache])


@intrinsic
def prefetch(_context: Any, array: Any, index: Any) -> Any:
    """Fetch the cache line of element `index` of a contiguous array, in the order of memory; never faults."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        fetch_line(builder, builder.ptrtoint(builder.gep(data, [arguments[1]]), ir.IntType(64)))
        return context.get_dummy_value()

    return types.void(array, index), generate
